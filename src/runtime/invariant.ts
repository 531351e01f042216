import { QuorateError } from '../errors.js';

/** For programmer errors of our own: what must be true here whatever callers, networks and servers do. */
export function invariant(condition: unknown, sentence: string): asserts condition {
  if (!condition) throw new QuorateError('internal', `invariant broken: ${sentence}`, { outcome: 'unknown' });
}
