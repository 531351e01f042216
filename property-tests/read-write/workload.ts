/** What the processes that share a read-write lock do in a run: plain data. */
import fc from 'fast-check';
import { type Deed, deedsOf } from '../support/administrator.js';
import type { Patience } from '../support/holding.js';
import { pickFrom } from '../support/pick.js';
import type { CallerPace } from '../support/seats.js';

export interface CallerPlan extends CallerPace, Patience {
  readonly as: 'reader' | 'writer';
  readonly way: 'acquire' | 'with' | 'try';
  /** It says for whom it asks, and so has a place of its own. */
  readonly hasOwner: boolean;
  readonly holdMs: number;
  /** How often it upgrades or downgrades what it holds, in turn. */
  readonly turns: number;
  /** How long it waits for an upgrade; 0: as long as it takes. */
  readonly turnPatienceMs: number;
  /** What it writes under each hold: and whether it waits for that before it goes on. */
  readonly write: 'none' | 'awaited' | 'left';
  /** How long a write that is left is waited for, by itself: after that nobody knows. */
  readonly leftMs: number;
}

export interface ReadWriteWorkload {
  readonly ttlMs: number;
  readonly sliceGrants: number;
  readonly sliceMs: number;
  readonly watchHoldAfterMs: number;
  /** The callers of each process. */
  readonly processes: readonly (readonly CallerPlan[])[];
  readonly deeds: readonly Deed[];
  /** While the watch of who waits is cut, its place is deleted, and as it opens again, the oldest: what was missed counts. */
  readonly deedsAtCuts: boolean;
  /** As a hold is upgraded, its read key may be deleted. */
  readonly deedsAtUpgrades: boolean;
  /** History is compacted so often, and no reply can be made up from it; 0: only where that is one of the faults. */
  readonly compactEveryMs: number;
}

export const withinMs = 4_000;

const plain = { noNullPrototype: true } as const;

const caller: fc.Arbitrary<CallerPlan> = fc.record(
  {
    as: pickFrom<CallerPlan['as']>(['reader', 'reader', 'reader', 'writer']),
    way: pickFrom<CallerPlan['way']>(['acquire', 'acquire', 'acquire', 'with', 'try']),
    hasOwner: pickFrom([false, false, false, false, true]),
    rounds: pickFrom([1, 2, 3, 5]),
    startMs: pickFrom([0, 0, 0, 50, 500, 1_500]),
    gapMs: pickFrom([0, 0, 20, 300, 1_000]),
    holdMs: pickFrom([0, 3, 10, 60, 300, 1_000, 4_000]),
    turns: pickFrom([0, 0, 1, 1, 2, 3]),
    turnPatienceMs: pickFrom([0, 0, 3, 40, 400]),
    patienceMs: pickFrom([0, 0, 0, 3, 40, 400, 2_000]),
    givesUpBy: pickFrom<CallerPlan['givesUpBy']>(['timeout', 'signal']),
    write: pickFrom<CallerPlan['write']>(['none', 'awaited', 'left', 'left']),
    leftMs: pickFrom([60, 3, 15]),
    stroke: pickFrom<CallerPlan['stroke']>([
      ...(['none', 'none', 'none', 'none', 'none'] as const),
      ...(['pause', 'sleep', 'crash'] as const),
    ]),
    strokeMs: pickFrom([20, 600, 3_500]),
  },
  plain,
);

export const readWriteWorkload: fc.Arbitrary<ReadWriteWorkload> = fc.record(
  {
    ttlMs: pickFrom([2_000, 2_000, 3_000]),
    sliceGrants: pickFrom([1_024, 1_024, 1, 2, 3]),
    sliceMs: pickFrom([20, 5, 300, 1_000]),
    watchHoldAfterMs: pickFrom([250, 0]),
    processes: fc.array(fc.array(caller, { minLength: 1, maxLength: 4, size: 'max' }), {
      minLength: 2,
      maxLength: 4,
      size: 'max',
    }),
    deedsAtCuts: pickFrom([false, false, true]),
    deedsAtUpgrades: pickFrom([false, false, false, true]),
    compactEveryMs: pickFrom([0, 0, 0, 150]),
    deeds: fc.oneof(fc.constant([]), deedsOf({ withinMs, maxLength: 3 })),
  },
  plain,
);
