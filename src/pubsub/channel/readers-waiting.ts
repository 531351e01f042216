import type { QuorateError } from '../../errors.js';

type Result<T> = IteratorResult<T, undefined>;
type Resolve<T> = (result: Result<T>) => void;
type Reject = (error: QuorateError) => void;

/**
 * Those who have called `next` and wait for it, served in the order of their calls. Mostly that is one, who waits again as soon as
 * it was served, a thousand of them for each message of a crowd: the first costs no more than its promise.
 */
export class ReadersWaiting<T> {
  #resolve: Resolve<T> | undefined;
  #reject: Reject | undefined;
  #others: { readonly resolve: Resolve<T>; readonly reject: Reject }[] = [];

  get isEmpty(): boolean {
    return this.#resolve === undefined;
  }

  wait(): Promise<Result<T>> {
    return new Promise(this.#resolve === undefined ? this.#putFirst : this.#putLast);
  }

  /** Hands it to who has waited the longest. */
  serve(value: T): void {
    const resolve = this.#resolve;
    const next = this.#others.length === 0 ? undefined : this.#others.shift();
    this.#resolve = next?.resolve;
    this.#reject = next?.reject;
    resolve?.({ value, done: false });
  }

  /** Nothing comes any more: the first is told why, if there is an error, and then all others that it is over. */
  end(error: QuorateError | undefined): void {
    const [resolve, reject, others] = [this.#resolve, this.#reject, this.#others];
    this.#resolve = undefined;
    this.#reject = undefined;
    this.#others = [];
    if (error === undefined) resolve?.({ value: undefined, done: true });
    else reject?.(error);
    for (const other of others) other.resolve({ value: undefined, done: true });
  }

  readonly #putFirst = (resolve: Resolve<T>, reject: Reject): void => {
    this.#resolve = resolve;
    this.#reject = reject;
  };

  readonly #putLast = (resolve: Resolve<T>, reject: Reject): void => {
    this.#others.push({ resolve, reject });
  };
}
