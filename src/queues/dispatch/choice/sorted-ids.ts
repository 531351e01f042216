import type { ItemId } from '../../keys.js';

/** Dropped entries at the front are given back to the array in slices of this size. */
const slack = 1_024;

/**
 * Ids in ascending order, taken at the front. Ids come in almost in order, so inserting is appending but for what
 * comes back, which belongs near the front; both ends are cheap. Entries whose job moved on otherwise stay until
 * they reach the front: who reads decides whether they still count.
 */
export class SortedIds {
  #ids: ItemId[] = [];
  #start = 0;

  insert(id: ItemId): void {
    const last = this.#ids.at(-1);
    if (last === undefined || this.#ids.length === this.#start || id > last) {
      this.#ids.push(id);
      return;
    }
    const index = this.#search(id);
    if (this.#ids[index] === id) return;
    if (index === this.#start && index > 0) {
      this.#start -= 1;
      this.#ids[this.#start] = id;
      return;
    }
    this.#ids.splice(index, 0, id);
  }

  first(): ItemId | undefined {
    return this.#ids[this.#start];
  }

  dropFirst(): void {
    if (this.#start >= this.#ids.length) return;
    this.#start += 1;
    if (this.#start >= slack && this.#start * 2 >= this.#ids.length) {
      this.#ids = this.#ids.slice(this.#start);
      this.#start = 0;
    }
  }

  /** Index of the first id not below `id`. */
  #search(id: ItemId): number {
    let low = this.#start;
    let high = this.#ids.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#ids[middle] ?? '') < id) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
