import { Engine } from '../engine/index.js';
import { type Runtime, systemRuntime, type Timer } from '../runtime/index.js';
import type { Store } from '../store/index.js';
import { MemoryStore } from './store.js';

export interface MemoryServerOptions {
  /** Default: the clocks and timers of this process. */
  readonly runtime?: Runtime;
  /** The state to begin with, for example one restored from a snapshot. Default: an empty engine. */
  readonly engine?: Engine;
}

/**
 * An etcd in the memory of this process, for tests and for trying things out. Each `connect()` gives a store of its
 * own, as another process would have; all of them see the same keys. Leases expire by a timer that does not keep the
 * process alive. Nothing is kept when the process ends; for that, take `engine.snapshot()`.
 */
export class MemoryServer {
  /** The state behind all stores, to look into. Leases granted here and not through a store expire at the next call of a store. */
  readonly engine: Engine;
  readonly #runtime: Runtime;
  readonly #stores = new Set<MemoryStore>();
  #expiry: { readonly timer: Timer; readonly atMs: number } | undefined;
  #closed = false;

  constructor(options: MemoryServerOptions = {}) {
    const runtime = options.runtime ?? systemRuntime;
    this.#runtime = runtime;
    this.engine = options.engine ?? new Engine({ newLeaseId: () => leaseIdFrom(runtime.newId()) });
    this.#scheduleExpiry();
  }

  /** A store of its own. After `close()`, one that refuses every call with `closed`. */
  connect(): Store {
    const store = new MemoryStore(this.engine, this.#runtime, {
      advance: () => this.engine.expireLeases(this.#runtime.monotonicMs()),
      changed: () => this.#scheduleExpiry(),
      closed: () => this.#stores.delete(store),
    });
    if (this.#closed) void store.close();
    else this.#stores.add(store);
    return store;
  }

  /** Closes every store and stops the clock of the leases. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#expiry?.timer.cancel();
    this.#expiry = undefined;
    await Promise.all([...this.#stores].map((store) => store.close()));
  }

  /** Keeps one timer at the earliest deadline. Deadlines mostly move up, so a timer that is early just looks again. */
  #scheduleExpiry(): void {
    const atMs = this.engine.nextExpiryMs();
    if (this.#closed || atMs === undefined) return;
    if (this.#expiry !== undefined) {
      if (this.#expiry.atMs <= atMs) return;
      this.#expiry.timer.cancel();
    }
    const expire = () => {
      this.#expiry = undefined;
      this.engine.expireLeases(this.#runtime.monotonicMs());
      this.#scheduleExpiry();
    };
    const delayMs = Math.max(0, atMs - this.#runtime.monotonicMs());
    const timer = this.#runtime.setTimer(delayMs, expire, { background: true });
    this.#expiry = { timer, atMs };
  }
}

/** A positive int64, as etcd chooses them, from 16 hexadecimal digits. */
function leaseIdFrom(id: string): string {
  return BigInt.asUintN(63, BigInt(`0x${id}`)).toString();
}
