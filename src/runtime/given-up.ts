import { type Outcome, QuorateError, type QuorateErrorOptions } from '../errors.js';

/** What a caller is told whose signal fired. `doing` names what it waited for. */
export function abortedError(signal: AbortSignal, doing: string, outcome?: Outcome): QuorateError {
  return new QuorateError('aborted', `aborted while ${doing}`, { outcome, cause: signal.reason });
}

/** What a caller is told whose time was over. `timeoutMs` is the limit that it gave. */
export function timeoutError(timeoutMs: number, doing: string, options?: QuorateErrorOptions): QuorateError {
  return new QuorateError('timeout', `no result within ${Math.ceil(timeoutMs)} ms while ${doing}`, options);
}
