/** What the processes that take ids do in a run: plain data. */
import fc from 'fast-check';
import type { Patience } from '../support/holding.js';
import { pickFrom } from '../support/pick.js';
import type { CallerPace } from '../support/seats.js';
import { type Weather, weathers } from '../support/weather.js';

export interface CallerPlan extends CallerPace, Patience {
  readonly way: 'next' | 'take' | 'try-next';
  /** How many ids it asks for: by one call, or by so many at a time. */
  readonly count: number;
}

export interface IdsWorkload {
  readonly weather: Weather;
  readonly ttlMs: number;
  readonly first: number;
  readonly atLeast: number;
  readonly atMost: number;
  readonly processes: readonly (readonly CallerPlan[])[];
  /** History is compacted so often; 0: only where that is one of the faults. */
  readonly compactEveryMs: number;
}

export const withinMs = 4_000;

const plain = { noNullPrototype: true } as const;

const caller: fc.Arbitrary<CallerPlan> = fc.record(
  {
    way: pickFrom<CallerPlan['way']>(['next', 'next', 'next', 'take', 'try-next']),
    count: pickFrom([1, 1, 3, 9]),
    rounds: pickFrom([1, 4, 12, 30]),
    startMs: pickFrom([0, 0, 0, 50, 500, 1_500]),
    gapMs: pickFrom([0, 5, 40, 150, 300]),
    patienceMs: pickFrom([0, 0, 0, 3, 40, 400, 2_000]),
    givesUpBy: pickFrom<CallerPlan['givesUpBy']>(['timeout', 'signal']),
    stroke: pickFrom<CallerPlan['stroke']>(['none', 'none', 'none', 'none', 'none', 'pause', 'crash']),
    strokeMs: pickFrom([20, 600, 3_500]),
  },
  plain,
);

export const idsWorkload: fc.Arbitrary<IdsWorkload> = fc.record(
  {
    weather: weathers,
    ttlMs: pickFrom([2_000]),
    first: pickFrom([1, 0, 1_000]),
    atLeast: pickFrom([1, 2, 4]),
    atMost: pickFrom([4, 4, 16]),
    processes: fc.array(fc.array(caller, { minLength: 1, maxLength: 4, size: 'max' }), {
      minLength: 2,
      maxLength: 4,
      size: 'max',
    }),
    compactEveryMs: pickFrom([0, 0, 0, 150]),
  },
  plain,
);
