import type { Key, KeyValue } from '../store/index.js';

/** One write of one key. */
export interface Version {
  readonly key: Key;
  readonly revision: number;
  /** The place of this write among those of its revision, from 0. */
  readonly sub: number;
  /** The key as put; undefined for a delete. */
  readonly kv: KeyValue | undefined;
}

/** Every version of one key that compaction has left, oldest first. */
export class KeyHistory {
  readonly key: Key;
  readonly #versions: Version[] = [];

  constructor(key: Key) {
    this.key = key;
  }

  get versions(): readonly Version[] {
    return this.#versions;
  }

  /** The key as it is now; undefined if it is deleted. */
  get head(): KeyValue | undefined {
    return this.#versions[this.#versions.length - 1]?.kv;
  }

  append(version: Version): void {
    this.#versions.push(version);
  }

  /** Takes the newest version back. */
  retract(): void {
    this.#versions.pop();
  }

  /** The key as of the end of a revision. */
  at(revision: number): KeyValue | undefined {
    return this.#versions[this.#newestAt(revision)]?.kv;
  }

  /** Forgets what no read at or above `revision` can see. Returns false if nothing is left. */
  compact(revision: number): boolean {
    const newest = this.#newestAt(revision);
    if (newest >= 0) {
      const deleted = this.#versions[newest]?.kv === undefined;
      this.#versions.splice(0, deleted ? newest + 1 : newest);
    }
    return this.#versions.length > 0;
  }

  /** Index of the newest version at or below `revision`, or -1. */
  #newestAt(revision: number): number {
    let low = -1;
    let high = this.#versions.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      const version = this.#versions[middle];
      if (version !== undefined && version.revision <= revision) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
