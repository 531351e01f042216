/** What goes into the dispatcher's plan and what comes out of it: plain data, so that a run can be replayed. */

import type { CreditChange, CreditWrite, StoredAccount } from '../bounds/credit-messages.js';
import type {
  ConditionChange,
  GatheredSight,
  LoadedConditions,
  PlannedRelease,
} from '../conditions/messages.js';
import type { ItemId } from '../keys.js';
import type { LevelStart } from '../reading/starts.js';
import type { AssignedJob, Beat, ItemTraits, TakeBack } from '../records/index.js';
import type { DelayedItem, TimerAnswer, TimerOutcome, TimerWrite } from '../timers/messages.js';
import type { Cancelled } from './cancellations.js';
import type { SeenControl } from './choice/fleet-rules.js';

export interface StoredItem {
  readonly id: ItemId;
  readonly create: number;
  /** It has fired: what was enqueued before it is known only once the watch has told all up to this revision. */
  readonly notBefore?: number | undefined;
  readonly traits?: ItemTraits | undefined;
  /** Absent if it is long. */
  readonly payload?: Uint8Array | undefined;
}

export interface StoredWorker {
  readonly id: string;
  /** Create revision of its presence. */
  readonly create: number;
  readonly slots: number;
  readonly concurrency: number;
}

/** A change below the queue's prefix, as its dispatcher understands it. */
export type QueueChange =
  | { readonly type: 'item-created'; readonly item: StoredItem }
  | { readonly type: 'item-gone'; readonly id: ItemId }
  | ({ readonly type: 'item-delayed' } & DelayedItem)
  | {
      readonly type: 'taken-back';
      readonly id: ItemId;
      readonly generation: number;
      readonly takeBack: TakeBack;
    }
  | { readonly type: 'worker-present'; readonly worker: StoredWorker }
  | { readonly type: 'worker-gone'; readonly worker: string }
  | { readonly type: 'controlled'; readonly seen: SeenControl }
  /** Nothing of it was there before. */
  | { readonly type: 'level-opened'; readonly level: LevelStart }
  | { readonly type: 'condition'; readonly change: ConditionChange }
  /** Of an account of a bounded queue. */
  | { readonly type: 'credit'; readonly change: CreditChange }
  /** In the revision in which the item goes. */
  | { readonly type: 'cancelled'; readonly id: ItemId; readonly reason: Uint8Array };

/** Everything but the waiting items, as of one revision. */
export interface LoadedState {
  readonly revision: number;
  /** The most urgent one first. */
  readonly levels: readonly LevelStart[];
  /** The queue time as of a moment of the dispatcher's clock; absent: now. */
  readonly timeMs: number;
  readonly timeAtMs?: number;
  /** Items may be delayed. Absent: they may not. */
  readonly hasTimers?: boolean;
  readonly control: SeenControl;
  readonly workers: readonly StoredWorker[];
  readonly generations: ReadonlyMap<ItemId, { readonly generation: number; readonly takeBack: TakeBack }>;
  readonly records: ReadonlyMap<string, readonly AssignedJob[]>;
  /** Those of the records that were there at a time after `revision`. */
  readonly existing: ReadonlySet<ItemId>;
  /** With their reasons. */
  readonly cancelled: ReadonlyMap<ItemId, Uint8Array>;
  /** Of a condition queue. */
  readonly conditions?: LoadedConditions | undefined;
  /** Producers of a bounded queue have accounts. */
  readonly hasAccounts?: boolean;
}

/** Read items from `from`, up to `to` or the end of the level, at most `limit`. */
export interface WindowRead {
  readonly from: ItemId;
  readonly to: ItemId | undefined;
  readonly limit: number;
}

export type PlanInput =
  | { readonly type: 'loaded'; readonly state: LoadedState }
  /** `next` is the first item of the window that the limit left out. */
  | {
      readonly type: 'window';
      readonly read: WindowRead;
      readonly revision: number;
      readonly items: readonly StoredItem[];
      readonly next: ItemId | undefined;
      readonly bytes: number;
    }
  /** Of a bounded queue: all accounts, and the number of items at the same revision. */
  | {
      readonly type: 'accounts';
      readonly revision: number;
      readonly live: number;
      readonly accounts: readonly StoredAccount[];
    }
  /** All of revisions up to `revision`, each change with its own. */
  | {
      readonly type: 'changes';
      readonly revision: number;
      readonly changes: readonly { readonly revision: number; readonly change: QueueChange }[];
    }
  | { readonly type: 'looked'; readonly sight: GatheredSight | undefined }
  | { readonly type: 'timers'; readonly answer: TimerAnswer }
  /** When a schedule ticks next, by the dispatcher's clock; undefined: none does. */
  | { readonly type: 'next-tick'; readonly atMs: number | undefined }
  | { readonly type: 'written'; readonly write: PlannedWrite; readonly outcome: WriteOutcome };

export interface Assignment {
  readonly worker: string;
  readonly create: number;
  readonly jobs: readonly AssignedJob[];
}

export interface TakeBackOfLost {
  readonly worker: string;
  readonly jobs: readonly AssignedJob[];
  /** Nothing is left to take back from it: delete its records too. */
  readonly last: boolean;
}

/** Moves the gate to `to` if nothing from `from` up to it was created after `revision`. */
export interface GateMove {
  /** To close a window that was read, to leave the rest of a long queue in the store, or to follow at a distance. */
  readonly purpose: 'window' | 'cut' | 'follow';
  readonly from: ItemId;
  readonly to: ItemId;
  readonly revision: number;
}

/** A worker to tell of its cancelled job, or only the cancellation to delete. */
export interface PlannedCancellation extends Cancelled {
  /** Of the worker's presence. */
  readonly create: number;
}

/** One transaction of the dispatcher. Assignments and a take-back do not meet in one. */
export interface PlannedWrite {
  readonly assignments: readonly Assignment[];
  /** The revision of the control that the assignments were planned under. */
  readonly control: number;
  readonly cancellations: readonly PlannedCancellation[];
  readonly takeBack: TakeBackOfLost | undefined;
  readonly timers: TimerWrite | undefined;
  readonly gate: GateMove | undefined;
  readonly credit?: CreditWrite | undefined;
  readonly beat: Beat | undefined;
  /** Of a condition queue. Does not meet a gate. */
  readonly release: PlannedRelease | undefined;
  /** Of a condition queue: the revision of its definition that the assignments were planned under. */
  readonly definedAt: number | undefined;
}

/** Taken; or the item was deleted; or the worker itself had given it back before it went. */
export type TakeBackResult =
  | { readonly type: 'taken' }
  | { readonly type: 'gone' }
  | { readonly type: 'returned'; readonly generation: number; readonly takeBack: TakeBack };

export interface WriteOutcome {
  readonly revision: number;
  readonly assignment:
    | { readonly accepted: true }
    | {
        readonly accepted: false;
        readonly workersGone: readonly string[];
        readonly itemsGone: readonly ItemId[];
        /** The control, if it was another. */
        readonly control?: SeenControl;
        /** The definition is another: all is to be read anew. */
        readonly isDefinedAnew?: boolean;
      };
  /** For each job of the take-back, in order. */
  readonly takenBack: readonly TakeBackResult[];
  /** If the write has a part about timers. */
  readonly timers?: TimerOutcome | undefined;
  readonly gateMoved: boolean;
  readonly released?: boolean;
  readonly creditGiven?: boolean;
  /** If it was not: what was to make room and is not there. */
  readonly dropsGone?: readonly ItemId[] | undefined;
}
