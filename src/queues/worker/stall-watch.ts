import type { Runtime, Timer } from '../../runtime/index.js';

/** Tells again and again of a handler that runs for `stallMs` without a sign of progress. */
export class StallWatch {
  readonly #runtime: Runtime;
  readonly #stallMs: number;
  readonly #onStall: (runningMs: number) => void;
  readonly #startedMs: number;
  #movedMs: number;
  #isStalled = false;
  #timer: Timer | undefined;

  constructor(runtime: Runtime, stallMs: number, onStall: (runningMs: number) => void) {
    this.#runtime = runtime;
    this.#stallMs = stallMs;
    this.#onStall = onStall;
    this.#startedMs = runtime.monotonicMs();
    this.#movedMs = this.#startedMs;
    this.#arm(stallMs);
  }

  /** Since it was told so, it has not moved. */
  get isStalled(): boolean {
    return this.#isStalled;
  }

  moved(): void {
    this.#movedMs = this.#runtime.monotonicMs();
    this.#isStalled = false;
  }

  end(): void {
    this.#timer?.cancel();
  }

  /** One timer at a time: moving only takes a note, since progress may be told a thousand times a second. */
  #arm(delayMs: number): void {
    this.#timer = this.#runtime.setTimer(delayMs, () => this.#look(), { background: true });
  }

  #look(): void {
    const nowMs = this.#runtime.monotonicMs();
    const leftMs = this.#movedMs + this.#stallMs - nowMs;
    if (leftMs > 0) {
      this.#arm(leftMs);
      return;
    }
    this.#isStalled = true;
    this.#arm(this.#stallMs);
    this.#onStall(nowMs - this.#startedMs);
  }
}
