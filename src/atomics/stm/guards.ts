import { invalidArgument } from '../../errors.js';
import type { CallOptions, Compare, TxnReply, TxnRequest } from '../../store/index.js';

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

/** All guards of one run. */
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
    } else if (typeof own === 'function') this.#compares.push((guard as GuardingCompare).guard());
    else if (typeof key === 'string' && typeof target === 'string') this.#compares.push(guard as Compare);
    else throw invalidArgument('what was given guards nothing', 'a Hold, a Leadership, a Session, a Compare');
  }
}
