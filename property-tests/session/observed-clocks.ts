import type { Runtime, Timer } from '../../src/runtime/index.js';

/** A moment by the clocks of a process, as its library reads them. */
export interface ClockReading {
  readonly trueMs: number;
  readonly monotonicMs: number;
  readonly wallMs: number;
  /** By how much the wall clock had run ahead of the monotonic one in all: steps forward and sleep. */
  readonly leapsMs: number;
}

/** The runtime of a process, in which it is seen what its clocks were read as and which timers are left. */
export class ObservedClocks {
  /** For the library under test. */
  readonly runtime: Runtime;
  readonly #clocks: Runtime;
  readonly #trueMs: () => number;
  readonly #timers = new Set<Timer>();
  #aheadMs: number;
  #leapsMs = 0;

  constructor(clocks: Runtime, trueMs: () => number) {
    this.#clocks = clocks;
    this.#trueMs = trueMs;
    this.#aheadMs = clocks.wallMs() - clocks.monotonicMs();
    this.runtime = {
      monotonicMs: () => clocks.monotonicMs(),
      wallMs: () => {
        this.#look();
        return clocks.wallMs();
      },
      setTimer: (delayMs, callback, options) => this.#setTimer(delayMs, callback, options),
      nextTurn: () => clocks.nextTurn(),
      random: () => clocks.random(),
      newId: () => clocks.newId(),
    };
  }

  /** Timers of the library that have neither fired nor been cancelled. */
  get timerCount(): number {
    return this.#timers.size;
  }

  read(): ClockReading {
    this.#look();
    return {
      trueMs: this.#trueMs(),
      monotonicMs: this.#clocks.monotonicMs(),
      wallMs: this.#clocks.wallMs(),
      leapsMs: this.#leapsMs,
    };
  }

  #look(): void {
    const aheadMs = this.#clocks.wallMs() - this.#clocks.monotonicMs();
    this.#leapsMs += Math.max(0, aheadMs - this.#aheadMs);
    this.#aheadMs = aheadMs;
  }

  #setTimer(delayMs: number, callback: () => void, options?: { background?: boolean }): Timer {
    const timer = this.#clocks.setTimer(
      delayMs,
      () => {
        this.#timers.delete(handle);
        callback();
      },
      options,
    );
    const handle: Timer = {
      cancel: () => {
        this.#timers.delete(handle);
        timer.cancel();
      },
    };
    this.#timers.add(handle);
    return handle;
  }
}
