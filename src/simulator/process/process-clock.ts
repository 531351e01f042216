/**
 * The clocks of one machine: they run at its rate, the wall clock may be stepped, and the monotonic clock stops while
 * the machine sleeps.
 */
export class ProcessClock {
  readonly rate: number;
  readonly #nowMs: () => number;
  readonly #wallStartMs: number;
  #steppedMs = 0;
  #sleptMs = 0;
  #asleepSinceMs: number | undefined;

  constructor(nowMs: () => number, options: { readonly rate: number; readonly wallOffsetMs: number }) {
    this.#nowMs = nowMs;
    this.rate = options.rate;
    this.#wallStartMs = 1_700_000_000_000 + options.wallOffsetMs;
  }

  monotonicMs(): number {
    const awakeUntilMs = this.#asleepSinceMs ?? this.#nowMs();
    return (awakeUntilMs - this.#sleptMs) * this.rate;
  }

  wallMs(): number {
    return this.#wallStartMs + this.#nowMs() * this.rate + this.#steppedMs;
  }

  stepWall(ms: number): void {
    this.#steppedMs += ms;
  }

  fallAsleep(): void {
    this.#asleepSinceMs ??= this.#nowMs();
  }

  wakeUp(): void {
    if (this.#asleepSinceMs === undefined) return;
    this.#sleptMs += this.#nowMs() - this.#asleepSinceMs;
    this.#asleepSinceMs = undefined;
  }
}
