import { invalidArgument, isQuorateError, QuorateError, shown } from '../errors.js';
import { Backoff, checkWaitOptions, Deadlines, defaultTimeoutMs } from '../runtime/index.js';
import {
  type CallOptions,
  defaultTxnLimits,
  type KeyRange,
  type LeaseId,
  type LeaseState,
  prefixRange,
  type RangeRequest,
  type Store,
  type TxnLimits,
  type TxnReply,
  type TxnRequest,
  validateTxn,
  type Watch,
  type WatchRequest,
} from '../store/index.js';
import { type GroupLimits, wrapperBytes, wrapperOps } from './batch.js';
import { Committer } from './committer.js';
import { kindOf } from './failures.js';
import { footprintOf, type Reach, reachOf } from './footprint.js';
import { LaneLease } from './lane-lease.js';
import { type LaneContext, openLanes } from './lane-opening.js';
import type { Position } from './lane-requests.js';
import { Member } from './member.js';
import { noStats } from './mutable-stats.js';
import { Stopper } from './stopper.js';
import type { CommitOptions, CommitStats, CommitStore, CommitStoreOptions, Lane } from './types.js';

const defaultLanes = 2;
const mostLanes = 64;
const defaultLaneTtlSeconds = 600;
const defaultConnectTimeoutMs = 5_000;
const defaultAttemptTimeoutMs = 2_000;
const defaultCloseTimeoutMs = 2_000;

/** A group beyond this gains nothing, and holds up those behind it. */
const groupBytes = 1_024 * 1_024;
/** What the outer transaction leaves to a member: its own width, the lane's put and the member, and no more. */
export const commitLimits: Required<TxnLimits> = Object.freeze({
  maxTxnOps: defaultTxnLimits.maxTxnOps - wrapperOps - 1,
  maxRequestBytes: defaultTxnLimits.maxRequestBytes - wrapperBytes,
});

/**
 * Opens the lanes on `store`: one lease and one transaction, tried again until `connectTimeoutMs` has passed.
 * Rejects with `unreachable` then, or as the store does if it refuses. `store` stays the caller's to close.
 */
export async function openCommitStore(store: Store, options: CommitStoreOptions): Promise<CommitStore> {
  const lanes = options.lanes ?? defaultLanes;
  if (!(Number.isInteger(lanes) && lanes >= 1 && lanes <= mostLanes)) {
    throw invalidArgument(`lanes is ${shown(lanes)}`, `a whole number from 1 to ${mostLanes}`);
  }
  if (!options.lanePrefix.endsWith('/')) {
    throw invalidArgument(
      `lanePrefix is ${JSON.stringify(options.lanePrefix)}`,
      'a prefix that ends in a slash',
    );
  }
  const opened = new LanedStore(store, options);
  try {
    await opened.open(lanes);
    return opened;
  } catch (error) {
    await opened.close();
    throw error;
  }
}

class LanedStore implements CommitStore {
  readonly stats: CommitStats;
  readonly #store: Store;
  readonly #context: LaneContext;
  readonly #stopper: Stopper;
  readonly #deadlines: Deadlines;
  readonly #limits: GroupLimits = { maxOps: defaultTxnLimits.maxTxnOps, maxBytes: groupBytes };
  readonly #lanesRange: Required<KeyRange>;
  readonly #connectTimeoutMs: number;
  readonly #defaultTimeoutMs: number;
  readonly #closeTimeoutMs: number;
  readonly #dedicated = new Set<Lane>();
  #shared: Committer | undefined;
  #closing: Promise<void> | undefined;

  constructor(store: Store, options: CommitStoreOptions) {
    const { runtime, lanePrefix } = options;
    const attemptTimeoutMs = options.attemptTimeoutMs ?? defaultAttemptTimeoutMs;
    const ttlSeconds = options.laneTtlSeconds ?? defaultLaneTtlSeconds;
    const stats = noStats();
    this.#store = store;
    this.#stopper = new Stopper(runtime);
    const lease = new LaneLease(store, this.#stopper, { runtime, ttlSeconds, attemptTimeoutMs });
    this.#context = { store, runtime, lease, lanePrefix, attemptTimeoutMs, stats };
    this.#deadlines = new Deadlines(runtime);
    this.#lanesRange = prefixRange(lanePrefix);
    this.#connectTimeoutMs = options.connectTimeoutMs ?? defaultConnectTimeoutMs;
    this.#defaultTimeoutMs = options.defaultTimeoutMs ?? defaultTimeoutMs;
    this.#closeTimeoutMs = options.closeTimeoutMs ?? defaultCloseTimeoutMs;
    this.stats = stats;
  }

  async open(lanes: number): Promise<void> {
    const positions = await this.#openPositions(lanes, { timeoutMs: this.#connectTimeoutMs });
    this.#shared = new Committer(this.#context, { lanes: positions, inOrder: false, limits: this.#limits });
  }

  txn(request: TxnRequest, options: CommitOptions = {}): Promise<TxnReply> {
    return this.#submit(this.#shared, request, options, { inOrder: false });
  }

  async openLane(options: CallOptions = {}): Promise<Lane> {
    this.#assertOpen();
    checkWaitOptions(options, 'opening a lane');
    const lanes = await this.#openPositions(1, { timeoutMs: this.#defaultTimeoutMs, ...options });
    const committer = new Committer(this.#context, { lanes, inOrder: true, limits: this.#limits });
    let closing: Promise<void> | undefined;
    const lane: Lane = {
      txn: (request, callOptions = {}) =>
        this.#submit(closing ? undefined : committer, request, callOptions, { inOrder: true }),
      close: () => {
        closing ??= this.#closeLane(committer).finally(() => this.#dedicated.delete(lane));
        return closing;
      },
    };
    this.#dedicated.add(lane);
    return lane;
  }

  async range(request: RangeRequest, options?: CallOptions) {
    this.#assertOpen();
    return this.#store.range(request, options);
  }

  watch(request: WatchRequest): Watch {
    return this.#closing ? closedWatch() : this.#store.watch(request);
  }

  async leaseGrant(request: { readonly id: LeaseId; readonly ttlSeconds: number }, options?: CallOptions) {
    this.#assertOpen();
    return this.#store.leaseGrant(request, options);
  }

  async leaseKeepAlive(id: LeaseId, options?: CallOptions): Promise<number> {
    this.#assertOpen();
    return this.#store.leaseKeepAlive(id, options);
  }

  async leaseRevoke(id: LeaseId, options?: CallOptions): Promise<void> {
    this.#assertOpen();
    return this.#store.leaseRevoke(id, options);
  }

  async leaseTimeToLive(
    id: LeaseId,
    options?: CallOptions & { readonly keys?: boolean },
  ): Promise<LeaseState> {
    this.#assertOpen();
    return this.#store.leaseTimeToLive(id, options);
  }

  async compact(revision: number, options?: CallOptions): Promise<void> {
    this.#assertOpen();
    return this.#store.compact(revision, options);
  }

  async status(options?: CallOptions) {
    this.#assertOpen();
    return this.#store.status(options);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const committers = [...this.#dedicated].map((lane) => lane.close());
    await Promise.all([this.#shared?.close(this.#closeTimeoutMs), ...committers]);
    this.#stopper.stop();
    await this.#context.lease.close();
  }

  async #closeLane(committer: Committer): Promise<void> {
    await committer.close(this.#closeTimeoutMs);
    // Takes the key away before its lease would; this also fences what is still on its way.
    const success = committer.laneKeys.map((key) => ({ type: 'delete', key }) as const);
    if (success.length === 0) return;
    const { attemptTimeoutMs: timeoutMs } = this.#context;
    const request = { compare: [], success, failure: [] };
    await this.#store.txn(request, { timeoutMs, signal: this.#stopper.signal }).catch(() => {});
  }

  #submit(
    committer: Committer | undefined,
    request: TxnRequest,
    options: CommitOptions,
    { inOrder }: { readonly inOrder: boolean },
  ): Promise<TxnReply> {
    try {
      if (this.#closing || committer === undefined) throw closedError();
      checkWaitOptions(options, 'committing a transaction');
      const reach = wellFormed(() => reachOf(request, this.#lanesRange));
      if (reach === 'writes nothing' && !inOrder) {
        wellFormed(() => footprintOf(request));
        return this.#store.txn(request, options);
      }
      const bytes = this.#checkMember(request, reach);
      const timeoutMs = options.timeoutMs ?? this.#defaultTimeoutMs;
      const deadlineMs =
        timeoutMs === Number.POSITIVE_INFINITY ? timeoutMs : this.#context.runtime.monotonicMs() + timeoutMs;
      const { signal } = options;
      const isRepeatable = options.repeatable === true && !inOrder;
      return committer.submit(
        new Member({ request, bytes, deadlineMs, timeoutMs, signal, isRepeatable }, this.#deadlines),
      );
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Refuses what no lane can carry; returns its size. */
  #checkMember(request: TxnRequest, reach: Reach): number {
    const bytes = wellFormed(() => validateTxn(request, commitLimits));
    if (reach !== 'writes there') return bytes;
    throw invalidArgument(
      'the transaction writes keys of lanes',
      `keys outside ${JSON.stringify(this.#lanesRange.key)}`,
    );
  }

  /** New lanes on the lease, tried again until the wait is over. */
  async #openPositions(count: number, options: CallOptions): Promise<Position[]> {
    const { runtime, lease, lanePrefix } = this.#context;
    const newKeys = () => Array.from({ length: count }, () => lanePrefix + runtime.newId());
    let keys = newKeys();
    const deadlineMs = runtime.monotonicMs() + (options.timeoutMs ?? this.#connectTimeoutMs);
    const backoff = new Backoff(runtime, { firstMs: 20, longestMs: 1_000 });
    for (;;) {
      let leaseId: LeaseId | undefined;
      try {
        leaseId = await lease.current();
        return await openLanes(this.#context, this.#stopper, keys, leaseId);
      } catch (error) {
        if (leaseId !== undefined && isQuorateError(error, 'lease-not-found')) {
          // A key is only ever created on one lease, so that a late attempt cannot put it on another.
          lease.forget(leaseId);
          keys = newKeys();
        } else if (kindOf(error) === 'refused' || kindOf(error) === 'closed' || this.#stopper.isStopped)
          throw error;
        if (runtime.monotonicMs() >= deadlineMs) {
          throw new QuorateError('unreachable', 'the store could not be reached in time to open a lane', {
            cause: error,
          });
        }
        await this.#stopper.pause(backoff.nextMs());
      }
    }
  }

  #assertOpen(): void {
    if (this.#closing) throw closedError();
  }
}

/** What `look` finds in a transaction, unless that turns out not to be one. */
function wellFormed<T>(look: () => T): T {
  try {
    return look();
  } catch (cause) {
    if (isQuorateError(cause)) throw cause;
    throw new QuorateError('invalid-argument', 'the transaction is malformed; accepted: a TxnRequest', {
      cause,
    });
  }
}

function closedError(): QuorateError {
  return new QuorateError('closed', 'the store was closed');
}

function closedWatch(): Watch {
  return {
    close: () => {},
    [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(closedError()) }),
  };
}
