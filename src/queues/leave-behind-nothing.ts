import { isQuorateError } from '../errors.js';
import { Backoff, sleep } from '../runtime/index.js';
import type { Client, Session } from '../session/index.js';
import type { TxnRequest } from '../store/index.js';

const retryDelay = { firstMs: 100, longestMs: 5_000 };
const attemptMs = 2_000;

/**
 * Sends a request that deletes keys of this session until it is answered or the session ends, which deletes them too. A
 * session is shared, and may live on for as long as its process: what one of its users leaves behind would stay as long.
 * Never rejects. Who does not want to wait for it leaves it to itself.
 */
export async function leaveBehindNothing(
  client: Client,
  session: Session,
  request: TxnRequest,
): Promise<void> {
  const { signal } = session;
  const backoff = new Backoff(client.runtime, retryDelay);
  while (!signal.aborted) {
    try {
      await client.store.txn(request, { timeoutMs: attemptMs });
      return;
    } catch (error) {
      if (isQuorateError(error, 'closed')) return;
    }
    await sleep(client.runtime, backoff.nextMs(), { signal, background: true }).catch(() => {});
  }
}
