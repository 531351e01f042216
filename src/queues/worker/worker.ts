import { invalidArgument, isQuorateError, QuorateError } from '../../errors.js';
import {
  Backoff,
  checkWaitOptions,
  Listeners,
  linkedSignal,
  sharedController,
  sleep,
  type WaitOptions,
  waitFor,
} from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import { Candidacy } from '../dispatch/candidacy.js';
import { ExpiringLeases } from '../expiring-leases.js';
import { asQuorateError } from '../failures.js';
import { QueueKeys } from '../keys.js';
import { FollowUps } from '../producer/follow-up.js';
import { Queue } from '../queue.js';
import { type BatchHandler, Batching, type Handling } from './batches.js';
import { type Handler, JobRunner } from './job-runner.js';
import { Membership } from './membership.js';
import type { WorkerEvent } from './worker-events.js';
import { HealthRecord, type WorkerHealth } from './worker-health.js';
import {
  type BatchWorkerOptions,
  checkBatch,
  checkWhole,
  checkWorkerOptions,
  type WorkerOptions,
  type WorkerSettings,
} from './worker-options.js';

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
 * - **Failure**: a job whose handler throws is given out again after `retryDelay`; later jobs pass it meanwhile. After
 *   `attempts` failures, or `maxLosses` workers that were lost with it, or at once if it was rejected, it goes to the dead letters.
 * - **Heartbeat**: what proves this worker alive are the keep-alives of its session, which no handler sends or delays. One that
 *   blocks the event loop does delay them; `renewal: 'worker'` of the store renews the lease beside it. A handler that hangs
 *   without blocking keeps its job: `stallMs` tells of it.
 * - **Cost**: a job alone is 2 requests (assignment, acknowledgement); under load a few hundredths. A worker that waits sends
 *   nothing but its session's keep-alives, whatever others take. One of the workers also dispatches, and the next in line
 *   for that reads twice when the queue comes to rest.
 *
 * Errors reach `on` listeners as `error` events; none is thrown at the process. Algorithm: `docs/queues.md`.
 */
export class Worker<T> implements AsyncDisposable {
  readonly queue: Queue<T>;
  readonly #client: Client;
  readonly #keys: QueueKeys;
  readonly #settings: WorkerSettings;
  readonly #listeners = new Listeners<WorkerEvent<T>>();
  readonly #runner: JobRunner<T>;
  readonly #health: HealthRecord;
  readonly #leases: ExpiringLeases;
  readonly #followUps: FollowUps;
  readonly #stopping = sharedController();
  #membership: Membership | undefined;
  #graceMs = defaultGraceMs;
  #joined: Promise<void> | undefined;
  #life: Promise<void> | undefined;

  /** @internal */
  constructor(queue: Queue<T>, handler: Batching<T>, options?: WorkerOptions);
  /** Throws `invalid-argument`. Sends nothing before `start` or `run`. */
  constructor(queue: Queue<T>, handler: Handler<T>, options?: WorkerOptions);
  constructor(queue: Queue<T>, handler: Handler<T> | Batching<T>, options: WorkerOptions = {}) {
    if (!(queue instanceof Queue))
      throw invalidArgument('queue is no queue', 'a FifoQueue, or a queue of another kind');
    const { handle, batch } =
      handler instanceof Batching ? handler : { handle: oneByOne(handler), batch: { size: 1, lingerMs: 0 } };
    this.queue = queue;
    this.#client = queue.client;
    this.#keys = new QueueKeys(queue.client.keys.prefix('queue', queue.name), queue.kind, queue.definition);
    this.#settings = checkWorkerOptions(options, batch);
    this.#health = new HealthRecord(queue.client.runtime);
    this.#leases = new ExpiringLeases(queue.client.plainStore, queue.client.runtime);
    this.#followUps = new FollowUps(queue.client);
    this.#runner = new JobRunner({
      runtime: this.#client.runtime,
      handle,
      settings: this.#settings,
      decode: (payload) => queue.decode(payload),
      resultCodec: queue.resultCodec,
      stopping: this.#stopping.signal,
      emit: (event) => this.#emit(event),
    });
  }

  /**
   * A worker whose handler does up to `batch.size` jobs at a time, which the store or a service may take as cheaply as one: it
   * is called with what has come, `concurrency` times side by side. All else is as said of {@link Worker}, of each job by itself.
   *
   * - **Order**: batches start in queue order, and so do the jobs in them, as far as this worker was given them in it.
   * - **How full**: a batch starts when `size` jobs have come, or `lingerMs` after the first. Where there are fewer jobs than the
   *   workers of a queue could do at once, each worker is given a few: there, few workers make full batches. Jobs of one
   *   ordering key never meet in a batch.
   * - **Ends**: each job ends by itself: `job.complete`, `job.reject`, `fail(job, error)` of the context. What is left when the
   *   handler returns is completed, without a result; when it throws, what is left has failed, each job counting its own attempts.
   *   So a handler that throws in the middle may do again what it has done before, for jobs that it has not completed. What it
   *   throws when nothing is left is told in an `error` event.
   * - **Cancelled** jobs fire their own `job.signal`; that of the context fires when none is left but those. On closing, and
   *   when the session is lost, all fire. Jobs that wait for their batch are given back at once.
   * - `running`, `stalled` and events count jobs, not batches. A batch is stalled when none of its jobs has told progress or ended
   *   for `stallMs`; it is told of each that is left.
   * - **Cost**: as one by one; acknowledgements of a batch share requests.
   *
   * Throws `invalid-argument`.
   */
  static inBatches<T>(queue: Queue<T>, handler: BatchHandler<T>, options: BatchWorkerOptions): Worker<T> {
    if (typeof handler !== 'function') throw invalidArgument('handler is no function', 'a function');
    return new Worker(queue, new Batching(handler, checkBatch(options?.batch)), options);
  }

  /** Jobs whose handlers run now. */
  get running(): number {
    return this.#runner.running;
  }

  /**
   * Whether it consumes, from what it has seen itself; sends nothing. A worker whose connection stands may still take no jobs
   * (nobody gives any out, all its handlers are stuck): look at the ages and at what runs, beside the size of the queue.
   */
  health(): WorkerHealth {
    const held = this.#membership?.held.length ?? 0;
    const { running, stalled, oldestStartMs } = this.#runner;
    return this.#health.read({ running, stalled, waiting: Math.max(0, held - running), oldestStartMs });
  }

  /** Runs `listener` at each event. Returns its removal. A listener that throws harms nobody. */
  on(listener: (event: WorkerEvent<T>) => void): () => void {
    return this.#listeners.add(listener);
  }

  /**
   * Resolves once the worker has joined for the first time. `signal` and `timeoutMs` end only this wait. Errors: `closed`;
   * `invalid-argument` if the queue is of another kind than the object, which closes the worker.
   */
  async start(options: WaitOptions = {}): Promise<void> {
    const doing = `joining queue "${this.queue.name}"`;
    checkWaitOptions(options, doing);
    if (this.#stopping.signal.aborted) throw this.#stopping.signal.reason;
    if (this.#joined === undefined) {
      this.#joined = new Promise<void>((resolve, reject) => {
        const off = this.on((event) => {
          if (event.type !== 'joined') return;
          off();
          resolve();
        });
        const { signal } = this.#stopping;
        signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      });
      this.#joined.catch(() => {});
      this.#life = this.#live();
    }
    await waitFor(this.#client.runtime, this.#joined, options, doing);
  }

  /**
   * Works until `close` is called or `signal` fires, which closes it, and resolves when it is closed. Error: `invalid-argument` if
   * the queue is of another kind than the object.
   */
  async run(options: { signal?: AbortSignal } & CloseOptions = {}): Promise<void> {
    const { signal } = options;
    checkWaitOptions({ signal }, `working on queue "${this.queue.name}"`);
    checkGrace(options);
    const onAbort = () => void this.close(options);
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      this.start().catch(() => {});
      await this.#life;
      const { reason } = this.#stopping.signal;
      if (isOfAnotherKind(reason)) throw reason;
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
    const graceMs = checkGrace(options);
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
        if (isQuorateError(error, 'closed') || isOfAnotherKind(error)) this.#stopping.abort(error);
        await sleep(runtime, backoff.nextMs(), { signal }).catch(() => {});
      }
    }
    await this.#runner.settled();
  }

  async #oneLife(): Promise<void> {
    const stopping = this.#stopping.signal;
    const session = await this.#client.session({ signal: stopping });
    const membership = new Membership({
      client: this.#client,
      keys: this.#keys,
      session,
      slots: this.#settings.slots,
      concurrency: this.#settings.jobsAtOnce,
      label: this.#settings.label ?? this.#client.label,
      leases: this.#leases,
      followUps: this.#followUps,
      onJob: (job) => this.#runner.add(job, membership),
      onUnreadable: (job, error) => this.#runner.unreadable(job, membership, error),
      onCancelled: (job, error, reason) => this.#runner.cancelled(job, error, reason),
      onError: (error) => this.#emitError(error),
    });
    this.#membership = membership;
    const resigned = new AbortController();
    const until = linkedSignal(resigned.signal, membership.signal, stopping);
    membership.signal.addEventListener('abort', () => this.#runner.abort(membership.signal.reason), {
      once: true,
    });
    let candidacy: Promise<void> | undefined;
    try {
      await membership.join();
      this.#emit({ type: 'joined', worker: membership.worker });
      candidacy = this.#candidacy(membership).run(until.signal);
      await fired(until.signal);
      if (stopping.aborted && !membership.signal.aborted) await this.#leave(membership);
    } finally {
      resigned.abort();
      membership.end(stopping.reason ?? new QuorateError('closed', 'this life of the worker is over'));
      await candidacy;
      until.unlink();
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
    const stopped = membership.stopTaking();
    this.#runner.giveBack(membership, 'waiting');
    await stopped;
    const idle = this.#runner.idle(membership.signal);
    const within = (timeoutMs: number) =>
      waitFor(this.#client.runtime, idle, { timeoutMs }, 'closing').catch(() => {});
    if (this.#graceMs > 0) await within(this.#graceMs);
    if (this.#runner.running > 0 && !membership.signal.aborted) {
      this.#runner.abort(this.#stopping.signal.reason);
      await within(abortGraceMs);
    }
    await this.#runner.settled();
    this.#runner.giveBack(membership, 'running-too');
    await this.#runner.settled();
    await membership.leave();
  }

  #emitError(error: unknown): void {
    this.#emit({ type: 'error', error: asQuorateError(error) });
  }

  #emit(event: WorkerEvent<T>): void {
    this.#health.add(event);
    this.#listeners.emit(event);
  }
}

function oneByOne<T>(handler: Handler<T>): Handling<T> {
  if (typeof handler !== 'function') throw invalidArgument('handler is no function', 'a function');
  return ([job]) =>
    job &&
    handler(job, {
      get signal() {
        return job.signal;
      },
    });
}

function checkGrace({ graceMs = defaultGraceMs }: CloseOptions): number {
  if (graceMs !== Number.POSITIVE_INFINITY) {
    checkWhole(Math.ceil(graceMs), 'graceMs', 0, Number.MAX_SAFE_INTEGER);
  }
  return graceMs;
}

/** Which it remains for good, so there is nothing to wait for. */
function isOfAnotherKind(error: unknown): boolean {
  return isQuorateError(error, 'invalid-argument');
}

function closedError(): QuorateError {
  return new QuorateError('closed', 'the worker was closed');
}

async function fired(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
