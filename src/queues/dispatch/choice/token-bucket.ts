import type { RateLimit } from '../../records/index.js';

/**
 * Lets `count` through in each `perMs`, and up to `burst` at once after a rest. It begins empty: what was let through by
 * another bucket just before is then no part of what this one lets through.
 */
export class TokenBucket {
  readonly #count: number;
  readonly #perMs: number;
  readonly #most: number;
  /** In tokens times `perMs`: whole as long as times are. */
  #credit = 0;
  #atMs: number;

  constructor({ count, perMs, burst = count }: RateLimit, nowMs: number) {
    this.#count = count;
    this.#perMs = perMs;
    this.#most = burst * perMs;
    this.#atMs = nowMs;
  }

  /** Whole tokens. */
  available(nowMs: number): number {
    this.#refill(nowMs);
    return Math.max(0, Math.floor(this.#credit / this.#perMs));
  }

  take(tokens: number, nowMs: number): void {
    this.#refill(nowMs);
    this.#credit -= tokens * this.#perMs;
  }

  /** When there will be a token; undefined if there was one when it was last asked. */
  nextAtMs(): number | undefined {
    if (this.#credit >= this.#perMs) return undefined;
    return this.#atMs + (this.#perMs - this.#credit) / this.#count;
  }

  #refill(nowMs: number): void {
    const elapsedMs = Math.max(0, nowMs - this.#atMs);
    this.#credit = Math.min(this.#most, this.#credit + elapsedMs * this.#count);
    this.#atMs += elapsedMs;
  }
}
