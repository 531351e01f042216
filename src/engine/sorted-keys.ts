import type { Key, KeyRange } from '../store/index.js';

/** A chunk is split in two above this length. Inserting moves at most so many references. */
const longestChunk = 512;

/**
 * Items by their keys, in key order: a sorted list of sorted chunks. Finding a place is two binary searches,
 * reading a range is linear in its result.
 */
export class SortedKeys<T extends { readonly key: Key }> {
  readonly #chunks: T[][] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The item must not be there yet. */
  add(item: T): void {
    this.#size += 1;
    const at = this.#chunkOf(item.key);
    const chunk = this.#chunks[at];
    if (chunk === undefined) {
      this.#chunks.push([item]);
      return;
    }
    const place = placeOf(chunk, item.key);
    if (place === chunk.length) chunk.push(item);
    else chunk.splice(place, 0, item);
    if (chunk.length > longestChunk) this.#split(at, chunk, place);
  }

  delete(key: Key): void {
    const at = this.#chunkOf(key);
    const chunk = this.#chunks[at];
    if (chunk === undefined) return;
    const place = placeOf(chunk, key);
    if (chunk[place]?.key !== key) return;
    chunk.splice(place, 1);
    this.#size -= 1;
    if (chunk.length === 0) this.#chunks.splice(at, 1);
  }

  /** Calls `visit` for every item from `range.key` up to its end, in order. The list must not change meanwhile. */
  forEachIn(range: Required<KeyRange>, visit: (item: T) => void): void {
    const { key, rangeEnd } = range;
    const unbounded = rangeEnd === '\0';
    let at = this.#chunkOf(key);
    let chunk = this.#chunks[at];
    if (chunk === undefined) return;
    let place = placeOf(chunk, key);
    while (chunk !== undefined) {
      for (; place < chunk.length; place += 1) {
        const item = chunk[place];
        if (item === undefined || !(unbounded || item.key < rangeEnd)) return;
        visit(item);
      }
      at += 1;
      chunk = this.#chunks[at];
      place = 0;
    }
  }

  /** Index of the chunk that holds or would hold the key: the last one that begins at or below it, else the first. */
  #chunkOf(key: Key): number {
    let low = 0;
    let high = this.#chunks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      const first = this.#chunks[middle]?.[0];
      if (first !== undefined && first.key <= key) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** Keys that only grow leave full chunks behind them; others leave halves. */
  #split(at: number, chunk: T[], place: number): void {
    const from = place === chunk.length - 1 ? place : chunk.length >> 1;
    this.#chunks.splice(at + 1, 0, chunk.splice(from));
  }
}

/** Index of the first item at or above the key. */
function placeOf<T extends { readonly key: Key }>(chunk: readonly T[], key: Key): number {
  let low = 0;
  let high = chunk.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const item = chunk[middle];
    if (item !== undefined && item.key < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
