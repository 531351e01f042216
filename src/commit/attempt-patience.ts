import { isQuorateError } from '../errors.js';
import type { Runtime } from '../runtime/index.js';

const shortestMs = 500;
/** So many times what the last reply took. */
const replies = 4;

/**
 * How long an attempt waits for its reply before it is sent again. Sending again is safe in a lane, and costs a request and
 * perhaps a look at history; but while it waits, a lane carries nothing else. So the first attempt of a group waits a few
 * times as long as replies take now, and each further one twice as long as the one before.
 */
export class AttemptPatience {
  readonly #runtime: Runtime;
  readonly #longestMs: number;
  #ms: number;

  constructor(runtime: Runtime, longestMs: number) {
    this.#runtime = runtime;
    this.#longestMs = longestMs;
    this.#ms = Math.min(shortestMs, longestMs);
  }

  /** Makes an attempt, and learns from how long its reply takes. */
  async attempt<T>(send: (timeoutMs: number) => Promise<T>): Promise<T> {
    const startMs = this.#runtime.monotonicMs();
    try {
      const reply = await send(this.#ms);
      this.#set(replies * (this.#runtime.monotonicMs() - startMs));
      return reply;
    } catch (error) {
      if (isQuorateError(error, 'timeout')) this.#set(2 * this.#ms);
      throw error;
    }
  }

  #set(ms: number): void {
    this.#ms = Math.min(Math.max(ms, shortestMs), this.#longestMs);
  }
}
