import type { Runtime, Timer } from '../../../runtime/index.js';

/** etcd punishes pings that come more often than every 5 s (B13), and those that come while no call is open. */
const silenceMs = 8_000;
const answerMs = 3_000;
/** How long the first call after a long rest may take before a ping shows whether there is still somebody. */
const wakingMs = 1_000;

/**
 * Finds out that a connection is dead. While calls are open and nothing was heard for a while, the peer is pinged; if
 * then still nothing comes, nobody is there. A connection without calls is left in peace.
 */
export class Liveness {
  readonly #runtime: Runtime;
  readonly #ping: () => void;
  readonly #dead: () => void;
  #busy = false;
  #heardMs: number;
  #pingedMs: number | undefined;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(runtime: Runtime, ping: () => void, dead: () => void) {
    this.#runtime = runtime;
    this.#ping = ping;
    this.#dead = dead;
    this.#heardMs = runtime.monotonicMs();
  }

  heard(): void {
    this.#heardMs = this.#runtime.monotonicMs();
  }

  busy(busy: boolean): void {
    this.#busy = busy;
    if (!busy || this.#timer !== undefined || this.#stopped) return;
    const silentMs = this.#runtime.monotonicMs() - this.#heardMs;
    this.#lookIn(silentMs < silenceMs ? silenceMs - silentMs : wakingMs);
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #lookIn(delayMs: number): void {
    this.#timer = this.#runtime.setTimer(delayMs, () => this.#look(), { background: true });
  }

  #look(): void {
    this.#timer = undefined;
    if (this.#pingedMs !== undefined) {
      // After a stall of this process the answer may have arrived, and wait behind the timer.
      void this.#runtime.nextTurn().then(() => this.#judge());
      return;
    }
    if (!this.#busy || this.#stopped) return;
    const nowMs = this.#runtime.monotonicMs();
    const silentMs = nowMs - this.#heardMs;
    if (silentMs < silenceMs) {
      this.#lookIn(silenceMs - silentMs);
      return;
    }
    this.#pingedMs = nowMs;
    this.#ping();
    this.#lookIn(answerMs);
  }

  #judge(): void {
    if (this.#stopped) return;
    const answered = this.#heardMs > (this.#pingedMs ?? 0);
    this.#pingedMs = undefined;
    if (!answered) this.#dead();
    else if (this.#busy) this.busy(true);
  }
}
