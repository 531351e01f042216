import type { QuorateError } from '../errors.js';
import { offAbort, onAbort } from './abort-hooks.js';
import { abortedError, timeoutError } from './given-up.js';
import type { Runtime, Timer } from './runtime.js';
import type { WaitOptions } from './wait-options.js';

/**
 * How long the caller of one wait goes on waiting: until its signal fires or its time is over, whichever comes first, and for no
 * longer than there is something to wait for. Leaves no timer and no listener behind.
 *
 * A signal that has fired before is not noticed: whoever begins a wait has checked its options.
 */
export class Patience {
  #timer: Timer | undefined;
  #signal: AbortSignal | undefined;
  #onAbort: (() => void) | undefined;

  /**
   * Begins now. `doing` names the wait in messages. `giveUp` is called at most once, never before the constructor has returned nor
   * after {@link end}, with `timeout` or `aborted`, of outcome `not-applied`; it must not throw.
   */
  constructor(runtime: Runtime, wait: WaitOptions, doing: string, giveUp: (error: QuorateError) => void) {
    // Most waits for a lock have no limit, and what a function's closures share is allocated as it begins.
    if (isLimited(wait)) this.#begin(runtime, wait, doing, giveUp);
  }

  /** Nobody waits any more. Idempotent. */
  end(): void {
    this.#timer?.cancel();
    if (this.#signal !== undefined && this.#onAbort !== undefined) offAbort(this.#signal, this.#onAbort);
  }

  #begin(
    runtime: Runtime,
    { signal, timeoutMs = Number.POSITIVE_INFINITY }: WaitOptions,
    doing: string,
    giveUp: (error: QuorateError) => void,
  ): void {
    if (timeoutMs !== Number.POSITIVE_INFINITY) {
      this.#timer = runtime.setTimer(timeoutMs, () => {
        this.end();
        giveUp(timeoutError(timeoutMs, doing));
      });
    }
    if (signal === undefined) return;
    this.#signal = signal;
    this.#onAbort = () => {
      this.end();
      giveUp(abortedError(signal, doing));
    };
    onAbort(signal, this.#onAbort);
  }
}

function isLimited({ signal, timeoutMs }: WaitOptions): boolean {
  return signal !== undefined || timeoutMs !== undefined;
}
