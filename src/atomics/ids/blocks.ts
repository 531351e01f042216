import { invariant } from '../../runtime/index.js';

/** Ids that are reserved for one allocator: from the one to the other, both included. */
export interface Block {
  readonly from: number;
  readonly to: number;
}

/** The ids that are here to be given out, in their order. */
export class Blocks {
  #next = 1;
  #to = 0;
  readonly #further: Block[] = [];
  #left = 0;
  #newest: number;

  /** `before`: every id is to be above it. */
  constructor(before: number) {
    this.#newest = before;
  }

  get left(): number {
    return this.#left;
  }

  /** Every block that comes begins above it. */
  get newest(): number {
    return this.#newest;
  }

  add(block: Block): void {
    invariant(block.from > this.#newest && block.to >= block.from, 'blocks of one allocator ascend');
    this.#newest = block.to;
    this.#further.push(block);
    this.#left += block.to - block.from + 1;
  }

  /** Undefined if none is left. */
  take(): number | undefined {
    if (this.#next > this.#to) {
      const block = this.#further.shift();
      if (block === undefined) return undefined;
      this.#next = block.from;
      this.#to = block.to;
    }
    const id = this.#next;
    this.#next += 1;
    this.#left -= 1;
    return id;
  }
}
