/** What callers at one gate do in a run: plain data. */
import fc from 'fast-check';
import { type Deed, deedsOf } from '../support/administrator.js';
import type { Patience } from '../support/holding.js';
import { pickFrom } from '../support/pick.js';
import type { CallerPace } from '../support/seats.js';

export interface CallerPlan extends CallerPace, Patience {
  readonly role: 'wait' | 'hold' | 'persist' | 'open';
  /** How long it keeps the gate closed. */
  readonly holdMs: number;
  /** Opens it and closes it again at once. */
  readonly closesAgain: boolean;
}

export interface BarrierWorkload {
  readonly ttlMs: number;
  readonly processes: readonly (readonly CallerPlan[])[];
  readonly deeds: readonly Deed[];
  /** History is compacted so often; 0: only where that is one of the faults. */
  readonly compactEveryMs: number;
}

export const withinMs = 4_000;

const plain = { noNullPrototype: true } as const;

const caller: fc.Arbitrary<CallerPlan> = fc.record(
  {
    role: pickFrom<CallerPlan['role']>(['wait', 'wait', 'wait', 'hold', 'hold', 'persist', 'open']),
    rounds: pickFrom([1, 3, 8]),
    startMs: pickFrom([0, 0, 20, 300]),
    gapMs: pickFrom([0, 5, 60, 500]),
    holdMs: pickFrom([0, 3, 30, 300, 1_500]),
    closesAgain: fc.boolean(),
    patienceMs: pickFrom([0, 0, 0, 4, 60, 800]),
    givesUpBy: pickFrom<CallerPlan['givesUpBy']>(['timeout', 'signal']),
    stroke: pickFrom<CallerPlan['stroke']>(['none', 'none', 'none', 'none', 'pause', 'sleep', 'crash']),
    strokeMs: pickFrom([20, 600, 3_500]),
  },
  plain,
);

export const barrierWorkload: fc.Arbitrary<BarrierWorkload> = fc.record(
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
