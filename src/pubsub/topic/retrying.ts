import { Backoff, sleep } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import { mayReadAgain } from './failures.js';

const retryDelay = { firstMs: 20, longestMs: 1_000 };

/** Repeats a read while the store is away. Rejects with the signal's reason, or `aborted`, and with what trying again does not mend. */
export async function retrying<T>(
  { runtime }: Pick<Client, 'runtime'>,
  signal: AbortSignal,
  read: () => Promise<T>,
  mayRetry: (error: unknown) => boolean = mayReadAgain,
): Promise<T> {
  const backoff = new Backoff(runtime, retryDelay);
  for (;;) {
    signal.throwIfAborted();
    try {
      return await read();
    } catch (error) {
      if (signal.aborted || !mayRetry(error)) throw error;
    }
    await sleep(runtime, backoff.nextMs(), { signal });
  }
}
