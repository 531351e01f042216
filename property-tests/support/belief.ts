import type { SimulatedProcess } from '../../src/simulator/index.js';

export interface BeliefParts {
  readonly nowMs: () => number;
  readonly process: SimulatedProcess;
  /** What the process asks before it acts: compares the clock first. */
  readonly isHeld: () => boolean;
  /** Fires when it is lost. */
  readonly signal: AbortSignal;
}

/**
 * That a process takes something for its own, from now on. It ends when the process learns of the loss, by the signal or
 * by a look, or gives it up. Where it stood still, or was dead, between its last look and that, it could not act on
 * what it believed, and the belief ended as the standstill began.
 */
export class Belief {
  readonly fromMs: number;
  readonly #parts: BeliefParts;
  #lookedAtMs: number;
  #endedAtMs: number | undefined;
  #wasLost = false;

  constructor(parts: BeliefParts) {
    this.#parts = parts;
    this.fromMs = parts.nowMs();
    this.#lookedAtMs = this.fromMs;
    const { signal } = parts;
    if (signal.aborted) this.#lose();
    else signal.addEventListener('abort', () => this.#lose(), { once: true });
  }

  /** Undefined: it still goes on. */
  get endedAtMs(): number | undefined {
    return this.#endedAtMs;
  }

  /** It ended by a loss, and not by being given up. */
  get wasLost(): boolean {
    return this.#wasLost;
  }

  /** The process looks whether it may go on. */
  look(): boolean {
    if (this.#endedAtMs !== undefined) return false;
    if (!this.#parts.isHeld()) {
      this.#lose();
      return false;
    }
    this.#lookedAtMs = this.#parts.nowMs();
    return true;
  }

  /** A look found it lost, and what had stood still has learnt meanwhile that it goes on. */
  recover(): boolean {
    const { signal, isHeld, nowMs } = this.#parts;
    if (!this.#wasLost || signal.aborted || !isHeld()) return false;
    this.#wasLost = false;
    this.#endedAtMs = undefined;
    this.#lookedAtMs = nowMs();
    return true;
  }

  /** It is given up, or its process is dead. */
  end(): void {
    if (this.#endedAtMs !== undefined) return;
    const { nowMs } = this.#parts;
    const still = this.#standstill();
    this.#endedAtMs = still === undefined ? nowMs() : Math.max(this.#lookedAtMs, still.fromMs);
  }

  /** The process stood still, or does, since its last look. */
  get stoodStill(): boolean {
    return this.#standstill() !== undefined;
  }

  #lose(): void {
    if (this.#endedAtMs !== undefined) return;
    this.#wasLost = true;
    this.end();
  }

  #standstill() {
    const { process } = this.#parts;
    return process.standstills.find(({ toMs = Number.POSITIVE_INFINITY }) => toMs > this.#lookedAtMs);
  }
}
