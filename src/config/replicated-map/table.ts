import type { MirrorBatch } from '../../mirror/index.js';
import type { Kept } from './kept.js';
import type { MapBatch, MapChange, MapEntry, UnreadableEntry } from './types.js';

/** The entries by the names that callers have for them: what is read, at the price of a look into a Map. */
export class Table<K extends string, V> {
  readonly entries = new Map<K, MapEntry<V>>();
  readonly unreadable = new Map<K, UnreadableEntry>();

  /** Takes in what the mirror has taken in. Undefined where that was no entry. */
  apply({ type, revision, changes: mirrored }: MirrorBatch<Kept<K, V>>): MapBatch<K, V> | undefined {
    const changes: MapChange<K, V>[] = [];
    for (const { previous, current } of mirrored) {
      const name = current?.name ?? previous?.name;
      if (name === undefined) continue;
      if (current?.entry === undefined) this.entries.delete(name);
      else this.entries.set(name, current.entry);
      const unreadable = current?.unreadable;
      if (unreadable === undefined) this.unreadable.delete(name);
      else this.unreadable.set(name, unreadable);
      // Of what could never be read, and is gone, it was told that it stood there.
      const change = { key: name, previous: previous?.entry, current: current?.entry };
      changes.push(unreadable === undefined ? change : { ...change, unreadable });
    }
    return type === 'reset' || changes.length > 0 ? { type, revision, changes } : undefined;
  }

  /** All there is, as a reader who knows nothing yet is told. */
  snapshot(revision: number): MapBatch<K, V> {
    const changes: MapChange<K, V>[] = [];
    for (const [key, current] of this.entries) {
      const unreadable = this.unreadable.get(key);
      changes.push({
        key,
        previous: undefined,
        current,
        ...(unreadable === undefined ? {} : { unreadable }),
      });
    }
    for (const [key, unreadable] of this.unreadable) {
      if (!this.entries.has(key)) changes.push({ key, previous: undefined, current: undefined, unreadable });
    }
    return { type: 'reset', revision, changes };
  }
}
