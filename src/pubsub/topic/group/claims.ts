/**
 * Who owns a partition: `g/<group>/o/<partition>`, on the session of its owner.
 *
 *     IF create(o/…) = 0, create(m/me) = mine THEN put o/…, get c/…
 *
 * The cursor is read in the revision of the claim. Nobody owned the partition just before, so no cursor of an earlier owner can
 * be written any more, and none is read too early. An owner's key goes when it is given up, or with the session of a dead owner.
 *
 * - *Reply lost*: the exactly-once store finds out, as long as the session lives. Where it cannot tell (history was compacted), the
 *   member finds its own name among the owners, and reads the cursor under that term (membership.ts).
 * - *Session lost*: refused, since the member's key was on its lease; what was claimed before goes with that too.
 * - *This process pauses*: a claim that arrives late is of the member that it names, or refused with it. Giving up is guarded by the
 *   term, and may be repeated.
 */
import type { Client, Session } from '../../../session/index.js';
import { compare, get, type KeyValue, put, remove, txnOf } from '../../../store/index.js';
import { mayWriteAgain } from '../failures.js';
import type { GroupKeys } from '../keys.js';
import { keyIn } from '../replies.js';
import { retrying } from '../retrying.js';

const timeoutMs = 10_000;

/** A partition that is owned, and its cursor as of a revision under this term. */
export interface Claimed {
  readonly term: number;
  readonly cursor: KeyValue | undefined;
  readonly asOf: number;
}

export interface Member {
  readonly id: string;
  /** The create revision of its key. */
  readonly create: number;
  readonly session: Session;
}

/** Undefined if somebody owns it, or this member is none any more. */
export async function claim(
  client: Client,
  group: GroupKeys,
  partition: number,
  { id, create, session }: Member,
): Promise<Claimed | undefined> {
  const owner = group.owner(partition);
  const request = txnOf({
    compare: [compare.create(owner, 'equal', 0), compare.create(group.member(id), 'equal', create)],
    success: [put(owner, id, { lease: session.leaseId }), get(group.cursor(partition))],
  });
  // Not given up before the session is: it would own what nobody works on.
  const options = { timeoutMs: Number.POSITIVE_INFINITY, signal: session.signal };
  const { succeeded, replies, revision } = await client.store.txn(request, options);
  if (!succeeded) return undefined;
  return { term: revision, cursor: keyIn(replies[1]), asOf: revision };
}

/** The cursor once more. Undefined if the partition is not owned under this term any more. */
export async function reread(
  client: Client,
  group: GroupKeys,
  partition: number,
  term: number,
  signal: AbortSignal,
): Promise<Claimed | undefined> {
  const request = txnOf({ success: [get(group.owner(partition)), get(group.cursor(partition))] });
  const read = () => client.store.txn(request, { timeoutMs, signal });
  const { replies, revision } = await retrying(client, signal, read);
  if (keyIn(replies[0])?.createRevision !== term) return undefined;
  return { term, cursor: keyIn(replies[1]), asOf: revision };
}

/** Takes the owner's key away, if it is of this term still. */
export async function disclaim(
  client: Client,
  group: GroupKeys,
  partition: number,
  term: number,
  signal: AbortSignal,
): Promise<void> {
  const owner = group.owner(partition);
  const request = txnOf({ compare: [compare.create(owner, 'equal', term)], success: [remove(owner)] });
  const options = { timeoutMs, signal, repeatable: true };
  // It may be done as often as it likes: create revisions do not recur.
  await retrying(client, signal, () => client.store.txn(request, options), mayWriteAgain);
}
