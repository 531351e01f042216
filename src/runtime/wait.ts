import { invalidArgument, isQuorateError, QuorateError, shown } from '../errors.js';
import { offAbort, onAbort } from './abort-hooks.js';
import type { Runtime } from './runtime.js';

/** What every public wait takes. */
export interface WaitOptions {
  /** Ends the wait with an `aborted` error whose `cause` is the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Ends the wait with a `timeout` error after so many milliseconds. Default: no limit. */
  timeoutMs?: number | undefined;
}

export function abortedError(signal: AbortSignal, doing: string): QuorateError {
  return new QuorateError('aborted', `aborted while ${doing}`, { cause: signal.reason });
}

/** Refuses a nonsensical `timeoutMs` and a signal that is aborted already. `doing` names the wait in messages. */
export function checkWaitOptions(options: WaitOptions, doing: string): void {
  if (typeof options !== 'object' || options === null) {
    throw invalidArgument(
      `options are ${options === null ? 'null' : `of type ${typeof options}`}`,
      'an object with signal or timeoutMs, or none',
    );
  }
  const { timeoutMs, signal } = options;
  if (timeoutMs !== undefined && !(typeof timeoutMs === 'number' && timeoutMs > 0)) {
    throw invalidArgument(`timeoutMs is ${shown(timeoutMs)}`, 'a number of milliseconds above 0, or none');
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw invalidArgument('signal is not an AbortSignal', 'an AbortSignal, or none');
  }
  if (signal?.aborted) throw abortedError(signal, doing);
}

/**
 * The same for a call that, aborted, gives up what its caller has: `giveUp` is called where the signal has fired already, as it
 * would be a moment later.
 */
export function checkWaitOptionsOr(giveUp: () => unknown, options: WaitOptions, doing: string): void {
  try {
    checkWaitOptions(options, doing);
  } catch (error) {
    if (isQuorateError(error, 'aborted')) giveUp();
    throw error;
  }
}

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
    const abort = () => {
      if (signal) finish(() => reject(abortedError(signal, doing)));
    };
    const timer =
      timeoutMs === undefined || timeoutMs === Number.POSITIVE_INFINITY
        ? undefined
        : runtime.setTimer(timeoutMs, () => {
            finish(() =>
              reject(new QuorateError('timeout', `no result within ${timeoutMs} ms while ${doing}`)),
            );
          });
    const finish = (settle: () => void) => {
      timer?.cancel();
      if (signal !== undefined) offAbort(signal, abort);
      settle();
    };
    promise.then(
      (value) => finish(() => resolve(value)),
      (error: unknown) => finish(() => reject(error)),
    );
    if (signal?.aborted) abort();
    else if (signal !== undefined) onAbort(signal, abort);
  });
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
