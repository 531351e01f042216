import { QuorateError } from '../../errors.js';
import {
  abortedError,
  offAbort,
  onAbort,
  type Runtime,
  type Timer,
  type WaitOptions,
} from '../../runtime/index.js';

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
    const { signal, timeoutMs } = options;
    return new Promise((resolve, reject) => {
      let timer: Timer | undefined;
      const end = () => {
        this.#calls.delete(call);
        this.#wanted -= count;
        timer?.cancel();
        if (signal !== undefined) offAbort(signal, onAborted);
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
      const giveUp = (error: QuorateError) => {
        call.reject(error);
        this.#onGivenUp();
      };
      const onAborted = () => {
        if (signal !== undefined) giveUp(abortedError(signal, doing));
      };
      if (signal !== undefined) onAbort(signal, onAborted);
      if (timeoutMs !== Number.POSITIVE_INFINITY) {
        const message = `no result within ${timeoutMs} ms while ${doing}`;
        timer = this.#runtime.setTimer(timeoutMs, () => giveUp(new QuorateError('timeout', message)));
      }
      this.#calls.add(call);
      this.#wanted += count;
    });
  }
}
