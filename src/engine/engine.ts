/**
 * The state machine of etcd's key-value store, leases and watches, behaving as etcd 3.4 does: pure, synchronous
 * and deterministic. Time enters as `nowMs`, which must never go back; ids through the options. Drivers add what is
 * missing: transport, delays, timers.
 *
 * A transaction is checked whole before anything of it is written: first what needs no state (`validateTxn`), then,
 * on the path that its compares choose, unknown leases, missing keys and unreadable revisions. What still fails
 * while it runs is rolled back. Each transaction that writes makes one revision, is told to the watches before
 * `txn` returns, and moves its keys between leases.
 *
 * A lease's deadline is its last grant, keep-alive or leader change plus its TTL. Its keys outlive the deadline
 * until the driver calls `expireLeases`, as they do in etcd; nobody can renew it in between.
 */
import { invalidArgument } from '../errors.js';
import {
  defaultTxnLimits,
  evaluateRange,
  evaluateTxn,
  type LeaseGrant,
  type LeaseId,
  type LeaseState,
  type NestedTxnReply,
  type PutOp,
  type RangeOp,
  type RangeRequest,
  type RangeResult,
  type TxnLimits,
  type TxnReply,
  type TxnRequest,
  type TxnView,
  validateRange,
  validateTxn,
  type WatchRequest,
} from '../store/index.js';
import { hashVersions } from './hash.js';
import { LeaseTable } from './lease-table.js';
import { Mvcc } from './mvcc.js';
import { compacted, keyNotFound, leaseExists, leaseNotFound } from './refusals.js';
import { type EngineSnapshot, versionFromSnapshot, versionToSnapshot } from './snapshot.js';
import { type EngineWatch, Watchers, type WatchSink } from './watchers.js';

/** etcd's limit for the TTL of a lease. */
const longestTtlSeconds = 9_000_000_000;

export interface EngineOptions extends TxnLimits {
  /** Shorter TTLs are raised to it. Default 2, as etcd derives it from its default election timeout. */
  readonly minLeaseTtlSeconds?: number;
  /** Chooses the id of a lease that was asked for with id `'0'`. Default: counts up from 1. */
  readonly newLeaseId?: () => LeaseId;
}

export class Engine {
  readonly #limits: Required<TxnLimits>;
  readonly #minLeaseTtlSeconds: number;
  readonly #newLeaseId: () => LeaseId;
  readonly #leases = new LeaseTable();
  readonly #watchers = new Watchers();
  readonly #view: TxnView;
  #mvcc = new Mvcc();

  constructor(options: EngineOptions = {}) {
    this.#limits = {
      maxTxnOps: options.maxTxnOps ?? defaultTxnLimits.maxTxnOps,
      maxRequestBytes: options.maxRequestBytes ?? defaultTxnLimits.maxRequestBytes,
    };
    this.#minLeaseTtlSeconds = options.minLeaseTtlSeconds ?? 2;
    let leaseIds = 0;
    this.#newLeaseId =
      options.newLeaseId ??
      (() => {
        leaseIds += 1;
        return String(leaseIds);
      });
    this.#view = {
      read: (range) => this.#mvcc.read(range),
      readAt: (range, revision) => this.#mvcc.readAt(range, revision),
      put: (op) => this.#put(op),
      delete: (range) => this.#mvcc.delete(range),
      check: (op) => this.#check(op),
    };
  }

  /** The revision of the last transaction that wrote; 1 for an empty store. */
  get revision(): number {
    return this.#mvcc.revision;
  }

  /** The revision of the last compaction; -1 before the first. */
  get compactRevision(): number {
    return this.#mvcc.compactRevision;
  }

  /** Number of keys that exist. */
  get keyCount(): number {
    return this.#mvcc.size;
  }

  /** Throws `invalid-argument`, `compacted`, `future-revision`. */
  range(request: RangeRequest): RangeResult {
    validateRange(request);
    const revision = request.revision ?? 0;
    const kvs = revision > 0 ? this.#mvcc.readAt(request, revision) : this.#mvcc.read(request);
    const reply = evaluateRange(request, kvs);
    return { revision: this.#mvcc.revision, kvs: reply.kvs, count: reply.count, more: reply.more };
  }

  /**
   * Throws `invalid-argument`, `too-many-operations`, `duplicate-key`, `request-too-large`, `lease-not-found`,
   * `key-not-found`, `compacted`, `future-revision`; then nothing was applied. Values are kept, not copied.
   */
  txn(request: TxnRequest): TxnReply {
    validateTxn(request, this.#limits);
    let reply: NestedTxnReply;
    try {
      reply = evaluateTxn(request, this.#view);
    } catch (error) {
      this.#mvcc.rollback();
      throw error;
    }
    this.#commit();
    return { revision: this.#mvcc.revision, succeeded: reply.succeeded, replies: reply.replies };
  }

  /** Drops history below `revision`. Throws `compacted` at or below the last one, `future-revision` above now. */
  compact(revision: number): void {
    this.#mvcc.compact(revision);
  }

  /** Throws `lease-exists`, and `invalid-argument` for a wrong id or a TTL above 9,000,000,000 seconds. */
  leaseGrant(id: LeaseId, ttlSeconds: number, nowMs: number): LeaseGrant {
    if (!Number.isSafeInteger(ttlSeconds) || ttlSeconds > longestTtlSeconds) {
      throw invalidArgument(
        `a TTL of ${ttlSeconds} s`,
        `a whole number of seconds up to ${longestTtlSeconds}`,
      );
    }
    checkLeaseId(id);
    let granted = id;
    while (granted === '0' || (id === '0' && this.#leases.has(granted))) granted = this.#newLeaseId();
    if (this.#leases.has(granted)) throw leaseExists(granted);
    const ttl = Math.max(ttlSeconds, this.#minLeaseTtlSeconds);
    this.#leases.add(granted, ttl, nowMs + ttl * 1_000);
    return { id: granted, ttlSeconds: ttl };
  }

  /** Restarts the TTL and answers it in seconds; 0 for a lease that is gone. Past its deadline it goes now. */
  leaseKeepAlive(id: LeaseId, nowMs: number): number {
    const lease = this.#leases.get(id);
    if (lease === undefined) return 0;
    if (lease.expiryMs <= nowMs) {
      this.#endLease(id);
      return 0;
    }
    this.#leases.renew(id, nowMs);
    return lease.ttlSeconds;
  }

  /** Ends the lease and deletes its keys in one revision. Throws `lease-not-found`. */
  leaseRevoke(id: LeaseId): void {
    if (!this.#leases.has(id)) throw leaseNotFound(id);
    this.#endLease(id);
  }

  /** Keys come in key order, and only if asked for. */
  leaseTimeToLive(id: LeaseId, nowMs: number, options: { readonly keys?: boolean } = {}): LeaseState {
    const lease = this.#leases.get(id);
    if (lease === undefined) return { id, grantedTtlSeconds: 0, remainingSeconds: -1, keys: [] };
    return {
      id,
      grantedTtlSeconds: lease.ttlSeconds,
      remainingSeconds: Math.max(0, Math.trunc((lease.expiryMs - nowMs) / 1_000)),
      keys: options.keys ? [...lease.keys].sort() : [],
    };
  }

  /** By deadline, then by id. */
  leases(): readonly LeaseId[] {
    return this.#leases.all().map((lease) => lease.id);
  }

  /** Ends every lease whose deadline has come, each in a revision of its own. Returns their ids. */
  expireLeases(nowMs: number): readonly LeaseId[] {
    const expired = this.#leases.expired(nowMs).map((lease) => lease.id);
    for (const id of expired) this.#endLease(id);
    return expired;
  }

  /** When `expireLeases` has something to do next. */
  nextExpiryMs(): number | undefined {
    return this.#leases.nextExpiryMs();
  }

  /** When this lease may expire if it is not renewed; undefined for one that is not there. */
  leaseExpiryMs(id: LeaseId): number | undefined {
    return this.#leases.get(id)?.expiryMs;
  }

  /** What a change of leader does: every lease has its full TTL again. */
  restartLeases(nowMs: number): void {
    this.#leases.restart(nowMs);
  }

  /**
   * Tells `sink` the history from `request.fromRevision` before it returns, then every revision as it is made.
   * Throws `invalid-argument` for a range without keys.
   */
  watch(request: WatchRequest, sink: WatchSink): EngineWatch {
    return this.#watchers.open(request, this.#mvcc, sink);
  }

  /** etcd's HashKV as of a revision; 0 for now. Throws `compacted` and `future-revision`. */
  hash(revision = 0): number {
    const { compactRevision } = this.#mvcc;
    if (revision > 0 && revision <= compactRevision) throw compacted(revision, compactRevision);
    if (revision > 0) this.#mvcc.checkReadable(revision);
    return hashVersions(
      this.#mvcc.versions(),
      revision > 0 ? revision : this.#mvcc.revision,
      compactRevision,
    );
  }

  snapshot(): EngineSnapshot {
    return {
      format: 1,
      revision: this.#mvcc.revision,
      compactRevision: this.#mvcc.compactRevision,
      versions: this.#mvcc.versions().map(versionToSnapshot),
      leases: this.#leases.all().map(({ id, ttlSeconds }) => ({ id, ttlSeconds })),
    };
  }

  /** An engine in the state of the snapshot. Leases begin with their full TTL, as after a restart of etcd. */
  static restore(snapshot: EngineSnapshot, nowMs: number, options: EngineOptions = {}): Engine {
    const engine = new Engine(options);
    const { revision, compactRevision, versions, leases } = snapshot;
    engine.#mvcc = Mvcc.restore(revision, compactRevision, versions.map(versionFromSnapshot));
    for (const { id, ttlSeconds } of leases) engine.#leases.add(id, ttlSeconds, nowMs + ttlSeconds * 1_000);
    for (const kv of engine.#mvcc.read({ key: '\0', rangeEnd: '\0' })) {
      if (kv.lease !== '0') engine.#leases.assign(kv.key, kv.lease);
    }
    return engine;
  }

  #check(op: PutOp | RangeOp): void {
    if (op.type === 'range') {
      if (op.revision) this.#mvcc.checkReadable(op.revision);
      return;
    }
    if ((op.ignoreValue || op.ignoreLease) && this.#mvcc.get(op.key) === undefined) throw keyNotFound(op.key);
    if (op.lease !== undefined && op.lease !== '0' && !this.#leases.has(op.lease))
      throw leaseNotFound(op.lease);
  }

  #put(op: PutOp): ReturnType<TxnView['put']> {
    let { value, lease = '0' } = op;
    if (op.ignoreValue || op.ignoreLease) {
      const current = this.#mvcc.get(op.key);
      if (current === undefined) throw keyNotFound(op.key);
      if (op.ignoreValue) value = current.value;
      if (op.ignoreLease) lease = current.lease;
    }
    return this.#mvcc.put(op.key, value, lease);
  }

  #commit(): void {
    const changes = this.#mvcc.commit();
    if (changes.length === 0) return;
    for (const { key, kv } of changes) this.#leases.assign(key, kv === undefined ? '0' : kv.lease);
    this.#watchers.notify(changes, this.#mvcc);
  }

  #endLease(id: LeaseId): void {
    const keys = [...(this.#leases.get(id)?.keys ?? [])].sort();
    this.#leases.remove(id);
    for (const key of keys) this.#mvcc.delete({ key });
    this.#commit();
  }
}

/** Lease ids are looked up as text, so each id has only one. */
function checkLeaseId(id: LeaseId): void {
  if (/^(0|-?[1-9]\d{0,18})$/.test(id) && BigInt.asIntN(64, BigInt(id)) === BigInt(id)) return;
  throw invalidArgument(`lease id ${JSON.stringify(id)}`, 'a decimal int64');
}
