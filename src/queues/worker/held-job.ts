/**
 * A job that this process was given, and the two ways it parts with it.
 *
 * - **Acknowledge** `IF create(i/X) = c, version(g/X) = k THEN {IF user compares THEN delete i/X, delete g/X, user ops ELSE user
 *   ops} ELSE get i/X, get g/X`. c names the item's life and k how often it was taken back, so a worker from whom it was taken
 *   is refused, with all its effects, and nobody can acknowledge twice: after the first there is no item.
 * - **Give back** `IF create(i/X) = c, version(g/X) = k THEN put g/X ELSE get i/X, get g/X`: raises the generation.
 *
 * A record whose jobs are all settled is deleted by the acknowledgement of its last one, or along with a later write.
 *
 * - *Reply lost*: the exactly-once store finds out. If even that cannot tell, the same transaction is sent again: applied
 *   twice it cannot be. Refused then, with the item gone, it is not known whose acknowledgement that was (`unknown`).
 * - *Session lost*: the transactions do not depend on it. As long as the job has not been taken back nobody else has it, and the
 *   acknowledgement of a worker that was thought dead is as good as any.
 */
import { isQuorateError, QuorateError } from '../../errors.js';
import { Backoff, type Runtime, sleep } from '../../runtime/index.js';
import {
  type CallOptions,
  compare,
  get,
  nested,
  type Op,
  remove,
  type Store,
  type TxnReply,
  type TxnRequest,
  txnOf,
} from '../../store/index.js';
import { firstOf } from '../dispatch/transactions.js';
import { isPassing } from '../failures.js';
import type { QueueKeys } from '../keys.js';
import { type AssignedJob, encodeTakeBack, type TakeBack } from '../records/index.js';
import type { RecordLedger } from './record-ledger.js';

const retryDelay = { firstMs: 20, longestMs: 1_000 };

/** Where a job in hand stands. */
export type Custody =
  | 'held'
  /** A transaction that parts with it is under way. */
  | 'settling'
  | 'acknowledged'
  | 'given-back'
  /** It was taken from this worker, or deleted. */
  | 'superseded';

export interface HeldJobContext {
  readonly store: Store;
  readonly runtime: Runtime;
  readonly keys: QueueKeys;
  /** Ends the repeating of what failed for the moment: after it, one attempt. */
  readonly signal: AbortSignal;
  readonly ledger: RecordLedger;
  readonly onSettled: (job: HeldJob) => void;
}

export class HeldJob {
  readonly assigned: AssignedJob;
  readonly record: string;
  /** Absent until it was read, for a long one. */
  payload: Uint8Array | undefined;
  readonly #context: HeldJobContext;
  #custody: Custody = 'held';
  /** An attempt to part with it may have been applied. */
  #uncertain = false;

  constructor(assigned: AssignedJob, record: string, context: HeldJobContext) {
    this.assigned = assigned;
    this.record = record;
    this.payload = assigned.payload;
    this.#context = context;
  }

  get custody(): Custody {
    return this.#custody;
  }

  get isSettled(): boolean {
    return this.#custody !== 'held' && this.#custody !== 'settling';
  }

  /** The reply to `user`, whose `succeeded` false leaves the job held; or `fenced`, or what the store answered. */
  async acknowledge(user: Partial<TxnRequest> | undefined, options: CallOptions): Promise<TxnReply> {
    const { keys } = this.#context;
    const { id, generation } = this.assigned;
    const done: Op[] = [remove(keys.item(id))];
    if (generation > 0) done.push(remove(keys.generation(id)));
    const reply = await this.#settle(
      (cleanUp) =>
        user === undefined
          ? [...done, ...cleanUp]
          : [nested({ ...user, success: [...done, ...cleanUp, ...(user.success ?? [])] })],
      options,
      ({ replies: [inner] }) =>
        user !== undefined && inner?.type === 'txn' && !inner.succeeded ? 'held' : 'acknowledged',
    );
    if (user === undefined) return reply;
    const [inner] = reply.replies;
    if (inner?.type !== 'txn') throw new QuorateError('internal', 'a reply of another form than its request');
    const ownFrom = inner.succeeded ? inner.replies.length - (user.success?.length ?? 0) : 0;
    return { revision: reply.revision, succeeded: inner.succeeded, replies: inner.replies.slice(ownFrom) };
  }

  /** Rejects as `acknowledge`. */
  async giveBack(takeBack: TakeBack, options: CallOptions): Promise<void> {
    const key = this.#context.keys.generation(this.assigned.id);
    const put: Op = { type: 'put', key, value: encodeTakeBack(takeBack) };
    await this.#settle(
      (cleanUp) => [put, ...cleanUp],
      options,
      () => 'given-back',
    );
  }

  /** Its item was found to be gone. */
  drop(): void {
    if (!this.isSettled) this.#become('superseded');
  }

  #become(custody: Custody): void {
    this.#custody = custody;
    if (this.isSettled) this.#context.onSettled(this);
  }

  async #settle(
    success: (cleanUp: readonly Op[]) => readonly Op[],
    options: CallOptions,
    custodyAfter: (reply: TxnReply) => Custody,
  ): Promise<TxnReply> {
    if (this.#custody === 'superseded') throw this.#fenced();
    if (this.#custody !== 'held') {
      throw new QuorateError('closed', `job ${this.assigned.id} is ${this.#custody} already`);
    }
    this.#custody = 'settling';
    const { keys, ledger } = this.#context;
    const { id, create, generation } = this.assigned;
    const cleanUp = ledger.cleanUpWith(this.record);
    const request = txnOf({
      compare: [
        compare.create(keys.item(id), 'equal', create),
        compare.version(keys.generation(id), 'equal', generation),
      ],
      success: success(cleanUp.map((record) => remove(record))),
      failure: [get(keys.item(id), { keysOnly: true }), get(keys.generation(id), { keysOnly: true })],
    });
    let reply: TxnReply | undefined;
    try {
      reply = await this.#send(request, options);
    } finally {
      const custody = reply === undefined ? 'held' : reply.succeeded ? custodyAfter(reply) : 'superseded';
      ledger.cleaned(cleanUp, custody !== 'held' && custody !== 'superseded');
      this.#become(custody);
    }
    if (reply.succeeded) return reply;
    const isGone = firstOf(reply.replies[0]) === undefined;
    throw this.#uncertain && isGone ? this.#unknown() : this.#fenced();
  }

  async #send(request: TxnRequest, options: CallOptions): Promise<TxnReply> {
    const { store, runtime, signal } = this.#context;
    const backoff = new Backoff(runtime, retryDelay);
    for (;;) {
      try {
        return await store.txn(request, options);
      } catch (error) {
        const unknown = isQuorateError(error) && error.outcome === 'unknown';
        this.#uncertain ||= unknown;
        const mayRepeat =
          !signal.aborted && options.signal?.aborted !== true && options.timeoutMs === undefined;
        if (!mayRepeat || !(unknown || isPassing(error))) throw error;
      }
      await sleep(runtime, backoff.nextMs(), { signal }).catch(() => {});
    }
  }

  #fenced(): QuorateError {
    return new QuorateError(
      'fenced',
      `job ${this.assigned.id} was taken back or deleted: generation ${this.assigned.generation} has passed`,
      { details: { id: this.assigned.id, generation: this.assigned.generation } },
    );
  }

  #unknown(): QuorateError {
    return new QuorateError(
      'unavailable',
      `job ${this.assigned.id} is done, but whether by this acknowledgement or another cannot be told`,
      { outcome: 'unknown' },
    );
  }
}
