import { invalidArgument, shown } from '../../errors.js';
import type { Runtime } from '../../runtime/index.js';

/** How many ids are reserved at a time: always so many, or as many as are needed, within these bounds. */
export type BlockSizeOption = number | { readonly atLeast?: number; readonly atMost?: number };

const adaptive = { atLeast: 32, atMost: 65_536 };
const largest = 1_000_000_000;
/** A block that is used up sooner is followed by one twice as large… */
const shortMs = 1_000;
/** …and one that lasts longer by one half as large. */
const longMs = 10_000;

/** How large the next block is to be: about as many ids as are given out in a second to ten. */
export class BlockSize {
  readonly #runtime: Runtime;
  readonly #atLeast: number;
  readonly #atMost: number;
  #size: number;
  #lastMs: number | undefined;

  constructor(runtime: Runtime, option: BlockSizeOption | undefined) {
    const { atLeast = adaptive.atLeast, atMost = Math.max(adaptive.atMost, atLeast) } = boundsOf(option);
    checkSize(atLeast, 'atLeast');
    checkSize(atMost, 'atMost');
    if (atLeast > atMost) throw invalidArgument(`atLeast is ${atLeast}`, `a number up to atMost, ${atMost}`);
    this.#runtime = runtime;
    this.#atLeast = atLeast;
    this.#atMost = atMost;
    this.#size = atLeast;
  }

  /** Of the block that is about to be reserved, while so many ids are waited for. */
  next(wanted: number): number {
    const nowMs = this.#runtime.monotonicMs();
    if (this.#lastMs !== undefined) {
      const lastedMs = nowMs - this.#lastMs;
      if (lastedMs < shortMs) this.#size *= 2;
      else if (lastedMs > longMs) this.#size = Math.ceil(this.#size / 2);
    }
    this.#lastMs = nowMs;
    this.#size = this.#bounded(Math.max(this.#size, wanted));
    return this.#size;
  }

  #bounded(size: number): number {
    return Math.min(this.#atMost, Math.max(this.#atLeast, size));
  }
}

function boundsOf(option: BlockSizeOption | undefined): {
  readonly atLeast?: number;
  readonly atMost?: number;
} {
  if (typeof option === 'number') return { atLeast: option, atMost: option };
  if (option === undefined) return {};
  if (typeof option === 'object' && option !== null) return option;
  throw invalidArgument(`blockSize is ${shown(option)}`, 'a whole number, or { atLeast, atMost }');
}

function checkSize(size: unknown, name: string): void {
  if (typeof size === 'number' && Number.isInteger(size) && size >= 1 && size <= largest) return;
  throw invalidArgument(`blockSize.${name} is ${shown(size)}`, `a whole number from 1 to ${largest}`);
}
