/** What the candidates and observers of one election do in a run: plain data. */
import fc from 'fast-check';
import { type Deed, deedsOf } from '../support/administrator.js';
import { pickFrom } from '../support/pick.js';

export interface CandidatePlan {
  /** By itself, or through `lead`, which stands again after a loss. */
  readonly way: 'campaign' | 'lead';
  readonly rounds: number;
  readonly startMs: number;
  readonly gapMs: number;
  readonly termMs: number;
  /** How long it waits to win, by a time limit or by a signal; 0: as long as it takes. */
  readonly patienceMs: number;
  readonly givesUpBy: 'timeout' | 'signal';
  /** Checkpoints and proclamations of a term, at its beginning and at its end. */
  readonly steps: number;
  /** It waits for each of them before it goes on. */
  readonly waitsForWrites: boolean;
  /** Instead of resigning, it hands the term to whoever stands first in the process of this number, modulo their count. */
  readonly handsTo: number | undefined;
  /** What befalls its process as it first wins. */
  readonly stroke: 'none' | 'pause' | 'sleep' | 'crash';
  readonly strokeMs: number;
}

export interface ProcessPlan {
  readonly candidates: readonly CandidatePlan[];
  /** How long each observer takes for a view. */
  readonly observers: readonly number[];
}

export interface ElectionWorkload {
  readonly ttlMs: number;
  readonly processes: readonly ProcessPlan[];
  readonly deeds: readonly Deed[];
  /** While the watch of who waits is cut, its place is deleted, and as it opens again, the oldest: what was missed counts. */
  readonly deedsAtCuts: boolean;
  /** As a candidate whose turn has come asks to win, its place is deleted. */
  readonly deedsAtWins: boolean;
  /** As it asks to win for the first time, each process sleeps for about its TTL: the reply is the first thing that it hears. */
  readonly sleepsAtWins: boolean;
  /** History is compacted so often, and no reply can be made up from it; 0: only where that is one of the faults. */
  readonly compactEveryMs: number;
}

export const withinMs = 4_000;

const plain = { noNullPrototype: true } as const;

const candidate: fc.Arbitrary<CandidatePlan> = fc.record(
  {
    way: pickFrom<CandidatePlan['way']>(['campaign', 'campaign', 'lead']),
    rounds: fc.integer({ min: 1, max: 4 }),
    startMs: pickFrom([0, 0, 50, 500, 1_500]),
    gapMs: pickFrom([0, 20, 300, 1_000]),
    termMs: pickFrom([0, 5, 60, 300, 1_000, 3_000]),
    patienceMs: pickFrom([0, 0, 0, 3, 40, 400, 2_000]),
    givesUpBy: pickFrom<CandidatePlan['givesUpBy']>(['timeout', 'signal']),
    steps: fc.nat({ max: 2 }),
    waitsForWrites: fc.boolean(),
    handsTo: pickFrom<number | undefined>([undefined, undefined, undefined, 0, 1, 2]),
    stroke: pickFrom<CandidatePlan['stroke']>([
      'none',
      'none',
      'none',
      'none',
      'none',
      'pause',
      'sleep',
      'crash',
    ]),
    strokeMs: pickFrom([20, 600, 3_500]),
  },
  plain,
);

const process: fc.Arbitrary<ProcessPlan> = fc.record(
  {
    candidates: fc.array(candidate, { minLength: 1, maxLength: 2, size: 'max' }),
    observers: fc.array(pickFrom([0, 0, 30, 700]), { maxLength: 2, size: 'max' }),
  },
  plain,
);

export const electionWorkload: fc.Arbitrary<ElectionWorkload> = fc.record(
  {
    ttlMs: pickFrom([2_000, 2_000, 3_000]),
    compactEveryMs: pickFrom([0, 0, 0, 150]),
    deedsAtWins: pickFrom([false, false, false, true]),
    sleepsAtWins: pickFrom([false, false, false, false, true]),
    deedsAtCuts: pickFrom([false, false, true]),
    processes: fc.array(process, { minLength: 2, maxLength: 4, size: 'max' }),
    deeds: fc.oneof(fc.constant([]), deedsOf({ withinMs, maxLength: 3 })),
  },
  plain,
);
