import { invalidArgument } from '../errors.js';
import type { Session } from '../session/index.js';
import {
  type CallOptions,
  type Compare,
  type TxnReply,
  type TxnRequest,
  validateCompare,
} from '../store/index.js';

/** A hold of a lock or of several, a leadership: it writes only while it stands, and knows of its writes. */
export interface GuardingWriter {
  txn(request: Partial<TxnRequest>, options?: CallOptions): Promise<TxnReply>;
}

/** What says by a compare whether it stands: a `Session`. */
export interface GuardingCompare {
  guard(): Compare;
}

/** Under what a transaction commits: a `Hold` or `MultiHold`, a `Leadership`, a `Session`, or a compare of your own. */
export type TransactionGuard = GuardingWriter | GuardingCompare | Compare;

/** All that one commit is under. */
export class Guards {
  readonly #compares: Compare[] = [];
  #writer: GuardingWriter | undefined;

  get isEmpty(): boolean {
    return this.#writer === undefined && this.#compares.length === 0;
  }

  /** Those that the transaction itself has to compare. */
  get compares(): readonly Compare[] {
    return this.#compares;
  }

  /** Sends the transaction, and adds its own guard. */
  get writer(): GuardingWriter | undefined {
    return this.#writer;
  }

  /**
   * A lock may pass a hold on within its process, which leaves the guard as it is, once all that was written under it has come
   * to a definite end; so what commits under a hold is sent by the hold, which can be one only.
   *
   * Throws `invalid-argument` for what guards nothing, and `session-lost` for a session of which that is known already.
   */
  add(guard: TransactionGuard): void {
    const given: unknown = guard ?? {};
    const { txn, guard: own, key, target } = given as Readonly<Record<string, unknown>>;
    if (typeof txn === 'function') {
      const writer = guard as GuardingWriter;
      if (this.#writer !== undefined && this.#writer !== writer) {
        throw invalidArgument(
          'a second hold guards the transaction',
          'one hold; of several locks, a MultiLock',
        );
      }
      this.#writer = writer;
    } else if (typeof own === 'function') {
      (guard as Partial<Session>).assertLive?.();
      this.#compare((guard as GuardingCompare).guard());
    } else if (typeof key === 'string' && typeof target === 'string') this.#compare(guard as Compare);
    else throw invalidArgument('what was given guards nothing', 'a Hold, a Leadership, a Session, a Compare');
  }

  /** What no store takes for a compare may hold nowhere: refused here, it is no news that a guard has ended. */
  #compare(compare: Compare): void {
    validateCompare(compare);
    this.#compares.push(compare);
  }
}
