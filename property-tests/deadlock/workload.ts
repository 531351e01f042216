/** What owners that want several locks, one after the other and in any order, do in a run: plain data. */
import fc from 'fast-check';
import { type Deed, deedsOf } from '../support/administrator.js';
import type { Patience } from '../support/holding.js';
import { pickFrom } from '../support/pick.js';
import type { CallerPace } from '../support/seats.js';

export const names = ['a', 'b', 'c', 'd'] as const;
export type Name = (typeof names)[number];

/** A caller is one line of execution, and an owner of its own. */
export interface CallerPlan extends CallerPace, Patience {
  /** What it takes, one after the other; who names no owner takes only the first of it. */
  readonly names: readonly Name[];
  readonly isNamed: boolean;
  /** Between two locks. */
  readonly betweenMs: number;
  readonly holdMs: number;
  /** To which process it hands its first lock on, if that waits; -1: it releases. */
  readonly handsTo: number;
}

export interface DeadlockWorkload {
  readonly ttlMs: number;
  readonly deadlockAfterMs: number;
  /** The callers of each process. */
  readonly processes: readonly (readonly CallerPlan[])[];
  readonly deeds: readonly Deed[];
  /** History is compacted so often, and no reply can be made up from it; 0: only where that is one of the faults. */
  readonly compactEveryMs: number;
}

export const withinMs = 3_000;

const plain = { noNullPrototype: true } as const;

const caller: fc.Arbitrary<CallerPlan> = fc.record(
  {
    names: fc.shuffledSubarray([...names], { minLength: 2, maxLength: 3 }),
    isNamed: pickFrom([true, true, true, true, true, false]),
    rounds: pickFrom([1, 2, 3]),
    startMs: pickFrom([0, 0, 0, 50, 500]),
    gapMs: pickFrom([0, 20, 300]),
    betweenMs: pickFrom([0, 0, 5, 40, 200]),
    holdMs: pickFrom([0, 3, 20, 100]),
    patienceMs: pickFrom([0, 0, 0, 0, 30, 90, 250, 1_050]),
    givesUpBy: pickFrom<CallerPlan['givesUpBy']>(['timeout', 'signal']),
    stroke: pickFrom<CallerPlan['stroke']>(['none', 'none', 'none', 'none', 'pause', 'crash']),
    strokeMs: pickFrom([20, 600, 3_500]),
    handsTo: pickFrom([-1, -1, -1, 0, 1]),
  },
  plain,
);

export const deadlockWorkload: fc.Arbitrary<DeadlockWorkload> = fc.record(
  {
    ttlMs: pickFrom([2_000, 2_000, 3_000]),
    deadlockAfterMs: pickFrom([20, 0, 150, 1_000]),
    processes: fc.array(fc.array(caller, { minLength: 1, maxLength: 2, size: 'max' }), {
      minLength: 2,
      maxLength: 4,
      size: 'max',
    }),
    compactEveryMs: pickFrom([0, 0, 0, 150]),
    deeds: fc.oneof(fc.constant([]), deedsOf({ withinMs, maxLength: 2 })),
  },
  plain,
);
