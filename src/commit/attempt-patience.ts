import { isQuorateError } from '../errors.js';

const shortestMs = 500;
/** So many times what the last reply took. */
const replies = 4;
/** Time to get through, on a link that is slower than most. */
const bytesPerMs = 1_000;

/**
 * How long an attempt waits for its reply before it is sent again. Sending again is safe in a lane, and costs a request and
 * perhaps a look at history; but while it waits, a lane carries nothing else. So the first attempt of a group waits a few
 * times as long as replies take now, and each further one twice as long as the one before. A large group takes longer to
 * get through than a small one: it is given that time beside.
 */
export class AttemptPatience {
  readonly #longestMs: number;
  #ms: number;

  constructor(longestMs: number) {
    this.#longestMs = longestMs;
    this.#ms = Math.min(shortestMs, longestMs);
  }

  /** For an attempt of so many bytes. */
  msFor(bytes: number): number {
    return Math.min(this.#ms + bytes / bytesPerMs, this.#longestMs);
  }

  /** An attempt of so many bytes was answered. */
  replied(tookMs: number, bytes: number): void {
    this.#set(replies * Math.max(0, tookMs - bytes / bytesPerMs));
  }

  failed(error: unknown): void {
    if (isQuorateError(error, 'timeout')) this.#set(2 * this.#ms);
  }

  #set(ms: number): void {
    this.#ms = Math.min(Math.max(ms, shortestMs), this.#longestMs);
  }
}
