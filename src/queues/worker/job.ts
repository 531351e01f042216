import { invalidArgument } from '../../errors.js';
import { checkWaitOptions, type WaitOptions } from '../../runtime/index.js';
import type { TxnReply, TxnRequest } from '../../store/index.js';
import type { ItemId } from '../keys.js';
import type { HeldJob } from './held-job.js';

export interface CompleteOptions extends WaitOptions {
  /** Compares and operations of the caller's own keys, in one transaction with the acknowledgement. */
  txn?: Partial<TxnRequest>;
}

/** One item in the hands of a {@link Worker}'s handler. */
export class Job<T> {
  readonly id: ItemId;
  readonly payload: T;
  /** 1 plus how often a handler failed at it before. Returns by a closing worker and losses of workers do not count. */
  readonly attempt: number;
  /** How often it was taken back from a worker, for whatever reason. Grows with each. */
  readonly generation: number;
  /** The revision that put the item into the queue. */
  readonly enqueuedRevision: number;
  /** Aborted when this worker may no longer hold the job: its session was lost, or it is being closed. */
  readonly signal: AbortSignal;
  readonly #held: HeldJob;
  #completing: Promise<TxnReply> | undefined;
  #refused = false;

  constructor(held: HeldJob, payload: T, signal: AbortSignal) {
    const { id, create, generation, failures } = held.assigned;
    this.id = id;
    this.payload = payload;
    this.attempt = failures + 1;
    this.generation = generation;
    this.enqueuedRevision = create;
    this.signal = signal;
    this.#held = held;
  }

  /** True once the queue is rid of it by this worker's acknowledgement. */
  get isCompleted(): boolean {
    return this.#held.custody === 'acknowledged';
  }

  /** True if the last `complete` was refused by the caller's own compares. */
  get wasRefused(): boolean {
    return this.#refused;
  }

  /**
   * Acknowledges the job, and applies `txn` in the same revision: either both happen or neither, once.
   *
   * Resolves with the reply to `txn`. If its own compares did not hold, `succeeded` is false, its `failure` operations
   * were applied, and the job is still held: complete it otherwise, or throw to have it given out again. A handler that
   * just returns then has failed.
   *
   * Errors: `fenced` if the job was taken back from this worker, in which case nothing was applied; `closed` if it is
   * completed already; `aborted` and `timeout` by `options` (outcome `unknown` if it was on its way; completing again
   * is safe); without a `timeoutMs`, failures of the moment are retried for as long as this worker holds its session.
   * Cost: one request, shared with others of this process.
   */
  complete(options: CompleteOptions = {}): Promise<TxnReply> {
    checkWaitOptions(options, `completing job ${this.id}`);
    const { txn } = options;
    if (txn !== undefined && (typeof txn !== 'object' || txn === null)) {
      throw invalidArgument('txn is not an object', '{ compare, success, failure }, or none');
    }
    const completing = this.#complete(options);
    this.#completing = completing;
    // The worker looks at the outcome itself; who does not await this must not die of it.
    completing.catch(() => {});
    return completing;
  }

  /** Resolves when no `complete` is under way. */
  async settled(): Promise<void> {
    await this.#completing?.catch(() => {});
  }

  async #complete({ txn, signal, timeoutMs }: CompleteOptions): Promise<TxnReply> {
    this.#refused = false;
    const reply = await this.#held.acknowledge(txn, { signal, timeoutMs });
    this.#refused = !reply.succeeded;
    return reply;
  }
}
