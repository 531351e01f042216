import { isQuorateError } from '../errors.js';
import { Backoff, sleep } from '../runtime/index.js';
import type { TxnReply, TxnRequest } from '../store/index.js';
import type { Client } from './client.js';
import type { Session } from './session.js';

/**
 * Sends a transaction that does nothing but delete keys, each under its guard, until it is known what came of it: it may
 * be sent again and again. So it goes past the exactly-once store where that has no space left, since its puts are refused.
 * Undefined once the session is over or the client closed, which ends the keys anyway. Never rejects.
 *
 * An attempt whose outcome is unknown may have been the one that deleted them; a later one is refused then.
 */
export async function sendDeletion(
  client: Client,
  session: Session,
  request: TxnRequest,
): Promise<TxnReply | undefined> {
  const { store, plainStore, runtime } = client;
  const { signal } = session;
  const backoff = new Backoff(runtime, { firstMs: 10, longestMs: 1_000 });
  let isFull = false;
  while (!signal.aborted) {
    try {
      return isFull
        ? await plainStore.txn(request, { signal })
        : await store.txn(request, { signal, timeoutMs: Number.POSITIVE_INFINITY });
    } catch (error) {
      if (isQuorateError(error, 'closed')) return undefined;
      isFull ||= isQuorateError(error, 'no-space');
      await sleep(runtime, backoff.nextMs(), { signal }).catch(() => {});
    }
  }
  return undefined;
}
