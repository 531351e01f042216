import type { Runtime } from './runtime.js';

export interface BackoffOptions {
  firstMs: number;
  longestMs: number;
}

/** Exponential delays with full jitter: the n-th is uniform in (0, min(longest, first * 2^n)]. */
export class Backoff {
  readonly #runtime: Runtime;
  readonly #options: BackoffOptions;
  #attempts = 0;

  constructor(runtime: Runtime, options: BackoffOptions) {
    this.#runtime = runtime;
    this.#options = options;
  }

  nextMs(): number {
    const { firstMs, longestMs } = this.#options;
    const ceilingMs = Math.min(longestMs, firstMs * 2 ** Math.min(this.#attempts, 30));
    this.#attempts += 1;
    return ceilingMs * (1 - this.#runtime.random());
  }

  reset(): void {
    this.#attempts = 0;
  }
}
