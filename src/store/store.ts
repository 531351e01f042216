/**
 * The port: what etcd really is, and no more. A linearizable, revisioned map with guarded transactions, leases
 * and watches. Adapters implement it over a cluster (`quorate/etcd3`) or the engine (`quorate/memory`, the
 * simulator); decorators (`commit`) implement it over another store.
 *
 * Every promise rejects with a {@link QuorateError} and nothing else. Its `outcome` tells whether the request may
 * have been applied. An adapter re-sends a request by itself only where that cannot show: reads, and calls that
 * provably never left this process.
 */
import type { LeaseRenewer } from './lease-renewer.js';
import type { KeyEvent, KeyRange, KeyValue, LeaseId, RangeOp, TxnReply, TxnRequest } from './types.js';

export interface CallOptions {
  /** Stops waiting. A write that was sent already then fails with outcome `unknown`. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds until the call fails with `timeout`. Each store has a default; no call waits for ever. */
  readonly timeoutMs?: number | undefined;
}

export interface RangeRequest extends Omit<RangeOp, 'type'> {
  /** Allow an answer from a member that may lag behind. */
  readonly serializable?: boolean;
}

export interface RangeResult {
  /** The store's revision when the read was evaluated. */
  readonly revision: number;
  readonly kvs: readonly KeyValue[];
  readonly count: number;
  readonly more: boolean;
}

export interface LeaseGrant {
  readonly id: LeaseId;
  /** The TTL that was granted, which may be longer than the one asked for. */
  readonly ttlSeconds: number;
}

export interface LeaseState {
  readonly id: LeaseId;
  readonly grantedTtlSeconds: number;
  /** Whole seconds left; -1 for a lease that is not there. */
  readonly remainingSeconds: number;
  /** Its keys, if asked for. */
  readonly keys: readonly string[];
}

export interface WatchRequest extends KeyRange {
  /** The first revision to deliver; 0 or absent: from now. */
  readonly fromRevision?: number;
  /** Kinds of event to leave out. */
  readonly without?: readonly ('put' | 'delete')[];
  readonly prevKv?: boolean;
  /** Ask for `progress` items while nothing happens. */
  readonly progress?: boolean;
  /**
   * After a cut: `'revision'` (default) goes on with the next revision, so nothing is missed; `'now'` starts
   * afresh, which etcd serves sooner, and leaves it to the reader to look at the state again.
   */
  readonly resume?: 'revision' | 'now';
}

export type WatchItem =
  /**
   * The server has registered the watch (again, after `interrupted`). Every event of a revision above `revision`
   * will be delivered; with `fromRevision`, every one from there on.
   */
  | { readonly type: 'opened'; readonly revision: number }
  /** Whole revisions, in ascending order, none twice. `revision` is the last event's. */
  | { readonly type: 'events'; readonly revision: number; readonly events: readonly KeyEvent[] }
  /** Everything up to `revision` has been delivered. */
  | { readonly type: 'progress'; readonly revision: number }
  /** The connection was cut or fell silent. The watch reconnects by itself; the next item is `opened` or `compacted`. */
  | { readonly type: 'interrupted'; readonly error: Error }
  /**
   * A gap: events from `fromRevision` up to and including `compactRevision` may be lost to compaction. The last
   * item; read the state and watch anew.
   */
  | { readonly type: 'compacted'; readonly fromRevision: number; readonly compactRevision: number };

/**
 * An ordered stream with one reader. Ends after `close()` and after `compacted`; throws a QuorateError if it can
 * never go on (permission denied, store closed). Never ends otherwise and never skips in silence. Leaving the
 * `for await` closes it.
 */
export interface Watch extends AsyncIterable<WatchItem> {
  /** Idempotent. Items not read yet are dropped. */
  close(): void;
}

export interface StoreStatus {
  readonly version: string;
  readonly revision: number;
  readonly clusterId: string;
}

export interface Store {
  /** Keeps leases alive beside the event loop, if this store was opened with somebody who does. */
  readonly leaseRenewer?: LeaseRenewer;
  range(request: RangeRequest, options?: CallOptions): Promise<RangeResult>;
  txn(request: TxnRequest, options?: CallOptions): Promise<TxnReply>;
  watch(request: WatchRequest): Watch;
  /** With an id of the caller's choice, so that after a lost reply the caller can ask again: `lease-exists` then means granted. */
  leaseGrant(
    request: { readonly id: LeaseId; readonly ttlSeconds: number },
    options?: CallOptions,
  ): Promise<LeaseGrant>;
  /** Restarts the lease's TTL. Answers the TTL in seconds, 0 for a lease that is not there. */
  leaseKeepAlive(id: LeaseId, options?: CallOptions): Promise<number>;
  /** Ends the lease and deletes its keys in one revision. `lease-not-found` if it is not there. */
  leaseRevoke(id: LeaseId, options?: CallOptions): Promise<void>;
  leaseTimeToLive(id: LeaseId, options?: CallOptions & { readonly keys?: boolean }): Promise<LeaseState>;
  /** Drops history below `revision`. */
  compact(revision: number, options?: CallOptions): Promise<void>;
  status(options?: CallOptions): Promise<StoreStatus>;
  /** Idempotent. Open calls fail with `closed`, watches end. */
  close(): Promise<void>;
}
