import { isQuorateError, QuorateError } from '../../errors.js';
import type { Claim, Place } from '../../line/index.js';
import { Backoff, sleep } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import { get, type PutOp } from '../../store/index.js';

/**
 * Writes the read key of a place anew, so that what was sent under its old guard, and of which nobody knows, is refused from
 * here on. It keeps its rank, its value and its lease. Rejects if the place or `claim`, the place of its write key, is gone.
 * Once `stop` fires it only finds out how the key stands, since nothing that is guarded by it can be sent before that.
 */
export async function renewReadKey(
  client: Client,
  place: Place,
  claim: Place,
  stop: AbortSignal,
): Promise<void> {
  const [own] = place.claims as readonly [Claim];
  const asItIs: PutOp = {
    ...{ type: 'put', key: own.key, value: new Uint8Array(), ignoreValue: true, ignoreLease: true },
  };
  const look = get(own.key, { keysOnly: true });
  const renewal = { compare: [...place.guards(), ...claim.guards()], success: [asItIs], failure: [look] };
  const { signal } = place.session;
  const backoff = new Backoff(client.runtime, { firstMs: 10, longestMs: 1_000 });
  for (;;) {
    if (place.state.status === 'gone') throw place.state.error;
    try {
      const { revision, replies } = await client.store.txn(
        stop.aborted ? { compare: [], success: [look], failure: [] } : renewal,
        { signal, timeoutMs: Number.POSITIVE_INFINITY },
      );
      const [reply] = replies;
      if (reply?.type === 'put') return place.rewritten(own.key, revision);
      const kv = reply?.type === 'range' ? reply.kvs[0] : undefined;
      if (kv?.createRevision !== own.created) place.deleted(revision);
      // Nobody else writes this key: an attempt of which nobody knew has done it.
      else if (kv.modRevision !== own.revision) return place.rewritten(own.key, kv.modRevision);
      else if (stop.aborted) return;
      throw new QuorateError('hold-lost', 'a key of the place was deleted by somebody else');
    } catch (error) {
      if (isQuorateError(error, 'closed') || isQuorateError(error, 'hold-lost')) throw error;
      await sleep(client.runtime, backoff.nextMs(), { signal }).catch(() => {});
    }
  }
}
