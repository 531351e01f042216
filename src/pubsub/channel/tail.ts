import { invariant } from '../../runtime/index.js';
import type { ChannelItem } from './types.js';

/** What all subscribers of a feed have not taken yet may weigh so much together. */
const mostBytes = 16 * 1_024 * 1_024;

/**
 * The newest items of a feed, which those who have not taken them yet share. Items are numbered as they come. It has every
 * item above the revision `floor`.
 */
export class Tail<T> {
  /** The number of the next item that comes. */
  head = 0;
  /** The revision up to which it was emptied; what comes later is there. */
  floor = 0;
  #items: (ChannelItem<T> | undefined)[] = [];
  #weights: number[] = [];
  /** Where the first one that is kept stands in the list, and its number. */
  #start = 0;
  #base = 0;
  #bytes = 0;

  /** The number of the oldest that it has; the head's, if it has none. */
  get base(): number {
    return this.#base;
  }

  get isOverweight(): boolean {
    return this.#bytes > mostBytes && this.head - this.#base > 1;
  }

  add(item: ChannelItem<T>, weight: number): void {
    this.#items.push(item);
    this.#weights.push(weight);
    this.#bytes += weight;
    this.head += 1;
  }

  at(number: number): ChannelItem<T> {
    const item = this.#items[this.#start + number - this.#base];
    invariant(item !== undefined && number >= this.#base, 'what has not been taken is still in the tail');
    return item;
  }

  /** Lets the oldest go. */
  shift(): void {
    this.floor = this.at(this.#base).revision;
    this.#bytes -= this.#weights[this.#start] ?? 0;
    // It is not kept until the list is cut.
    this.#items[this.#start] = undefined;
    this.#start += 1;
    this.#base += 1;
    if (this.#start < 1_024 && this.#base < this.head) return;
    this.#items = this.#items.slice(this.#start);
    this.#weights = this.#weights.slice(this.#start);
    this.#start = 0;
  }

  /** Lets all go. */
  clear(): void {
    const last = this.#items.at(-1);
    if (last === undefined || this.#base === this.head) return;
    this.floor = last.revision;
    this.#items.length = 0;
    this.#weights.length = 0;
    this.#start = 0;
    this.#bytes = 0;
    this.#base = this.head;
  }

  /** The number of the first item above a revision that is not below the floor. */
  firstAbove(revision: number): number {
    let low = this.#base;
    let high = this.head;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.at(middle).revision <= revision) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
