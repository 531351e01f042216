import { QuorateError } from '../errors.js';
import type { Key, KeyEvent, KeyValue } from '../store/index.js';
import type { MirrorChange } from './types.js';

/** One key in memory. */
export interface Slot<Entry> {
  readonly entry: Entry;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
  /** Of the key and its value in the store. */
  readonly bytes: number;
}

export interface MemoryLimits {
  readonly maxEntries: number;
  readonly maxBytes: number;
  /** A key that does not count among the entries. */
  readonly uncounted: Key | undefined;
}

type EntryOf<Entry> = (kv: KeyValue, before: Entry | undefined) => Entry | Promise<Entry>;

/** What a mirror holds: the keys of one revision, replaced by those of another in one step. */
export class MirrorMemory<Entry> {
  readonly #entryOf: EntryOf<Entry>;
  readonly #limits: MemoryLimits;
  #slots = new Map<Key, Slot<Entry>>();
  #bytes = 0;

  constructor(entryOf: EntryOf<Entry>, limits: MemoryLimits) {
    this.#entryOf = entryOf;
    this.#limits = limits;
  }

  get size(): number {
    return this.#slots.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(key: Key): Entry | undefined {
    return this.#slots.get(key)?.entry;
  }

  has(key: Key): boolean {
    return this.#slots.has(key);
  }

  /** Of the write that put it there; 0: it is absent. */
  revisionOf(key: Key): number {
    return this.#slots.get(key)?.modRevision ?? 0;
  }

  *entries(): IterableIterator<[Key, Entry]> {
    for (const [key, { entry }] of this.#slots) yield [key, entry];
  }

  /** What is to be kept of a key that was read: what is kept of this write already, if anything is. */
  slotOf(kv: KeyValue): Slot<Entry> | Promise<Slot<Entry>> {
    const known = this.#slots.get(kv.key);
    if (known?.modRevision === kv.modRevision) return known;
    // Of another life of the key nothing is kept.
    const isSameLife = known?.createRevision === kv.createRevision;
    return this.#make(kv, isSameLife ? known?.entry : undefined);
  }

  /**
   * Whether the events of one revision go on from what is in memory. A store counts the writes of a key, and a watch leaves none out:
   * where the count does not go on by one, the store was put back, and has come by other writes to where the memory stands.
   */
  isContinuedBy(events: readonly KeyEvent[]): boolean {
    const lives = new Map<Key, Pick<KeyValue, 'createRevision' | 'version'> | undefined>();
    for (const { type, kv } of events) {
      const before = lives.has(kv.key) ? lives.get(kv.key) : this.#slots.get(kv.key);
      if (type === 'delete') {
        if (before === undefined) return false;
        lives.set(kv.key, undefined);
        continue;
      }
      const createRevision = before?.createRevision ?? kv.modRevision;
      if (kv.version !== (before?.version ?? 0) + 1 || kv.createRevision !== createRevision) return false;
      lives.set(kv.key, kv);
    }
    return true;
  }

  /** What is kept is of writes that the store does not know any more: none that is read is one of them. */
  distrust(): void {
    for (const [key, slot] of this.#slots) {
      this.#slots.set(key, { ...slot, createRevision: -1, modRevision: -1, version: -1 });
    }
  }

  /** What the events of one revision make of the keys that they are about. Changes nothing yet. */
  async stage(events: readonly KeyEvent[]): Promise<Map<Key, Slot<Entry> | undefined>> {
    const staging = new Map<Key, Slot<Entry> | Promise<Slot<Entry>> | undefined>();
    for (const { type, kv } of events) {
      if (type === 'delete') {
        staging.set(kv.key, undefined);
        continue;
      }
      const before = staging.has(kv.key) ? await staging.get(kv.key) : this.#slots.get(kv.key);
      staging.set(kv.key, this.#make(kv, before?.entry));
    }
    // All at a time: those that do not answer hold it up once.
    const staged = new Map<Key, Slot<Entry> | undefined>();
    await Promise.all(staging.values());
    for (const [key, slot] of staging) staged.set(key, await slot);
    return staged;
  }

  /** Throws `over-limit`, and has changed nothing, if it would come to hold too much. */
  apply(staged: ReadonlyMap<Key, Slot<Entry> | undefined>): readonly MirrorChange<Entry>[] {
    const { entries, bytes } = this.#countedWith(staged);
    this.check(entries, bytes);
    const changes: MirrorChange<Entry>[] = [];
    for (const [key, slot] of staged) {
      const known = this.#slots.get(key);
      if (slot === undefined) this.#slots.delete(key);
      else this.#slots.set(key, slot);
      // It came and went within one revision, or was deleted though it was not there.
      if (slot === undefined && known === undefined) continue;
      changes.push({ key, previous: known?.entry, current: slot?.entry });
    }
    this.#bytes = bytes;
    return changes;
  }

  /** Takes the place of all that is there. Answers the difference. Throws `over-limit`, and has changed nothing, if it is too much. */
  replace(slots: Map<Key, Slot<Entry>>): readonly MirrorChange<Entry>[] {
    const before = this.#slots;
    const changes: MirrorChange<Entry>[] = [];
    let bytes = 0;
    this.check(countedIn(slots, this.#limits), 0);
    for (const [key, slot] of slots) {
      bytes += slot.bytes;
      const known = before.get(key);
      if (known?.modRevision === slot.modRevision) continue;
      changes.push({ key, previous: known?.entry, current: slot.entry });
    }
    for (const [key, { entry }] of before) {
      if (!slots.has(key)) changes.push({ key, previous: entry, current: undefined });
    }
    this.#slots = slots;
    this.#bytes = bytes;
    return changes;
  }

  /**
   * Throws `over-limit` if it would come to hold too much with these keys written, of so many bytes, or deleted, where undefined. What does
   * not make it larger is no matter of room.
   */
  checkRoom(writes: ReadonlyMap<Key, { readonly bytes: number } | undefined>): void {
    const { entries, bytes } = this.#countedWith(writes);
    if (entries > countedIn(this.#slots, this.#limits)) this.check(entries, 0);
    if (bytes > this.#bytes) this.check(0, bytes);
  }

  /** Of so many keys and bytes it is known already that they are too many, whichever they are. Throws `over-limit`. */
  checkRead(keys: number, bytes: number): void {
    this.check(keys - (this.#limits.uncounted === undefined ? 0 : 1), bytes);
  }

  /** Throws `over-limit`. */
  check(entries: number, bytes: number): void {
    const { maxEntries, maxBytes } = this.#limits;
    if (entries > maxEntries) throw overLimit(`${entries} keys`, maxEntries, { entries, maxEntries });
    if (bytes > maxBytes) throw overLimit(`${bytes} bytes`, maxBytes, { bytes, maxBytes });
  }

  /** What there would be with these in place of what is there. */
  #countedWith(writes: ReadonlyMap<Key, { readonly bytes: number } | undefined>): {
    readonly entries: number;
    readonly bytes: number;
  } {
    let entries = countedIn(this.#slots, this.#limits);
    let bytes = this.#bytes;
    for (const [key, slot] of writes) {
      const known = this.#slots.get(key);
      bytes += (slot?.bytes ?? 0) - (known?.bytes ?? 0);
      if (key === this.#limits.uncounted) continue;
      entries += (slot === undefined ? 0 : 1) - (known === undefined ? 0 : 1);
    }
    return { entries, bytes };
  }

  #make(kv: KeyValue, before: Entry | undefined): Slot<Entry> | Promise<Slot<Entry>> {
    const entry = this.#entryOf(kv, before);
    return entry instanceof Promise ? entry.then((made) => slotWith(made, kv)) : slotWith(entry, kv);
  }
}

function countedIn(slots: ReadonlyMap<Key, unknown>, { uncounted }: MemoryLimits): number {
  return slots.size - (uncounted !== undefined && slots.has(uncounted) ? 1 : 0);
}

function slotWith<Entry>(entry: Entry, kv: KeyValue): Slot<Entry> {
  const { key, value, createRevision, modRevision, version } = kv;
  return { entry, createRevision, modRevision, version, bytes: key.length + value.length };
}

function overLimit(what: string, limit: number, details: Readonly<Record<string, number>>): QuorateError {
  const message = `${what} of a mirrored prefix are more than are to be kept in memory: ${limit}`;
  return new QuorateError('over-limit', message, { details });
}
