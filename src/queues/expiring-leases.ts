import { isPassingRead, isQuorateError } from '../errors.js';
import { ElapsedClock, type Runtime } from '../runtime/index.js';
import type { LeaseId, Store } from '../store/index.js';

/** Keys share a lease for this part of the time that they are kept for, and for at least a second. */
const sharedPart = 8;
const shortestShareMs = 1_000;
/** The rest is for clocks that run at other rates: the store's counts what is left of a lease, this process's what was shared. */
const usedPart = 0.9;
const callTimeoutMs = 10_000;

interface Shared {
  readonly lease: Promise<LeaseId>;
  readonly untilMs: number;
}

/**
 * Leases for keys that are to go by themselves some time after they were written. Nobody renews them, and keys that are
 * written about the same time share one: a lease for each would be an entry of Raft and a timer of etcd's for each.
 *
 * A key is there for at least the time asked for, counted from the call and by the store's clock, and for up to an eighth (or a second) longer, beside
 * what the store takes; a new leader of the cluster begins all leases anew, so it may be longer. A lease may be gone by
 * the time it is used, if the process stood still for that long or somebody revoked it: the write is refused as a whole with
 * `lease-not-found`. {@link forget} it then, and ask for another.
 */
export class ExpiringLeases {
  readonly #store: Pick<Store, 'leaseGrant'>;
  readonly #runtime: Runtime;
  /** A lease runs on while this machine sleeps. */
  readonly #clock: ElapsedClock;
  readonly #shared = new Map<number, Shared>();

  constructor(store: Pick<Store, 'leaseGrant'>, runtime: Runtime) {
    this.#store = store;
    this.#runtime = runtime;
    this.#clock = new ElapsedClock(runtime);
  }

  /** The lease for keys that are to be kept for `keptMs` from now. Rejects as a grant does. */
  async leaseFor(keptMs: number): Promise<LeaseId> {
    const keptSeconds = Math.ceil(keptMs / 1_000);
    const nowMs = this.#clock.nowMs();
    for (const [seconds, { untilMs }] of this.#shared) if (untilMs <= nowMs) this.#shared.delete(seconds);
    const known = this.#shared.get(keptSeconds);
    if (known !== undefined) return known.lease;
    const shareMs = Math.max(shortestShareMs, (keptSeconds * 1_000) / sharedPart);
    const lease = this.#grant(keptSeconds + Math.ceil(shareMs / 1_000));
    const shared = { lease, untilMs: nowMs + shareMs * usedPart };
    this.#shared.set(keptSeconds, shared);
    lease.catch(() => {
      if (this.#shared.get(keptSeconds) === shared) this.#shared.delete(keptSeconds);
    });
    return lease;
  }

  /** Some lease was found to be gone, and which one is not known: all are asked for anew. */
  forget(): void {
    this.#shared.clear();
  }

  /** Ids are of our own choice, so that a grant whose reply was lost is found by asking again. */
  async #grant(ttlSeconds: number): Promise<LeaseId> {
    const id = BigInt.asUintN(49, BigInt(`0x${this.#runtime.newId()}`) | 1n).toString();
    const options = { timeoutMs: callTimeoutMs };
    try {
      await this.#store.leaseGrant({ id, ttlSeconds }, options);
    } catch (error) {
      if (!isPassingRead(error)) throw error;
      await this.#store.leaseGrant({ id, ttlSeconds }, options).catch((again: unknown) => {
        if (!isQuorateError(again, 'lease-exists')) throw again;
      });
    }
    return id;
  }
}
