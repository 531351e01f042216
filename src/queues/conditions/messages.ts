/** What goes into a dispatcher's gathering and what comes out of it: plain data. */
import type { ItemId } from '../keys.js';
import type { GateValue } from './condition.js';
import type { Released } from './condition-keys.js';
import type { Definition } from './definition.js';

/** What is known of a condition queue, as of the revision of the load. */
export interface LoadedConditions {
  /** Undefined: nobody has said yet what it waits for. Then nothing is released. */
  readonly definition: Definition | undefined;
  /** The revision that wrote it, 0 if none has. */
  readonly definedAt: number;
  readonly released: Released;
  readonly gates: ReadonlyMap<string, GateValue | undefined>;
  readonly done: ReadonlySet<string>;
  /** Gathered items of tasks that the condition wants present. */
  readonly present: ReadonlyMap<ItemId, string>;
  /** No item is below it. */
  readonly start: ItemId;
}

/** What the watch brings. */
export type ConditionChange =
  | { readonly type: 'defined' }
  | { readonly type: 'gate'; readonly name: string; readonly value: GateValue | undefined }
  | { readonly type: 'task-done'; readonly task: string }
  | { readonly type: 'purged' | 'released' };

/** Count the items from `from` on, and say where the n-th of them stands for each n of `sizes`, all at one revision. */
export interface GatheredLook {
  readonly from: ItemId;
  readonly sizes: readonly number[];
}

export interface GatheredSight {
  readonly from: ItemId;
  readonly revision: number;
  readonly count: number;
  /** The places right behind them; absent where there are fewer. */
  readonly places: ReadonlyMap<number, ItemId>;
}

export interface PlannedRelease {
  readonly from: ItemId;
  /** Undefined: everything, for good. */
  readonly upTo: ItemId | undefined;
  /** What the condition rests on must not have changed since. */
  readonly revision: number;
  readonly definedAt: number;
  /** Which items are released is part of the condition. */
  readonly isExact: boolean;
  /** How many they are, where that is known. */
  readonly count: number | undefined;
}
