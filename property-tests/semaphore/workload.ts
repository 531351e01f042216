/** What the processes that share a semaphore do in a run: plain data. */
import fc from 'fast-check';
import { type Deed, deedsOf } from '../support/administrator.js';
import type { Patience } from '../support/holding.js';
import { pickFrom } from '../support/pick.js';
import type { CallerPace } from '../support/seats.js';

export interface CallerPlan extends CallerPace, Patience {
  readonly way: 'acquire' | 'run' | 'try-acquire';
  readonly weight: number;
  /** It says for whom it asks, and so has a place of its own. */
  readonly hasOwner: boolean;
  readonly holdMs: number;
  /** What it writes under its permits: and whether it waits for that before it releases. */
  readonly write: 'none' | 'awaited' | 'left';
}

/** Somebody changes the limit: a process by the library, or an administrator past it. */
export interface Resize {
  readonly atMs: number;
  readonly kind: 'set' | 'change' | 'delete' | 'spoil';
  /** The limit, or, less 3, what is added to it. */
  readonly to: number;
  /** Index of the process, modulo their count. */
  readonly target: number;
}

export interface SemaphoreWorkload {
  readonly ttlMs: number;
  readonly limit: number;
  readonly sliceGrants: number;
  readonly sliceMs: number;
  readonly waitingPlaces: number;
  readonly watchHoldAfterMs: number;
  /** The callers of each process. */
  readonly processes: readonly (readonly CallerPlan[])[];
  readonly resizes: readonly Resize[];
  readonly deeds: readonly Deed[];
  /** While the watch of who waits is cut, the limit is made 1, and as it opens again the oldest places go: what was missed counts. */
  readonly deedsAtCuts: boolean;
  /** History is compacted so often, and no reply can be made up from it; 0: only where that is one of the faults. */
  readonly compactEveryMs: number;
}

export const withinMs = 4_000;

const plain = { noNullPrototype: true } as const;

const caller: fc.Arbitrary<CallerPlan> = fc.record(
  {
    way: pickFrom<CallerPlan['way']>(['acquire', 'acquire', 'acquire', 'run', 'try-acquire']),
    weight: pickFrom([1, 1, 1, 2, 2, 3, 5]),
    hasOwner: pickFrom([false, false, false, false, true]),
    rounds: pickFrom([1, 2, 3, 5, 8]),
    startMs: pickFrom([0, 0, 0, 50, 500, 1_500]),
    gapMs: pickFrom([0, 0, 20, 300]),
    holdMs: pickFrom([0, 0, 3, 10, 60, 300, 1_000, 4_000]),
    patienceMs: pickFrom([0, 0, 0, 3, 40, 400, 2_000]),
    givesUpBy: pickFrom<CallerPlan['givesUpBy']>(['timeout', 'signal']),
    write: pickFrom<CallerPlan['write']>(['none', 'awaited', 'left', 'left']),
    stroke: pickFrom<CallerPlan['stroke']>(['none', 'none', 'none', 'none', 'none', 'pause', 'crash']),
    strokeMs: pickFrom([20, 600, 3_500]),
  },
  plain,
);

const resize: fc.Arbitrary<Resize> = fc.record(
  {
    kind: pickFrom<Resize['kind']>(['set', 'set', 'change', 'change', 'delete', 'spoil']),
    to: fc.nat({ max: 6 }),
    target: fc.nat({ max: 4 }),
    atMs: fc.nat({ max: withinMs }),
  },
  plain,
);

export const semaphoreWorkload: fc.Arbitrary<SemaphoreWorkload> = fc.record(
  {
    ttlMs: pickFrom([2_000, 2_000, 3_000]),
    limit: pickFrom([3, 1, 2, 4, 6]),
    sliceGrants: pickFrom([64, 64, 1, 2, 3]),
    sliceMs: pickFrom([20, 5, 1_000, 1_000]),
    waitingPlaces: pickFrom([64, 64, 1, 2]),
    watchHoldAfterMs: pickFrom([250, 0]),
    processes: fc.array(fc.array(caller, { minLength: 1, maxLength: 5, size: 'max' }), {
      minLength: 2,
      maxLength: 4,
      size: 'max',
    }),
    resizes: fc.oneof(fc.constant([]), fc.array(resize, { maxLength: 8 })),
    deedsAtCuts: pickFrom([false, true, true]),
    compactEveryMs: pickFrom([0, 0, 0, 150]),
    deeds: fc.oneof(fc.constant([]), deedsOf({ withinMs, maxLength: 3 })),
  },
  plain,
);
