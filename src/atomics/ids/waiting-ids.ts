import { Patience, type Runtime, type WaitOptions } from '../../runtime/index.js';

/** One call that waits for ids. */
export interface WaitingForIds {
  readonly count: number;
  resolve(ids: readonly number[]): void;
  reject(error: unknown): void;
}

/** Calls that wait for ids, in their order. */
export class WaitingIds {
  readonly #runtime: Runtime;
  readonly #onGivenUp: () => void;
  readonly #calls = new Set<WaitingForIds>();
  /** Ids that are waited for, in all. */
  #wanted = 0;

  /** `onGivenUp`: told when one waits no more, so that those behind it may be served. */
  constructor(runtime: Runtime, onGivenUp: () => void) {
    this.#runtime = runtime;
    this.#onGivenUp = onGivenUp;
  }

  get wanted(): number {
    return this.#wanted;
  }

  /** The first of them. */
  get first(): WaitingForIds | undefined {
    const [first] = this.#calls;
    return first;
  }

  add(
    count: number,
    options: WaitOptions & { readonly timeoutMs: number },
    doing: string,
  ): Promise<readonly number[]> {
    return new Promise((resolve, reject) => {
      const end = () => {
        this.#calls.delete(call);
        this.#wanted -= count;
        patience.end();
      };
      const call: WaitingForIds = {
        count,
        resolve: (ids) => {
          end();
          resolve(ids);
        },
        reject: (error) => {
          end();
          reject(error);
        },
      };
      const patience = new Patience(this.#runtime, options, doing, (error) => {
        call.reject(error);
        this.#onGivenUp();
      });
      this.#calls.add(call);
      this.#wanted += count;
    });
  }
}
