import type { Runtime, Timer } from './runtime.js';

export interface Expiring {
  readonly deadlineMs: number;
  expire(): void;
}

/**
 * Deadlines of thousands of calls on one timer. The timer stands at the earliest deadline known when it was set;
 * calls that end sooner leave it alone, and it is only taken away when no call is left, so that setting and
 * ending a call costs next to nothing.
 */
export class Deadlines {
  readonly #runtime: Runtime;
  readonly #pending = new Set<Expiring>();
  #timer: Timer | undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** Who waits for ever has no deadline. */
  add(entry: Expiring): void {
    if (entry.deadlineMs === Number.POSITIVE_INFINITY) return;
    this.#pending.add(entry);
    if (entry.deadlineMs < this.#timerAtMs) this.#arm(entry.deadlineMs);
  }

  remove(entry: Expiring): void {
    if (this.#pending.delete(entry) && this.#pending.size === 0) this.#disarm();
  }

  #arm(atMs: number): void {
    this.#timer?.cancel();
    this.#timerAtMs = atMs;
    this.#timer = this.#runtime.setTimer(Math.max(0, atMs - this.#runtime.monotonicMs()), () => this.#fire());
  }

  #disarm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerAtMs = Number.POSITIVE_INFINITY;
  }

  #fire(): void {
    this.#disarm();
    const nowMs = this.#runtime.monotonicMs();
    let earliestMs = Number.POSITIVE_INFINITY;
    for (const entry of [...this.#pending]) {
      if (entry.deadlineMs <= nowMs) {
        this.#pending.delete(entry);
        entry.expire();
      } else if (entry.deadlineMs < earliestMs) earliestMs = entry.deadlineMs;
    }
    if (this.#pending.size > 0 && earliestMs < this.#timerAtMs) this.#arm(earliestMs);
  }
}
