import { abortedError, timeoutError } from './given-up.js';
import type { Runtime } from './runtime.js';
import { sleep } from './wait.js';
import type { WaitOptions } from './wait-options.js';

/** For calls that give no `timeoutMs`: as long as one request may take by default. */
export const defaultTimeoutMs = 10_000;

/** One time limit over several requests: what each of them may still take. All throw `timeout` once nothing is left, or `aborted`. */
export class TimeLeft {
  readonly #runtime: Runtime;
  readonly #options: WaitOptions;
  readonly #endsAtMs: number;
  readonly #doing: string;

  constructor(runtime: Runtime, options: WaitOptions, doing: string) {
    const { timeoutMs } = options;
    this.#runtime = runtime;
    this.#options = options;
    this.#endsAtMs = timeoutMs === undefined ? Number.POSITIVE_INFINITY : runtime.monotonicMs() + timeoutMs;
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
    const { signal } = this.#options;
    return sleep(this.#runtime, Math.min(delayMs, Math.max(0, this.#ms)), { signal });
  }

  /** For a wait, or a write through the exactly-once store: given up any sooner, its outcome would be unknown. */
  all(): WaitOptions {
    const { signal, timeoutMs } = this.#options;
    if (signal?.aborted) throw abortedError(signal, this.#doing);
    if (timeoutMs !== undefined && this.isOver) throw timeoutError(timeoutMs, this.#doing);
    return { signal, timeoutMs: this.#ms };
  }

  /** For a request of which the store may say how long it takes, where the caller has not. */
  forRequest(): WaitOptions {
    const { signal, timeoutMs } = this.#options;
    if (timeoutMs !== undefined) return this.all();
    if (signal?.aborted) throw abortedError(signal, this.#doing);
    return { signal };
  }

  /** For a read, which can be repeated. */
  forRead(): WaitOptions {
    const { timeoutMs = defaultTimeoutMs, signal } = this.all();
    return { signal, timeoutMs: Math.min(timeoutMs, defaultTimeoutMs) };
  }
}
