import { QuorateError } from '../../errors.js';
import { type Runtime, sleep, type WaitOptions } from '../../runtime/index.js';
import type { CallOptions } from '../../store/index.js';

const readTimeoutMs = 10_000;

/** One time limit over several requests: what each of them may still take. All throw `timeout` once nothing is left. */
export class TimeLeft {
  readonly #runtime: Runtime;
  readonly #signal: AbortSignal | undefined;
  readonly #timeoutMs: number;
  readonly #endsAtMs: number;
  readonly #doing: string;

  constructor(runtime: Runtime, options: WaitOptions, doing: string) {
    this.#runtime = runtime;
    this.#signal = options.signal;
    this.#timeoutMs = options.timeoutMs ?? Number.POSITIVE_INFINITY;
    this.#endsAtMs = runtime.monotonicMs() + this.#timeoutMs;
    this.#doing = doing;
  }

  get isOver(): boolean {
    return this.#ms <= 0;
  }

  get #ms(): number {
    return this.#endsAtMs - this.#runtime.monotonicMs();
  }

  /** Waits before something is tried again; no longer than there is time. Rejects with `aborted`. */
  pause(delayMs: number): Promise<void> {
    return sleep(this.#runtime, Math.min(delayMs, Math.max(0, this.#ms)), { signal: this.#signal });
  }

  /** For a wait, or a write through the exactly-once store: given up any sooner, its outcome would be unknown. */
  all(): CallOptions {
    if (this.isOver) {
      throw new QuorateError('timeout', `no result within ${this.#timeoutMs} ms while ${this.#doing}`);
    }
    return { signal: this.#signal, timeoutMs: this.#ms };
  }

  /** For a read, which can be repeated. */
  forRead(): CallOptions {
    const { timeoutMs = readTimeoutMs, signal } = this.all();
    return { signal, timeoutMs: Math.min(timeoutMs, readTimeoutMs) };
  }
}
