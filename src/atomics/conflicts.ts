import { Backoff, type Runtime, sleep, type WaitOptions } from '../runtime/index.js';

const firstMs = 2;
const longestMs = 64;

/**
 * How soon to try again after others were first. The refusal has told what stands there now, so the first try after it is
 * made at once: any delay would only let that grow old. Where that one was refused too there is a crowd, and the next waits
 * a jittered while, doubled up to 64 ms; it serves as the look for the one after, which is made at once again.
 */
export class Conflicts {
  readonly #runtime: Runtime;
  readonly #backoff: Backoff;
  #count = 0;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
    this.#backoff = new Backoff(runtime, { firstMs, longestMs });
  }

  /** Call it after each refusal. Rejects with `aborted` if the signal fires first; never outlasts `timeoutMs` by itself. */
  async settle({ signal, timeoutMs = Number.POSITIVE_INFINITY }: WaitOptions): Promise<void> {
    this.#count += 1;
    if (this.#count % 2 === 1) return;
    await sleep(this.#runtime, Math.min(this.#backoff.nextMs(), timeoutMs), { signal });
  }
}
