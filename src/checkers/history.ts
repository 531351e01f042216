import { invalidArgument } from '../errors.js';
import {
  type HistoryEntry,
  inRange,
  type Key,
  type KeyEvent,
  type KeyRange,
  type KeyValue,
  type LeaseId,
  prefixRange,
} from '../store/index.js';
import { countUpTo } from './ascending.js';

/** One life of a key: from the revision that created it to the one that deleted it. */
export interface Life {
  readonly key: Key;
  /** Its create revision. */
  readonly from: number;
  /** The revision of its deletion; infinity if it still stands. In the states of `from <= revision < to` it is there. */
  readonly to: number;
  /** The lease of its last put. */
  readonly lease: LeaseId;
  /** How often it was put. */
  readonly puts: number;
  /** True time of its creation, where the history has it. */
  readonly fromMs?: number;
  /** True time of its deletion, where the history has it. */
  readonly toMs?: number;
}

/** A revision, and the state of the whole store just before it. */
export interface Replayed {
  readonly entry: HistoryEntry;
  /** One map for the whole replay: copy what has to outlast the step. */
  readonly before: ReadonlyMap<Key, KeyValue>;
}

/**
 * Everything that happened in a store, revision by revision, as a simulation, a watch from revision 1 or
 * `recordHistory` has it. It answers what the state was at any revision; indexes are made once, and every question
 * costs a search in the versions of one key.
 */
export class History {
  readonly entries: readonly HistoryEntry[];
  readonly #versions = new Map<Key, KeyEvent[]>();
  readonly #lives = new Map<Key, readonly Life[]>();
  #sortedKeys: readonly Key[] | undefined;

  /**
   * Errors: `invalid-argument` for entries that no store has: revisions that do not ascend, an event under another
   * revision than its own, a key with two events in one revision that are not a put and a delete.
   */
  constructor(entries: Iterable<HistoryEntry>) {
    this.entries = [...entries];
    let previous = 0;
    for (const { revision, events } of this.entries) {
      if (!Number.isSafeInteger(revision) || revision <= previous) {
        throw invalidArgument(`revision ${revision} follows ${previous}`, 'entries in ascending order');
      }
      previous = revision;
      for (const event of events) this.#add(event, revision);
    }
  }

  /** The newest revision; 0 for an empty history. */
  get lastRevision(): number {
    return this.entries.at(-1)?.revision ?? 0;
  }

  /** What happened in this revision. */
  entryAt(revision: number): HistoryEntry | undefined {
    const entry = this.entries[countUpTo(this.entries, revision, (one) => one.revision) - 1];
    return entry?.revision === revision ? entry : undefined;
  }

  /** True time of the revision, where the history has it. */
  timeOf(revision: number): number | undefined {
    return this.entryAt(revision)?.atMs;
  }

  /** Everything that happened to one key, in order. */
  eventsOf(key: Key): readonly KeyEvent[] {
    return this.#versions.get(key) ?? [];
  }

  /** All keys of the range that were ever there, in order. */
  keysIn(range: KeyRange): readonly Key[] {
    this.#sortedKeys ??= [...this.#versions.keys()].sort();
    const keys = this.#sortedKeys;
    let end = countUpTo(keys, range.key, (key) => key);
    if (end > 0 && keys[end - 1] === range.key) end -= 1;
    const start = end;
    while (end < keys.length && inRange(range, keys[end] as Key)) end += 1;
    return keys.slice(start, end);
  }

  /** The key in the state of `revision`; undefined if it was not there. */
  valueAt(key: Key, revision: number): KeyValue | undefined {
    const versions = this.eventsOf(key);
    const last = versions[countUpTo(versions, revision, ({ kv }) => kv.modRevision) - 1];
    return last?.type === 'put' ? last.kv : undefined;
  }

  /** The keys of a range in the state of `revision`, in key order. */
  rangeAt(range: KeyRange, revision: number): readonly KeyValue[] {
    return this.keysIn(range).flatMap((key) => this.valueAt(key, revision) ?? []);
  }

  /** The lives of all keys under `prefix`, the oldest first. */
  lives(prefix: Key): readonly Life[] {
    return this.keysIn(prefixRange(prefix))
      .flatMap((key) => this.livesOf(key))
      .sort((left, right) => left.from - right.from);
  }

  /** The lives of one key, the oldest first. */
  livesOf(key: Key): readonly Life[] {
    let lives = this.#lives.get(key);
    if (lives === undefined) {
      lives = this.#livesFrom(key);
      this.#lives.set(key, lives);
    }
    return lives;
  }

  /** The life of the key that goes on in the state of `revision`. */
  lifeAt(key: Key, revision: number): Life | undefined {
    const lives = this.livesOf(key);
    const life = lives[countUpTo(lives, revision, ({ from }) => from) - 1];
    return life !== undefined && revision < life.to ? life : undefined;
  }

  /** The first time that the key was deleted, after `revision` if that is given. */
  firstDeletion(key: Key, revision = 0): { readonly revision: number; readonly atMs?: number } | undefined {
    const found = this.eventsOf(key).find(({ type, kv }) => type === 'delete' && kv.modRevision > revision);
    return found && { revision: found.kv.modRevision, ...timed('atMs', this.timeOf(found.kv.modRevision)) };
  }

  /** Every revision in turn with the state before it, which is carried along and not copied. */
  *replay(): Generator<Replayed, void, void> {
    const before = new Map<Key, KeyValue>();
    for (const entry of this.entries) {
      yield { entry, before };
      for (const { type, kv } of entry.events) {
        if (type === 'put') before.set(kv.key, kv);
        else before.delete(kv.key);
      }
    }
  }

  #add(event: KeyEvent, revision: number): void {
    const { key, modRevision } = event.kv;
    if (modRevision !== revision) {
      throw invalidArgument(
        `an event of revision ${modRevision} under revision ${revision}`,
        'its own events',
      );
    }
    const versions = this.#versions.get(key);
    const last = versions?.at(-1);
    // etcd lets one transaction put a key and then delete it, and tells of both.
    if (last?.kv.modRevision === revision && !(last.type === 'put' && event.type === 'delete')) {
      throw invalidArgument(
        `two events of ${key} in revision ${revision}`,
        'one a key, or a put and a delete',
      );
    }
    if (versions === undefined) this.#versions.set(key, [event]);
    else versions.push(event);
  }

  #livesFrom(key: Key): readonly Life[] {
    const lives: Life[] = [];
    let last: KeyValue | undefined;
    const end = (to: number) => {
      if (last === undefined) return;
      const { createRevision: from, lease, version: puts } = last;
      const times = { ...timed('fromMs', this.timeOf(from)), ...timed('toMs', this.timeOf(to)) };
      lives.push({ key, from, to, lease, puts, ...times });
    };
    for (const { type, kv } of this.eventsOf(key)) {
      if (type === 'delete') {
        end(kv.modRevision);
        last = undefined;
      } else last = kv;
    }
    end(Number.POSITIVE_INFINITY);
    return lives;
  }
}

function timed<Name extends string>(
  name: Name,
  atMs: number | undefined,
): { readonly [key in Name]?: number } {
  return atMs === undefined ? {} : ({ [name]: atMs } as { readonly [key in Name]?: number });
}
