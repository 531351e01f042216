/**
 * The part of a purge that is about delayed items, at one revision R0.
 *
 * What is under `N/` at R0 is read as of R0, in windows, since what fires meanwhile must be found; and deleted wherever it is by then:
 * `{IF create(N/X) = c THEN delete N/X, delete n/X ELSE delete i/X, delete g/X, delete P/X}`. An item that is not delayed any more has fired, has been
 * cancelled, or has ended, and ids are never used again. Then the timers that have no item any more go: `{IF create(N/X) = 0 THEN
 * delete T/<due>/X}`; a dispatcher that holds one finds that its item is gone.
 *
 * - *History compacted up to R0*: the read fails with `compacted`, and the purge begins anew at a later revision.
 */
import { compare, type KeyRange, type KeyValue, nested, type TxnOp } from '../../store/index.js';
import type { QueueKeys } from '../keys.js';
import { itemOfTimer } from '../timers/timer-place.js';

/** A range to read in windows, and what to do with each key. */
export interface Sweep extends Required<KeyRange> {
  /** Read as of this revision; absent: as it is by then. */
  readonly revision?: number;
  /** Younger keys stay. */
  readonly upTo: number;
  /** Each is an item, and counts if the first that it deletes was there. */
  readonly isOfItems: boolean;
  readonly removal: (kv: KeyValue) => TxnOp;
}

/** What is delayed at a revision. */
export function sweepOfDelayed(keys: QueueKeys, revision: number): Sweep {
  const removal = ({ key, createRevision }: KeyValue) => {
    const id = keys.nameIn(keys.delayed, key);
    const deleted = (names: readonly string[]) =>
      names.map((name) => ({ type: 'delete' as const, key: name }));
    return nested({
      compare: [compare.create({ key }, 'equal', createRevision)],
      success: deleted([key, keys.freshDelay(id)]),
      failure: deleted([keys.item(id), keys.generation(id), keys.progressOf(id)]),
    });
  };
  return { ...keys.delayed, revision, upTo: revision, removal, isOfItems: true };
}

/** Timers of items that are gone. */
export function sweepOfTimers(keys: QueueKeys): Sweep {
  const removal = ({ key }: KeyValue) => {
    const id = itemOfTimer(keys.nameIn(keys.timers, key));
    return nested({
      compare: [compare.create(keys.delayedItem(id), 'equal', 0)],
      success: [{ type: 'delete', key }],
    });
  };
  return { ...keys.timers, upTo: Number.MAX_SAFE_INTEGER, removal, isOfItems: false };
}
