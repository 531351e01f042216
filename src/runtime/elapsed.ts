import type { Runtime } from './runtime.js';

/** The two clocks are read one after the other, and in whole milliseconds: what differs by less has not moved. */
const jitterMs = 2;

/**
 * A clock for deadlines: elapsed time is the larger of what the monotonic and the wall clock say, since the
 * monotonic clock stops while a machine sleeps and the wall clock may be stepped back. A wall clock stepped
 * forward makes deadlines early, which costs at worst a session and never a promise.
 *
 * It is the monotonic clock, and on top of it by how much the wall clock has leapt ahead of that. A step back is
 * followed without being counted, so that it neither hides what was counted before nor what comes after.
 */
export class ElapsedClock {
  readonly #runtime: Runtime;
  readonly #startedAtMs: number;
  /** By how much the wall clock was ahead of the monotonic one when it last moved against it. */
  #aheadMs: number;
  #leapsMs = 0;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
    this.#startedAtMs = runtime.monotonicMs();
    this.#aheadMs = runtime.wallMs() - this.#startedAtMs;
  }

  /** Milliseconds since this clock was made. Never goes back. */
  nowMs(): number {
    const monotonicMs = this.#runtime.monotonicMs();
    const aheadMs = this.#runtime.wallMs() - monotonicMs;
    if (aheadMs > this.#aheadMs) {
      this.#leapsMs += aheadMs - this.#aheadMs;
      this.#aheadMs = aheadMs;
    } else if (aheadMs < this.#aheadMs - jitterMs) this.#aheadMs = aheadMs;
    return monotonicMs - this.#startedAtMs + this.#leapsMs;
  }
}
