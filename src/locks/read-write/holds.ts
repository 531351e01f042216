import type { WaitOptions } from '../../runtime/index.js';
import type { CallOptions, Compare, TxnReply, TxnRequest } from '../../store/index.js';

/** What the holds of readers and of writers have in common. */
export interface ReadWriteHold extends AsyncDisposable {
  /**
   * Fencing token. A writer's is larger than that of every hold before it, over all processes, and smaller than that of
   * every hold after it. Readers that hold together have tokens in any order, which may be equal: a store that
   * checks must not compare one reader with another, only readers with writers.
   */
  readonly token: number;
  /** Fires when the hold is lost, with the reason: `session-lost` or `hold-lost`. Not when it is released, or turned into another. */
  readonly signal: AbortSignal;
  /** Whether the hold stands, as far as can be known here; compares the clock first. */
  readonly isHeld: boolean;
  /**
   * Compares for transactions of your own: all of them together are refused once the hold has left this *process*. For
   * readers that share a place they name the place, not the single hold. Ask for them anew after an upgrade that was given up: it
   * may have had to write the key again.
   */
  guards(): readonly Compare[];
  /**
   * A transaction that is applied only while the hold stands. One request.
   *
   * Errors: `fenced` (the store refused it, since the hold had ended), `hold-lost` (refused here, never sent), `session-lost`
   * (so too, or under way when the session ended, as its outcome says), and the store's own. What has the outcome
   * `unknown` can be applied until the guards have died: those of readers that share a place when the last of them has
   * released. No writer gets the lock before.
   */
  txn(request: Partial<TxnRequest>, options?: CallOptions): Promise<TxnReply>;
  /**
   * Ends the hold at once; resolves when the lock is free of it, after the writes under way have settled. Idempotent, never
   * rejects: without the store, the end of the lease frees the lock. After an upgrade or a downgrade it does nothing: the
   * hold that came of that is the one to release.
   */
  release(): Promise<void>;
}

/** One reader's hold: other readers may hold beside it, no writer. */
export interface ReadHold extends ReadWriteHold {
  /**
   * Turns this hold into a writer's, without letting anybody write in between: what was read is still so.
   *
   * Refused at once with `upgrade-conflict` where somebody else has queued to write, or upgrades: each would wait for the
   * other. This hold stands then, and must be released before the other gets on. Otherwise new readers wait, those who
   * hold are waited for, and then this hold is over, without its signal, and the one that is answered stands.
   *
   * Errors: `upgrade-conflict`; `aborted` and `timeout` as asked for, and `deadlock` if the hold was taken for an owner:
   * this hold stands as before, and who waits behind it is let in; `hold-lost` and `session-lost`: it was lost; the store's
   * own, and then it stands. While the store is away it keeps trying. Cost: one request, and one event for each reader that is waited for. Refused: one read more.
   */
  upgrade(options?: WaitOptions): Promise<WriteHold>;
}

/** The hold of the one writer. */
export interface WriteHold extends ReadWriteHold {
  /**
   * Turns this hold into a reader's, without letting anybody write in between: what was written is still so. Readers that
   * stand behind it come in. No writes are taken from here on; those under way are waited for.
   *
   * Goes on until it is done, as long as the session lives. Errors: `hold-lost` and `session-lost`: it was lost, or
   * released. Cost: one request.
   */
  downgrade(): Promise<ReadHold>;
}
