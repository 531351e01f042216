import type { Runtime } from '../runtime/index.js';
import type { CallOptions, Key, Store, TxnReply, TxnRequest } from '../store/index.js';

export interface CommitStoreOptions {
  runtime: Runtime;
  /** Under which the lanes keep their keys; with a slash at its end. No transaction may write there. */
  lanePrefix: Key;
  /** Groups of unrelated transactions that may be in flight at once. Default 2. */
  lanes?: number;
  /** Seconds that a lane outlives its process, or a cut from the store. Default 600. */
  laneTtlSeconds?: number;
  /** How long opening may take in all. Default 5,000. */
  connectTimeoutMs?: number;
  /**
   * How long one request waits for its reply, at most, before it is sent again. In a lane the first attempt waits four times
   * as long as the last reply took, but 500 ms at least. Default 2,000.
   */
  attemptTimeoutMs?: number;
  /** For calls that give no `timeoutMs`. Default 10,000. */
  defaultTimeoutMs?: number;
  /** How long `close()` waits for calls under way. Default 2,000. */
  closeTimeoutMs?: number;
}

export interface CommitOptions extends CallOptions {
  /**
   * The transaction may be applied as often and as late as it likes, as `IF mod(k) = m THEN delete k` may, which changes
   * nothing once k has another revision or none. It then takes no lane while nobody else waits, and is sent again after a
   * lost reply: so `succeeded: false` may mean that an earlier attempt was applied, and an earlier attempt may be applied
   * after it has settled. All else stays as promised. Lanes of their own take no notice. Default false.
   */
  readonly repeatable?: boolean | undefined;
}

/** What a commit store has done since it was opened. */
export interface CommitStats {
  /** Groups that were applied; one whose only member was refused by its own compares counts too. */
  readonly groups: number;
  /** Transactions that travelled in them. */
  readonly members: number;
  /** Requests sent again because the first reply was lost. */
  readonly resent: number;
  /** Repeatable transactions that were alone, and answered past the lanes. */
  readonly pastLanes: number;
  /** Groups whose reply was lost, and that the lane showed to have been applied. */
  readonly resolvedByLane: number;
  /** Groups that were fenced off, because they were refused or unwanted after an attempt of unknown outcome. */
  readonly fenced: number;
  /** Groups that the store refused and that were taken apart to find who was guilty. */
  readonly split: number;
  /** Lanes opened, the first ones included. */
  readonly lanesOpened: number;
}

/**
 * A store whose `txn()` takes effect exactly once, however often replies get lost, and whose concurrent
 * transactions share requests.
 *
 * - A transaction that settles with a reply was applied once, and the reply is what the store answered, even if
 *   that answer never arrived. One that rejects with outcome `not-applied` never takes effect. Outcome `unknown`
 *   is left for two cases: the caller's `signal` or `timeoutMs` ended the wait after the request had been sent;
 *   or the reply was lost and the store's history was compacted before it could be worked out.
 * - Order: none is promised between calls that are under way at the same time, except within one
 *   {@link Lane}. Calls waiting the longest go first; one that conflicts with its group heads the next.
 * - Transactions that travel together share one revision, and so do the keys that they write. Neither looks at
 *   what another writes. Who needs distinct create revisions among the keys of a range must compare or range it.
 *   For a transaction that writes nothing `revision` may be that of the group's writes; the keys it looked at
 *   are as of that revision.
 * - Cost: one request for a group of up to 124 small transactions; 2 requests to open.
 * - Limits: 126 operations along the deepest path of a transaction, and 4 KiB less than etcd's 1.5 MiB
 *   (`too-many-operations`, `request-too-large`, before anything is sent). A transaction may not write under the
 *   lanes' prefix (`invalid-argument`). A request must not be changed until its call has settled.
 *
 * Transactions that can only read, and all other calls, go to the store underneath as they are. `close()` waits
 * for the calls under way, ends the lanes and leaves the store underneath open.
 */
export interface CommitStore extends Store {
  txn(request: TxnRequest, options?: CommitOptions): Promise<TxnReply>;
  /** A lane of its own: its transactions are applied in the order of the calls, one group in flight. */
  openLane(options?: CallOptions): Promise<Lane>;
  readonly stats: CommitStats;
}

/**
 * Transactions applied in the order of the calls. One that is refused does not hold up those after it; one whose
 * caller gave up while it was in flight does, until its fate is decided. Reads keep their place in the order too.
 */
export interface Lane {
  txn(request: TxnRequest, options?: CallOptions): Promise<TxnReply>;
  /** Waits for the calls under way, as long as the store's `closeTimeoutMs` allows; later calls fail with `closed`. */
  close(): Promise<void>;
}
