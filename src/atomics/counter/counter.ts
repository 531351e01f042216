import { invalidArgument } from '../../errors.js';
import type { WaitOptions } from '../../runtime/index.js';
import { type Client, checkClient } from '../../session/index.js';
import type { Key } from '../../store/index.js';
import { adding, type Bounds, type CountSwap, checkWhole, setting, swapping } from './number-op.js';
import { SharedNumber } from './shared-number.js';

export interface CounterOptions {
  /** What it is where nobody has written it yet. Default 0. */
  initial?: number | undefined;
  /** No call of this object takes it below. Default: -(2^53 - 1), where numbers stop being exact. */
  min?: number | undefined;
  /** No call of this object takes it above. Default: 2^53 - 1. */
  max?: number | undefined;
}

/**
 * A whole number that many processes count with. The protocol is at the head of shared-number.ts.
 *
 * - Order: linearizable. Calls of one object that wait at the same moment take effect in their order, in one write.
 * - Guaranteed: an addition that settles is counted once, whatever was lost on its way; one that rejects with outcome
 *   `not-applied` is not counted. `min` and `max` are never passed, not even by calls that come at the same moment. Give them, and
 *   `initial`, alike to all processes: each keeps to its own.
 * - Not guaranteed: order between processes; those that count all the time take turns, as those of {@link atomically} do. What
 *   rejects with outcome `unknown` is counted once, or not at all.
 * - Session loss: none of this needs a session. The counter stays.
 * - `timeoutMs` is 10 s where none is given. A call that was given up after its request was sent has outcome `unknown`.
 * - Errors: `invalid-argument`; `over-limit` for what would pass a bound, with `details.count`; `codec` if the key holds no number;
 *   `aborted` and `timeout`; what the store refuses (`no-space`, `permission-denied`…).
 * - Cost: one request for all calls that wait at the same moment, however many; one more if others have written meanwhile, and a
 *   read the first time; in a crowd as {@link atomically}. Share one object among the callers of a process.
 */
export class Counter {
  readonly name: string;
  /** The key that it is stored under, as decimal text. */
  readonly key: Key;
  readonly #bounds: Bounds;
  readonly #number: SharedNumber;

  /** Making one sends nothing. Names, and what is stored, are shared by all clients of the namespace. */
  constructor(client: Client, name: string, options: CounterOptions = {}) {
    checkClient(client);
    if (typeof options !== 'object' || options === null) {
      throw invalidArgument(
        `options are of type ${typeof options}`,
        'an object with initial, min, max, or none',
      );
    }
    const { MAX_SAFE_INTEGER: most } = Number;
    const { initial = 0, min = -most, max = most } = options;
    checkWhole(initial, 'initial');
    checkWhole(min, 'min');
    checkWhole(max, 'max');
    if (!(min <= initial && initial <= max)) {
      throw invalidArgument(`initial is ${initial}`, `a number from min, ${min}, to max, ${max}`);
    }
    this.key = `${client.keys.prefix('counter', name)}n`;
    this.name = name;
    this.#bounds = { min, max };
    this.#number = new SharedNumber({
      client,
      key: this.key,
      initial: initial + 0,
      owner: `counter "${name}"`,
    });
  }

  /** What it is now. One read. */
  get(options: WaitOptions = {}): Promise<number> {
    return this.#answered(() => this.#number.get(options, this.#doing('reading')));
  }

  /** Adds to it; `by` may be negative. Answers what it is then: with this addition, and without those after it. */
  add(by = 1, options: WaitOptions = {}): Promise<number> {
    return this.#answered(() => {
      const op = adding(checkWhole(by, 'by'), this.#bounds);
      return this.#number.change(op, options, this.#doing('adding to'));
    });
  }

  /** Sets it if it is `expected`. Answers whether it did, and what it is then, or was found to be. */
  compareAndSet(expected: number, to: number, options: WaitOptions = {}): Promise<CountSwap> {
    return this.#answered(() => {
      const op = swapping(checkWhole(expected, 'expected'), checkWhole(to, 'to'), this.#bounds);
      return this.#number.change(op, options, this.#doing('comparing and setting'));
    });
  }

  /** Sets it, to 0 if nothing else is asked for. Answers what it was before: nothing that was counted is lost between. */
  reset(to = 0, options: WaitOptions = {}): Promise<number> {
    return this.#answered(() => {
      const op = setting(checkWhole(to, 'to'), this.#bounds);
      return this.#number.change(op, options, this.#doing('resetting'));
    });
  }

  /** What was wrong with a call rejects it too. */
  async #answered<R>(call: () => Promise<R>): Promise<R> {
    return call();
  }

  #doing(what: string): string {
    return `${what} the counter ${JSON.stringify(this.name)}`;
  }
}
