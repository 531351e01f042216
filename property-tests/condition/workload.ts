/** What producers and consumers of one bounded buffer do in a run: plain data. */
import fc from 'fast-check';
import { type Deed, deedsOf } from '../support/administrator.js';
import { pickFrom } from '../support/pick.js';

export interface CallerPlan {
  readonly role: 'produce' | 'consume';
  readonly rounds: number;
  readonly startMs: number;
  readonly gapMs: number;
  readonly holdMs: number;
  /** How long each of its waits lasts at the most; 0: as long as it takes. */
  readonly patienceMs: number;
  readonly givesUpBy: 'timeout' | 'signal';
  /** Whom it notifies of what it did. */
  readonly notifies: 'one' | 'all';
  /** How long it waits to know that it has notified; 0: as long as it takes. */
  readonly notifyWithinMs: number;
  /** The process to which it hands the lock in the end, modulo their count; -1: whoever is next has it. */
  readonly handsTo: number;
  /** What befalls its process, the first time that it holds the lock or begins to wait. */
  readonly stroke: 'none' | 'pause' | 'crash';
  readonly struckAs: 'holds' | 'waits';
  readonly strokeMs: number;
}

export interface ConditionWorkload {
  readonly ttlMs: number;
  /** How many items the buffer has room for. */
  readonly capacity: number;
  /** The callers of each process. */
  readonly processes: readonly (readonly CallerPlan[])[];
  /** Those with an even target befall the line of the lock, the others the keys of who waits. */
  readonly deeds: readonly Deed[];
  /** History is compacted so often, and no reply can be made up from it; 0: only where that is one of the faults. */
  readonly compactEveryMs: number;
}

export const withinMs = 4_000;

const plain = { noNullPrototype: true } as const;

const caller: fc.Arbitrary<CallerPlan> = fc.record(
  {
    role: pickFrom<CallerPlan['role']>(['produce', 'consume']),
    rounds: pickFrom([1, 2, 4, 8]),
    startMs: pickFrom([0, 0, 0, 50, 500]),
    gapMs: pickFrom([0, 0, 20, 300]),
    holdMs: pickFrom([0, 0, 3, 20, 100]),
    patienceMs: pickFrom([0, 0, 0, 5, 40, 400]),
    givesUpBy: pickFrom<CallerPlan['givesUpBy']>(['timeout', 'signal']),
    notifies: pickFrom<CallerPlan['notifies']>(['one', 'one', 'one', 'all']),
    notifyWithinMs: pickFrom([0, 0, 0, 60]),
    handsTo: pickFrom([-1, -1, -1, 0, 1, 2]),
    stroke: pickFrom<CallerPlan['stroke']>(['none', 'none', 'none', 'none', 'pause', 'crash']),
    struckAs: pickFrom<CallerPlan['struckAs']>(['holds', 'waits', 'waits']),
    strokeMs: pickFrom([20, 600, 3_500]),
  },
  plain,
);

export const conditionWorkload: fc.Arbitrary<ConditionWorkload> = fc.record(
  {
    ttlMs: pickFrom([2_000, 2_000, 3_000]),
    capacity: pickFrom([1, 1, 2]),
    processes: fc.array(fc.array(caller, { minLength: 1, maxLength: 3, size: 'max' }), {
      minLength: 2,
      maxLength: 4,
      size: 'max',
    }),
    compactEveryMs: pickFrom([0, 0, 0, 150]),
    deeds: fc.oneof(fc.constant([]), fc.constant([]), deedsOf({ withinMs, maxLength: 3 })),
  },
  plain,
);
