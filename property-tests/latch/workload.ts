/** What callers of one latch do in a run: plain data. */
import fc from 'fast-check';
import type { Patience } from '../support/holding.js';
import { pickFrom } from '../support/pick.js';
import type { CallerPace } from '../support/seats.js';

export interface CallerPlan extends CallerPace, Patience {
  readonly role: 'arrive' | 'wait';
  /** What it says that has arrived; empty: something of its own each time. */
  readonly id: '' | 'a' | 'b' | 'c';
}

export interface LatchWorkload {
  readonly ttlMs: number;
  readonly count: number;
  readonly processes: readonly (readonly CallerPlan[])[];
  /** History is compacted so often; 0: only where that is one of the faults. */
  readonly compactEveryMs: number;
}

export const withinMs = 3_000;

const plain = { noNullPrototype: true } as const;

const caller: fc.Arbitrary<CallerPlan> = fc.record(
  {
    role: pickFrom<CallerPlan['role']>(['arrive', 'arrive', 'wait']),
    id: pickFrom<CallerPlan['id']>(['', 'a', 'b', 'c']),
    rounds: pickFrom([1, 2, 4]),
    startMs: pickFrom([0, 0, 20, 300]),
    gapMs: pickFrom([0, 5, 200, 900]),
    patienceMs: pickFrom([0, 0, 0, 4, 60, 800]),
    givesUpBy: pickFrom<CallerPlan['givesUpBy']>(['timeout', 'signal']),
    stroke: pickFrom<CallerPlan['stroke']>(['none', 'none', 'none', 'pause', 'crash']),
    strokeMs: pickFrom([20, 600, 3_000]),
  },
  plain,
);

export const latchWorkload: fc.Arbitrary<LatchWorkload> = fc.record(
  {
    ttlMs: pickFrom([2_000, 3_000]),
    count: pickFrom([1, 2, 3, 4, 6]),
    processes: fc.array(fc.array(caller, { minLength: 1, maxLength: 3, size: 'max' }), {
      minLength: 2,
      maxLength: 4,
      size: 'max',
    }),
    compactEveryMs: pickFrom([0, 0, 0, 150]),
  },
  plain,
);
