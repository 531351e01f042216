import { isQuorateError, QuorateError } from '../../errors.js';
import {
  checkWaitOptions,
  defaultTimeoutMs,
  type Runtime,
  type WaitOptions,
  waitFor,
} from '../../runtime/index.js';

/**
 * What the work comes to, or `aborted` or `timeout`, with outcome `unknown` if it may have had an effect. The work is told by its
 * signal when the time is up, and must end then. Without a `timeoutMs` that is the usual one.
 */
export async function withinTime<T>(
  runtime: Runtime,
  options: WaitOptions,
  doing: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  checkWaitOptions(options, doing);
  const { signal, timeoutMs = defaultTimeoutMs } = options;
  const over = new AbortController();
  const result = work(over.signal);
  try {
    return await waitFor(runtime, result, { signal, timeoutMs }, doing);
  } catch (error) {
    over.abort(error);
    // It may have come to its end at that very moment.
    return await result.catch((inner: unknown) => {
      if (!isQuorateError(inner) || inner.outcome !== 'unknown' || !isQuorateError(error)) throw error;
      throw new QuorateError(error.code, error.message, { outcome: 'unknown', cause: inner });
    });
  }
}
