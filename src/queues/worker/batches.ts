import { invalidArgument } from '../../errors.js';
import { LazySignal, type Runtime, type Timer } from '../../runtime/index.js';
import type { HeldJob } from './held-job.js';
import type { Job } from './job.js';

/**
 * Does some jobs together. Each ends by itself, by `job.complete`, `job.reject` or `fail`; what is left is completed when the
 * handler returns, and has failed when it throws. What it returns is nobody's result.
 */
export type BatchHandler<T> = (jobs: readonly Job<T>[], context: BatchContext<T>) => unknown;

export interface BatchContext<T> {
  /**
   * Fires when nothing is left to do, and not because the handler has done it all: the session was lost, the worker is being closed,
   * or each job that did not end was cancelled.
   */
  readonly signal: AbortSignal;
  /**
   * The handler has failed at this job, whatever becomes of the others: it is given back at once, or goes to the dead letters, as
   * after a handler of its own that threw `error`. Nothing, if the job has ended. Throws `invalid-argument` for a job of another batch.
   */
  readonly fail: (job: Job<T>, error: unknown) => void;
}

/** Does some jobs; of one alone, what it returns is the result. The context is made for who asks for it. */
export type Handling<T> = (jobs: readonly Job<T>[], contextNow: () => BatchContext<T>) => unknown;

/** What a worker runs, and for how many jobs at a time. */
export class Batching<T> {
  readonly handle: Handling<T>;
  readonly batch: { readonly size: number; readonly lingerMs: number };

  constructor(handler: BatchHandler<T>, batch: { readonly size: number; readonly lingerMs: number }) {
    this.handle = async (jobs, contextNow) => {
      await handler(jobs, contextNow());
    };
    this.batch = batch;
  }
}

/** A batch that is being gathered, or waits for a place. */
interface Batch<E> {
  readonly entries: E[];
  isDue: boolean;
  timer: Timer | undefined;
}

/**
 * Divides what comes into batches, in order: one is due when it is full, or `lingerMs` after its first entry came. As long as it
 * then waits for a place, more is let in.
 */
export class Gatherer<E> {
  readonly #runtime: Runtime;
  readonly #size: number;
  readonly #lingerMs: number;
  readonly #onDue: (take: () => readonly E[]) => void;
  #open: Batch<E> | undefined;

  /** `onDue`: calls `take` when the batch starts, once. */
  constructor(options: {
    runtime: Runtime;
    size: number;
    lingerMs: number;
    onDue: (take: () => readonly E[]) => void;
  }) {
    this.#runtime = options.runtime;
    this.#size = options.size;
    this.#lingerMs = options.lingerMs;
    this.#onDue = options.onDue;
  }

  add(entry: E): void {
    const batch = this.#open ?? this.#begin();
    batch.entries.push(entry);
    if (batch.entries.length < this.#size) return;
    this.#open = undefined;
    this.#isDue(batch);
  }

  #begin(): Batch<E> {
    const batch: Batch<E> = { entries: [], isDue: false, timer: undefined };
    this.#open = batch;
    if (this.#size === 1) return batch;
    const due = () => this.#isDue(batch);
    // What came in one record comes in one turn.
    if (this.#lingerMs === 0) queueMicrotask(due);
    else batch.timer = this.#runtime.setTimer(this.#lingerMs, due, { background: true });
    return batch;
  }

  #isDue(batch: Batch<E>): void {
    if (batch.isDue) return;
    batch.isDue = true;
    batch.timer?.cancel();
    this.#onDue(() => {
      if (this.#open === batch) this.#open = undefined;
      return batch.entries;
    });
  }
}

/** `fail`: called for jobs of this batch only. */
export function contextOf<T>(
  jobs: readonly {
    readonly job: Job<T>;
    readonly held: Pick<HeldJob, 'isSettled' | 'onSettled'>;
    readonly aborting: LazySignal;
  }[],
  fail: (job: Job<T>, error: unknown) => void,
): BatchContext<T> {
  const nothingLeft = new LazySignal();
  let failed: Set<Job<T>> | undefined;
  let last: LazySignal | undefined;
  const look = () => {
    if (last === undefined) return;
    const isLeft = jobs.some(
      ({ job, held, aborting }) => !held.isSettled && !failed?.has(job) && !aborting.aborted,
    );
    if (!isLeft) nothingLeft.abort(last.reason);
  };
  for (const { held, aborting } of jobs) {
    aborting.onAbort = () => {
      last = aborting;
      look();
    };
    held.onSettled = look;
  }
  return {
    get signal() {
      return nothingLeft.signal;
    },
    fail: (job, error) => {
      if (jobs.every((one) => one.job !== job))
        throw invalidArgument('fail() of a job of another batch', 'one of its own');
      fail(job, error);
      failed ??= new Set();
      failed.add(job);
      look();
    },
  };
}
