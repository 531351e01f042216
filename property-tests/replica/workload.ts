/** What the processes that share a map do in a run: plain data. */
import fc from 'fast-check';
import type { Patience } from '../support/holding.js';
import { callerPace } from '../support/pace.js';
import { pickFrom } from '../support/pick.js';
import type { CallerPace } from '../support/seats.js';
import { type Weather, weathers } from '../support/weather.js';

export interface CallerPlan extends CallerPace, Patience {
  readonly what:
    | 'set'
    | 'set-too-large'
    | 'delete'
    | 'swap'
    | 'delete-seen'
    | 'update-pair'
    | 'update-nothing'
    | 'sync'
    | 'get-fresh';
  /** It is struck before its call, or when that is on its way. */
  readonly struckAs: 'calls' | 'waits';
  /** Between what it sees and what it makes of that. */
  readonly thinkMs: number;
  /** Which entry. */
  readonly entry: number;
}

export interface ProcessPlan {
  readonly callers: readonly CallerPlan[];
  readonly follows: boolean;
  /** A follower takes so long for each batch, and so many changes are kept for it. */
  readonly readMs: number;
  readonly maxBuffered: number;
  /** All of it is looked at so often, and as each batch is told. */
  readonly lookEveryMs: number;
}

export interface ReplicaWorkload {
  readonly weather: Weather;
  readonly ttlMs: number;
  readonly processes: readonly ProcessPlan[];
  /** All callers come at once, and again without a pause. */
  readonly inHurry: boolean;
  /** History is compacted so often; 0: only where that is one of the faults. */
  readonly compactEveryMs: number;
  /**
   * `slow`: watches are so throughout, and members apply late, so that what is asked overtakes what is told; `silent`: watches are
   * so for most of it, and nobody notices.
   */
  readonly watches: 'fair' | 'slow' | 'silent';
  readonly stampedBy: 'writers' | 'readers';
  readonly proveEveryMs: number;
  /** Entries that are there from the beginning, which nobody else writes. */
  readonly prefilled: number;
  /** Another program writes so often; 0: there is none. */
  readonly foreignEveryMs: number;
  /** It also writes more entries than there is room for, for a while. */
  readonly excess: boolean;
  /** Replicas have room for few bytes, and it is these that are too many. Absent from older plans. */
  readonly fewBytes?: boolean;
}

export const withinMs = 4_000;
/** Room for all that is written without excess. */
export const maxEntries = 64;
/** As much room in bytes, where that is what is scarce; and a value that there is none for. */
export const fewBytes = 8_000;
export const tooLarge = '.'.repeat(fewBytes);

const plain = { noNullPrototype: true } as const;

const caller: fc.Arbitrary<CallerPlan> = fc.record(
  {
    what: pickFrom<CallerPlan['what']>([
      ...(['set', 'set', 'delete', 'swap', 'delete-seen', 'update-pair', 'update-pair'] as const),
      ...(['update-nothing', 'sync', 'get-fresh', 'set-too-large'] as const),
    ]),
    struckAs: pickFrom<CallerPlan['struckAs']>(['calls', 'waits']),
    thinkMs: pickFrom([0, 0, 0, 5, 60]),
    entry: pickFrom([0, 0, 1, 2]),
    ...callerPace,
  },
  plain,
);

const processPlan: fc.Arbitrary<ProcessPlan> = fc.record(
  {
    callers: fc.array(caller, { minLength: 1, maxLength: 4, size: 'max' }),
    follows: pickFrom([true, false]),
    readMs: pickFrom([0, 0, 30, 400]),
    maxBuffered: pickFrom([1, 3, 1_000]),
    lookEveryMs: pickFrom([10, 50, 300]),
  },
  plain,
);

export const replicaWorkload: fc.Arbitrary<ReplicaWorkload> = fc.record(
  {
    weather: weathers,
    ttlMs: pickFrom([3_000]),
    processes: fc.array(processPlan, { minLength: 2, maxLength: 4, size: 'max' }),
    inHurry: pickFrom([false, false, true]),
    compactEveryMs: pickFrom([0, 0, 0, 20, 150]),
    watches: pickFrom<ReplicaWorkload['watches']>(['fair', 'fair', 'fair', 'slow', 'slow', 'silent']),
    stampedBy: pickFrom<ReplicaWorkload['stampedBy']>(['writers', 'readers']),
    proveEveryMs: pickFrom([20, 100, 1_000]),
    prefilled: pickFrom([0, 40]),
    foreignEveryMs: pickFrom([0, 20, 20, 150]),
    excess: pickFrom([false, false, false, true]),
    fewBytes: pickFrom([false, true]),
  },
  plain,
);
