/** The clock by which leases expire: that of the member that leads. It never goes back, whoever leads. */
export class LeaseClock {
  readonly #nowMs: () => number;
  #baseMs = 0;
  #sinceMs = 0;
  #rate: number;

  constructor(nowMs: () => number, rate: number) {
    this.#nowMs = nowMs;
    this.#rate = rate;
  }

  now(): number {
    return this.#baseMs + (this.#nowMs() - this.#sinceMs) * this.#rate;
  }

  /** Another member's clock counts from here on. */
  follow(rate: number): void {
    this.#baseMs = this.now();
    this.#sinceMs = this.#nowMs();
    this.#rate = rate;
  }

  /** True milliseconds until this clock says so. */
  trueMsUntil(atMs: number): number {
    return Math.max(0, (atMs - this.now()) / this.#rate);
  }
}
