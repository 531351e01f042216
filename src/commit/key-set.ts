import type { Key, KeyRange } from '../store/index.js';

/** Above every key: a character that no byte string has. Stands for the range end `'\0'`, the end of all keys. */
const endOfKeys = '\uffff';

/** A range as `[start, end)`; undefined for a single key. */
export function bounds(range: KeyRange): { start: Key; end: Key } | undefined {
  const { key, rangeEnd } = range;
  if (rangeEnd === undefined || rangeEnd === '') return undefined;
  return { start: key, end: rangeEnd === '\0' ? endOfKeys : rangeEnd };
}

/** The number of entries of the ascending `sorted` that are below `key`. */
function countBelow(sorted: readonly Key[], key: Key): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] as Key) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Keys and ranges of keys that can be asked whether they meet another key or range, in at most logarithmic time:
 * single keys in a hash set, and in a sorted array from the first question about a range on; ranges as sorted,
 * disjoint intervals.
 */
export class KeySet {
  readonly #points = new Set<Key>();
  #sortedPoints: Key[] | undefined;
  readonly #starts: Key[] = [];
  readonly #ends: Key[] = [];

  addPoint(key: Key): void {
    if (this.#points.has(key)) return;
    this.#points.add(key);
    this.#sortedPoints?.splice(countBelow(this.#sortedPoints, key), 0, key);
  }

  addRange(start: Key, end: Key): void {
    if (start >= end) return;
    // Every interval from `first` up to `last` touches the new one and is merged into it.
    let first = countBelow(this.#ends, start);
    let last = first;
    let [mergedStart, mergedEnd] = [start, end];
    for (; last < this.#starts.length && (this.#starts[last] as Key) <= end; last += 1) {
      if ((this.#starts[last] as Key) < mergedStart) mergedStart = this.#starts[last] as Key;
      if ((this.#ends[last] as Key) > mergedEnd) mergedEnd = this.#ends[last] as Key;
    }
    first = Math.min(first, last);
    this.#starts.splice(first, last - first, mergedStart);
    this.#ends.splice(first, last - first, mergedEnd);
  }

  meetsPoint(key: Key): boolean {
    if (this.#points.has(key)) return true;
    if (this.#starts.length === 0) return false;
    const next = countBelow(this.#starts, key);
    if (next < this.#starts.length && this.#starts[next] === key) return true;
    return next > 0 && key < (this.#ends[next - 1] as Key);
  }

  meetsRange(start: Key, end: Key): boolean {
    if (start >= end) return false;
    if (this.#points.size > 0) {
      this.#sortedPoints ??= [...this.#points].sort(ascending);
      const point = this.#sortedPoints[countBelow(this.#sortedPoints, start)];
      if (point !== undefined && point < end) return true;
    }
    const last = countBelow(this.#starts, end) - 1;
    return last >= 0 && start < (this.#ends[last] as Key);
  }
}

function ascending(left: Key, right: Key): number {
  return left < right ? -1 : left > right ? 1 : 0;
}
