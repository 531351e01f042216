import { type ErrorCode, isQuorateError, QuorateError } from '../errors.js';

/**
 * What a failed attempt means for a lane.
 * - `unreached`: not applied, for a reason that may pass: the same request may succeed later.
 * - `refused`: the store has looked at the whole request and refuses it; not applied.
 * - `unknown`: it may have been applied, or may still be.
 * - `closed`: the store underneath is closed.
 */
export type FailureKind = 'unreached' | 'refused' | 'unknown' | 'closed';

const passing: ReadonlySet<ErrorCode> = new Set(['unavailable', 'unreachable', 'timeout', 'aborted']);

/** Codes that would be the same for every transaction, so that looking for who is guilty is idle. */
const sameForAll: ReadonlySet<ErrorCode> = new Set([
  'no-space',
  'unauthenticated',
  'unimplemented',
  'internal',
]);

export function kindOf(error: unknown): FailureKind {
  if (!isQuorateError(error)) return 'unknown';
  if (error.code === 'closed') return 'closed';
  // A definite answer, though it leaves open whether the request was applied: see `mayBeAppliedThough`.
  if (error.code === 'no-space') return 'refused';
  if (error.outcome === 'unknown') return 'unknown';
  return passing.has(error.code) ? 'unreached' : 'refused';
}

export function isSameForAll(error: unknown): boolean {
  return isQuorateError(error) && sameForAll.has(error.code);
}

/**
 * True if the store may say so of a request that it has applied all the same: etcd checks its quota before it
 * applies, applies, and then answers `no-space`.
 */
export function mayBeAppliedThough(error: unknown): boolean {
  return isQuorateError(error, 'no-space');
}

/** The error as one that leaves it open whether the request was applied. */
export function asUnknown(error: unknown): QuorateError {
  if (!isQuorateError(error)) {
    const outcome = 'unknown';
    return new QuorateError('internal', 'the store failed in an unexpected way', { cause: error, outcome });
  }
  if (error.outcome === 'unknown') return error;
  const { code, message, details } = error;
  return new QuorateError(code, message, { details, cause: error, outcome: 'unknown' });
}

/** The error as one that leaves no doubt: for who learned otherwise that the request was not applied. */
export function asNotApplied(error: unknown): QuorateError {
  if (!isQuorateError(error)) {
    return new QuorateError('internal', 'the store failed in an unexpected way', { cause: error });
  }
  if (error.outcome === 'not-applied') return error;
  return new QuorateError(error.code, error.message, { details: error.details, cause: error });
}
