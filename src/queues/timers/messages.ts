/** What goes into the timers of a dispatcher's plan and what comes out of them: plain data, as in dispatch/messages.ts. */
import type { StoredItem } from '../dispatch/messages.js';
import type { ItemId } from '../keys.js';
import type { TimerPlace } from './timer-place.js';

/** An item whose delay nobody has stamped. */
export interface DelayedItem {
  readonly id: ItemId;
  readonly create: number;
  readonly delayMs: number;
}

/** An item that is to enter the queue at a time in queue time. */
export interface Timer {
  readonly id: ItemId;
  readonly dueMs: number;
}

/** A delay that the dispatcher has learned of and that is to become a timer. */
export interface Stamp extends Timer {
  /** Create revision of `n/<id>`. */
  readonly create: number;
}

export interface Firing extends Timer {
  /** Create revision of `N/<id>`. */
  readonly create: number;
  /** What becomes the value of the item. */
  readonly value: Uint8Array;
}

/** The part of a write that is about timers. */
export interface TimerWrite {
  readonly stamps: readonly Stamp[];
  readonly firings: readonly Firing[];
  /** Of items that are gone: only the timer is left to be deleted. */
  readonly drops: readonly Timer[];
}

export interface TimerOutcome {
  /** For each stamp, whether the item still waited for it. */
  readonly stamped: readonly boolean[];
  /** The items that are in the queue now, of those that were to fire. */
  readonly fired: readonly StoredItem[];
}

export type TimerRead =
  /** What nobody has stamped yet. */
  | { readonly type: 'fresh'; readonly from: ItemId; readonly limit: number }
  | {
      readonly type: 'timers';
      readonly from: TimerPlace;
      readonly to: TimerPlace | undefined;
      readonly limit: number;
    }
  /** The values of items that are about to fire. */
  | { readonly type: 'values'; readonly ids: readonly ItemId[] };

export type TimerAnswer =
  | {
      readonly type: 'fresh';
      readonly items: readonly DelayedItem[];
      /** The first that the limit left out. */
      readonly next: ItemId | undefined;
    }
  | { readonly type: 'timers'; readonly timers: readonly Timer[]; readonly next: TimerPlace | undefined }
  /** Of those that still stand. */
  | {
      readonly type: 'values';
      readonly ids: readonly ItemId[];
      readonly found: ReadonlyMap<ItemId, { readonly create: number; readonly value: Uint8Array }>;
    };
