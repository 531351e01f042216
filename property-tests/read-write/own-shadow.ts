import type { QuorateError } from '../../src/errors.js';
import type { DeadlockMember } from '../../src/locks/deadlock/wait-graph.js';

/**
 * Who lost its session stands in line behind the keys that it had by that one, until their lease ends: by what the keys
 * say, an owner that waits for itself. No other circle can be here, since who waits holds nothing else.
 */
export function isOwnShadow(error: QuorateError): boolean {
  if (error.code !== 'deadlock') return false;
  const { members } = error.details as { members: readonly DeadlockMember[] };
  return members.length === 1;
}
