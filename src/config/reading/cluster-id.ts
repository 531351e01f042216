import { isPermanent } from '../../errors.js';
import { Backoff, type Runtime, sleep } from '../../runtime/index.js';
import type { Store } from '../../store/index.js';

const attemptMs = 2_000;
const retryDelay = { firstMs: 50, longestMs: 2_000 };

/** Asks until it is answered. Rejects for what trying again does not mend, and when the signal fires. */
export async function clusterIdOf(
  store: Pick<Store, 'status'>,
  runtime: Runtime,
  signal: AbortSignal,
): Promise<string> {
  const backoff = new Backoff(runtime, retryDelay);
  for (;;) {
    try {
      return (await store.status({ signal, timeoutMs: attemptMs })).clusterId;
    } catch (error) {
      if (signal.aborted || isPermanent(error)) throw error;
      await sleep(runtime, backoff.nextMs(), { signal });
    }
  }
}
