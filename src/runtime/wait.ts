import { offAbort, onAbort } from './abort-hooks.js';
import { abortedError } from './given-up.js';
import { Patience } from './patience.js';
import type { Runtime } from './runtime.js';
import type { WaitOptions } from './wait-options.js';

/**
 * Settles as `promise` does, or rejects with `aborted` or `timeout` if that comes first. The promise itself goes
 * on; who gives it must say what becomes of it. A later rejection of it is not left unhandled.
 */
export function waitFor<T>(
  runtime: Runtime,
  promise: Promise<T>,
  options: WaitOptions,
  doing: string,
): Promise<T> {
  const { signal, timeoutMs } = options;
  if (signal === undefined && timeoutMs === undefined) return promise;
  return new Promise<T>((resolve, reject) => {
    if (signal?.aborted) {
      promise.catch(() => {});
      reject(abortedError(signal, doing));
      return;
    }
    const patience = new Patience(runtime, options, doing, reject);
    promise.then(
      (value) => {
        patience.end();
        resolve(value);
      },
      (error: unknown) => {
        patience.end();
        reject(error);
      },
    );
  });
}

/** The same, and rejects with the reason of `ended` if that fires first. It leaves no timer and no hook behind. */
export async function waitUnlessEnded<T>(
  runtime: Runtime,
  promise: Promise<T>,
  options: WaitOptions & { readonly ended: AbortSignal },
  doing: string,
): Promise<T> {
  const { ended, ...limits } = options;
  let end = () => {};
  const over = new Promise<never>((_, reject) => {
    end = () => reject(ended.reason);
  });
  if (ended.aborted) end();
  else onAbort(ended, end);
  try {
    return await waitFor(runtime, Promise.race([promise, over]), limits, doing);
  } finally {
    offAbort(ended, end);
  }
}

/**
 * Waits `delayMs`; rejects with `aborted` if the signal fires first. Leaves no timer and no listener behind.
 * A `background` wait does not keep the process alive.
 */
export function sleep(
  runtime: Runtime,
  delayMs: number,
  options: { signal?: AbortSignal | undefined; background?: boolean } = {},
): Promise<void> {
  const { signal, background = false } = options;
  return new Promise<void>((resolve, reject) => {
    if (signal?.aborted) {
      reject(abortedError(signal, 'sleeping'));
      return;
    }
    const wake = () => {
      if (signal !== undefined) offAbort(signal, abort);
      resolve();
    };
    const timer = runtime.setTimer(delayMs, wake, { background });
    const abort = () => {
      timer.cancel();
      if (signal) reject(abortedError(signal, 'sleeping'));
    };
    if (signal !== undefined) onAbort(signal, abort);
  });
}
