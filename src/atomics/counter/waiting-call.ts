import { QuorateError } from '../../errors.js';
import {
  abortedError,
  offAbort,
  onAbort,
  type Runtime,
  type Timer,
  type WaitOptions,
} from '../../runtime/index.js';
import type { NumberOp } from './number-op.js';

/**
 * - `waiting`: nothing is under way that could apply it.
 * - `sent`: a request that carries it is not decided.
 * - `over`: the caller has its answer.
 */
type CallState = 'waiting' | 'sent' | 'over';

/** One call for a change of a number, whose caller waits for as long as it said. */
export class WaitingCall<R = unknown> {
  readonly op: NumberOp<R>;
  readonly answer: Promise<R>;
  /** Told when the caller has its answer, whatever it is. */
  onOver: () => void = () => {};
  readonly #doing: string;
  readonly #timeoutMs: number;
  readonly #signal: AbortSignal | undefined;
  readonly #timer: Timer | undefined;
  #state: CallState = 'waiting';
  #resolve: (answer: R) => void = () => {};
  #reject: (error: unknown) => void = () => {};

  constructor(
    op: NumberOp<R>,
    runtime: Runtime,
    options: WaitOptions & { readonly timeoutMs: number },
    doing: string,
  ) {
    const { signal, timeoutMs } = options;
    this.op = op;
    this.#doing = doing;
    this.#timeoutMs = timeoutMs;
    this.#signal = signal;
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    if (timeoutMs !== Number.POSITIVE_INFINITY) this.#timer = runtime.setTimer(timeoutMs, this.#onTimeout);
    if (signal !== undefined) onAbort(signal, this.#onAbort);
  }

  get isOver(): boolean {
    return this.#state === 'over';
  }

  markSent(): void {
    if (this.#state === 'waiting') this.#state = 'sent';
  }

  /** Nothing that was sent can apply it any more. */
  markWaiting(): void {
    if (this.#state === 'sent') this.#state = 'waiting';
  }

  resolve(answer: R): void {
    if (this.#end()) this.#resolve(answer);
  }

  reject(error: unknown): void {
    if (this.#end()) this.#reject(error);
  }

  readonly #onTimeout = (): void => {
    const message = `no result within ${this.#timeoutMs} ms while ${this.#doing}`;
    this.reject(new QuorateError('timeout', message, { outcome: this.#outcome }));
  };

  readonly #onAbort = (): void => {
    if (this.#signal === undefined) return;
    const { message, cause } = abortedError(this.#signal, this.#doing);
    this.reject(new QuorateError('aborted', message, { outcome: this.#outcome, cause }));
  };

  get #outcome(): 'unknown' | 'not-applied' {
    return this.#state === 'sent' ? 'unknown' : 'not-applied';
  }

  #end(): boolean {
    if (this.#state === 'over') return false;
    this.#state = 'over';
    this.#timer?.cancel();
    if (this.#signal !== undefined) offAbort(this.#signal, this.#onAbort);
    this.onOver();
    return true;
  }
}
