import PQueue from 'p-queue';
import { isQuorateError, QuorateError } from '../../errors.js';
import type { Runtime } from '../../runtime/index.js';
import { asQuorateError } from '../failures.js';
import { failureOf } from '../records/index.js';
import type { HeldJob } from './held-job.js';
import { Job } from './job.js';
import type { Membership } from './membership.js';
import type { WorkerEvent } from './worker-events.js';

/** Does the job. What it returns acknowledges it; what it throws gives it back, to be given out again later. */
export type Handler<T> = (job: Job<T>, context: { readonly signal: AbortSignal }) => unknown;

export interface JobRunnerOptions<T> {
  readonly runtime: Runtime;
  readonly handler: Handler<T>;
  readonly concurrency: number;
  readonly retryDelay: { readonly firstMs: number; readonly longestMs: number };
  readonly decode: (payload: Uint8Array) => T;
  /** Fires when the worker is being closed. */
  readonly stopping: AbortSignal;
  readonly emit: (event: WorkerEvent<T>) => void;
}

type Outcome = { readonly result: unknown } | { readonly error: unknown };

/**
 * Runs a worker's handlers, so many at a time, and parts with each job as its handler ended. One runner serves all
 * lives of its worker: a handler that outlives its session keeps its place until it ends.
 */
export class JobRunner<T> {
  readonly #options: JobRunnerOptions<T>;
  readonly #tasks: PQueue;
  readonly #running = new Map<HeldJob, AbortController>();
  /** The handler has ended; what becomes of the job is being decided or written. */
  readonly #concluding = new Set<HeldJob>();
  readonly #settling = new Set<Promise<void>>();

  constructor(options: JobRunnerOptions<T>) {
    this.#options = options;
    this.#tasks = new PQueue({ concurrency: options.concurrency });
  }

  /** Handlers that run now. */
  get running(): number {
    return this.#running.size;
  }

  /** The job's handler starts when those before it leave a place. */
  add(held: HeldJob, membership: Membership): void {
    this.#tasks.add(() => this.#handle(held, membership)).catch((error: unknown) => this.#report(error));
  }

  /** Gives back what has no handler, or has not ended, too. */
  giveBack(membership: Membership, which: 'waiting' | 'running-too'): void {
    for (const job of membership.held) {
      if (this.#concluding.has(job) || (which === 'waiting' && this.#running.has(job))) continue;
      this.#giveBack(membership, job);
    }
  }

  abort(reason: unknown): void {
    for (const controller of this.#running.values()) controller.abort(reason);
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
    const { emit, handler, stopping } = this.#options;
    if (held.custody !== 'held' || membership.signal.aborted || stopping.aborted) return;
    const controller = new AbortController();
    this.#running.set(held, controller);
    const { signal } = controller;
    try {
      const job = new Job(held, this.#options.decode(held.payload ?? new Uint8Array()), signal);
      emit({ type: 'started', job });
      const outcome = await run(() => handler(job, { signal }));
      // The place is free for the next handler: acknowledging takes no processor, and is shared with others.
      this.#settle(held, this.#conclude(job, held, membership, outcome));
    } catch (error) {
      this.#report(error);
      const failed = this.#fail(held, membership).then(
        () => {},
        (failure: unknown) => this.#report(failure),
      );
      this.#settle(held, failed);
    } finally {
      this.#running.delete(held);
    }
  }

  async #conclude(job: Job<T>, held: HeldJob, membership: Membership, outcome: Outcome): Promise<void> {
    const { emit, stopping } = this.#options;
    await job.settled();
    try {
      if ('result' in outcome && !job.wasRefused) {
        if (held.custody === 'held') await held.acknowledge(undefined, {});
        if (job.isCompleted) emit({ type: 'completed', job, result: outcome.result });
        else emit({ type: 'fenced', job });
        return;
      }
      const error = 'error' in outcome ? outcome.error : refusedError(job);
      if (job.isCompleted) {
        emit({ type: 'completed', job, result: undefined });
        throw new QuorateError('internal', `the handler of job ${job.id} failed after completing it`, {
          cause: error,
        });
      }
      if (held.custody === 'superseded') emit({ type: 'fenced', job });
      // In a life that is over the dispatcher takes the job back anyway.
      if (held.custody !== 'held' || membership.signal.aborted) return;
      if (stopping.aborted && job.signal.aborted) {
        this.#giveBack(membership, held);
        return;
      }
      const retryInMs = await this.#fail(held, membership);
      emit({ type: 'failed', job, error, retryInMs });
    } catch (error) {
      if (isQuorateError(error, 'fenced')) emit({ type: 'fenced', job });
      else this.#report(error);
    }
  }

  /** Gives the job back as failed, and answers after how long it will be given out again. */
  async #fail(held: HeldJob, membership: Membership): Promise<number> {
    const { retryDelay, runtime } = this.#options;
    const failures = held.assigned.failures + 1;
    const ceilingMs = Math.min(retryDelay.longestMs, retryDelay.firstMs * 2 ** Math.min(failures - 1, 40));
    const delayMs = Math.round(ceilingMs * (1 - runtime.random() / 2));
    if (!membership.signal.aborted) await held.giveBack(failureOf(held.assigned, delayMs), {});
    return delayMs;
  }

  #giveBack(membership: Membership, job: HeldJob): void {
    if (job.custody !== 'held') return;
    const returned = membership.giveBack(job).then(
      () => this.#options.emit({ type: 'returned', id: job.assigned.id }),
      (error: unknown) => {
        if (!isQuorateError(error, 'fenced')) this.#report(error);
      },
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

function refusedError(job: Job<unknown>): QuorateError {
  return new QuorateError(
    'fenced',
    `the handler of job ${job.id} returned after its complete() had been refused by its own compares`,
  );
}
