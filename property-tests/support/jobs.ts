/** What the runner and its workers say to each other: plain data. */
import type { Failure } from './failure.js';
import type { Plan } from './plan.js';
import { seedOf } from './seeds.js';
import type { Totals } from './totals.js';

/** Small, so that all cores are busy to the end; fixed, so that the plans are the same on every machine. */
const runsOfAJob = 25;

export interface Job {
  readonly module: string;
  /** Of this job: the same job draws the same plans. */
  readonly seed: number;
  /** Plans to draw. */
  readonly runs: number;
  /** Plans to run before, from the corpus. */
  readonly corpus: readonly Plan[];
  /** Share of the runs that are done twice, to compare. */
  readonly verifyShare: number;
  /** Ends that shrinking comes to; none: a failing plan is told as it was found. */
  readonly shrink?: { readonly forMs: number; readonly executions: number };
  readonly stuckAfterMs: number;
}

/** A plan that fails, and how it came to it. */
export interface Finding {
  readonly failure: Failure;
  /** Shrunk, if that was asked for. None if there was no run yet. */
  readonly plan: Plan | undefined;
  /** Hash of its timeline. */
  readonly timelineHash: string;
  /** Runs of the job up to and with the failing one. */
  readonly runs: number;
  /** Runs that shrinking took. */
  readonly executions: number;
}

export interface JobResult {
  readonly totals: Totals;
  readonly corpusRuns: number;
  readonly finding?: Finding;
}

export type WorkerMessage =
  /** A plan is about to run: the one to blame if nothing is heard any more. */
  | { readonly type: 'running'; readonly plan: Plan }
  /** Found, and about to be shrunk. */
  | { readonly type: 'found'; readonly finding: Finding }
  | { readonly type: 'done'; readonly result: JobResult };

export interface Chunk {
  readonly index: number;
  /** Runs of the property in the chunks before. */
  readonly runsBefore: number;
  readonly runs: number;
  readonly seed: number;
}

/** The runs of a property in the pieces in which they are done. The first runs are the same however many follow. */
export function* chunksOf(module: string, runs: number, seed: number): IterableIterator<Chunk> {
  for (let index = 0; index * runsOfAJob < runs; index += 1) {
    const runsBefore = index * runsOfAJob;
    const size = Math.min(runsOfAJob, runs - runsBefore);
    yield { index, runsBefore, runs: size, seed: seedOf(seed, `${module} ${index}`) };
  }
}
