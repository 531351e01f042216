import type { QuorateError } from '../../errors.js';

type Result<T> = IteratorResult<T, undefined>;
type Resolve<T> = (result: Result<T> | Promise<Result<T>>) => void;

/**
 * Those who have called `next` and wait for it, served in the order of their calls. Mostly that is one, who waits again as soon as
 * it was served, a thousand of them for each message of a crowd: the first costs no more than its promise.
 */
export class ReadersWaiting<T> {
  #first: Resolve<T> | undefined;
  #others: Resolve<T>[] = [];

  get isEmpty(): boolean {
    return this.#first === undefined;
  }

  wait(): Promise<Result<T>> {
    return new Promise(this.#first === undefined ? this.#putFirst : this.#putLast);
  }

  /** Hands it to who has waited the longest. */
  serve(value: T): void {
    const first = this.#first;
    this.#first = this.#others.length === 0 ? undefined : this.#others.shift();
    first?.({ value, done: false });
  }

  /** Nothing comes any more: the first is told why, if there is an error, and all others that it is over. */
  end(error: QuorateError | undefined): void {
    const [first, others] = [this.#first, this.#others];
    this.#first = undefined;
    this.#others = [];
    first?.(error === undefined ? { value: undefined, done: true } : Promise.reject(error));
    for (const other of others) other({ value: undefined, done: true });
  }

  readonly #putFirst = (resolve: Resolve<T>): void => {
    this.#first = resolve;
  };

  readonly #putLast = (resolve: Resolve<T>): void => {
    this.#others.push(resolve);
  };
}
