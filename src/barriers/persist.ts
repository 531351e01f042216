import { type ErrorCode, isPermanent, isQuorateError } from '../errors.js';
import { Backoff, sleep } from '../runtime/index.js';
import type { Client } from '../session/index.js';
import type { Op, TxnReply } from '../store/index.js';

const retryDelay = { firstMs: 10, longestMs: 1_000 };

/**
 * Tries again where that may help, until it is given up. `attempt` answers undefined where something has changed meanwhile: then
 * once more at once, and after a pause from then on, since what is in the way may stay there. Throws an error that cannot pass, or is
 * `final`.
 */
export async function persist<T>(
  client: Client,
  givenUp: AbortSignal,
  attempt: () => Promise<T | undefined>,
  final: readonly ErrorCode[] = [],
): Promise<T> {
  const backoff = new Backoff(client.runtime, retryDelay);
  let mayTryAtOnce = true;
  for (;;) {
    givenUp.throwIfAborted();
    try {
      const result = await attempt();
      if (result !== undefined) return result;
      if (mayTryAtOnce) {
        mayTryAtOnce = false;
        continue;
      }
    } catch (error) {
      if (isPermanent(error) || final.some((code) => isQuorateError(error, code))) throw error;
    }
    await sleep(client.runtime, backoff.nextMs(), { signal: givenUp }).catch(() => {});
  }
}

/** Reads, as often as it takes, for who cannot go on without. */
export function insistOnReading(
  client: Client,
  signal: AbortSignal,
  success: readonly Op[],
): Promise<TxnReply> {
  const request = { compare: [], success, failure: [] };
  return persist(client, signal, () => client.store.txn(request, { signal }));
}
