import { isQuorateError, QuorateError } from '../../errors.js';

/** True for a call that failed for the moment and certainly changed nothing. */
export function isPassing(error: unknown): boolean {
  if (!isQuorateError(error) || error.outcome !== 'not-applied') return false;
  return error.code === 'unavailable' || error.code === 'timeout' || error.code === 'no-space';
}

/** The same for a call that changes nothing: whether it arrived does not matter. History that is gone is read anew. */
export function isPassingRead(error: unknown): boolean {
  return (
    isQuorateError(error) &&
    (error.code === 'unavailable' || error.code === 'timeout' || error.code === 'compacted')
  );
}

/** The same for a write that may be repeated as often as one likes. */
export function isPassingRepeatable(error: unknown): boolean {
  return isPassingRead(error) || isQuorateError(error, 'no-space');
}

export function asQuorateError(error: unknown): QuorateError {
  if (isQuorateError(error)) return error;
  return new QuorateError('internal', 'the topic failed in an unforeseen way', {
    outcome: 'unknown',
    cause: error,
  });
}
