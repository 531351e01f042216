import { invalidArgument, QuorateError } from '../../errors.js';
import { checkWaitOptions, type LazySignal, type WaitOptions } from '../../runtime/index.js';
import type { Codec, TxnReply, TxnRequest } from '../../store/index.js';
import type { ItemId } from '../keys.js';
import { priorityOf } from '../priority/priority.js';
import { enqueuedBy, type FollowUp } from '../producer/follow-up.js';
import type { Enqueued } from '../producer/submission.js';
import { shortened } from '../results/reasons.js';
import type { HeldJob, Verdict } from './held-job.js';
import type { ProgressReport } from './progress-report.js';

/** What is larger goes elsewhere, and its name into the result. */
const largestResultBytes = 1_048_576;

export interface CompleteOptions extends WaitOptions {
  /** Compares and operations of the caller's own keys, in one transaction with the acknowledgement. */
  txn?: Partial<TxnRequest>;
  /** Items that enter their queues in the same transaction: at most 60, made by `followUp(queue, payload)`. */
  enqueue?: readonly FollowUp[];
  /** For whoever waits for the result, if the item asked for one to be kept. Default: none. */
  result?: unknown;
}

/** The reply to the caller's own operations. */
export interface CompleteReply extends TxnReply {
  /** What was put by `enqueue`, in its order. */
  readonly enqueued: readonly Enqueued[];
}

export interface JobParts<T> {
  readonly held: HeldJob;
  readonly payload: T;
  /** Fires when this worker may no longer hold it. */
  readonly aborting: LazySignal;
  readonly resultCodec: Codec<unknown>;
  readonly progress: ProgressReport;
  readonly onProgress: () => void;
}

/** One item in the hands of a {@link Worker}'s handler. */
export class Job<T> {
  readonly id: ItemId;
  readonly payload: T;
  /** From 0, the most urgent; undefined in a queue that has no priorities. */
  readonly priority: number | undefined;
  /** 1 plus how often a handler failed at it before. Returns by a closing worker and losses of workers do not count. */
  readonly attempt: number;
  /** How often it was taken back from a worker, for whatever reason. Grows with each. */
  readonly generation: number;
  /** The revision that put the item into the queue. */
  readonly enqueuedRevision: number;
  /** Of a condition queue: the task that it was enqueued as. */
  readonly task: string | undefined;
  /** If a schedule put the item: which, and the moment that it was for, in wall time. */
  readonly tick: { readonly schedule: string; readonly atMs: number } | undefined;
  readonly #parts: JobParts<T>;
  readonly #held: HeldJob;
  #ending: Promise<unknown> | undefined;
  #refused = false;
  #verdict: Verdict | undefined;

  constructor(parts: JobParts<T>) {
    const { held, payload } = parts;
    const { id, create, generation, failures } = held.assigned;
    this.id = id;
    this.priority = priorityOf(id);
    this.payload = payload;
    this.attempt = failures + 1;
    this.generation = generation;
    this.enqueuedRevision = create;
    const { task, schedule, tickMs } = held.assigned.traits ?? {};
    this.task = task;
    this.tick = schedule === undefined ? undefined : { schedule, atMs: tickMs ?? 0 };
    this.#parts = parts;
    this.#held = held;
  }

  /**
   * Aborted when this worker may no longer hold the job: its session was lost, it is being closed, or the job was cancelled
   * (`job-cancelled`).
   */
  get signal(): AbortSignal {
    return this.#parts.aborting.signal;
  }

  /** True once the queue is rid of it by this worker's acknowledgement. */
  get isCompleted(): boolean {
    return this.#held.custody === 'acknowledged';
  }

  /** True if the last `complete` was refused by the caller's own compares. */
  get wasRefused(): boolean {
    return this.#refused;
  }

  /** Why it was rejected, if `reject` was called last. */
  get verdict(): Verdict | undefined {
    return this.#verdict;
  }

  /**
   * Acknowledges the job, and applies `txn` in the same revision and puts in what `enqueue` lists: either all happens or
   * nothing, once.
   *
   * Resolves with the reply to `txn`. If its own compares did not hold, `succeeded` is false, its `failure` operations
   * were applied, and the job is still held: complete it otherwise, or throw to have it given out again. A handler that
   * just returns then has failed.
   *
   * Errors: `fenced` if the job was taken back from this worker, `job-cancelled` if it was cancelled, in which case nothing was
   * applied; `queue-closed` if a queue of `enqueue` lets nothing in, with nothing applied and the job still held; `codec` and
   * `request-too-large` (1 MiB) of the result or of `enqueue`, likewise; `closed` if it is completed already; `aborted` and
   * `timeout` by `options` (outcome `unknown` if it was on its way; completing again is safe); without a `timeoutMs`, failures
   * of the moment are retried for as long as this worker holds its session.
   * Cost: one request, shared with others of this process; with `enqueue` one read more.
   */
  complete(options: CompleteOptions = {}): Promise<CompleteReply> {
    checkWaitOptions(options, `completing job ${this.id}`);
    const { txn } = options;
    if (txn !== undefined && (typeof txn !== 'object' || txn === null)) {
      throw invalidArgument('txn is not an object', '{ compare, success, failure }, or none');
    }
    return this.#end(this.#complete(options));
  }

  /**
   * It can never succeed: puts it into the dead letters at once, whatever attempts are left. Rejects as {@link complete}, and
   * with `request-too-large` if there is no room for it there, even with a shorter reason; then it is still held.
   */
  reject(reason: string, options: WaitOptions = {}): Promise<void> {
    checkWaitOptions(options, `rejecting job ${this.id}`);
    if (typeof reason !== 'string') throw invalidArgument('reason is no text', 'a string');
    const { failures } = this.#held.assigned;
    this.#verdict = { cause: 'rejected', reason: shortened(reason), failures };
    const { signal, timeoutMs } = options;
    return this.#end(this.#held.deadLetter(this.#verdict, { signal, timeoutMs }));
  }

  /**
   * Tells those who wait for the job how far it is: JSON of at most 16 KiB, kept as long as this worker holds the job. Call it
   * as often as you like: one write is under way at a time, and only the latest is written next.
   *
   * Resolves when this or later progress is written; need not be awaited, but then the end of the job may overtake it. Rejects
   * with `codec`, `request-too-large`, `fenced` or `job-cancelled` if the job is over or no longer this worker's, or as the store
   * answered.
   */
  progress(progress: unknown): Promise<void> {
    const told = this.#tell(progress);
    told.catch(() => {});
    return told;
  }

  /** Whether a `complete` or `reject` was called, of which `settled` tells when it is over. */
  get isEnding(): boolean {
    return this.#ending !== undefined;
  }

  /** Resolves when no `complete` or `reject` is under way. */
  async settled(): Promise<void> {
    for (let ending = this.#ending; ending !== undefined; ) {
      await ending;
      ending = ending === this.#ending ? undefined : this.#ending;
    }
  }

  #end<R>(ending: Promise<R>): Promise<R> {
    this.#parts.onProgress();
    // The worker looks at the outcome itself; who does not await this must not die of it.
    const over = ending.then(ignore, ignore);
    // One may be called while another is under way: the worker looks at the job when all have their answers.
    this.#ending = this.#ending === undefined ? over : Promise.all([this.#ending, over]);
    return ending;
  }

  async #tell(progress: unknown): Promise<void> {
    this.#parts.onProgress();
    await this.#parts.progress.tell(progress);
  }

  async #complete({ txn, enqueue, result, signal, timeoutMs }: CompleteOptions): Promise<CompleteReply> {
    this.#refused = false;
    const followUps =
      enqueue === undefined || (Array.isArray(enqueue) && enqueue.length === 0)
        ? undefined
        : await this.#held.followUps.prepare(enqueue);
    const acknowledgement = { user: txn, followUps, result: this.#encode(result) };
    const { ids, ...reply } = await this.#held.acknowledge(acknowledgement, { signal, timeoutMs });
    this.#refused = !reply.succeeded;
    return { ...reply, enqueued: enqueuedBy(ids, reply.revision) };
  }

  #encode(result: unknown): Uint8Array | undefined {
    if (!this.#held.isResultWanted || result === undefined) return undefined;
    let bytes: Uint8Array;
    try {
      bytes = this.#parts.resultCodec.encode(result);
    } catch (cause) {
      throw new QuorateError('codec', `the result of job ${this.id} cannot be encoded`, { cause });
    }
    if (bytes.length <= largestResultBytes) return bytes;
    throw new QuorateError('request-too-large', `the result of job ${this.id} has ${bytes.length} bytes`, {
      details: { bytes: bytes.length, limit: largestResultBytes },
    });
  }
}

function ignore(): void {}
