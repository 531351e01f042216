import { invalidArgument, isQuorateError, shown } from '../errors.js';
import { abortedError } from './given-up.js';

/** What every public wait takes. */
export interface WaitOptions {
  /** Ends the wait with an `aborted` error whose `cause` is the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Ends the wait with a `timeout` error after so many milliseconds. Default: no limit. */
  timeoutMs?: number | undefined;
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
