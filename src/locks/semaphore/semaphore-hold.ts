import { QuorateError } from '../../errors.js';
import { FencedWrites, type Place } from '../../line/index.js';
import { sharedController } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import type { CallOptions, Compare, TxnReply, TxnRequest } from '../../store/index.js';

/**
 * Permits of a semaphore, granted to one caller, from `acquire` to `release` or to their loss, whichever is first.
 *
 * Nobody can promise that a process which stood still does not *believe* to hold them for a moment longer. What is
 * promised: `signal` fires before the server gives them to others (within the stated clock drift), and what is written
 * through `txn` is refused by the store itself once the hold has ended.
 */
export interface SemaphoreHold extends AsyncDisposable {
  /** How many permits it holds. */
  readonly weight: number;
  /**
   * Rises from grant to grant of one place, and a place that is admitted after another has gone has larger ones. It orders
   * holds that follow one another; those that stand side by side, of which a semaphore has many, it neither excludes nor
   * tells apart: two may have the same.
   */
  readonly token: number;
  /** Fires when the hold is lost, with the reason: `session-lost` or `hold-lost`. Not when it is released. */
  readonly signal: AbortSignal;
  /** Whether the hold stands, as far as can be known here; compares the clock first. */
  readonly isHeld: boolean;
  /**
   * A compare for transactions of your own. It is refused once the permits have left this *process*; callers of one
   * process that have had the same permits, one after the other, have the same guard.
   */
  guard(): Compare;
  /**
   * A transaction that is applied only while the hold stands. One request.
   *
   * Errors: `fenced` (the store refused it, since the hold had ended), `hold-lost` (refused here, never sent), `session-lost`
   * (so too, or under way when the session ended, as its outcome says), and the store's own. On outcome `unknown`
   * the permits are not passed on before the guard has died.
   */
  txn(request: Partial<TxnRequest>, options?: CallOptions): Promise<TxnReply>;
  /**
   * Ends the hold at once; resolves when the permits are passed on or free, after the writes under way have settled.
   * Idempotent, never rejects: without the store, the end of the lease frees them.
   */
  release(): Promise<void>;
}

export interface PermitHoldParts {
  readonly client: Client;
  readonly place: Place;
  readonly token: number;
  readonly weight: number;
}

/** One local grant of a place that was admitted. */
export class PermitHold implements SemaphoreHold {
  readonly weight: number;
  readonly token: number;
  /** Resolves when the caller is done with it, or has lost it. */
  readonly released: Promise<void>;
  readonly #place: Place;
  readonly #writes: FencedWrites;
  /** Made when somebody asks for the signal: most holds are shorter than its making is worth. */
  #controller: AbortController | undefined;
  #isOver = false;
  #lost: QuorateError | undefined;
  readonly #offGone: () => void;
  readonly #passedOn: Promise<void>;
  #end: () => void = () => {};
  #resolvePassedOn: () => void = () => {};

  constructor({ client, place, token, weight }: PermitHoldParts) {
    this.weight = weight;
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
      this.#lost = error;
      this.#controller?.abort(error);
      this.#end();
    });
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = sharedController();
      if (this.#lost !== undefined) this.#controller.abort(this.#lost);
    }
    return this.#controller.signal;
  }

  get isHeld(): boolean {
    return !this.#isOver && this.#place.session.isLive() && this.#place.state.status === 'admitted';
  }

  guard(): Compare {
    return this.#place.guard();
  }

  async txn(request: Partial<TxnRequest>, options: CallOptions = {}): Promise<TxnReply> {
    if (this.#lost !== undefined) throw this.#lost;
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
    if (this.#lost !== undefined) throw this.#lost;
  }

  /** Waits for the writes made under this hold. False if one of them may still be applied. */
  settled(): Promise<boolean> {
    return this.#writes.settled();
  }

  /** The permits have gone on to the next, or are free. */
  passedOn(): void {
    this.#resolvePassedOn();
  }
}
