import { type QuorateError, quorateErrorOf } from '../errors.js';

export function asQuorateError(error: unknown): QuorateError {
  return quorateErrorOf(error, 'the queue failed in an unforeseen way', 'unknown');
}
