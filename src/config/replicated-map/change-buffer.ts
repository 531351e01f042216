import type { MapBatch, MapChange } from './types.js';

/**
 * Batches for one reader, who may be slow. Beyond `maxBuffered` changes all that he has not read is put together: of each key, what it was
 * when he read last and what it is now. So memory is bounded by the keys of then and of now, and he ends at the last state.
 */
export class ChangeBuffer<K extends string, V> {
  readonly #maxBuffered: number;
  #batches: MapBatch<K, V>[] = [];
  #count = 0;
  /** All that is unread, once it was too much. */
  #merged: Map<K, MapChange<K, V>> | undefined;
  #revision = 0;
  /** What he has been told of that it cannot be read, and of nothing since. */
  readonly #toldUnreadable = new Set<K>();

  constructor(maxBuffered: number) {
    this.#maxBuffered = maxBuffered;
  }

  push(batch: MapBatch<K, V>): void {
    this.#revision = batch.revision;
    if (this.#merged !== undefined) {
      this.#merge(this.#merged, batch);
      return;
    }
    this.#batches.push(batch);
    this.#count += sizeOf(batch);
    // A single one is in memory anyway.
    if (this.#count <= this.#maxBuffered || this.#batches.length === 1) return;
    const merged = new Map<K, MapChange<K, V>>();
    for (const unread of this.#batches) this.#merge(merged, unread);
    this.#merged = merged;
    this.#batches = [];
  }

  take(): MapBatch<K, V> | undefined {
    const merged = this.#merged;
    if (merged !== undefined) {
      this.#merged = undefined;
      this.#count = 0;
      return this.#told({ type: 'reset', revision: this.#revision, changes: [...merged.values()] });
    }
    const batch = this.#batches.shift();
    this.#count -= batch === undefined ? 0 : sizeOf(batch);
    return batch && this.#told(batch);
  }

  #told(batch: MapBatch<K, V>): MapBatch<K, V> {
    for (const { key, unreadable } of batch.changes) {
      if (unreadable === undefined) this.#toldUnreadable.delete(key);
      else this.#toldUnreadable.add(key);
    }
    return batch;
  }

  #merge(merged: Map<K, MapChange<K, V>>, { changes }: MapBatch<K, V>): void {
    for (const change of changes) {
      const { key, current, unreadable } = change;
      const before = merged.get(key);
      const previous = before === undefined ? change.previous : before.previous;
      const isThere = current !== undefined || unreadable !== undefined;
      const wasThere = previous !== undefined || this.#toldUnreadable.has(key);
      // It came and went while he did not look.
      if (!isThere && !wasThere) merged.delete(key);
      else merged.set(key, { key, previous, current, ...(unreadable === undefined ? {} : { unreadable }) });
    }
  }
}

/** One that tells nothing takes its place too. */
function sizeOf({ changes }: MapBatch<string, unknown>): number {
  return Math.max(1, changes.length);
}
