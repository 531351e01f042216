import { QuorateError } from '../errors.js';
import { abortedError, type Deadlines, offAbort, onAbort, timeoutError } from '../runtime/index.js';
import { type TxnReply, type TxnRequest, txnCost } from '../store/index.js';
import type { Candidate } from './batch.js';
import { type Footprint, footprintOf } from './footprint.js';

/**
 * - `waiting`: nothing is under way that could apply it.
 * - `sent`: an attempt was sent and is not decided.
 * - `settled`: the caller has its answer.
 */
type MemberState = 'waiting' | 'sent' | 'settled';

export interface MemberInit {
  readonly request: TxnRequest;
  readonly bytes: number;
  readonly deadlineMs: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  /** May be applied as often and as late as it likes. */
  readonly isRepeatable: boolean;
}

const doing = 'waiting for a transaction to be committed';

/** One transaction on its way through a lane, and its caller's wait. */
export class Member implements Candidate {
  readonly request: TxnRequest;
  readonly bytes: number;
  readonly deadlineMs: number;
  readonly isRepeatable: boolean;
  readonly reply: Promise<TxnReply>;
  /** The latest trouble on its way, told as the cause if the caller gives up. */
  trouble: unknown;
  readonly #timeoutMs: number;
  readonly #signal: AbortSignal | undefined;
  readonly #deadlines: Deadlines;
  #state: MemberState = 'waiting';
  #footprint: Footprint | undefined;
  #ops: number | undefined;
  #resolve: (reply: TxnReply) => void = () => {};
  #reject: (error: unknown) => void = () => {};

  constructor(init: MemberInit, deadlines: Deadlines) {
    this.request = init.request;
    this.bytes = init.bytes;
    this.deadlineMs = init.deadlineMs;
    this.isRepeatable = init.isRepeatable;
    this.#timeoutMs = init.timeoutMs;
    this.#signal = init.signal;
    this.#deadlines = deadlines;
    this.reply = new Promise<TxnReply>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    deadlines.add(this);
    if (this.#signal !== undefined) onAbort(this.#signal, this.#onAbort);
  }

  /** Worked out only for who meets others. */
  get footprint(): Footprint {
    this.#footprint ??= footprintOf(this.request);
    return this.#footprint;
  }

  /** The same. */
  get ops(): number {
    this.#ops ??= txnCost(this.request);
    return this.#ops;
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

  resolve(reply: TxnReply): void {
    if (this.#settle()) this.#resolve(reply);
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
    this.reject(timeoutError(this.#timeoutMs, doing, { outcome, cause: this.trouble }));
  }

  readonly #onAbort = (): void => {
    if (this.#signal === undefined) return;
    const outcome = this.#state === 'sent' ? 'unknown' : 'not-applied';
    this.reject(abortedError(this.#signal, doing, outcome));
  };

  #settle(): boolean {
    if (this.#state === 'settled') return false;
    this.#state = 'settled';
    this.#deadlines.remove(this);
    if (this.#signal !== undefined) offAbort(this.#signal, this.#onAbort);
    return true;
  }
}
