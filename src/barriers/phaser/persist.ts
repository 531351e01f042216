import { isPermanent, isQuorateError } from '../../errors.js';
import { Backoff, sleep } from '../../runtime/index.js';
import type { Op, TxnReply } from '../../store/index.js';
import type { PhaserBoard } from './phaser-board.js';

/** Tries again where that may help, until it is given up. */
export async function persist<T>(
  { client }: PhaserBoard,
  givenUp: AbortSignal,
  attempt: () => Promise<T | undefined>,
): Promise<T> {
  const backoff = new Backoff(client.runtime, { firstMs: 10, longestMs: 1_000 });
  for (;;) {
    givenUp.throwIfAborted();
    try {
      const result = await attempt();
      if (result !== undefined) return result;
    } catch (error) {
      if (isPermanent(error) || isQuorateError(error, 'hold-lost')) throw error;
      if (isQuorateError(error, 'session-lost')) throw error;
      await sleep(client.runtime, backoff.nextMs(), { signal: givenUp }).catch(() => {});
    }
  }
}

/** Reads, as often as it takes, for who cannot go on without. */
export async function insistOnReading(
  client: PhaserBoard['client'],
  signal: AbortSignal,
  success: readonly Op[],
): Promise<TxnReply> {
  const backoff = new Backoff(client.runtime, { firstMs: 10, longestMs: 1_000 });
  for (;;) {
    signal.throwIfAborted();
    try {
      return await client.store.txn({ compare: [], success, failure: [] }, { signal });
    } catch (error) {
      if (isPermanent(error)) throw error;
      await sleep(client.runtime, backoff.nextMs(), { signal }).catch(() => {});
    }
  }
}
