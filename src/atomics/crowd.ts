import type { Runtime } from '../runtime/index.js';

/** Two refusals within this time are a sign of a crowd; after the last sign it counts as one for as long. */
const withinMs = 1_000;

/**
 * Whether others want a key at the same time. Who is refused once tries again at once, as the refusal has told what stands
 * there now. In a crowd that would be a storm in which most requests are in vain: then changes are made as transactions, which
 * stand in the line of the key (stm/hot-key.ts, which tells by one of these whether its key is hot).
 */
export class Crowd {
  readonly #runtime: Runtime;
  #refusedAtMs = Number.NEGATIVE_INFINITY;
  #untilMs = Number.NEGATIVE_INFINITY;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  get isThere(): boolean {
    return this.#runtime.monotonicMs() < this.#untilMs;
  }

  /** Another was first. */
  refused(): void {
    const nowMs = this.#runtime.monotonicMs();
    if (nowMs - this.#refusedAtMs < withinMs) this.sign();
    this.#refusedAtMs = nowMs;
  }

  /** It took so many runs of a transaction. */
  ran(runs: number): void {
    if (runs > 1) this.sign();
  }

  /** Others were seen to want it too. */
  sign(): void {
    this.#untilMs = this.#runtime.monotonicMs() + withinMs;
  }
}
