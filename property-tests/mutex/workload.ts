/** What the processes that want one lock do in a run: plain data. */
import fc from 'fast-check';
import { type Deed, deedsOf } from '../support/administrator.js';
import { pickFrom } from '../support/pick.js';

export type Way = 'acquire' | 'run-exclusive' | 'try-acquire';

export interface CallerPlan {
  /** Which of the process's `Mutex` objects it uses. */
  readonly object: 0 | 1;
  readonly way: Way;
  readonly rounds: number;
  readonly startMs: number;
  readonly gapMs: number;
  readonly holdMs: number;
  /** How long it waits for the lock, by a time limit or by a signal; 0: as long as it takes. */
  readonly patienceMs: number;
  readonly givesUpBy: 'timeout' | 'signal';
  /** What it writes under the lock: and whether it waits for that before it releases. */
  readonly write: 'none' | 'awaited' | 'left';
  /** What befalls its process as it first holds the lock. */
  readonly stroke: 'none' | 'pause' | 'sleep' | 'crash';
  readonly strokeMs: number;
  /** Instead of releasing it, it hands the lock to whoever waits in the process of this number, modulo their count. */
  readonly handsTo: number | undefined;
  /** It also writes to a store that knows tokens and nothing else. */
  readonly writesOutside: boolean;
}

export interface MutexWorkload {
  readonly ttlMs: number;
  readonly sliceGrants: number;
  readonly sliceMs: number;
  /** Its slices are not those above, but `bargingMs` and as many grants as a revision has numbers for. */
  readonly barging: boolean;
  readonly bargingMs: number;
  readonly watchHoldAfterMs: number;
  readonly lockDelayMs: number;
  /** The callers of each process. */
  readonly processes: readonly (readonly CallerPlan[])[];
  readonly deeds: readonly Deed[];
  /** While the watch of who waits is cut, its place is deleted, and as it opens again, the oldest: what was missed counts. */
  readonly deedsAtCuts: boolean;
  /** History is compacted so often, and no reply can be made up from it; 0: only where that is one of the faults. */
  readonly compactEveryMs: number;
}

export const withinMs = 4_000;

const plain = { noNullPrototype: true } as const;

const caller: fc.Arbitrary<CallerPlan> = fc.record(
  {
    object: pickFrom<0 | 1>([0, 0, 0, 0, 0, 1]),
    way: pickFrom<Way>(['acquire', 'acquire', 'acquire', 'run-exclusive', 'try-acquire']),
    rounds: pickFrom([1, 2, 3, 5, 8]),
    startMs: pickFrom([0, 0, 0, 50, 500, 1_500]),
    gapMs: pickFrom([0, 0, 20, 300, 1_000]),
    holdMs: pickFrom([0, 0, 3, 10, 60, 300, 1_000, 4_000]),
    patienceMs: pickFrom([0, 0, 0, 3, 40, 400, 2_000]),
    givesUpBy: pickFrom<'timeout' | 'signal'>(['timeout', 'signal']),
    write: pickFrom<CallerPlan['write']>(['none', 'awaited', 'left', 'left']),
    stroke: pickFrom<CallerPlan['stroke']>([
      'none',
      'none',
      'none',
      'none',
      'none',
      'pause',
      'sleep',
      'crash',
    ]),
    strokeMs: pickFrom([20, 600, 3_500]),
    handsTo: pickFrom<number | undefined>([undefined, undefined, undefined, 0, 1, 2]),
    writesOutside: fc.boolean(),
  },
  plain,
);

export const mutexWorkload: fc.Arbitrary<MutexWorkload> = fc.record(
  {
    ttlMs: pickFrom([2_000, 2_000, 3_000]),
    sliceGrants: pickFrom([64, 64, 1, 2, 3]),
    sliceMs: pickFrom([20, 5, 1_000, 1_000]),
    barging: pickFrom([false, false, false, false, true]),
    bargingMs: pickFrom([30, 400]),
    watchHoldAfterMs: pickFrom([250, 0]),
    lockDelayMs: pickFrom([0, 0, 0, 0, 700, 1_500, 3_000]),
    processes: fc.array(fc.array(caller, { minLength: 1, maxLength: 4, size: 'max' }), {
      minLength: 2,
      maxLength: 4,
      size: 'max',
    }),
    deedsAtCuts: pickFrom([false, false, true]),
    compactEveryMs: pickFrom([0, 0, 0, 150]),
    deeds: fc.oneof(fc.constant([]), deedsOf({ withinMs, maxLength: 3 })),
  },
  plain,
);
