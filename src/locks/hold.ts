import { QuorateError } from '../errors.js';
import {
  type Claimant,
  FencedWrites,
  handToWaiting,
  type Line,
  type Place,
  wasGivenUp,
  wasHandedOver,
} from '../line/index.js';
import {
  checkWaitOptionsOr,
  invariant,
  sharedController,
  type WaitOptions,
  waitFor,
} from '../runtime/index.js';
import type { Client } from '../session/index.js';
import type { CallOptions, Compare, TxnReply, TxnRequest } from '../store/index.js';
import type { Owner } from './waiting/owner.js';

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
   * Errors: `fenced` (the store refused it, since the hold had ended), `hold-lost` (refused here, never sent), `session-lost`
   * (so too, or under way when the session ended, as its outcome says), and the store's own. On outcome `unknown`
   * the lock is not passed on before the guard has died.
   */
  txn(request: Partial<TxnRequest>, options?: CallOptions): Promise<TxnReply>;
  /**
   * Ends the hold at once; resolves when the lock is passed on or free, after the writes under way have settled.
   * Idempotent, never rejects: without the store, the end of the lease frees the lock.
   */
  release(): Promise<void>;
  /**
   * Hands the lock to one who waits for it, past everybody between, in one transaction: for planned restarts, where this
   * process knows who should go on. `to`: the label of its client (the first of that label who waits), or one of those
   * who wait as `inspect` of the lock showed them.
   *
   * The writes under way are waited for first, and no new ones are taken. True: the other has the lock, in that very
   * revision; this hold is over, without its signal. False: nobody of that name waits any more; the hold stands as before.
   * Other callers of this process that wait queue again behind.
   *
   * Errors: `hold-lost` and `session-lost` if the hold was lost before; `aborted` and `timeout` as asked for: the hold is
   * over then, and the lock handed over or released in the background; the store's own, and then the hold stands.
   * Cost: one read and one request; the other needs one read more.
   */
  handOff(to: string | Claimant, options?: WaitOptions): Promise<boolean>;
}

/** Told of what becomes of a hold. */
export interface HoldListener {
  readonly released: (hold: Hold) => void;
  readonly lost: (hold: Hold, error: QuorateError) => void;
  readonly handedOff: (hold: Hold) => void;
}

/** What the holds of a mutex know of it. */
export interface HoldParts {
  readonly client: Client;
  readonly line: Line;
  readonly place: Place;
  readonly token: number;
  readonly listener?: HoldListener | undefined;
  /** For whom it is, if that was told. */
  readonly owner?: Owner | undefined;
}

/** What other locks of this package need of a hold, and nobody else. */
export interface HoldInternals {
  /** In which its place stands: every `Mutex` object has one of its own. */
  readonly line: Line;
  readonly place: Place;
  readonly writes: FencedWrites;
  /** For whom it is, if that was told. */
  readonly owner: Owner | undefined;
  /**
   * From here on it is not held and takes no more writes; who waits for its release still waits. Its place is given to
   * nobody else before `until` has settled. Only of one that is held.
   */
  readonly stop: (until: Promise<unknown>) => void;
}

/** Taking: writes are taken. Ending: no more of them, and what was begun goes on. Over: released, handed off, or lost. */
type Phase = 'taking' | 'ending' | 'over';

/** The hold that {@link Mutex} hands out: one local grant of a place that is the oldest of its line. */
export class PlaceHold implements Hold {
  readonly token: number;
  /** Resolves when the caller is done with it, or has lost it. */
  readonly released: Promise<void>;
  readonly #parts: HoldParts;
  readonly #writes: FencedWrites;
  /** Made when somebody asks for the signal: most holds are shorter than its making is worth. */
  #controller: AbortController | undefined;
  #lost: QuorateError | undefined;
  readonly #offGone: () => void;
  readonly #passedOn: Promise<void>;
  #phase: Phase = 'taking';
  /** What may take the place away is under way: until that is decided nobody else can be given it. Never rejects. */
  #undecided: Promise<unknown> | undefined;
  #end: () => void = () => {};
  #resolvePassedOn: () => void = () => {};

  constructor(parts: HoldParts) {
    this.token = parts.token;
    this.#parts = parts;
    this.#writes = new FencedWrites(parts.client, parts.place);
    this.released = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.#passedOn = new Promise((resolve) => {
      this.#resolvePassedOn = resolve;
    });
    this.#offGone = parts.place.onGone((error) => {
      if (wasHandedOver(error)) this.#finish((listener) => listener.handedOff(this));
      else if (wasGivenUp(error)) this.#finish((listener) => listener.released(this));
      else {
        this.#lost = error;
        this.#controller?.abort(error);
        this.#finish((listener) => listener.lost(this, error));
      }
    });
  }

  /** Of what is a hold, or something that is not. */
  static internalsOf(hold: object): HoldInternals | undefined {
    return #parts in hold ? hold.#internals : undefined;
  }

  get #internals(): HoldInternals {
    const { line, place, owner } = this.#parts;
    const stop = (until: Promise<unknown>) => {
      invariant(this.#phase === 'taking', 'a hold is given up once');
      this.#phase = 'ending';
      this.#undecided = until.catch(() => {});
    };
    return { line, place, owner, writes: this.#writes, stop };
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = sharedController();
      if (this.#lost !== undefined) this.#controller.abort(this.#lost);
    }
    return this.#controller.signal;
  }

  get isHeld(): boolean {
    const { place } = this.#parts;
    return this.#phase === 'taking' && place.isLive && place.state.status === 'admitted';
  }

  guard(): Compare {
    return this.#parts.place.guard();
  }

  async txn(request: Partial<TxnRequest>, options: CallOptions = {}): Promise<TxnReply> {
    if (this.#lost !== undefined) throw this.#lost;
    if (this.#phase === 'ending') throw new QuorateError('hold-lost', 'the hold is being given up');
    if (this.#phase === 'over') throw new QuorateError('hold-lost', 'the hold was released');
    return this.#writes.txn(request, options);
  }

  async release(): Promise<void> {
    this.#finish((listener) => listener.released(this));
    await this.#passedOn;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  async handOff(to: string | Claimant, options: WaitOptions = {}): Promise<boolean> {
    const doing = 'handing a lock over';
    checkWaitOptionsOr(() => this.release(), options, doing);
    if (this.#lost !== undefined) throw this.#lost;
    if (this.#phase !== 'taking') throw new QuorateError('hold-lost', 'the hold was released');
    this.#phase = 'ending';
    let isDecided = false;
    const attempt = this.#handOff(to).finally(() => {
      isDecided = true;
    });
    this.#undecided = attempt.catch(() => {});
    try {
      return await waitFor(this.#parts.client.runtime, attempt, options, doing);
    } catch (error) {
      if (!isDecided) attempt.catch(() => {}).then(() => this.release());
      throw error;
    }
  }

  async #handOff(to: string | Claimant): Promise<boolean> {
    const { client, line, place } = this.#parts;
    try {
      return await handToWaiting({ client, line, from: place, writes: this.#writes, to });
    } finally {
      if (this.#phase === 'ending') this.#phase = 'taking';
    }
  }

  /** Rejects with what ended the hold, if it was lost. After a pause the clock may know first: waits until that is decided. */
  async confirm(): Promise<void> {
    if (!this.isHeld) await this.#parts.place.settled();
    if (this.#lost !== undefined) throw this.#lost;
  }

  /**
   * Waits for the writes made under this hold, and until it is decided whether its place is given up. False if one of the
   * writes may still be applied.
   */
  async settled(): Promise<boolean> {
    if (this.#undecided !== undefined) await this.#undecided;
    return this.#writes.settled();
  }

  /** The lock has gone on to the next, or is free. */
  passedOn(): void {
    this.#resolvePassedOn();
  }

  #finish(tell: (listener: HoldListener) => void): void {
    if (this.#phase === 'over') return;
    this.#phase = 'over';
    this.#offGone?.();
    if (this.#parts.listener !== undefined) tell(this.#parts.listener);
    this.#end();
  }
}
