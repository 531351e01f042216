/** What the processes that share a counter do in a run: plain data. */
import fc from 'fast-check';
import type { Patience } from '../support/holding.js';
import { callerPace } from '../support/pace.js';
import { pickFrom } from '../support/pick.js';
import type { CallerPace } from '../support/seats.js';
import { type Weather, weathers } from '../support/weather.js';

export interface CallerPlan extends CallerPace, Patience {
  readonly what: 'get' | 'add' | 'reset' | 'compare-and-set';
  /** What it adds, sets, or takes for the count. */
  readonly amount: number;
  /** How many calls it makes at a time. */
  readonly atOnce: number;
}

export interface CounterWorkload {
  readonly weather: Weather;
  readonly ttlMs: number;
  readonly initial: number;
  readonly min: number;
  readonly max: number;
  readonly processes: readonly (readonly CallerPlan[])[];
  /** All callers come at once, and again without a pause. */
  readonly inHurry: boolean;
  /** History is compacted so often; 0: only where that is one of the faults. */
  readonly compactEveryMs: number;
}

export const withinMs = 4_000;

const plain = { noNullPrototype: true } as const;

const caller: fc.Arbitrary<CallerPlan> = fc.record(
  {
    what: pickFrom<CallerPlan['what']>([
      ...(['get', 'add', 'add', 'add', 'add', 'add', 'reset', 'compare-and-set'] as const),
    ]),
    amount: pickFrom([1, 1, 2, -1, -3, 0, 5]),
    atOnce: pickFrom([1, 1, 1, 2, 4]),
    ...callerPace,
    stroke: pickFrom<CallerPlan['stroke']>(['none', 'none', 'none', 'none', 'none', 'pause', 'crash']),
    strokeMs: pickFrom([20, 600, 3_500]),
  },
  plain,
);

export const counterWorkload: fc.Arbitrary<CounterWorkload> = fc.record(
  {
    weather: weathers,
    ttlMs: pickFrom([2_000]),
    initial: pickFrom([0, 0, 3]),
    min: pickFrom([-1_000_000, -1_000_000, 0, -2]),
    max: pickFrom([1_000_000, 1_000_000, 8, 4]),
    processes: fc.array(fc.array(caller, { minLength: 1, maxLength: 3, size: 'max' }), {
      minLength: 2,
      maxLength: 4,
      size: 'max',
    }),
    inHurry: pickFrom([false, false, true]),
    compactEveryMs: pickFrom([0, 0, 0, 150]),
  },
  plain,
);
