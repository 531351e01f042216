import { invalidArgument, shown } from '../../errors.js';
import type { QueueKind } from '../keys.js';
import { type QueueBound, waysWhenFull } from '../records/index.js';

const accepted = "{ maxLength, whenFull: 'wait' | 'refuse' | 'drop-oldest' }, or null for none";

/** A copy. Throws `invalid-argument`. */
export function checkedBound(bound: unknown, kind: QueueKind): QueueBound | null {
  if (bound === null) return null;
  if (typeof bound !== 'object') throw invalidArgument(`the bound is of type ${typeof bound}`, accepted);
  const { maxLength, whenFull } = bound as Partial<QueueBound>;
  if (typeof maxLength !== 'number' || !Number.isSafeInteger(maxLength) || maxLength < 1) {
    throw invalidArgument(`maxLength is ${shown(maxLength)}`, 'a whole number from 1');
  }
  if (whenFull === undefined || !waysWhenFull.includes(whenFull)) {
    throw invalidArgument(`whenFull is ${shown(whenFull)}`, waysWhenFull.join(', '));
  }
  if (kind === 'condition' && whenFull === 'drop-oldest') {
    throw invalidArgument('drop-oldest in a queue whose items are counted', 'wait, or refuse');
  }
  return { maxLength, whenFull };
}
