/** What the processes at a cyclic barrier do in a run: plain data. */
import fc from 'fast-check';
import type { DeadMembers } from '../../src/barriers/dead-members.js';
import { type Deed, deedsOf } from '../support/administrator.js';
import type { Patience } from '../support/holding.js';
import { pickFrom } from '../support/pick.js';
import type { CallerPace } from '../support/seats.js';

export interface CallerPlan extends CallerPace, Patience {
  /** What befalls its process befalls it as it has just begun to wait, or between its waits. */
  readonly struckAs: 'waits' | 'works';
  /** Told that the barrier is broken, it resets it. */
  readonly resets: boolean;
}

/** Somebody resets the barrier, whatever it is, or deletes its key by hand. */
export interface Reset {
  readonly atMs: number;
  readonly by: 'reset' | 'hand';
  /** Index of the process, modulo their count. */
  readonly target: number;
}

export interface CyclicWorkload {
  readonly ttlMs: number;
  /** How many arrivals a generation takes, modulo the number of callers. */
  readonly parties: number;
  readonly deadMembers: DeadMembers;
  readonly action: 'none' | 'given';
  readonly actionMs: number;
  /** The action of every so manieth generation fails; 0: of none. */
  readonly failEvery: number;
  /** What befalls the process that runs an action for the first time. */
  readonly electStroke: 'none' | 'pause' | 'crash';
  /** The callers of each process. */
  readonly processes: readonly (readonly CallerPlan[])[];
  readonly resets: readonly Reset[];
  readonly deeds: readonly Deed[];
  /** History is compacted so often, and no reply can be made up from it; 0: only where that is one of the faults. */
  readonly compactEveryMs: number;
}

export const withinMs = 4_000;

const plain = { noNullPrototype: true } as const;

const caller: fc.Arbitrary<CallerPlan> = fc.record(
  {
    rounds: pickFrom([3, 5, 8, 12]),
    startMs: pickFrom([0, 0, 0, 50, 500]),
    gapMs: pickFrom([0, 0, 0, 20, 300]),
    patienceMs: pickFrom([0, 0, 0, 0, 0, 8, 60, 800]),
    givesUpBy: pickFrom<CallerPlan['givesUpBy']>(['timeout', 'signal']),
    stroke: pickFrom<CallerPlan['stroke']>(['none', 'none', 'none', 'none', 'pause', 'crash']),
    struckAs: pickFrom<CallerPlan['struckAs']>(['waits', 'works']),
    strokeMs: pickFrom([20, 600, 3_500, 9_000]),
    resets: pickFrom([true, false]),
  },
  plain,
);

const reset: fc.Arbitrary<Reset> = fc.record(
  {
    by: pickFrom<Reset['by']>(['reset', 'reset', 'hand']),
    target: fc.nat({ max: 4 }),
    atMs: fc.nat({ max: withinMs }),
  },
  plain,
);

export const cyclicWorkload: fc.Arbitrary<CyclicWorkload> = fc.record(
  {
    ttlMs: pickFrom([2_000, 2_000, 3_000]),
    parties: fc.nat({ max: 6 }),
    deadMembers: pickFrom<DeadMembers>(['break', 'wait', 'shrink']),
    action: pickFrom<CyclicWorkload['action']>(['none', 'given', 'given']),
    actionMs: pickFrom([0, 5, 40, 400, 1_500]),
    failEvery: pickFrom([0, 0, 3, 7]),
    electStroke: pickFrom<CyclicWorkload['electStroke']>(['none', 'none', 'pause', 'crash']),
    processes: fc.array(fc.array(caller, { minLength: 1, maxLength: 3, size: 'max' }), {
      minLength: 2,
      maxLength: 4,
      size: 'max',
    }),
    resets: fc.oneof(fc.constant([]), fc.constant([]), fc.array(reset, { maxLength: 3 })),
    compactEveryMs: pickFrom([0, 0, 60, 150]),
    deeds: fc.oneof(fc.constant([]), fc.constant([]), deedsOf({ withinMs, maxLength: 3 })),
  },
  plain,
);
