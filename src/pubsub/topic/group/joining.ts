import { QuorateError } from '../../../errors.js';
import type { Client, Session } from '../../../session/index.js';
import { compare, get, nested, put, remove, txnOf } from '../../../store/index.js';
import { mayWriteAgain } from '../failures.js';
import type { GroupKeys, TopicKeys } from '../keys.js';
import { type From, startingPlaces } from '../reading/starting.js';
import { keyIn } from '../replies.js';
import { retrying } from '../retrying.js';
import type { Member } from './claims.js';
import { cursorAt, encodeCursor } from './cursor.js';

const timeoutMs = 10_000;

interface JoinOptions {
  readonly client: Client;
  readonly keys: TopicKeys;
  readonly group: GroupKeys;
  readonly partitions: number;
  readonly from: From;
  readonly session: Session;
  readonly signal: AbortSignal;
}

/**
 * Makes a member of this session, and the cursors that the group does not have yet, all in one revision: so a group that begins
 * `'now'` misses nothing that is published after it has its first member, in whatever partition.
 */
export async function join(options: JoinOptions): Promise<Member> {
  for (;;) {
    const member = await attempt(options);
    if (member !== undefined) return member;
  }
}

/** Undefined if the group was removed after its cursors were looked for. */
async function attempt(options: JoinOptions): Promise<Member | undefined> {
  const { client, keys, group, partitions, from, session, signal } = options;
  const { kvs } = await client.store.range({ ...group.cursors, keysOnly: true }, { timeoutMs, signal });
  const there = new Set(kvs.map(({ key }) => key));
  const missing = Array.from({ length: partitions }, (_, partition) => partition).filter(
    (partition) => !there.has(group.cursor(partition)),
  );
  const places =
    missing.length === 0 ? [] : await startingPlaces({ client, keys, partitions: missing, signal }, from);
  const cursors = missing.map((partition, index) => {
    const { after, count } = places[index] ?? { after: { revision: 0, index: -1 }, count: 0 };
    const key = group.cursor(partition);
    const make = put(key, encodeCursor(cursorAt(after, count)));
    return nested({ compare: [compare.create(key, 'equal', 0)], success: [make] });
  });
  const id = client.runtime.newId();
  // All go together, and one that is made anew has another create revision.
  const [seen] = kvs;
  const stillThere = seen === undefined ? [] : [compare.create(seen.key, 'equal', seen.createRevision)];
  const request = txnOf({
    compare: [session.guard(), ...stillThere],
    success: [put(group.member(id), client.label, { lease: session.leaseId }), ...cursors],
    failure: seen === undefined ? [] : [get(seen.key, { keysOnly: true })],
  });
  // Not given up before the session is: what is applied after that would be a member that nobody is.
  const written = client.store.txn(request, { timeoutMs: Number.POSITIVE_INFINITY, signal: session.signal });
  const { succeeded, revision, replies } = await written.catch((error: unknown) => {
    void withdraw(client, group, id, session);
    throw error;
  });
  if (!succeeded) {
    const isThere = seen === undefined || keyIn(replies[0])?.createRevision === seen.createRevision;
    if (!isThere) return undefined;
    throw new QuorateError('session-lost', 'the session ended while it was joining a group');
  }
  return { id, create: revision, session };
}

/** Takes away what may have been written: the name is nobody else's. */
async function withdraw(client: Client, group: GroupKeys, id: string, { signal }: Session): Promise<void> {
  const request = txnOf({ success: [remove(group.member(id))] });
  const options = { timeoutMs, signal, repeatable: true };
  const attempt = () => client.store.txn(request, options);
  await retrying(client, signal, attempt, mayWriteAgain).catch(() => {});
}
