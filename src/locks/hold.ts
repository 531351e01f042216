import { QuorateError } from '../errors.js';
import { FencedWrites, type Place } from '../line/index.js';
import { sharedController } from '../runtime/index.js';
import type { Client } from '../session/index.js';
import type { CallOptions, Compare, TxnReply, TxnRequest } from '../store/index.js';
import { registerHold } from './mutex-internals.js';

/**
 * One grant of a lock to one caller, from `acquire` to `release` or to its loss, whichever is first.
 *
 * Nobody can promise that only one process *believes* to hold a lock. What is promised: `signal` fires before the
 * server gives the lock to another (within the stated clock drift); `token` is larger than every earlier grant's;
 * and what is written through `txn` is refused by the store itself once the hold has ended.
 */
export interface Hold extends AsyncDisposable {
  /** Fencing token: strictly increasing from grant to grant of one lock, over all processes. For stores that check. */
  readonly token: number;
  /** Fires when the hold is lost, with the reason: `session-lost` or `hold-lost`. Not when it is released. */
  readonly signal: AbortSignal;
  /** Whether the hold stands, as far as can be known here; compares the clock first. */
  readonly isHeld: boolean;
  /**
   * A compare for transactions of your own. It is refused once the lock has left this *process*; for callers that
   * share a process it names the process's turn, not the single grant.
   */
  guard(): Compare;
  /**
   * A transaction that is applied only while the hold stands. One request.
   *
   * Errors: `fenced` (the store refused it, since the hold had ended), `hold-lost` and `session-lost` (refused here,
   * never sent), and the store's own. On outcome `unknown` the lock is not passed on before the guard has died.
   */
  txn(request: Partial<TxnRequest>, options?: CallOptions): Promise<TxnReply>;
  /**
   * Ends the hold at once; resolves when the lock is passed on or free, after the writes under way have settled.
   * Idempotent, never rejects: without the store, the end of the lease frees the lock.
   */
  release(): Promise<void>;
}

/** The hold that {@link Mutex} hands out: one local grant of a place that is the oldest of its line. */
export class PlaceHold implements Hold {
  readonly token: number;
  readonly #place: Place;
  readonly #writes: FencedWrites;
  readonly #controller = sharedController();
  readonly #offGone: () => void;
  /** Resolves when the caller is done with it, or has lost it. */
  readonly released: Promise<void>;
  #end: () => void = () => {};
  #isOver = false;
  readonly #passedOn: Promise<void>;
  #resolvePassedOn: () => void = () => {};

  constructor(client: Client, place: Place, token: number) {
    this.token = token;
    this.#place = place;
    this.#writes = new FencedWrites(client, place);
    this.released = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.#passedOn = new Promise((resolve) => {
      this.#resolvePassedOn = resolve;
    });
    this.#offGone = place.onGone((error) => {
      this.#isOver = true;
      this.#controller.abort(error);
      this.#end();
    });
    const stop = () => {
      this.#isOver = true;
    };
    registerHold(this, { place, writes: this.#writes, stop });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get isHeld(): boolean {
    return !this.#isOver && this.#place.session.isLive() && this.#place.state.status === 'admitted';
  }

  guard(): Compare {
    return this.#place.guard();
  }

  async txn(request: Partial<TxnRequest>, options: CallOptions = {}): Promise<TxnReply> {
    if (this.#controller.signal.aborted) throw this.#controller.signal.reason;
    if (this.#isOver) throw new QuorateError('hold-lost', 'the hold was released');
    return this.#writes.txn(request, options);
  }

  async release(): Promise<void> {
    this.#isOver = true;
    this.#offGone();
    this.#end();
    await this.#passedOn;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  /** Rejects with what ended the hold, if it was lost. After a pause the clock may know first: waits until that is decided. */
  async confirm(): Promise<void> {
    if (!this.isHeld) await this.#place.session.settled();
    this.#controller.signal.throwIfAborted();
  }

  /** Waits for the writes made under this hold. False if one of them may still be applied. */
  settled(): Promise<boolean> {
    return this.#writes.settled();
  }

  /** The lock has gone on to the next, or is free. */
  passedOn(): void {
    this.#resolvePassedOn();
  }
}
