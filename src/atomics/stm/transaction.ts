import type { TransactionGuard } from '../../guard/index.js';
import type { Codec, KeyRange } from '../../store/index.js';

/** A key that a range found. */
export interface Entry<T> {
  readonly key: string;
  readonly value: T;
}

export interface TransactionRangeOptions<T> {
  /** Default: JSON. */
  readonly codec?: Codec<T> | undefined;
  /** At most so many of the first keys. Default: all. Fewer keys are fewer that others may change. */
  readonly limit?: number | undefined;
}

/**
 * What the function of {@link atomically} reads and writes through. Keys are as `client.store` has them, in no namespace; as
 * text, in UTF-8.
 *
 * - Reads see the own writes of the run. Those that are asked for at the same time, `await Promise.all([tx.get(a), tx.get(b)])`,
 *   share a request; one after the other they cost one each. They reject with `codec` for bytes that the codec does not take, and
 *   with what ends the call.
 * - Writes are kept until the function has returned, and go with the commit.
 * - A transaction that has ended takes nothing more: `closed`.
 */
export interface Transaction {
  /** The value of a key; undefined if it is not there. */
  get<T = unknown>(key: string, codec?: Codec<T>): Promise<T | undefined>;
  /** The keys of a range in their order: all that begin with `prefix`, or a range of keys as bytes. */
  range<T = unknown>(
    range: { readonly prefix: string } | Required<KeyRange>,
    options?: TransactionRangeOptions<T>,
  ): Promise<readonly Entry<T>[]>;
  /** Puts a key, without a lease. What has no form in the codec is refused with `codec`. */
  put<T = unknown>(key: string, value: T, codec?: Codec<T>): void;
  /** Deletes a key; nothing happens if it is not there. */
  delete(key: string): void;
  /**
   * Commits only while this stands: a hold of a lock, a leadership, a session, or a compare of your own. Otherwise the call fails
   * with `fenced` (or, if that is known before, with what the hold fails with), and nothing is written. One hold at the most.
   */
  guard(guard: TransactionGuard): void;
}

/** A transaction that was committed. */
export interface Committed<T> {
  /** What the function returned in the run that was committed. */
  readonly value: T;
  /**
   * Where it stands in the order of all: the revision of its commit; if it wrote nothing, of the state that it read; 0 if it did
   * neither.
   */
  readonly revision: number;
  /** How often the function was run. */
  readonly runs: number;
}
