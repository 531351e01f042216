import { invalidArgument, shown } from '../../errors.js';
import type { QueueKind } from '../keys.js';

/** Ten years. */
const longestDelayMs = 10 * 365 * 24 * 3_600_000;

/** After how many ms an item of these options is to enter; 0: at once. Throws `invalid-argument`, also where delays are not offered. */
export function delayFor(kind: QueueKind, delayMs: unknown): number {
  if (delayMs === undefined) return 0;
  if (kind !== 'delay')
    throw invalidArgument(`delayMs for a queue of kind "${kind}"`, 'none, or a DelayQueue');
  if (typeof delayMs === 'number' && Number.isInteger(delayMs) && delayMs >= 0 && delayMs <= longestDelayMs) {
    return delayMs;
  }
  throw invalidArgument(
    `delayMs is ${shown(delayMs)}`,
    `a whole number of milliseconds from 0 to ${longestDelayMs}, or none`,
  );
}
