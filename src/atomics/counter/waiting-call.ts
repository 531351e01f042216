import { asUnknown } from '../../errors.js';
import { Patience, type Runtime, type WaitOptions } from '../../runtime/index.js';
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
  readonly #patience: Patience;
  #state: CallState = 'waiting';
  #resolve: (answer: R) => void = () => {};
  #reject: (error: unknown) => void = () => {};

  constructor(
    op: NumberOp<R>,
    runtime: Runtime,
    options: WaitOptions & { readonly timeoutMs: number },
    doing: string,
  ) {
    this.op = op;
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#patience = new Patience(runtime, options, doing, (error) => {
      this.reject(this.#state === 'sent' ? asUnknown(error) : error);
    });
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

  #end(): boolean {
    if (this.#state === 'over') return false;
    this.#state = 'over';
    this.#patience.end();
    this.onOver();
    return true;
  }
}
