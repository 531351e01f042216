import type { Engine } from '../engine/index.js';
import type { Runtime, Timer } from '../runtime/index.js';

/** etcd looks for expired leases so often. */
const longestPauseMs = 500;

/** Lets the engine's leases expire in real time. */
export class LeaseClock {
  readonly #engine: Engine;
  readonly #runtime: Runtime;
  readonly #onExpired: () => void;
  #timer: Timer | undefined;

  constructor(engine: Engine, runtime: Runtime, onExpired: () => void) {
    this.#engine = engine;
    this.#runtime = runtime;
    this.#onExpired = onExpired;
    this.#arm();
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #arm(): void {
    const nextMs = this.#engine.nextExpiryMs();
    const pauseMs =
      nextMs === undefined
        ? longestPauseMs
        : Math.min(longestPauseMs, Math.max(1, nextMs - this.#runtime.monotonicMs()));
    this.#timer = this.#runtime.setTimer(pauseMs, () => this.#tick(), { background: true });
  }

  #tick(): void {
    if (this.#engine.expireLeases(this.#runtime.monotonicMs()).length > 0) this.#onExpired();
    this.#arm();
  }
}
