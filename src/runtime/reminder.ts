import type { Runtime, Timer } from './runtime.js';

/**
 * A timer that is put off and called off far more often than it fires. Putting it off, or calling it off, leaves the
 * timer that stands as it is; once that fires, a new one is set for what is left. So this costs next to nothing, where
 * each timer set and cancelled takes a microsecond or two and some memory, and several times that in a process that was idle.
 *
 * In the background: it does not keep the process alive.
 */
export class Reminder {
  readonly #runtime: Runtime;
  readonly #due: () => void;
  #dueMs = Number.POSITIVE_INFINITY;
  #timer: Timer | undefined;
  #firesMs = Number.POSITIVE_INFINITY;

  /** `due` is called once for each time that it was set and came due. */
  constructor(runtime: Runtime, due: () => void) {
    this.#runtime = runtime;
    this.#due = due;
  }

  /** By the monotonic clock; infinite while it is not set. */
  get dueMs(): number {
    return this.#dueMs;
  }

  get isSet(): boolean {
    return this.#dueMs !== Number.POSITIVE_INFINITY;
  }

  /** Instead of what it was set to. */
  set(dueMs: number): void {
    this.#dueMs = dueMs;
    if (dueMs < this.#firesMs) this.#arm(dueMs - this.#runtime.monotonicMs());
  }

  /** So many milliseconds from now. */
  setIn(delayMs: number): void {
    const nowMs = this.#runtime.monotonicMs();
    this.#dueMs = nowMs + delayMs;
    if (this.#dueMs < this.#firesMs) this.#arm(delayMs);
  }

  clear(): void {
    this.#dueMs = Number.POSITIVE_INFINITY;
  }

  /** For who will hardly set it again. */
  stop(): void {
    this.clear();
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#firesMs = Number.POSITIVE_INFINITY;
  }

  #arm(delayMs: number): void {
    this.#timer?.cancel();
    this.#firesMs = this.#dueMs;
    this.#timer = this.#runtime.setTimer(Math.max(0, delayMs), this.#fire, { background: true });
  }

  readonly #fire = (): void => {
    this.#timer = undefined;
    this.#firesMs = Number.POSITIVE_INFINITY;
    if (!this.isSet) return;
    const leftMs = this.#dueMs - this.#runtime.monotonicMs();
    if (leftMs > 0) {
      this.#arm(leftMs);
      return;
    }
    this.clear();
    this.#due();
  };
}
