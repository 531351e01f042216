/** What callers of transactions do in a run: plain data. */
import fc from 'fast-check';
import type { Isolation } from '../../src/atomics/index.js';
import { type Deed, deedsOf } from '../support/administrator.js';
import { pickFrom } from '../support/pick.js';

export const dataKeys = ['d/a', 'd/b', 'd/c'] as const;
/** Keys that come and go. */
export const guestKeys = ['d/x', 'd/y'] as const;
/** Beside all of them. */
export const markKey = 'dm';

export interface CallerPlan {
  readonly kind:
    | 'increment'
    | 'transfer'
    | 'blind'
    | 'sum'
    | 'first-of-range'
    | 'come-or-go'
    | 'look'
    | 'wander'
    | 'throw'
    | 'under-session'
    | 'under-hold';
  readonly isolation: Isolation;
  /** Two of the keys. */
  readonly from: number;
  readonly to: number;
  readonly rounds: number;
  readonly startMs: number;
  readonly gapMs: number;
  /** Between its reads, and between them and its end. */
  readonly thinkMs: number;
  /** How long each of its calls lasts at the most; 0: as long as it takes. */
  readonly patienceMs: number;
  readonly givesUpBy: 'timeout' | 'signal';
  readonly maxConflicts: number;
  /** What befalls its process, the first time that its function has read something. */
  readonly stroke: 'none' | 'pause' | 'crash';
  readonly strokeMs: number;
}

export interface StmWorkload {
  readonly ttlMs: number;
  /** The callers of each process. */
  readonly processes: readonly (readonly CallerPlan[])[];
  /** They befall the line of the first key. */
  readonly deeds: readonly Deed[];
  /** History is compacted so often; 0: only where that is one of the faults. */
  readonly compactEveryMs: number;
}

export const withinMs = 4_000;

const plain = { noNullPrototype: true } as const;

const anything = {
  kind: pickFrom<CallerPlan['kind']>([
    ...(['increment', 'increment', 'increment', 'transfer', 'transfer', 'blind', 'sum', 'sum'] as const),
    ...(['first-of-range', 'come-or-go', 'come-or-go', 'look', 'look', 'throw'] as const),
    ...(['wander', 'wander', 'under-session', 'under-session', 'under-hold'] as const),
  ]),
  isolation: pickFrom<Isolation>([
    ...(['serializable-snapshot', 'serializable-snapshot', 'serializable-snapshot'] as const),
    ...(['serializable', 'repeatable-reads', 'read-committed'] as const),
  ]),
  from: pickFrom([0, 0, 0, 1, 2]),
  to: pickFrom([1, 1, 2, 0]),
  rounds: pickFrom([1, 3, 6, 12]),
  startMs: pickFrom([0, 0, 0, 50, 500]),
  gapMs: pickFrom([0, 0, 0, 20, 300]),
  thinkMs: pickFrom([0, 0, 0, 3, 30]),
  patienceMs: pickFrom([0, 0, 0, 0, 15, 150, 900]),
  givesUpBy: pickFrom<CallerPlan['givesUpBy']>(['timeout', 'signal']),
  maxConflicts: pickFrom([1_000, 1_000, 1_000, 1]),
  stroke: pickFrom<CallerPlan['stroke']>(['none', 'none', 'none', 'none', 'pause', 'crash']),
  strokeMs: pickFrom([20, 600, 3_500]),
};

const caller: fc.Arbitrary<CallerPlan> = fc.record(anything, plain);

/** All want one key, again and again; some of them do not ask whose turn it is. */
const eager: fc.Arbitrary<CallerPlan> = fc.record(
  {
    ...anything,
    kind: pickFrom<CallerPlan['kind']>(['increment', 'increment', 'look', 'look', 'wander']),
    isolation: pickFrom<Isolation>(['serializable-snapshot', 'serializable', 'read-committed']),
    from: fc.constant(0),
    to: pickFrom([0, 1]),
    rounds: pickFrom([12, 24]),
    startMs: fc.constant(0),
    gapMs: pickFrom([0, 1, 1]),
    thinkMs: pickFrom([0, 0, 0, 3]),
    patienceMs: fc.constant(0),
  },
  plain,
);

const processesOf = (of: fc.Arbitrary<CallerPlan>) =>
  fc.array(fc.array(of, { minLength: 1, maxLength: 3, size: 'max' }), {
    minLength: 2,
    maxLength: 4,
    size: 'max',
  });

export const stmWorkload: fc.Arbitrary<StmWorkload> = fc.record(
  {
    ttlMs: pickFrom([2_000, 2_000, 3_000]),
    processes: fc.oneof(processesOf(caller), processesOf(eager)),
    compactEveryMs: pickFrom([0, 0, 0, 150]),
    deeds: fc.oneof(fc.constant([]), fc.constant([]), deedsOf({ withinMs, maxLength: 3 })),
  },
  plain,
);
