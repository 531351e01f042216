import { isQuorateError, QuorateError } from '../errors.js';
import type { Runtime, Timer } from '../runtime/index.js';
import type { LeaseId, Store } from '../store/index.js';
import { kindOf } from './failures.js';
import type { Stopper } from './stopper.js';

/** Renewals per TTL while all is well, and after one has failed. */
const renewalsPerTtl = 3;
const retriesPerTtl = 60;
/** Wait for a revocation at the end; after that the lease ends by itself. */
const revokeTimeoutMs = 1_000;

export interface LaneLeaseOptions {
  readonly runtime: Runtime;
  readonly ttlSeconds: number;
  readonly attemptTimeoutMs: number;
}

/**
 * The lease that the lanes' keys are on, so that a process that is gone leaves nothing behind. It promises
 * nothing else: a lane finds out by itself that its key is gone. Its ids are of our own choice, so that a grant
 * whose reply was lost is asked for again under the same id.
 */
export class LaneLease {
  readonly #store: Store;
  readonly #options: LaneLeaseOptions;
  readonly #stopper: Stopper;
  #id: LeaseId | undefined;
  /** An id whose grant was sent and not answered. */
  #asked: LeaseId | undefined;
  #granting: Promise<LeaseId> | undefined;
  #timer: Timer | undefined;

  constructor(store: Store, stopper: Stopper, options: LaneLeaseOptions) {
    this.#store = store;
    this.#stopper = stopper;
    this.#options = options;
  }

  /** The lease, granted now if there is none. One attempt; rejects as the grant does. */
  current(): Promise<LeaseId> {
    if (this.#id !== undefined) return Promise.resolve(this.#id);
    this.#granting ??= this.#grant().finally(() => {
      this.#granting = undefined;
    });
    return this.#granting;
  }

  /** Asks the store whether the lease is still there, and forgets it if not. For a lane whose key is gone. */
  async verify(): Promise<void> {
    const id = this.#id;
    if (id === undefined) return;
    const ttlSeconds = await this.#store.leaseKeepAlive(id, this.#call());
    if (ttlSeconds === 0) this.forget(id);
  }

  forget(id: LeaseId): void {
    if (this.#id !== id) return;
    this.#id = undefined;
    this.#timer?.cancel();
  }

  /** Ends the renewals and revokes the lease, as far as the store can be reached. */
  async close(): Promise<void> {
    this.#timer?.cancel();
    const ids = [this.#id, this.#asked].filter((id) => id !== undefined);
    this.#id = undefined;
    this.#asked = undefined;
    await Promise.allSettled(ids.map((id) => this.#store.leaseRevoke(id, { timeoutMs: revokeTimeoutMs })));
  }

  async #grant(): Promise<LeaseId> {
    const again = this.#asked !== undefined;
    const id = this.#asked ?? newLeaseId(this.#options.runtime);
    try {
      await this.#store.leaseGrant({ id, ttlSeconds: this.#options.ttlSeconds }, this.#call());
    } catch (error) {
      if (!(again && isQuorateError(error, 'lease-exists'))) {
        this.#asked = again || kindOf(error) === 'unknown' ? id : undefined;
        if (isQuorateError(error, 'lease-exists')) this.#asked = undefined;
        throw error;
      }
    }
    this.#asked = undefined;
    if (this.#stopper.isStopped) {
      await this.#store.leaseRevoke(id, { timeoutMs: revokeTimeoutMs }).catch(() => {});
      throw new QuorateError('closed', 'the store was closed while a lane was being opened');
    }
    this.#id = id;
    this.#renewIn(this.#options.ttlSeconds / renewalsPerTtl);
    return id;
  }

  #renewIn(seconds: number): void {
    this.#timer?.cancel();
    this.#timer = this.#options.runtime.setTimer(seconds * 1_000, () => void this.#renew(), {
      background: true,
    });
  }

  async #renew(): Promise<void> {
    const id = this.#id;
    if (id === undefined) return;
    let delaySeconds = this.#options.ttlSeconds / renewalsPerTtl;
    try {
      const ttlSeconds = await this.#store.leaseKeepAlive(id, this.#call());
      if (ttlSeconds === 0) this.forget(id);
    } catch {
      delaySeconds = this.#options.ttlSeconds / retriesPerTtl;
    }
    if (this.#id === id && !this.#stopper.isStopped) this.#renewIn(delaySeconds);
  }

  #call(): { timeoutMs: number; signal: AbortSignal } {
    return { timeoutMs: this.#options.attemptTimeoutMs, signal: this.#stopper.signal };
  }
}

/** A positive int64. */
function newLeaseId(runtime: Runtime): LeaseId {
  const id = BigInt.asUintN(49, BigInt(`0x${runtime.newId()}`));
  return (id === 0n ? 1n : id).toString();
}
