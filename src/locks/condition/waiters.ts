import type { Line } from '../../line/index.js';
import { invariant } from '../../runtime/index.js';
import {
  type Compare,
  compare,
  getPrefix,
  type KeyValue,
  type Op,
  put,
  type RangeOp,
  remove,
} from '../../store/index.js';

/** How many waiters one look shows. */
const lookAt = 16;

/** Who waits on a condition: their keys, the oldest first. */
export function lookAtWaiters(waiters: Line, limit = lookAt): RangeOp {
  return getPrefix(waiters.prefix, { limit, sort: { target: 'create', order: 'ascend' } });
}

export interface Move {
  /** Hold as long as the waiter waits, which also proves that its lease lives, and it has no place yet. */
  readonly compare: readonly Compare[];
  readonly ops: readonly Op[];
}

/**
 * Moves a waiter into the line of the lock: its key there is made of the same name, and says the same. The look at the
 * line keeps the move out of the requests of other joins, whose places would have the same rank otherwise.
 */
export function moveOf(waiter: KeyValue, waiters: Line, line: Line): Move {
  invariant(waiter.key.startsWith(waiters.prefix), 'a waiter has a key of the condition');
  const place = `${line.prefix}${waiter.key.slice(waiters.prefix.length)}`;
  return {
    compare: [compare.mod(waiter.key, 'equal', waiter.modRevision), compare.create(place, 'equal', 0)],
    ops: [
      remove(waiter.key),
      put(place, waiter.value, { lease: waiter.lease }),
      getPrefix(line.prefix, { limit: 1, keysOnly: true }),
    ],
  };
}

/**
 * Moves the oldest waiter that can be moved. One that has gone, or died, since it was seen is refused, and the next one is
 * tried. False if nobody is left.
 */
export async function moveFirst(
  look: () => Promise<readonly KeyValue[]>,
  move: (waiter: KeyValue) => Promise<boolean>,
): Promise<boolean> {
  const tried = new Set<string>();
  for (;;) {
    const left = (await look()).filter(({ key, modRevision }) => !tried.has(`${key} ${modRevision}`));
    if (left.length === 0) return false;
    for (const waiter of left) {
      tried.add(`${waiter.key} ${waiter.modRevision}`);
      if (await move(waiter)) return true;
    }
  }
}
