/** What the processes at a phaser do in a run: plain data. */
import fc from 'fast-check';
import { type Deed, deedsOf } from '../support/administrator.js';
import type { Patience } from '../support/holding.js';
import { pickFrom } from '../support/pick.js';
import type { CallerPace } from '../support/seats.js';

/** One who registers, goes through some phases, and leaves, again and again. */
export interface CallerPlan extends CallerPace, Patience {
  /** As many members as it registers at once. */
  readonly members: number;
  readonly phases: number;
  /** Between its arrivals. */
  readonly workMs: number;
  /** How it goes through a phase. */
  readonly way: 'await' | 'arrive-then-await' | 'arrive-only' | 'bulk';
  /** How it leaves: in good order, or by being forgotten until it would be missed. */
  readonly leaves: 'at-once' | 'after-arriving';
  readonly struckAs: 'waits' | 'works';
}

export interface PhaserWorkload {
  readonly ttlMs: number;
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
    rounds: pickFrom([1, 2, 3]),
    startMs: pickFrom([0, 0, 0, 50, 500]),
    gapMs: pickFrom([0, 0, 20, 300]),
    members: pickFrom([1, 1, 1, 2, 3]),
    phases: pickFrom([1, 3, 6]),
    workMs: pickFrom([0, 0, 0, 3, 30, 300]),
    way: pickFrom<CallerPlan['way']>(['await', 'await', 'arrive-then-await', 'arrive-only', 'bulk']),
    leaves: pickFrom<CallerPlan['leaves']>(['at-once', 'after-arriving']),
    patienceMs: pickFrom([0, 0, 0, 0, 8, 60, 800]),
    givesUpBy: pickFrom<CallerPlan['givesUpBy']>(['timeout', 'signal']),
    stroke: pickFrom<CallerPlan['stroke']>(['none', 'none', 'none', 'pause', 'crash']),
    struckAs: pickFrom<CallerPlan['struckAs']>(['waits', 'works']),
    strokeMs: pickFrom([20, 600, 3_500, 9_000]),
  },
  plain,
);

export const phaserWorkload: fc.Arbitrary<PhaserWorkload> = fc.record(
  {
    ttlMs: pickFrom([2_000, 2_000, 3_000]),
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
