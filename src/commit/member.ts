import { QuorateError } from '../errors.js';
import { abortedError } from '../runtime/index.js';
import type { OpReply, TxnOp, TxnReply, TxnRequest } from '../store/index.js';
import type { Candidate } from './batch.js';
import type { Deadlines } from './deadlines.js';
import type { Footprint } from './footprint.js';

/**
 * - `waiting`: nothing is under way that could apply it.
 * - `sent`: an attempt was sent and is not decided.
 * - `settled`: the caller has its answer.
 */
type MemberState = 'waiting' | 'sent' | 'settled';

export interface MemberInit {
  readonly request: TxnRequest;
  readonly footprint: Footprint;
  readonly ops: number;
  readonly bytes: number;
  readonly deadlineMs: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

const doing = 'waiting for a transaction to be committed';

/** One transaction on its way through a lane, and its caller's wait. */
export class Member implements Candidate {
  readonly op: TxnOp;
  readonly footprint: Footprint;
  readonly ops: number;
  readonly bytes: number;
  readonly deadlineMs: number;
  readonly reply: Promise<TxnReply>;
  /** The latest trouble on its way, told as the cause if the caller gives up. */
  trouble: unknown;
  readonly #timeoutMs: number;
  readonly #signal: AbortSignal | undefined;
  readonly #deadlines: Deadlines;
  #state: MemberState = 'waiting';
  #resolve: (reply: TxnReply) => void = () => {};
  #reject: (error: unknown) => void = () => {};

  constructor(init: MemberInit, deadlines: Deadlines) {
    const { request } = init;
    this.op = { type: 'txn', compare: request.compare, success: request.success, failure: request.failure };
    this.footprint = init.footprint;
    this.ops = init.ops;
    this.bytes = init.bytes;
    this.deadlineMs = init.deadlineMs;
    this.#timeoutMs = init.timeoutMs;
    this.#signal = init.signal;
    this.#deadlines = deadlines;
    this.reply = new Promise<TxnReply>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    deadlines.add(this);
    this.#signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** True while somebody waits for the answer. */
  get isLive(): boolean {
    return this.#state !== 'settled';
  }

  markSent(): void {
    if (this.#state === 'waiting') this.#state = 'sent';
  }

  /** Nothing that was sent can apply it any more. */
  markWaiting(): void {
    if (this.#state === 'sent') this.#state = 'waiting';
  }

  resolve(revision: number, succeeded: boolean, replies: readonly OpReply[]): void {
    if (this.#settle()) this.#resolve({ revision, succeeded, replies });
  }

  reject(error: unknown): void {
    if (this.#settle()) this.#reject(error);
  }

  /** Ends the wait because the store was closed. */
  abandon(): void {
    const outcome = this.#state === 'sent' ? 'unknown' : 'not-applied';
    this.reject(
      new QuorateError('closed', `the store was closed while ${doing}`, { outcome, cause: this.trouble }),
    );
  }

  expire(): void {
    const outcome = this.#state === 'sent' ? 'unknown' : 'not-applied';
    this.reject(
      new QuorateError('timeout', `no result within ${this.#timeoutMs} ms while ${doing}`, {
        outcome,
        cause: this.trouble,
      }),
    );
  }

  readonly #onAbort = (): void => {
    if (this.#signal === undefined) return;
    const { message, cause } = abortedError(this.#signal, doing);
    const outcome = this.#state === 'sent' ? 'unknown' : 'not-applied';
    this.reject(new QuorateError('aborted', message, { outcome, cause }));
  };

  #settle(): boolean {
    if (this.#state === 'settled') return false;
    this.#state = 'settled';
    this.#deadlines.remove(this);
    this.#signal?.removeEventListener('abort', this.#onAbort);
    return true;
  }
}
