import { isPassingRead, isQuorateError, type QuorateError, quorateErrorOf } from '../../errors.js';

/** True for a read that may be made anew: history that is gone is read from where it begins now. */
export function mayReadAgain(error: unknown): boolean {
  return isPassingRead(error) || isQuorateError(error, 'compacted');
}

/** The same for a write that may be repeated as often as one likes. */
export function mayWriteAgain(error: unknown): boolean {
  return mayReadAgain(error) || isQuorateError(error, 'no-space');
}

export function asQuorateError(error: unknown): QuorateError {
  return quorateErrorOf(error, 'the topic failed in an unforeseen way', 'unknown');
}
