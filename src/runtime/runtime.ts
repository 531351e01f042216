/**
 * The one source of non-determinism: clocks, timers, randomness, ids. Everything else in `src` takes a
 * {@link Runtime}, so that the simulator can replace time and chance and replay a run exactly.
 */

export interface Timer {
  /** Idempotent; after it returns the callback does not run. */
  cancel(): void;
}

export interface Runtime {
  /** Milliseconds on a clock that never goes back, but that may stop while the machine sleeps. */
  monotonicMs(): number;
  /** Milliseconds since the epoch on a clock that people and daemons may step either way. */
  wallMs(): number;
  /** Runs `callback` once, not before `delayMs` has passed. May be late without bound. Keeps the process alive unless `background`. */
  setTimer(delayMs: number, callback: () => void, options?: { background?: boolean }): Timer;
  /** Resolves after everything that already waits in the event loop, arrived socket data included, has been handled. */
  nextTurn(): Promise<void>;
  /** Uniform in [0, 1). */
  random(): number;
  /** A new id of 16 lower-case hexadecimal digits, unique among all processes for practical purposes. */
  newId(): string;
}
