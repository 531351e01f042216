/** What the candidates of one election, and those who watch it, do in a run: plain data. */
import fc from 'fast-check';
import { type Deed, deedsOf } from '../support/administrator.js';
import { pickFrom } from '../support/pick.js';

export interface CandidatePlan {
  /** `campaign`: stands, leads, resigns. `lead`: has its work run while it leads. 'observe': only looks on. */
  readonly way: 'campaign' | 'lead' | 'observe';
  readonly terms: number;
  readonly startMs: number;
  readonly termMs: number;
  /** How long it wants to lead; 0: as long as it takes. */
  readonly patienceMs: number;
  /** What befalls its process as it first leads. */
  readonly stroke: 'none' | 'pause' | 'sleep' | 'crash';
  readonly strokeMs: number;
  /** It looks on too. */
  readonly observes: boolean;
  /** How long an observer takes over each view. */
  readonly readMs: number;
}

export interface ElectionWorkload {
  readonly ttlMs: number;
  readonly candidates: readonly CandidatePlan[];
  readonly deeds: readonly Deed[];
  /** History is compacted so often; 0: only where that is one of the faults. */
  readonly compactEveryMs: number;
}

export const withinMs = 4_000;

const plain = { noNullPrototype: true } as const;

const candidate: fc.Arbitrary<CandidatePlan> = fc.record(
  {
    way: pickFrom<CandidatePlan['way']>(['campaign', 'lead', 'observe']),
    terms: fc.integer({ min: 1, max: 4 }),
    startMs: pickFrom([0, 0, 50, 500, 1_500]),
    termMs: pickFrom([0, 10, 100, 400, 2_500]),
    patienceMs: pickFrom([0, 0, 0, 5, 300]),
    stroke: pickFrom<CandidatePlan['stroke']>(['none', 'none', 'none', 'none', 'pause', 'sleep', 'crash']),
    strokeMs: pickFrom([20, 600, 3_500]),
    observes: fc.boolean(),
    readMs: pickFrom([0, 0, 30, 600]),
  },
  plain,
);

export const electionWorkload: fc.Arbitrary<ElectionWorkload> = fc.record(
  {
    ttlMs: pickFrom([2_000, 2_000, 3_000]),
    candidates: fc.array(candidate, { minLength: 2, maxLength: 4, size: 'max' }),
    deeds: fc.oneof(fc.constant([]), deedsOf({ withinMs, maxLength: 3 })),
    compactEveryMs: pickFrom([0, 0, 0, 150]),
  },
  plain,
);
