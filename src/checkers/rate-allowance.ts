import type { RateLimit } from '../queues/records/index.js';

/** For sums of fractions. */
const tolerance = 1e-6;

/**
 * What a rate allows, in true time: in every span, `burst` and what the rate, by a clock that runs as much too fast as it may,
 * brings in that span; and nothing that was saved up before it was set, or by an earlier dispatcher. A bucket that is never
 * overdrawn is the same for all spans at once.
 */
export class RateAllowance {
  readonly #rate: RateLimit;
  readonly #burst: number;
  readonly #perMs: number;
  #left = 0;
  #atMs: number;

  constructor(rate: RateLimit, clockRateError: number, atMs: number) {
    this.#rate = rate;
    this.#burst = rate.burst ?? rate.count;
    this.#perMs = (rate.count / rate.perMs) * (1 + clockRateError);
    this.#atMs = atMs;
  }

  /** What is saved up is lost. */
  empty(atMs: number): void {
    this.given(0, atMs);
    this.#left = Math.min(0, this.#left);
  }

  /** In words, by how much these are too many; undefined if they are not. */
  given(count: number, atMs: number): string | undefined {
    this.#left = Math.min(this.#burst, this.#left + (atMs - this.#atMs) * this.#perMs) - count;
    this.#atMs = atMs;
    if (this.#left >= -tolerance) return undefined;
    const { count: allowed, perMs } = this.#rate;
    return `${(-this.#left).toFixed(2)} more than ${allowed} in ${perMs} ms and ${this.#burst} at once allow`;
  }
}
