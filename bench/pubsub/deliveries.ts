import { median } from '../harness.js';

/**
 * Times from the sending of one message at a time to its deliveries. The median of those of a message is when the middle one of its
 * receivers was told, as they are told one after the other; so the clock is read for that one and for the last, and the others take no
 * time by being measured.
 */
export class Deliveries {
  readonly #expected: number;
  readonly #middle: number;
  readonly #middleMs: number[] = [];
  readonly #lastMs: number[] = [];
  #sentMs = 0;
  #told = 0;
  #onAll: () => void = () => {};

  /** `expected`: how many are told of each message. */
  constructor(expected: number) {
    this.#expected = expected;
    this.#middle = Math.ceil(expected / 2);
  }

  /** Sends one, and waits until it was answered and all were told. */
  async send(send: () => Promise<unknown>): Promise<void> {
    const all = new Promise<void>((resolve) => {
      this.#onAll = resolve;
    });
    this.#told = 0;
    this.#sentMs = performance.now();
    await Promise.all([send(), all]);
  }

  /** Somebody is told. */
  readonly arrived = (): void => {
    this.#told += 1;
    if (this.#told === this.#middle) this.#middleMs.push(performance.now() - this.#sentMs);
    if (this.#told < this.#expected) return;
    this.#lastMs.push(performance.now() - this.#sentMs);
    this.#onAll();
  };

  /** The medians, over all messages, of their median and of their last delivery, in ms; and begins anew. */
  take(): { readonly all: number; readonly last: number } {
    const found = { all: median(this.#middleMs), last: median(this.#lastMs) };
    this.#middleMs.length = 0;
    this.#lastMs.length = 0;
    return found;
  }
}
