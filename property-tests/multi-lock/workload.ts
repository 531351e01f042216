/** What processes that want several locks at a time, and one now and then, do in a run: plain data. */
import fc from 'fast-check';
import { type Deed, deedsOf } from '../support/administrator.js';
import { pickFrom } from '../support/pick.js';

export const names = ['a', 'b', 'c', 'd'] as const;
export type Name = (typeof names)[number];

export interface CallerPlan {
  /** What it wants, in the order in which it names it; for `mutex`, the first of it. */
  readonly names: readonly Name[];
  readonly by: 'set' | 'mutex';
  readonly way: 'acquire' | 'run-exclusive' | 'try-acquire';
  readonly rounds: number;
  readonly startMs: number;
  readonly gapMs: number;
  readonly holdMs: number;
  /** How long it waits, by a time limit or by a signal; 0: as long as it takes. */
  readonly patienceMs: number;
  readonly givesUpBy: 'timeout' | 'signal';
  /** What it writes under its locks: and whether it waits for that before it releases. */
  readonly write: 'none' | 'awaited' | 'left';
  /** What befalls its process as it first holds what it wants. */
  readonly stroke: 'none' | 'pause' | 'crash';
  readonly strokeMs: number;
  /** To which process it hands its mutex on, if that waits; -1: it releases. */
  readonly handsTo: number;
}

export interface MultiLockWorkload {
  readonly ttlMs: number;
  readonly watchHoldAfterMs: number;
  /** The callers of each process. */
  readonly processes: readonly (readonly CallerPlan[])[];
  readonly deeds: readonly Deed[];
  /** History is compacted so often, and no reply can be made up from it; 0: only where that is one of the faults. */
  readonly compactEveryMs: number;
}

export const withinMs = 4_000;

const plain = { noNullPrototype: true } as const;

const caller: fc.Arbitrary<CallerPlan> = fc.record(
  {
    names: fc.shuffledSubarray([...names], { minLength: 1 }),
    by: pickFrom<CallerPlan['by']>(['set', 'set', 'set', 'mutex']),
    way: pickFrom<CallerPlan['way']>(['acquire', 'acquire', 'acquire', 'run-exclusive', 'try-acquire']),
    rounds: pickFrom([1, 2, 3, 5]),
    startMs: pickFrom([0, 0, 0, 50, 500, 1_500]),
    gapMs: pickFrom([0, 0, 20, 300]),
    holdMs: pickFrom([0, 0, 3, 10, 60, 300, 1_000, 4_000]),
    patienceMs: pickFrom([0, 0, 0, 3, 40, 400, 2_000]),
    givesUpBy: pickFrom<CallerPlan['givesUpBy']>(['timeout', 'signal']),
    write: pickFrom<CallerPlan['write']>(['none', 'awaited', 'left', 'left']),
    stroke: pickFrom<CallerPlan['stroke']>(['none', 'none', 'none', 'none', 'pause', 'crash']),
    strokeMs: pickFrom([20, 600, 3_500]),
    handsTo: pickFrom([-1, -1, 0, 1, 2]),
  },
  plain,
);

export const multiLockWorkload: fc.Arbitrary<MultiLockWorkload> = fc.record(
  {
    ttlMs: pickFrom([2_000, 2_000, 3_000]),
    watchHoldAfterMs: pickFrom([250, 0]),
    processes: fc.array(fc.array(caller, { minLength: 1, maxLength: 3, size: 'max' }), {
      minLength: 2,
      maxLength: 4,
      size: 'max',
    }),
    compactEveryMs: pickFrom([0, 0, 0, 150]),
    deeds: fc.oneof(fc.constant([]), deedsOf({ withinMs, maxLength: 4 })),
  },
  plain,
);
