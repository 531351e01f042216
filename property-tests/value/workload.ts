/** What the processes that share a value do in a run: plain data. */
import fc from 'fast-check';
import type { Patience } from '../support/holding.js';
import { callerPace } from '../support/pace.js';
import { pickFrom } from '../support/pick.js';
import type { CallerPace } from '../support/seats.js';
import { type Weather, weathers } from '../support/weather.js';

export interface CallerPlan extends CallerPace, Patience {
  readonly what:
    | 'get'
    | 'set'
    | 'update'
    | 'swap-revision'
    | 'swap-value'
    | 'delete'
    | 'delete-seen'
    | 'read-history';
  /** Under what it writes. */
  readonly guard: 'none' | 'session' | 'hold' | 'compare';
  /** It is struck before its call, or when that is on its way. */
  readonly struckAs: 'calls' | 'waits';
  /** Between what it sees and what it makes of that. */
  readonly thinkMs: number;
}

export interface ProcessPlan {
  readonly callers: readonly CallerPlan[];
  readonly watches: boolean;
  readonly readsChanges: boolean;
  /** A reader takes so long for each item, so what it has not read is conflated, or waits. */
  readonly readMs: number;
}

export interface ValueWorkload {
  readonly weather: Weather;
  readonly ttlMs: number;
  readonly processes: readonly ProcessPlan[];
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
      ...(['get', 'set', 'update', 'update', 'update', 'swap-revision', 'swap-value'] as const),
      ...(['delete', 'delete-seen', 'read-history'] as const),
    ]),
    guard: pickFrom<CallerPlan['guard']>(['none', 'none', 'session', 'session', 'hold', 'compare']),
    struckAs: pickFrom<CallerPlan['struckAs']>(['calls', 'waits']),
    thinkMs: pickFrom([0, 0, 0, 5, 60]),
    ...callerPace,
  },
  plain,
);

const processPlan: fc.Arbitrary<ProcessPlan> = fc.record(
  {
    callers: fc.array(caller, { minLength: 1, maxLength: 4, size: 'max' }),
    watches: pickFrom([true, false]),
    readsChanges: pickFrom([true, false]),
    readMs: pickFrom([0, 0, 30, 400]),
  },
  plain,
);

export const valueWorkload: fc.Arbitrary<ValueWorkload> = fc.record(
  {
    weather: weathers,
    ttlMs: pickFrom([2_000, 2_000, 3_000]),
    processes: fc.array(processPlan, { minLength: 2, maxLength: 4, size: 'max' }),
    inHurry: pickFrom([false, false, true]),
    compactEveryMs: pickFrom([0, 0, 0, 150]),
  },
  plain,
);
