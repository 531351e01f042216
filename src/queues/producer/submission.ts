import type { QuorateError } from '../../errors.js';
import type { Compare, Key, LeaseId, Op, OpReply } from '../../store/index.js';
import type { ItemId, LevelName } from '../keys.js';
import type { Entry } from '../timers/entry.js';

/** An item that is in the queue. */
export interface Enqueued {
  readonly id: ItemId;
  /** The revision that put it there. */
  readonly revision: number;
  /** An earlier call with the same idempotency key put it there, and this one put nothing. */
  readonly duplicate: boolean;
}

/** What else must hold for an item to enter, and what is done with it in the same revision. At most four operations each. */
export interface Condition {
  /**
   * The key that decides: two items that name the same one never enter in one request, since neither would see the other.
   * The later one is told what it would have found after the earlier.
   */
  readonly key: Key;
  readonly compare: readonly Compare[];
  /** Beside the put of the item. Writes no key of the queue that the pipeline writes. */
  readonly success: (id: ItemId, lease: LeaseId) => readonly Op[];
  /** A lease for what `success` writes, that lasts for so long from the call; without, `success` is given none. */
  readonly keptMs?: number;
  /** What is read if it does not hold. */
  readonly failure: readonly Op[];
  /** The item that stands in for this one, by what was read; undefined if none does. */
  readonly declined: (replies: readonly OpReply[]) => Enqueued | undefined;
  /** The same if it is declined because of item `id`, which has just entered under the same key. */
  readonly declinedBehind: (id: ItemId, revision: number) => Enqueued | undefined;
}

/** An item that is to enter. */
export interface Draft extends Entry {
  /** Default: that of a queue without levels. */
  readonly level?: LevelName | undefined;
  readonly condition?: Condition | undefined;
}

/** Items that enter in order and in one revision, but for those whose condition does not hold. */
export interface Submission {
  readonly drafts: readonly Draft[];
  readonly bytes: number;
  /** `'over'` once nobody waits for it any more. */
  state: 'pending' | 'sent' | 'over';
  /** Called when that is so. */
  onOver?: (() => void) | undefined;
  /** One result for each draft, undefined where a condition declined it and nothing stands in. */
  resolve(results: readonly (Enqueued | undefined)[]): void;
  reject(error: QuorateError): void;
}
