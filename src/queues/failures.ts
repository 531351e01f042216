import { isQuorateError, QuorateError } from '../errors.js';

/** True for a call that failed for the moment and certainly changed nothing. */
export function isPassing(error: unknown): boolean {
  if (!isQuorateError(error) || error.outcome !== 'not-applied') return false;
  return error.code === 'unavailable' || error.code === 'timeout' || error.code === 'no-space';
}

export function asQuorateError(error: unknown): QuorateError {
  if (isQuorateError(error)) return error;
  return new QuorateError('internal', 'the queue failed in an unforeseen way', {
    outcome: 'unknown',
    cause: error,
  });
}
