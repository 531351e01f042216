import { invalidArgument } from '../../errors.js';
import type { Place } from '../../line/index.js';
import type { CallOptions, Compare, TxnReply, TxnRequest } from '../../store/index.js';
import type { PlaceHold } from '../hold.js';

/**
 * All locks of a set, from `acquire` to `release` or to the loss of any one of them, whichever is first: then all are
 * given up. As with `Hold`, what is promised is not that nobody else believes to hold one of them, but that `signal`
 * fires before the server gives one to another (within the stated clock drift), and that writes through `txn` are refused
 * by the store itself once one of them has gone.
 */
export interface MultiHold extends AsyncDisposable {
  /** The fencing token of each lock, by its name. */
  readonly tokens: ReadonlyMap<string, number>;
  /**
   * The fencing token of one of the locks: larger than every earlier grant's of this lock, whoever had it, alone or in a
   * set. Tokens of different locks say nothing of each other. Errors: `invalid-argument` for another name.
   */
  token(name: string): number;
  /** Fires when any of the locks is lost, with the reason: `session-lost` or `hold-lost`. Not when it is released. */
  readonly signal: AbortSignal;
  /** Whether all of it stands, as far as can be known here; compares the clock first. */
  readonly isHeld: boolean;
  /** Compares for transactions of your own, one for each lock. Together they are refused once one of them has gone. */
  guards(): readonly Compare[];
  /** A transaction that is applied only while all locks are held. One request. Errors as those of `Hold.txn`. */
  txn(request: Partial<TxnRequest>, options?: CallOptions): Promise<TxnReply>;
  /**
   * Gives all locks up at once, in one request; resolves when that is done, after the writes under way have settled.
   * Idempotent, never rejects: without the store, the end of the lease frees them.
   */
  release(): Promise<void>;
}

/** The hold that `MultiLock` hands out: that of one place which is made of those in all the lines. */
export class SetHold implements MultiHold {
  readonly tokens: ReadonlyMap<string, number>;
  readonly #hold: PlaceHold;
  readonly #place: Place;

  constructor(parts: {
    readonly hold: PlaceHold;
    readonly place: Place;
    readonly tokens: ReadonlyMap<string, number>;
  }) {
    this.#hold = parts.hold;
    this.#place = parts.place;
    this.tokens = parts.tokens;
  }

  token(name: string): number {
    const token = this.tokens.get(name);
    if (token !== undefined) return token;
    throw invalidArgument(
      `${JSON.stringify(name)} is not in the set`,
      [...this.tokens.keys()].map((known) => JSON.stringify(known)).join(', '),
    );
  }

  get signal(): AbortSignal {
    return this.#hold.signal;
  }

  get isHeld(): boolean {
    return this.#hold.isHeld;
  }

  guards(): readonly Compare[] {
    return this.#place.guards();
  }

  txn(request: Partial<TxnRequest>, options: CallOptions = {}): Promise<TxnReply> {
    return this.#hold.txn(request, options);
  }

  release(): Promise<void> {
    return this.#hold.release();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#hold.release();
  }

  /** Rejects with what ended it, if it was lost. */
  confirm(): Promise<void> {
    return this.#hold.confirm();
  }
}
