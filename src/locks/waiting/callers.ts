import { Patience, type Runtime, type WaitOptions } from '../../runtime/index.js';

/** Callers that have left and may still be in the line, beyond as many as those who wait. */
const mostGone = 64;

interface Caller<T> {
  /** Ends the wait; what comes after it, an abort in the same instant too, has no effect. */
  readonly settle: (end: (resolve: (value: T) => void, reject: (error: unknown) => void) => void) => void;
  waits: boolean;
}

/** The callers of one process that wait for one thing, in the order of their calls. Giving up is local and free. */
export class Callers<T> {
  readonly #runtime: Runtime;
  #line: Caller<T>[] = [];
  #head = 0;
  #size = 0;
  #onEmpty: (() => void) | undefined;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** Number of callers that wait. */
  get size(): number {
    return this.#size;
  }

  /** Waits at the end of the line, or with `first` at its head. Rejects with `aborted` or `timeout`. */
  wait(options: WaitOptions, doing: string, first = false): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const caller: Caller<T> = {
        waits: true,
        settle: (end) => {
          if (!caller.waits) return;
          this.#left(caller);
          patience.end();
          end(resolve, reject);
        },
      };
      const patience = new Patience(this.#runtime, options, doing, (error) =>
        caller.settle(() => reject(error)),
      );
      if (first) this.#line.splice(this.#head, 0, caller);
      else this.#line.push(caller);
      this.#size += 1;
    });
  }

  /** Gives a value to who waits longest. `make` is called only if somebody does. */
  serve<V extends T>(make: () => V): V | undefined {
    const caller = this.#next();
    if (caller === undefined) return undefined;
    const value = make();
    caller.settle((resolve) => resolve(value));
    return value;
  }

  /** Refuses everybody. */
  refuse(error: unknown): void {
    for (let caller = this.#next(); caller !== undefined; caller = this.#next()) {
      caller.settle((_resolve, reject) => reject(error));
    }
  }

  /** Resolves as soon as nobody waits. */
  empty(): { readonly promise: Promise<void>; cancel(): void } {
    const promise = new Promise<void>((resolve) => {
      if (this.#size === 0) resolve();
      else this.#onEmpty = resolve;
    });
    return {
      promise,
      cancel: () => {
        this.#onEmpty = undefined;
      },
    };
  }

  #next(): Caller<T> | undefined {
    while (this.#head < this.#line.length) {
      const caller = this.#line[this.#head];
      if (caller?.waits) return caller;
      this.#head += 1;
    }
    this.#line = [];
    this.#head = 0;
    return undefined;
  }

  #left(caller: Caller<T>): void {
    caller.waits = false;
    this.#size -= 1;
    if (this.#size === 0) {
      this.#line = [];
      this.#head = 0;
    } else if (this.#line.length > 2 * this.#size + mostGone) {
      this.#line = this.#line.filter(({ waits }) => waits);
      this.#head = 0;
    }
    if (this.#size === 0) this.#onEmpty?.();
  }
}
