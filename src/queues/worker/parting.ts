import { isQuorateError, QuorateError } from '../../errors.js';
import { type Runtime, sleep } from '../../runtime/index.js';
import { asQuorateError } from '../failures.js';
import { failureOf, returnOf } from '../records/index.js';
import { reasonOf } from '../results/reasons.js';
import type { HeldJob, Verdict } from './held-job.js';
import type { Job } from './job.js';
import { isJobRejected, JobRejected } from './job-rejected.js';
import type { Membership } from './membership.js';
import type { WorkerEvent } from './worker-events.js';
import type { WorkerSettings } from './worker-options.js';

const noLimits = Object.freeze({});

/** How the handler of a job ended. */
export type Outcome =
  | { readonly result: unknown }
  /** `ofBatch`: it says nothing of jobs that have ended. */
  | { readonly error: unknown; readonly ofBatch?: boolean };

export interface PartingOptions<T> {
  readonly runtime: Runtime;
  readonly settings: WorkerSettings;
  /** Fires when the worker is being closed. */
  readonly stopping: AbortSignal;
  readonly emit: (event: WorkerEvent<T>) => void;
}

/** Parts with each job as its handler ended: acknowledges it, gives it back, or buries it, and tells of it. */
export class Parting<T> {
  readonly #options: PartingOptions<T>;

  constructor(options: PartingOptions<T>) {
    this.#options = options;
  }

  conclude(job: Job<T>, held: HeldJob, membership: Membership, handled: Outcome): Promise<void> {
    const isPlain = held.custody === 'held' && !held.isResultWanted && !job.isEnding;
    if ('error' in handled || !isPlain) return this.#conclude(job, held, membership, handled);
    // As most end. What is in hand stands in memory until it is answered, so it had better be little.
    return held.acknowledgeAlone(noLimits).then(
      () => this.#options.emit({ type: 'completed', job, result: handled.result }),
      (error: unknown) => this.#tell(job, held, membership, { error }, true),
    );
  }

  async #conclude(job: Job<T>, held: HeldJob, membership: Membership, handled: Outcome): Promise<void> {
    // After `fail` the handler of a batch goes on, and may be ending the job otherwise.
    do {
      await held.decided();
      if (job.isEnding) await job.settled();
    } while (held.custody === 'settling');
    const isUnended = 'result' in handled && held.custody === 'held';
    const outcome = isUnended ? await acknowledge(job, handled.result) : handled;
    await this.#tell(job, held, membership, outcome, isUnended);
  }

  /** `isUnended`: its handler left that to the worker. */
  async #tell(
    job: Job<T>,
    held: HeldJob,
    membership: Membership,
    outcome: Outcome,
    isUnended: boolean,
  ): Promise<void> {
    const { emit, stopping } = this.#options;
    const error = 'error' in outcome ? outcome.error : undefined;
    switch (held.custody) {
      case 'acknowledged':
        emit({ type: 'completed', job, result: 'result' in outcome ? outcome.result : undefined });
        if ('error' in outcome && !outcome.ofBatch) this.report(failedAfterCompleting(job, error));
        return;
      case 'dead':
        if (job.verdict !== undefined) emit({ type: 'dead', id: job.id, ...job.verdict, job });
        return;
      case 'superseded':
        // Then nobody knows whether it was refused, or done by an attempt of this worker before.
        if (isQuorateError(error) && error.outcome === 'unknown') this.report(error);
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
      if (isUnended) this.report(error);
      return;
    }
    if (stopping.aborted && job.signal.aborted) {
      await this.giveBack(held, membership);
      return;
    }
    if (isUnended && !isOfJob(error)) {
      // Its handler has done its part. That the store refuses the acknowledgement costs it no attempt.
      this.report(error);
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
    for (;;) {
      await held.decided();
      if (held.custody !== 'held' || signal.aborted) return;
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
      this.report(error);
      return false;
    }
    const { cause, reason } = verdict;
    this.#options.emit({ type: 'dead', id: held.assigned.id, cause, reason, job });
    return true;
  }

  /** A job that takes its workers with it, as far as anybody can tell. Its handler is not run again. */
  async giveUp(held: HeldJob, membership: Membership): Promise<void> {
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

  async failUnread(held: HeldJob, membership: Membership, error: unknown): Promise<void> {
    try {
      if (!membership.signal.aborted) await this.#fail(held, membership, error);
    } catch (refusal) {
      this.#reportUnlessOver(held, refusal);
      void this.#letGo(held, membership);
    }
  }

  /** Gives it back unfinished, unless it is settled. */
  async giveBack(job: HeldJob, membership: Membership): Promise<void> {
    if (job.custody !== 'held') return;
    try {
      await membership.giveBack(job);
      this.#options.emit({ type: 'returned', id: job.assigned.id });
    } catch (error) {
      this.#reportUnlessOver(job, error);
    }
  }

  /** Tells of what nobody waits for. */
  report(error: unknown): void {
    this.#options.emit({ type: 'error', error: asQuorateError(error) });
  }

  /** That others have it, or have ended it, needs no words where no handler has run. */
  #reportUnlessOver({ custody }: HeldJob, error: unknown): void {
    if (!isQuorateError(error, 'fenced') && custody !== 'cancelled') this.report(error);
  }
}

/** A handler that has returned: its job is done, unless that is refused, by whatever it may be. */
async function acknowledge(job: Job<unknown>, result: unknown): Promise<Outcome> {
  if (job.wasRefused) return { error: refusedError(job) };
  // It was to be rejected, which has failed: the last that it should be is done.
  if (job.verdict !== undefined) return { error: new JobRejected(job.verdict.reason) };
  try {
    await job.complete({ result });
    return { result };
  } catch (error) {
    return { error };
  }
}

/** The acknowledgement failed by what the handler did: what it returned, or a `complete` of its own that was refused. */
function isOfJob(error: unknown): boolean {
  if (!isQuorateError(error)) return true;
  return error.code === 'codec' || error.code === 'request-too-large' || error.code === 'fenced';
}

function failedAfterCompleting(job: Job<unknown>, cause: unknown): QuorateError {
  return new QuorateError('internal', `the handler of job ${job.id} failed after completing it`, { cause });
}

export function failedAfterAll(cause: unknown): QuorateError {
  return new QuorateError('internal', 'the handler of a batch failed after all its jobs had ended', {
    cause,
  });
}

function refusedError(job: Job<unknown>): QuorateError {
  return new QuorateError(
    'fenced',
    `the handler of job ${job.id} returned after its complete() had been refused by its own compares`,
  );
}
