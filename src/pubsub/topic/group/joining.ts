import { QuorateError } from '../../../errors.js';
import type { Client, Session } from '../../../session/index.js';
import { compare, nested, put, remove, txnOf } from '../../../store/index.js';
import { mayWriteAgain } from '../failures.js';
import type { GroupKeys, TopicKeys } from '../keys.js';
import { type From, startingPlaces } from '../reading/starting.js';
import { retrying } from '../retrying.js';
import type { Member } from './claims.js';
import { cursorAt, encodeCursor } from './cursor.js';

const timeoutMs = 10_000;

/**
 * Makes a member of this session, and the cursors that the group does not have yet, all in one revision: so a group that begins
 * `'now'` misses nothing that is published after it has its first member, in whatever partition.
 */
export async function join(options: {
  client: Client;
  keys: TopicKeys;
  group: GroupKeys;
  partitions: number;
  from: From;
  session: Session;
  signal: AbortSignal;
}): Promise<Member> {
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
  const request = txnOf({
    compare: [session.guard()],
    success: [put(group.member(id), client.label, { lease: session.leaseId }), ...cursors],
  });
  // Not given up before the session is: what is applied after that would be a member that nobody is.
  const written = client.store.txn(request, { timeoutMs: Number.POSITIVE_INFINITY, signal: session.signal });
  const { succeeded, revision } = await written.catch((error: unknown) => {
    void withdraw(client, group, id, session);
    throw error;
  });
  if (!succeeded) throw new QuorateError('session-lost', 'the session ended while it was joining a group');
  return { id, create: revision, session };
}

/** Takes away what may have been written: the name is nobody else's. */
async function withdraw(client: Client, group: GroupKeys, id: string, { signal }: Session): Promise<void> {
  const request = txnOf({ success: [remove(group.member(id))] });
  const options = { timeoutMs, signal, repeatable: true };
  const attempt = () => client.store.txn(request, options);
  await retrying(client, signal, attempt, mayWriteAgain).catch(() => {});
}
