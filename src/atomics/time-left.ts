import { QuorateError } from '../errors.js';
import type { Runtime, WaitOptions } from '../runtime/index.js';

/** For calls that give no `timeoutMs`: as long as one request may take by default. */
export const defaultTimeoutMs = 10_000;

/** What is left of a call's time, for each of its parts. What it answers throws `timeout` once nothing is. */
export function timeLeft(
  runtime: Runtime,
  { signal, timeoutMs = defaultTimeoutMs }: WaitOptions,
  doing: string,
): () => WaitOptions {
  if (timeoutMs === Number.POSITIVE_INFINITY) return () => ({ signal, timeoutMs });
  const endMs = runtime.monotonicMs() + timeoutMs;
  return () => {
    const leftMs = endMs - runtime.monotonicMs();
    if (leftMs > 0) return { signal, timeoutMs: leftMs };
    throw new QuorateError('timeout', `no result within ${timeoutMs} ms while ${doing}`);
  };
}
