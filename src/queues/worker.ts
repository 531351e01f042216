import PQueue from 'p-queue';
import { invalidArgument, isQuorateError, QuorateError } from '../errors.js';
import {
  Backoff,
  checkWaitOptions,
  Listeners,
  sharedController,
  sleep,
  type WaitOptions,
  waitFor,
} from '../runtime/index.js';
import type { Client } from '../session/index.js';
import { Candidacy } from './candidacy.js';
import { asQuorateError } from './failures.js';
import { FifoQueue } from './fifo-queue.js';
import type { HeldJob } from './held-job.js';
import { Job } from './job.js';
import { QueueKeys } from './keys.js';
import { Membership } from './membership.js';
import type { WorkerEvent } from './worker-events.js';
import { checkWhole, checkWorkerOptions, type WorkerOptions, type WorkerSettings } from './worker-options.js';

/** Does the job. What it returns acknowledges it; what it throws gives it back, to be given out again later. */
export type Handler<T> = (job: Job<T>, context: { readonly signal: AbortSignal }) => unknown;

export interface CloseOptions {
  /** Milliseconds that handlers may take to end by themselves. Default 30,000. */
  graceMs?: number;
}

const rejoinDelay = { firstMs: 50, longestMs: 5_000 };
const defaultGraceMs = 30_000;
/** For handlers to end after their signal has fired, before their jobs are given back over their heads. */
const abortGraceMs = 1_000;

/**
 * Takes jobs from a queue and runs a handler for each, `concurrency` at a time.
 *
 * - **Order**: jobs are given to workers in queue order and start in the order in which this worker got them. With a
 *   concurrency of 1 and one worker, one runs after the other.
 * - **Guaranteed**: a job is acknowledged at most once, by the worker that holds it; what `job.complete({ txn })` writes is
 *   applied exactly when the job is acknowledged; if this worker dies, its jobs are given to others.
 * - **Not guaranteed**: that a handler runs only once for a job. A worker that was thought dead may still be running it.
 *   Its acknowledgement is then refused (`fenced` event), and its signal has fired, if its process could notice.
 * - **Session loss**: the signals of running handlers fire, the worker joins again by itself with a new session, and what
 *   it held is given out anew. Handlers that ignore their signal go on to occupy their place in `concurrency`.
 * - **Failure**: a job whose handler throws is given out again after `retryDelay`; later jobs pass it meanwhile.
 * - **Cost**: a job alone is 2 requests (assignment, acknowledgement); under load a few hundredths. A worker that waits sends
 *   nothing but its session's keep-alives, whatever others take. One of the workers also dispatches.
 *
 * Errors reach `on` listeners as `error` events; none is thrown at the process. Algorithm: `docs/queues.md`.
 */
export class Worker<T> implements AsyncDisposable {
  readonly queue: FifoQueue<T>;
  readonly #client: Client;
  readonly #keys: QueueKeys;
  readonly #handler: Handler<T>;
  readonly #settings: WorkerSettings;
  readonly #listeners = new Listeners<WorkerEvent<T>>();
  readonly #tasks: PQueue;
  readonly #running = new Map<HeldJob, AbortController>();
  /** Acknowledgements and returns under way. */
  readonly #settling = new Set<Promise<void>>();
  readonly #stopping = sharedController();
  #graceMs = defaultGraceMs;
  #joined: Promise<void> | undefined;
  #life: Promise<void> | undefined;

  /** Throws `invalid-argument`. Sends nothing before `start` or `run`. */
  constructor(queue: FifoQueue<T>, handler: Handler<T>, options: WorkerOptions = {}) {
    if (!(queue instanceof FifoQueue)) throw invalidArgument('queue is no FifoQueue', 'a FifoQueue');
    if (typeof handler !== 'function') throw invalidArgument('handler is no function', 'a function');
    this.queue = queue;
    this.#client = queue.client;
    this.#keys = new QueueKeys(queue.client.keys.prefix('queue', queue.name));
    this.#handler = handler;
    this.#settings = checkWorkerOptions(options);
    this.#tasks = new PQueue({ concurrency: this.#settings.concurrency });
  }

  /** Handlers that run now. */
  get running(): number {
    return this.#running.size;
  }

  /** Runs `listener` at each event. Returns its removal. A listener that throws harms nobody. */
  on(listener: (event: WorkerEvent<T>) => void): () => void {
    return this.#listeners.add(listener);
  }

  /** Resolves once the worker has joined for the first time. `signal` and `timeoutMs` end only this wait. Error: `closed`. */
  async start(options: WaitOptions = {}): Promise<void> {
    const doing = `joining queue "${this.queue.name}"`;
    checkWaitOptions(options, doing);
    if (this.#joined === undefined) {
      if (this.#stopping.signal.aborted) throw closedError();
      this.#joined = new Promise<void>((resolve, reject) => {
        const off = this.on((event) => {
          if (event.type !== 'joined') return;
          off();
          resolve();
        });
        this.#stopping.signal.addEventListener('abort', () => reject(closedError()), { once: true });
      });
      this.#joined.catch(() => {});
      this.#life = this.#live();
    }
    await waitFor(this.#client.runtime, this.#joined, options, doing);
  }

  /** Works until `close` is called or `signal` fires, which closes it, and resolves when it is closed. */
  async run(options: { signal?: AbortSignal } & CloseOptions = {}): Promise<void> {
    const { signal } = options;
    checkWaitOptions({ signal }, `working on queue "${this.queue.name}"`);
    const onAbort = () => void this.close(options);
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      this.start().catch(() => {});
      await this.#life;
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
  }

  /**
   * Takes no more jobs and gives back those that wait here; lets running handlers end for up to `graceMs`, then fires
   * their signals; gives back, without counting a failure, what is still running a second later. Idempotent; never
   * rejects. Leaves the queue object and the client open.
   */
  async close(options: CloseOptions = {}): Promise<void> {
    const { graceMs = defaultGraceMs } = options;
    if (graceMs !== Number.POSITIVE_INFINITY) {
      checkWhole(Math.ceil(graceMs), 'graceMs', 0, Number.MAX_SAFE_INTEGER);
    }
    if (!this.#stopping.signal.aborted) {
      this.#graceMs = graceMs;
      this.#stopping.abort(closedError());
    }
    await this.#life;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #live(): Promise<void> {
    const { runtime } = this.#client;
    const backoff = new Backoff(runtime, rejoinDelay);
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await this.#oneLife();
        backoff.reset();
      } catch (error) {
        if (signal.aborted) break;
        this.#emitError(error);
        if (isQuorateError(error, 'closed')) this.#stopping.abort(error);
        await sleep(runtime, backoff.nextMs(), { signal }).catch(() => {});
      }
    }
    await Promise.all(this.#settling);
  }

  async #oneLife(): Promise<void> {
    const stopping = this.#stopping.signal;
    const session = await this.#client.session({ signal: stopping });
    const membership = new Membership({
      client: this.#client,
      keys: this.#keys,
      session,
      slots: this.#settings.slots,
      label: this.#settings.label ?? this.#client.label,
      onJob: (job) => this.#enqueue(job, membership),
      onError: (error) => this.#emitError(error),
    });
    const resigned = new AbortController();
    membership.signal.addEventListener('abort', () => this.#abortRunning(membership), { once: true });
    let candidacy: Promise<void> | undefined;
    try {
      await membership.join();
      this.#emit({ type: 'joined', worker: membership.worker });
      candidacy = this.#candidacy(membership).run(
        AbortSignal.any([resigned.signal, membership.signal, stopping]),
      );
      await firstAbort(membership.signal, stopping);
      if (stopping.aborted && !membership.signal.aborted) await this.#leave(membership);
    } finally {
      resigned.abort();
      membership.end(stopping.reason ?? new QuorateError('closed', 'this life of the worker is over'));
      await candidacy;
      this.#emit({ type: 'left', worker: membership.worker, reason: membership.signal.reason });
    }
  }

  #candidacy(membership: Membership): Candidacy {
    return new Candidacy({
      client: this.#client,
      keys: this.#keys,
      session: membership.session,
      worker: membership.worker,
      mirror: this.#settings.mirror,
      onChange: ({ dispatching, term }) => this.#emit({ type: 'dispatching', active: dispatching, term }),
      onError: (error) => this.#emitError(error),
    });
  }

  async #leave(membership: Membership): Promise<void> {
    const { runtime } = this.#client;
    const stopped = membership.stopTaking();
    for (const job of membership.held) if (!this.#running.has(job)) this.#giveBack(membership, job);
    await stopped;
    const idle = this.#idle(membership);
    const within = (timeoutMs: number) =>
      waitFor(runtime, idle, { timeoutMs, signal: membership.signal }, 'closing').catch(() => {});
    if (this.#graceMs > 0) await within(this.#graceMs);
    if (this.#running.size > 0 && !membership.signal.aborted) {
      this.#abortRunning(membership);
      await within(abortGraceMs);
    }
    for (const job of membership.held) this.#giveBack(membership, job);
    await Promise.all(this.#settling);
    await membership.leave();
  }

  async #idle(membership: Membership): Promise<void> {
    while (this.#running.size > 0 && !membership.signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#tasks.once('next', () => resolve());
        membership.signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
  }

  #giveBack(membership: Membership, job: HeldJob): void {
    if (job.custody !== 'held') return;
    this.#settle(
      membership.giveBack(job).then(
        () => this.#emit({ type: 'returned', id: job.assigned.id }),
        (error: unknown) => {
          if (!isQuorateError(error, 'fenced')) this.#emitError(error);
        },
      ),
    );
  }

  #enqueue(held: HeldJob, membership: Membership): void {
    this.#tasks.add(() => this.#handle(held, membership)).catch((error: unknown) => this.#emitError(error));
  }

  async #handle(held: HeldJob, membership: Membership): Promise<void> {
    if (held.custody !== 'held' || membership.signal.aborted || this.#stopping.signal.aborted) return;
    const controller = new AbortController();
    this.#running.set(held, controller);
    try {
      const job = new Job(held, this.#decode(held), controller.signal);
      this.#emit({ type: 'started', job });
      let outcome: { result: unknown } | { error: unknown };
      try {
        outcome = { result: await this.#handler(job, { signal: controller.signal }) };
      } catch (error) {
        outcome = { error };
      }
      // The place is free for the next handler: acknowledging takes no processor, and is shared with others.
      this.#settle(this.#conclude(job, held, membership, outcome));
    } catch (error) {
      this.#emitError(error);
      this.#settle(
        this.#fail(held, membership).then(
          () => {},
          (failure: unknown) => this.#emitError(failure),
        ),
      );
    } finally {
      this.#running.delete(held);
    }
  }

  #decode(held: HeldJob): T {
    return this.queue.decode(held.payload ?? new Uint8Array());
  }

  async #conclude(
    job: Job<T>,
    held: HeldJob,
    membership: Membership,
    outcome: { result: unknown } | { error: unknown },
  ): Promise<void> {
    await job.settled();
    try {
      if ('result' in outcome && !job.wasRefused) {
        if (held.custody === 'held') await held.acknowledge(undefined, {});
        if (job.isCompleted) this.#emit({ type: 'completed', job, result: outcome.result });
        else if (held.custody === 'superseded') this.#emit({ type: 'fenced', job });
        return;
      }
      const error = 'error' in outcome ? outcome.error : refusedError(job);
      if (job.isCompleted) {
        this.#emit({ type: 'completed', job, result: undefined });
        throw new QuorateError('internal', `the handler of job ${job.id} failed after completing it`, {
          cause: error,
        });
      }
      if (held.custody === 'superseded') this.#emit({ type: 'fenced', job });
      if (held.custody !== 'held' || membership.signal.aborted) return;
      if (this.#stopping.signal.aborted && job.signal.aborted) {
        this.#giveBack(membership, held);
        return;
      }
      const retryInMs = await this.#fail(held, membership);
      this.#emit({ type: 'failed', job, error, retryInMs });
    } catch (error) {
      if (isQuorateError(error, 'fenced')) this.#emit({ type: 'fenced', job });
      else this.#emitError(error);
    }
  }

  /** Gives the job back as failed. Not in a life that is over: the dispatcher takes it back anyway. */
  async #fail(held: HeldJob, membership: Membership): Promise<number> {
    const { firstMs, longestMs } = this.#settings.retryDelay;
    const failures = held.assigned.failures + 1;
    const ceilingMs = Math.min(longestMs, firstMs * 2 ** Math.min(failures - 1, 40));
    const delayMs = Math.round(ceilingMs * (1 - this.#client.runtime.random() / 2));
    if (!membership.signal.aborted) await held.giveBack({ failures, reason: 'failed', delayMs }, {});
    return delayMs;
  }

  #settle(settling: Promise<void>): void {
    this.#settling.add(settling);
    const done = () => {
      this.#settling.delete(settling);
    };
    settling.then(done, done);
  }

  #abortRunning(membership: Membership): void {
    const reason = membership.signal.aborted ? membership.signal.reason : this.#stopping.signal.reason;
    for (const controller of this.#running.values()) controller.abort(reason);
  }

  #emitError(error: unknown): void {
    this.#emit({ type: 'error', error: asQuorateError(error) });
  }

  #emit(event: WorkerEvent<T>): void {
    this.#listeners.emit(event);
  }
}

function refusedError(job: Job<unknown>): QuorateError {
  return new QuorateError(
    'fenced',
    `the handler of job ${job.id} returned after its complete() had been refused by its own compares`,
  );
}

function closedError(): QuorateError {
  return new QuorateError('closed', 'the worker was closed');
}

async function firstAbort(...signals: readonly AbortSignal[]): Promise<void> {
  const any = AbortSignal.any([...signals]);
  if (any.aborted) return;
  await new Promise<void>((resolve) => any.addEventListener('abort', () => resolve(), { once: true }));
}
