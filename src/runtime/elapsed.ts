import type { Runtime } from './runtime.js';

/** Clocks that differ by more than this have been stepped or have slept; less is rounding and slewing. */
const stepMs = 50;

/**
 * A clock for deadlines: elapsed time is the larger of what the monotonic and the wall clock say, since the
 * monotonic clock stops while a machine sleeps and the wall clock may be stepped back. A wall clock stepped
 * forward makes deadlines early, which costs at worst a session and never a promise.
 *
 * Both are counted from a common base. Once they have come apart by a step, the base moves up to now, so that
 * a step one way cannot hide a later one; smaller differences do not move it, so that they cannot add up.
 */
export class ElapsedClock {
  readonly #runtime: Runtime;
  #baseMs = 0;
  #monotonicMs: number;
  #wallMs: number;
  #latestMs = 0;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
    this.#monotonicMs = runtime.monotonicMs();
    this.#wallMs = runtime.wallMs();
  }

  /** Milliseconds since this clock was made. Never goes back. */
  nowMs(): number {
    const monotonicMs = this.#runtime.monotonicMs();
    const wallMs = this.#runtime.wallMs();
    const byMonotonic = monotonicMs - this.#monotonicMs;
    const byWall = wallMs - this.#wallMs;
    this.#latestMs = Math.max(this.#latestMs, this.#baseMs + Math.max(byMonotonic, byWall));
    if (Math.abs(byMonotonic - byWall) > stepMs) {
      this.#baseMs = this.#latestMs;
      this.#monotonicMs = monotonicMs;
      this.#wallMs = wallMs;
    }
    return this.#latestMs;
  }
}
