import { QuorateError } from '../../errors.js';
import type { MapKeys } from './map-keys.js';
import type { Table } from './table.js';
import type { MapDraft } from './types.js';

/** One run of an update: what it has seen, and what it wants written. */
export class Draft<K extends string, V> implements MapDraft<K, V> {
  readonly #keys: MapKeys;
  readonly #table: Table<K, V>;
  /** Revisions of the writes that it has seen; 0: the key was absent. */
  readonly reads = new Map<K, number>();
  /** Undefined: the key is to be deleted. */
  readonly writes = new Map<K, { readonly value: V } | undefined>();
  #hasEnded = false;

  constructor(keys: MapKeys, table: Table<K, V>) {
    this.#keys = keys;
    this.#table = table;
  }

  /** What it has read and written stays as it is. */
  end(): void {
    this.#hasEnded = true;
  }

  get(key: K): V | undefined {
    this.#throwIfEnded();
    if (this.writes.has(key)) return this.writes.get(key)?.value;
    this.#keys.entry(key);
    const unreadable = this.#table.unreadable.get(key);
    // The first that it has seen is what the rest of it was decided by.
    if (!this.reads.has(key)) this.reads.set(key, this.#revisionOf(key));
    if (unreadable !== undefined) throw unreadable.error;
    return this.#table.entries.get(key)?.value;
  }

  has(key: K): boolean {
    this.#throwIfEnded();
    if (this.writes.has(key)) return this.writes.get(key) !== undefined;
    return this.get(key) !== undefined || this.#table.entries.has(key);
  }

  /** What it has read is what the table shows, all of it at once. */
  get holds(): boolean {
    return [...this.reads].every(([key, revision]) => this.#revisionOf(key) === revision);
  }

  set(key: K, value: V): void {
    this.#throwIfEnded();
    this.#keys.entry(key);
    this.writes.set(key, { value });
  }

  delete(key: K): void {
    this.#throwIfEnded();
    this.#keys.entry(key);
    this.writes.set(key, undefined);
  }

  #throwIfEnded(): void {
    if (this.#hasEnded) throw new QuorateError('closed', 'the draft has ended: its function has returned');
  }

  #revisionOf(key: K): number {
    return this.#table.unreadable.get(key)?.revision ?? this.#table.entries.get(key)?.revision ?? 0;
  }
}
