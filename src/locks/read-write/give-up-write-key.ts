import { isQuorateError, QuorateError } from '../../errors.js';
import type { Claim, Place } from '../../line/index.js';
import { Backoff, invariant, sleep } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import { compare, get, type KeyValue, remove, type TxnRequest } from '../../store/index.js';
import { deleteClaims } from './delete-claims.js';
import type { Kit } from './kit.js';
import { isWriteKey } from './shapes.js';

/**
 * Makes a writer's place a reader's, which keeps its rank. Rejects with what ended the place if it had gone, of which
 * nothing is left then.
 */
export async function giveUpWriteKey({ client, line }: Kit, place: Place): Promise<void> {
  const { claims, session } = place;
  const written = claims.find(({ key }) => isWriteKey(line, key));
  invariant(written !== undefined, 'a writer has a write key');
  place.disclaim(written.key);
  try {
    await deleteWriteKey(client, place, written);
    // After a pause the clock is asked before anything is granted, and what stood still may go on.
    if (!session.isLive()) await session.settled();
    session.assertLive();
    if (place.state.status === 'gone') throw place.state.error;
  } catch (error) {
    if (isQuorateError(error)) place.end(error);
    await deleteClaims(line, session, claims);
    throw error;
  }
}

/**
 * Repeats while the store is away; being guarded, it may be. A store that is out of space refuses every put, those that
 * make a write exactly-once too; so it is asked by itself then.
 */
async function deleteWriteKey(client: Client, place: Place, written: Claim): Promise<void> {
  const { session } = place;
  const request: TxnRequest = {
    compare: [compare.mod(written.key, 'equal', written.revision), ...place.guards()],
    success: [remove(written.key)],
    failure: [get(written.key, { keysOnly: true }), get(place.key, { keysOnly: true })],
  };
  const backoff = new Backoff(client.runtime, { firstMs: 10, longestMs: 1_000 });
  let isFull = false;
  let mayBeDone = false;
  for (;;) {
    if (place.state.status === 'gone') throw place.state.error;
    try {
      const { succeeded, replies } = isFull
        ? await client.plainStore.txn(request, { signal: session.signal })
        : await client.store.txn(request, { signal: session.signal, timeoutMs: Number.POSITIVE_INFINITY });
      if (succeeded) return;
      const [write, read] = replies.map((reply) => (reply.type === 'range' ? reply.kvs[0] : undefined));
      // It is gone by an attempt of which nobody knows, it may be; and nobody has written since, as the read key stands.
      if (mayBeDone && write === undefined && stands(place, read)) return;
      throw new QuorateError('hold-lost', 'a key of the place was deleted by somebody else');
    } catch (error) {
      if (isQuorateError(error, 'closed') || isQuorateError(error, 'hold-lost')) throw error;
      isFull ||= isQuorateError(error, 'no-space');
      mayBeDone ||= !isQuorateError(error) || error.outcome === 'unknown';
      await sleep(client.runtime, backoff.nextMs(), { signal: session.signal }).catch(() => {});
    }
  }
}

function stands({ claims }: Place, kv: KeyValue | undefined): boolean {
  return kv !== undefined && kv.createRevision === claims[0]?.created;
}
