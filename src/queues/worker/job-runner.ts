import PQueue from 'p-queue';
import { isQuorateError, QuorateError } from '../../errors.js';
import { type Runtime, sleep } from '../../runtime/index.js';
import type { Codec } from '../../store/index.js';
import { asQuorateError } from '../failures.js';
import { failureOf, returnOf } from '../records/index.js';
import { reasonOf } from '../results/reasons.js';
import type { HeldJob, Verdict } from './held-job.js';
import { Job } from './job.js';
import { isJobRejected, JobRejected } from './job-rejected.js';
import type { Membership } from './membership.js';
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
  readonly handler: Handler<T>;
  readonly settings: WorkerSettings;
  readonly decode: (payload: Uint8Array) => T | Promise<T>;
  readonly resultCodec: Codec<unknown>;
  /** Fires when the worker is being closed. */
  readonly stopping: AbortSignal;
  readonly emit: (event: WorkerEvent<T>) => void;
}

type Outcome = { readonly result: unknown } | { readonly error: unknown };

interface Running {
  readonly controller: AbortController;
  readonly stall: StallWatch;
  readonly startedMs: number;
}

/**
 * Runs a worker's handlers, so many at a time, and parts with each job as its handler ended. One runner serves all
 * lives of its worker: a handler that outlives its session keeps its place until it ends.
 */
export class JobRunner<T> {
  readonly #options: JobRunnerOptions<T>;
  readonly #tasks: PQueue;
  readonly #running = new Map<HeldJob, Running>();
  /** The handler has ended; what becomes of the job is being decided or written. */
  readonly #concluding = new Set<HeldJob>();
  readonly #settling = new Set<Promise<void>>();

  constructor(options: JobRunnerOptions<T>) {
    this.#options = options;
    this.#tasks = new PQueue({ concurrency: options.settings.concurrency });
  }

  /** Handlers that run now. */
  get running(): number {
    return this.#running.size;
  }

  /** Handlers that run and have told no progress for too long. */
  get stalled(): number {
    return [...this.#running.values()].filter(({ stall }) => stall.isStalled).length;
  }

  /** Of the handler that has run longest, by the monotonic clock. */
  get oldestStartMs(): number | undefined {
    const [oldest] = this.#running.values();
    return oldest?.startedMs;
  }

  /** The job's handler starts when those before it leave a place. */
  add(held: HeldJob, membership: Membership): void {
    this.#tasks.add(() => this.#handle(held, membership)).catch((error: unknown) => this.#report(error));
  }

  /** It has failed before its handler could run: its payload cannot be read. */
  unreadable(held: HeldJob, membership: Membership, error: unknown): void {
    this.#report(error);
    this.#settle(held, this.#failUnread(held, membership, error));
  }

  /** It was cancelled, which it knows. */
  cancelled(held: HeldJob, error: QuorateError, reason: string): void {
    const running = this.#running.get(held);
    running?.controller.abort(error);
    const { id } = held.assigned;
    this.#options.emit({ type: 'cancelled', id, reason, wasRunning: running !== undefined });
  }

  /** Gives back what has no handler, or has not ended, too. */
  giveBack(membership: Membership, which: 'waiting' | 'running-too'): void {
    for (const job of membership.held) {
      if (this.#concluding.has(job) || (which === 'waiting' && this.#running.has(job))) continue;
      this.#giveBack(membership, job);
    }
  }

  abort(reason: unknown): void {
    for (const { controller } of this.#running.values()) controller.abort(reason);
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

  async #handle(held: HeldJob, membership: Membership): Promise<void> {
    const { emit, handler, resultCodec, runtime, settings, stopping } = this.#options;
    if (held.custody !== 'held' || membership.signal.aborted || stopping.aborted) return;
    if (held.assigned.losses >= settings.maxLosses) {
      this.#settle(held, this.#giveUp(held, membership));
      return;
    }
    const controller = new AbortController();
    const { signal } = controller;
    let job: Job<T>;
    try {
      const decoded = this.#options.decode(held.payload ?? new Uint8Array());
      const payload = decoded instanceof Promise ? await decoded : decoded;
      // A schema may have taken its time.
      if (held.custody !== 'held' || membership.signal.aborted || stopping.aborted) return;
      const progress = membership.progressOf(held);
      job = new Job({ held, payload, signal, resultCodec, progress, onProgress: () => stall.moved() });
    } catch (error) {
      this.unreadable(held, membership, error);
      return;
    }
    const stall = new StallWatch(runtime, settings.stallMs, (runningMs) =>
      emit({ type: 'stalled', job, runningMs }),
    );
    this.#running.set(held, { controller, stall, startedMs: runtime.monotonicMs() });
    try {
      emit({ type: 'started', job });
      const outcome = await run(() => handler(job, { signal }));
      // The place is free for the next handler: acknowledging takes no processor, and is shared with others.
      this.#settle(held, this.#conclude(job, held, membership, outcome));
    } finally {
      stall.end();
      this.#running.delete(held);
    }
  }

  async #conclude(job: Job<T>, held: HeldJob, membership: Membership, handled: Outcome): Promise<void> {
    const { emit, stopping } = this.#options;
    await job.settled();
    const isUnended = 'result' in handled && held.custody === 'held';
    const outcome = isUnended ? await acknowledge(job, handled.result) : handled;
    const error = 'error' in outcome ? outcome.error : undefined;
    switch (held.custody) {
      case 'acknowledged':
        emit({ type: 'completed', job, result: 'result' in outcome ? outcome.result : undefined });
        if ('error' in outcome) this.#report(failedAfterCompleting(job, error));
        return;
      case 'dead':
        if (job.verdict !== undefined) emit({ type: 'dead', id: job.id, ...job.verdict, job });
        return;
      case 'superseded':
        // Then nobody knows whether it was refused, or done by an attempt of this worker before.
        if (isQuorateError(error) && error.outcome === 'unknown') this.#report(error);
        else emit({ type: 'fenced', job });
        return;
      case 'held':
        break;
      default:
        // Cancelled or given back, which was told already.
        return;
    }
    // In a life that is over the dispatcher takes the job back anyway.
    if (membership.signal.aborted) {
      if (isUnended) this.#report(error);
      return;
    }
    if (stopping.aborted && job.signal.aborted) {
      this.#giveBack(membership, held);
      return;
    }
    if (isUnended && !isOfJob(error)) {
      // Its handler has done its part. That the store refuses the acknowledgement costs it no attempt.
      this.#report(error);
      void this.#letGo(held, membership);
      return;
    }
    try {
      const retryInMs = await this.#fail(held, membership, error, job);
      if (retryInMs !== undefined) emit({ type: 'failed', job, error, retryInMs });
    } catch (refusal) {
      if (isQuorateError(refusal, 'fenced')) emit({ type: 'fenced', job });
      else this.#reportUnlessOver(held, refusal);
      void this.#letGo(held, membership);
    }
  }

  /**
   * The store refuses to have the job ended, for reasons of its own. As long as this worker is present and has it, nobody else
   * gets it: so it is given back, however often that takes.
   */
  async #letGo(held: HeldJob, membership: Membership): Promise<void> {
    const { runtime, settings } = this.#options;
    const { signal } = membership;
    const delayMs = settings.retryDelay.longestMs;
    while (held.custody === 'held' && !signal.aborted) {
      try {
        await held.giveBack({ ...returnOf(held.assigned), delayMs }, {});
        this.#options.emit({ type: 'returned', id: held.assigned.id });
      } catch (error) {
        this.#reportUnlessOver(held, error);
        await sleep(runtime, Math.max(delayMs, 1), { signal, background: true }).catch(() => {});
      }
    }
  }

  /**
   * Gives the job back as failed, and answers after how long it will be given out again; or puts it into the dead letters,
   * if these were its attempts or the failure is final, and answers nothing.
   */
  async #fail(
    held: HeldJob,
    membership: Membership,
    error: unknown,
    job?: Job<T>,
  ): Promise<number | undefined> {
    const { runtime, settings } = this.#options;
    const { retryDelay } = settings;
    const { failures: before, traits } = held.assigned;
    const failures = before + 1;
    const isLast = failures >= (traits?.attempts ?? settings.attempts);
    if (isLast || isJobRejected(error)) {
      const verdict = isJobRejected(error)
        ? { cause: 'rejected' as const, reason: reasonOf(error), failures: before }
        : { cause: 'failed' as const, reason: reasonOf(error), failures };
      if (await this.#bury(held, verdict, job)) return undefined;
    }
    const ceilingMs = Math.min(retryDelay.longestMs, retryDelay.firstMs * 2 ** Math.min(failures - 1, 40));
    const delayMs = Math.round(ceilingMs * (1 - runtime.random() / 2));
    if (!membership.signal.aborted) await held.giveBack(failureOf(held.assigned, delayMs), {});
    return delayMs;
  }

  /** False if there is no room for it in the dead letters: it goes on failing, rather than being lost. */
  async #bury(held: HeldJob, verdict: Verdict, job?: Job<T>): Promise<boolean> {
    try {
      await held.deadLetter(verdict, {});
    } catch (error) {
      if (!isQuorateError(error, 'request-too-large')) throw error;
      this.#report(error);
      return false;
    }
    const { cause, reason } = verdict;
    this.#options.emit({ type: 'dead', id: held.assigned.id, cause, reason, job });
    return true;
  }

  /** A job that takes its workers with it, as far as anybody can tell. Its handler is not run again. */
  async #giveUp(held: HeldJob, membership: Membership): Promise<void> {
    const { failures, losses } = held.assigned;
    const reason = `it was with ${losses} workers as they were lost`;
    try {
      if (await this.#bury(held, { cause: 'workers-lost', reason, failures })) return;
      const delayMs = this.#options.settings.retryDelay.longestMs;
      if (!membership.signal.aborted) await held.giveBack(failureOf(held.assigned, delayMs), {});
    } catch (error) {
      this.#reportUnlessOver(held, error);
      void this.#letGo(held, membership);
    }
  }

  async #failUnread(held: HeldJob, membership: Membership, error: unknown): Promise<void> {
    try {
      if (!membership.signal.aborted) await this.#fail(held, membership, error);
    } catch (refusal) {
      this.#reportUnlessOver(held, refusal);
      void this.#letGo(held, membership);
    }
  }

  #giveBack(membership: Membership, job: HeldJob): void {
    if (job.custody !== 'held') return;
    const returned = membership.giveBack(job).then(
      () => this.#options.emit({ type: 'returned', id: job.assigned.id }),
      (error: unknown) => this.#reportUnlessOver(job, error),
    );
    this.#settle(job, returned);
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

  /** That others have it, or have ended it, needs no words where no handler has run. */
  #reportUnlessOver({ custody }: HeldJob, error: unknown): void {
    if (!isQuorateError(error, 'fenced') && custody !== 'cancelled') this.#report(error);
  }

  #report(error: unknown): void {
    this.#options.emit({ type: 'error', error: asQuorateError(error) });
  }
}

async function run(handler: () => unknown): Promise<Outcome> {
  try {
    return { result: await handler() };
  } catch (error) {
    return { error };
  }
}

/** A handler that has returned: its job is done, unless that is refused, by whatever it may be. */
async function acknowledge(job: Job<unknown>, result: unknown): Promise<Outcome> {
  if (job.wasRefused) return { error: refusedError(job) };
  // It was to be rejected, which has failed: the last that it should be is done.
  if (job.verdict !== undefined) return { error: new JobRejected(job.verdict.reason) };
  return run(async () => {
    await job.complete({ result });
    return result;
  });
}

/** The acknowledgement failed by what the handler did: what it returned, or a `complete` of its own that was refused. */
function isOfJob(error: unknown): boolean {
  if (!isQuorateError(error)) return true;
  return error.code === 'codec' || error.code === 'request-too-large' || error.code === 'fenced';
}

function failedAfterCompleting(job: Job<unknown>, cause: unknown): QuorateError {
  return new QuorateError('internal', `the handler of job ${job.id} failed after completing it`, { cause });
}

function refusedError(job: Job<unknown>): QuorateError {
  return new QuorateError(
    'fenced',
    `the handler of job ${job.id} returned after its complete() had been refused by its own compares`,
  );
}
