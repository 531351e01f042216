import PQueue from 'p-queue';
import type { QuorateError } from '../../errors.js';
import { isThenable, LazySignal, type Runtime } from '../../runtime/index.js';
import type { Codec } from '../../store/index.js';
import { type BatchContext, contextOf, Gatherer, type Handling } from './batches.js';
import type { HeldJob } from './held-job.js';
import { Job } from './job.js';
import type { Membership } from './membership.js';
import { failedAfterAll, type Outcome, Parting } from './parting.js';
import { StallWatch } from './stall-watch.js';
import type { WorkerEvent } from './worker-events.js';
import type { WorkerSettings } from './worker-options.js';

/**
 * Does the job. What it returns acknowledges it, and is its result if one was asked for; what it throws gives it back, to be
 * given out again later, or after so many `attempts` into the dead letters. `JobRejected` does that at once.
 */
export type Handler<T> = (job: Job<T>, context: { readonly signal: AbortSignal }) => unknown;

export interface JobRunnerOptions<T> {
  readonly runtime: Runtime;
  readonly handle: Handling<T>;
  readonly settings: WorkerSettings;
  readonly decode: (payload: Uint8Array) => T | Promise<T>;
  readonly resultCodec: Codec<unknown>;
  /** Fires when the worker is being closed. */
  readonly stopping: AbortSignal;
  readonly emit: (event: WorkerEvent<T>) => void;
}

/** A job, and the life of this worker that was given it. */
interface Given {
  readonly held: HeldJob;
  readonly membership: Membership;
}

interface Prepared<T> extends Given {
  readonly job: Job<T>;
  readonly aborting: LazySignal;
}

/** One call of the handler. */
interface HandlerRun<T> {
  prepared: readonly Prepared<T>[];
  /** Those that have not ended, as far as the handler has said. */
  readonly left: Map<Job<T>, Prepared<T>>;
  /** None where nothing counts as stalled. */
  stall: StallWatch | undefined;
}

interface Running {
  readonly aborting: LazySignal;
  readonly stall: StallWatch | undefined;
  readonly startedMs: number;
}

/**
 * Runs a worker's handlers, so many at a time and each for one job or for a batch. One runner serves all lives of its worker: a
 * handler that outlives its session keeps its place until it ends.
 */
export class JobRunner<T> {
  readonly #options: JobRunnerOptions<T>;
  readonly #parting: Parting<T>;
  readonly #tasks: PQueue;
  /** None where each job has a handler of its own. */
  readonly #gatherer: Gatherer<Given> | undefined;
  readonly #running = new Map<HeldJob, Running>();
  /** The handler has ended; what becomes of the job is being decided or written. */
  readonly #concluding = new Set<HeldJob>();
  readonly #settling = new Set<Promise<void>>();

  constructor(options: JobRunnerOptions<T>) {
    const { runtime, settings, stopping, emit } = options;
    this.#options = options;
    this.#parting = new Parting({ runtime, settings, stopping, emit });
    this.#tasks = new PQueue({ concurrency: settings.concurrency });
    const onDue = (take: () => readonly Given[]) => this.#queue(take);
    this.#gatherer =
      settings.batch.size === 1 ? undefined : new Gatherer({ runtime, ...settings.batch, onDue });
  }

  /** Jobs whose handlers run now. */
  get running(): number {
    return this.#running.size;
  }

  /** Of these, jobs whose handlers have told no progress for too long. */
  get stalled(): number {
    return [...this.#running.values()].filter(({ stall }) => stall?.isStalled).length;
  }

  /** Of the handler that has run longest, by the monotonic clock. */
  get oldestStartMs(): number | undefined {
    const [oldest] = this.#running.values();
    return oldest?.startedMs;
  }

  /** The job's handler starts when those before it leave a place, and its batch is to wait no longer. */
  add(held: HeldJob, membership: Membership): void {
    const given = { held, membership };
    if (this.#gatherer === undefined) this.#queue(() => [given]);
    else this.#gatherer.add(given);
  }

  /** It has failed before its handler could run: its payload cannot be read. */
  unreadable(held: HeldJob, membership: Membership, error: unknown): void {
    this.#parting.report(error);
    this.#settle(held, this.#parting.failUnread(held, membership, error));
  }

  /** It was cancelled, which it knows. */
  cancelled(held: HeldJob, error: QuorateError, reason: string): void {
    const running = this.#running.get(held);
    running?.aborting.abort(error);
    const { id } = held.assigned;
    this.#options.emit({ type: 'cancelled', id, reason, wasRunning: running !== undefined });
  }

  /** Gives back what has no handler, or has not ended, too. */
  giveBack(membership: Membership, which: 'waiting' | 'running-too'): void {
    for (const job of membership.held) {
      if (this.#concluding.has(job) || (which === 'waiting' && this.#running.has(job))) continue;
      this.#settle(job, this.#parting.giveBack(job, membership));
    }
  }

  abort(reason: unknown): void {
    for (const { aborting } of this.#running.values()) aborting.abort(reason);
  }

  /** Resolves when no handler runs, or `signal` fires. */
  async idle(signal: AbortSignal): Promise<void> {
    while (this.#running.size > 0 && !signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#tasks.once('next', () => resolve());
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
  }

  /** Resolves when every acknowledgement and return under way has its answer. */
  async settled(): Promise<void> {
    while (this.#settling.size > 0) await Promise.all(this.#settling);
  }

  #queue(take: () => readonly Given[]): void {
    this.#tasks.add(() => this.#handle(take())).catch((error: unknown) => this.#parting.report(error));
  }

  /** A promise only where there is something to wait for: one stands in memory for each job in hand. */
  #handle(given: readonly Given[]): void | Promise<void> {
    const run: HandlerRun<T> = { prepared: [], left: new Map(), stall: undefined };
    const preparing = given.map((one) => this.#prepare(one, () => run.stall?.moved()));
    // A schema may take its time.
    return preparing.some((one) => one instanceof Promise)
      ? Promise.all(preparing).then((all) => this.#run(run, all))
      : this.#run(run, preparing as (Prepared<T> | undefined)[]);
  }

  #run(run: HandlerRun<T>, all: readonly (Prepared<T> | undefined)[]): void | Promise<void> {
    run.prepared = all.filter((one) => one !== undefined && this.#mayRun(one)) as Prepared<T>[];
    if (run.prepared.length === 0) return undefined;
    this.#begin(run);
    const jobs = run.prepared.map(({ job }) => job);
    let result: unknown;
    let handling: Promise<unknown> | undefined;
    try {
      result = this.#options.handle(jobs, () => this.#contextOf(run));
      // Whether it is a promise is asked of an object of the handler's, which may throw at that.
      if (isThenable(result)) handling = Promise.resolve(result);
    } catch (error) {
      return this.#over(run, { error });
    }
    if (handling === undefined) return this.#over(run, { result });
    return handling.then(
      (value) => this.#over(run, { result: value }),
      (error: unknown) => this.#over(run, { error }),
    );
  }

  #over(run: HandlerRun<T>, outcome: Outcome): void {
    try {
      this.#end(run, outcome);
    } finally {
      run.stall?.end();
      for (const { held } of run.prepared) this.#running.delete(held);
    }
  }

  #begin(run: HandlerRun<T>): void {
    const { emit, runtime, settings } = this.#options;
    const { prepared, left } = run;
    const startedMs = runtime.monotonicMs();
    if (settings.stallMs !== Number.POSITIVE_INFINITY) run.stall = this.#watch(prepared, settings.stallMs);
    for (const one of prepared) {
      this.#running.set(one.held, { aborting: one.aborting, stall: run.stall, startedMs });
      left.set(one.job, one);
    }
    for (const { job } of prepared) emit({ type: 'started', job });
  }

  #watch(prepared: readonly Prepared<T>[], stallMs: number): StallWatch {
    const { emit, runtime } = this.#options;
    return new StallWatch(runtime, stallMs, (runningMs) => {
      // A handler that hangs though all its jobs have ended hangs all the same.
      const unended = prepared.filter(({ held }) => !held.isSettled);
      for (const { job } of unended.length > 0 ? unended : prepared)
        emit({ type: 'stalled', job, runningMs });
    });
  }

  #contextOf(run: HandlerRun<T>): BatchContext<T> {
    return contextOf<T>(run.prepared, (job, error) => {
      const one = run.left.get(job);
      if (one === undefined) return;
      run.stall?.moved();
      this.#conclude(run, one, { error, ofBatch: true });
    });
  }

  #end(run: HandlerRun<T>, outcome: Outcome): void {
    const { prepared, left } = run;
    const conclude = (one: Prepared<T>, how: Outcome) => this.#conclude(run, one, how);
    // The place is free for the next handler: acknowledging takes no processor, and is shared with others.
    const allDone = prepared.every(({ job }) => job.isCompleted);
    const ended = 'error' in outcome && !allDone ? { ...outcome, ofBatch: prepared.length > 1 } : outcome;
    if ('error' in outcome && isForNoJob(prepared, left)) this.#parting.report(failedAfterAll(outcome.error));
    for (const one of [...left.values()]) conclude(one, ended);
  }

  #conclude({ left }: HandlerRun<T>, { job, held, membership }: Prepared<T>, how: Outcome): void {
    left.delete(job);
    this.#settle(held, this.#parting.conclude(job, held, membership, how));
  }

  /** Undefined if it is not to be run, or cannot be. At once, if its payload is decoded at once. */
  #prepare(given: Given, onProgress: () => void): Prepared<T> | undefined | Promise<Prepared<T> | undefined> {
    const { held, membership } = given;
    const { decode, settings } = this.#options;
    if (!this.#mayRun(given)) return undefined;
    if (held.assigned.losses >= settings.maxLosses) {
      this.#settle(held, this.#parting.giveUp(held, membership));
      return undefined;
    }
    const unreadable = (error: unknown): undefined => {
      if (this.#mayRun(given)) this.unreadable(held, membership, error);
    };
    try {
      const decoded = decode(held.payload ?? new Uint8Array());
      if (!(decoded instanceof Promise)) return this.#prepared(given, decoded, onProgress);
      return decoded.then((payload) => this.#prepared(given, payload, onProgress), unreadable);
    } catch (error) {
      return unreadable(error);
    }
  }

  #prepared(given: Given, payload: T, onProgress: () => void): Prepared<T> {
    const { held, membership } = given;
    const { resultCodec } = this.#options;
    const aborting = new LazySignal();
    const progress = membership.progressOf(held);
    const job = new Job({ held, payload, aborting, resultCodec, progress, onProgress });
    return { held, membership, job, aborting };
  }

  #mayRun({ held, membership }: Given): boolean {
    return held.custody === 'held' && !membership.signal.aborted && !this.#options.stopping.aborted;
  }

  #settle(job: HeldJob, settling: Promise<void>): void {
    this.#concluding.add(job);
    this.#settling.add(settling);
    const done = () => {
      this.#concluding.delete(job);
      this.#settling.delete(settling);
    };
    settling.then(done, done);
  }
}

/**
 * All jobs have ended without the error of their handler, so that it is told of none of them; and that they were taken from it does
 * not explain it. One that it completed by itself tells of it.
 */
function isForNoJob<T>(
  all: readonly Prepared<T>[],
  left: ReadonlyMap<Job<T>, { readonly held: HeldJob }>,
): boolean {
  if (all.some(({ aborting }) => aborting.aborted)) return false;
  if (left.size === 0) return true;
  const allEnded = [...left.values()].every(({ held }) => held.isSettled);
  return all.length > 1 && allEnded && !all.every(({ job }) => job.isCompleted);
}
