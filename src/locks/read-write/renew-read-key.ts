import { isQuorateError, QuorateError } from '../../errors.js';
import type { Claim, Place } from '../../line/index.js';
import { Backoff, sleep } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import { get, type PutOp, type TxnRequest } from '../../store/index.js';

/**
 * Writes the read key of a place anew, so that what was sent under its old guard, and of which nobody knows, is refused from
 * here on. It keeps its rank, its value and its lease. Rejects if the place or `claim`, the place of its write key, is gone.
 */
export async function renewReadKey(client: Client, place: Place, claim: Place): Promise<void> {
  const [own] = place.claims as readonly [Claim];
  const asItIs: PutOp = {
    ...{ type: 'put', key: own.key, value: new Uint8Array(), ignoreValue: true, ignoreLease: true },
  };
  const request: TxnRequest = {
    compare: [...place.guards(), ...claim.guards()],
    success: [asItIs],
    failure: [get(own.key, { keysOnly: true })],
  };
  const { signal } = place.session;
  const backoff = new Backoff(client.runtime, { firstMs: 10, longestMs: 1_000 });
  for (;;) {
    for (const { state } of [place, claim]) if (state.status === 'gone') throw state.error;
    try {
      const { succeeded, revision, replies } = await client.store.txn(request, {
        signal,
        timeoutMs: Number.POSITIVE_INFINITY,
      });
      if (succeeded) return place.rewritten(own.key, revision);
      const [reply] = replies;
      const kv = reply?.type === 'range' ? reply.kvs[0] : undefined;
      // Nobody else writes this key: an attempt of which nobody knew has done it.
      if (kv?.createRevision === own.created && kv.modRevision !== own.revision) {
        return place.rewritten(own.key, kv.modRevision);
      }
      if (kv?.createRevision !== own.created) place.deleted(revision);
      throw new QuorateError('hold-lost', 'a key of the place was deleted by somebody else');
    } catch (error) {
      if (isQuorateError(error, 'closed') || isQuorateError(error, 'hold-lost')) throw error;
      await sleep(client.runtime, backoff.nextMs(), { signal }).catch(() => {});
    }
  }
}
