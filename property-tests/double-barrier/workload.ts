/** What members of one double barrier do in a run: plain data. */
import fc from 'fast-check';
import type { DeadMembers } from '../../src/barriers/index.js';
import { type Deed, deedsOf } from '../support/administrator.js';
import type { Patience } from '../support/holding.js';
import { pickFrom } from '../support/pick.js';
import type { CallerPace } from '../support/seats.js';

export interface CallerPlan extends CallerPace, Patience {
  readonly whenFull: 'refuse' | 'queue';
  readonly insideMs: number;
  /** How long it waits for the others to leave; 0: as long as it takes. */
  readonly leavePatienceMs: number;
  /** Leaves and waits for nobody. */
  readonly departs: boolean;
}

export interface DoubleWorkload {
  readonly ttlMs: number;
  readonly size: number;
  readonly deadMembers: DeadMembers;
  readonly processes: readonly (readonly CallerPlan[])[];
  readonly deeds: readonly Deed[];
  /** History is compacted so often; 0: only where that is one of the faults. */
  readonly compactEveryMs: number;
}

export const withinMs = 4_000;

const plain = { noNullPrototype: true } as const;

const caller: fc.Arbitrary<CallerPlan> = fc.record(
  {
    whenFull: pickFrom<CallerPlan['whenFull']>(['queue', 'queue', 'refuse']),
    rounds: pickFrom([2, 4, 8]),
    startMs: pickFrom([0, 0, 20, 300]),
    gapMs: pickFrom([0, 0, 5, 200]),
    insideMs: pickFrom([0, 3, 30, 300]),
    patienceMs: pickFrom([0, 0, 0, 4, 20, 60, 800]),
    givesUpBy: pickFrom<CallerPlan['givesUpBy']>(['timeout', 'signal']),
    leavePatienceMs: pickFrom([0, 0, 0, 4, 60, 800]),
    departs: pickFrom([false, false, false, true]),
    stroke: pickFrom<CallerPlan['stroke']>(['none', 'none', 'none', 'pause', 'sleep', 'crash']),
    strokeMs: pickFrom([20, 600, 3_500]),
  },
  plain,
);

export const doubleWorkload: fc.Arbitrary<DoubleWorkload> = fc.record(
  {
    ttlMs: pickFrom([2_000, 2_000, 3_000]),
    size: pickFrom([1, 2, 2, 3, 4]),
    deadMembers: pickFrom<DeadMembers>(['break', 'wait', 'shrink']),
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
