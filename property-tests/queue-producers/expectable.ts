import { broken } from '../../src/checkers/sentences.js';
import { type ErrorCode, isQuorateError, type QuorateError } from '../../src/errors.js';

/** What may befall a call here; anything else is a contradiction of the library's own. */
const expectable: readonly ErrorCode[] = [
  ...([
    'aborted',
    'timeout',
    'closed',
    'queue-closed',
    'compacted',
    'no-space',
    'unavailable',
    'unreachable',
  ] as const),
];

function isExpectable(
  error: unknown,
): error is Error & { code: ErrorCode; outcome: 'not-applied' | 'unknown' } {
  return isQuorateError(error) && expectable.includes(error.code);
}

/** What the keys of other calls, or a lease, are the matter of, is no answer to a caller. */
export function checkReason(error: unknown): asserts error is QuorateError {
  if (isExpectable(error)) return;
  if (isQuorateError(error, 'lease-not-found') || isQuorateError(error, 'duplicate-key')) {
    broken('QUEUE-14', `a caller is told: ${error.message}`);
  }
  throw error;
}

export async function tolerate(act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (!isExpectable(error)) throw error;
  }
}
