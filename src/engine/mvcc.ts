/**
 * The keys in all their versions. Revision 1 is the empty store; every transaction that writes makes the next
 * revision, whose writes are told apart by their place in it.
 *
 * Three structures hold the same versions: the keys that exist now, in order, for reads of the head; the keys
 * that have any history, in order, for reads of the past; and the log of revisions, for watches and compaction.
 * Deleted keys therefore never slow down reads of the head, and compaction looks only at what was written
 * since the one before.
 */
import type { Key, KeyRange, KeyValue, LeaseId } from '../store/index.js';
import { KeyHistory, type Version } from './key-history.js';
import { compacted, futureRevision } from './refusals.js';
import { SortedKeys } from './sorted-keys.js';

const firstRevision = 1;
const noKeys: readonly KeyValue[] = Object.freeze([]);
const noVersions: readonly Version[] = Object.freeze([]);

export class Mvcc {
  readonly #histories = new Map<Key, KeyHistory>();
  readonly #live = new SortedKeys<KeyHistory>();
  readonly #known = new SortedKeys<KeyHistory>();
  /** The versions of each revision from `#logStart` on. */
  #log: (readonly Version[])[] = [];
  #logStart = firstRevision + 1;
  #revision = firstRevision;
  #compactRevision = -1;
  /** Writes of the transaction that is open. */
  #changes: Version[] = [];

  get revision(): number {
    return this.#revision;
  }

  /** The revision of the last compaction; -1 before the first. */
  get compactRevision(): number {
    return this.#compactRevision;
  }

  /** Number of keys that exist. */
  get size(): number {
    return this.#live.size;
  }

  /** The key now, writes of the open transaction included. */
  get(key: Key): KeyValue | undefined {
    return this.#histories.get(key)?.head;
  }

  read(range: KeyRange): readonly KeyValue[] {
    if (!range.rangeEnd) {
      const kv = this.#histories.get(range.key)?.head;
      return kv === undefined ? noKeys : [kv];
    }
    const kvs: KeyValue[] = [];
    this.#live.forEachIn({ key: range.key, rangeEnd: range.rangeEnd }, (history) => {
      if (history.head) kvs.push(history.head);
    });
    return kvs;
  }

  readAt(range: KeyRange, revision: number): readonly KeyValue[] {
    this.checkReadable(revision);
    if (revision === this.#revision && this.#changes.length === 0) return this.read(range);
    if (!range.rangeEnd) {
      const kv = this.#histories.get(range.key)?.at(revision);
      return kv === undefined ? noKeys : [kv];
    }
    const kvs: KeyValue[] = [];
    this.#known.forEachIn({ key: range.key, rangeEnd: range.rangeEnd }, (history) => {
      const kv = history.at(revision);
      if (kv) kvs.push(kv);
    });
    return kvs;
  }

  /** Throws `future-revision` or `compacted` if the past at `revision` cannot be read. */
  checkReadable(revision: number): void {
    if (revision > this.#revision) throw futureRevision(revision, this.#revision);
    if (revision < this.#compactRevision) throw compacted(revision, this.#compactRevision);
  }

  /** The key before `revision`, if compaction has left it. */
  before(key: Key, revision: number): KeyValue | undefined {
    return this.#histories.get(key)?.at(revision - 1);
  }

  put(key: Key, value: Uint8Array, lease: LeaseId): KeyValue | undefined {
    let history = this.#histories.get(key);
    if (history === undefined) {
      history = new KeyHistory(key);
      this.#histories.set(key, history);
      this.#known.add(history);
    }
    const previous = history.head;
    const revision = this.#revision + 1;
    this.#write(history, {
      key,
      value,
      createRevision: previous ? previous.createRevision : revision,
      modRevision: revision,
      version: previous ? previous.version + 1 : 1,
      lease,
    });
    if (previous === undefined) this.#live.add(history);
    return previous;
  }

  delete(range: KeyRange): readonly KeyValue[] {
    const deleted = this.read(range);
    for (const { key } of deleted) {
      const history = this.#histories.get(key);
      if (history) this.#write(history, undefined);
      this.#live.delete(key);
    }
    return deleted;
  }

  /** Ends the open transaction. Returns its writes; none means that there is no new revision. */
  commit(): readonly Version[] {
    if (this.#changes.length === 0) return noVersions;
    const changes = this.#changes;
    this.#changes = [];
    this.#revision += 1;
    this.#log.push(changes);
    return changes;
  }

  /** Undoes the writes of the open transaction. */
  rollback(): void {
    for (const { key } of this.#changes.reverse()) {
      const history = this.#histories.get(key);
      if (history === undefined) continue;
      const existed = history.head !== undefined;
      history.retract();
      const exists = history.head !== undefined;
      if (existed && !exists) this.#live.delete(key);
      if (!existed && exists) this.#live.add(history);
      if (history.versions.length === 0) this.#forget(key);
    }
    this.#changes = [];
  }

  compact(revision: number): void {
    if (revision <= this.#compactRevision) throw compacted(revision, this.#compactRevision);
    if (revision > this.#revision) throw futureRevision(revision, this.#revision);
    this.#compactRevision = revision;
    const dropped = this.#log.slice(0, Math.max(0, revision - this.#logStart + 1));
    for (const changes of dropped) {
      for (const { key } of changes) {
        if (this.#histories.get(key)?.compact(revision) === false) this.#forget(key);
      }
    }
    // A watch may still begin at the compacted revision itself, and sees of it what compaction has left.
    const last = dropped.pop();
    if (last === undefined) return;
    const left = last.filter((version) => this.#histories.get(version.key)?.versions[0] === version);
    this.#log = [left, ...this.#log.slice(dropped.length + 1)];
    this.#logStart = revision;
  }

  /** The versions of each revision from `revision` on, in order. */
  *since(revision: number): IterableIterator<readonly Version[]> {
    const start = Math.max(0, revision - this.#logStart);
    for (let index = start; index < this.#log.length; index += 1) yield this.#log[index] ?? noVersions;
  }

  /** Every version that compaction has left, in the order of writing. */
  versions(): readonly Version[] {
    return [...this.#histories.values()]
      .flatMap((history) => history.versions)
      .sort((a, b) => a.revision - b.revision || a.sub - b.sub);
  }

  /** A store with these versions, given in the order of writing. */
  static restore(revision: number, compactRevision: number, versions: Iterable<Version>): Mvcc {
    const mvcc = new Mvcc();
    mvcc.#revision = revision;
    mvcc.#compactRevision = compactRevision;
    mvcc.#logStart = Math.max(mvcc.#logStart, compactRevision);
    const log: Version[][] = [];
    for (let at = mvcc.#logStart; at <= revision; at += 1) log.push([]);
    for (const version of versions) {
      log[version.revision - mvcc.#logStart]?.push(version);
      const history = mvcc.#histories.get(version.key) ?? new KeyHistory(version.key);
      history.append(version);
      mvcc.#histories.set(version.key, history);
    }
    mvcc.#log = log;
    for (const history of mvcc.#histories.values()) {
      mvcc.#known.add(history);
      if (history.head) mvcc.#live.add(history);
    }
    return mvcc;
  }

  #write(history: KeyHistory, kv: KeyValue | undefined): void {
    const version = { key: history.key, revision: this.#revision + 1, sub: this.#changes.length, kv };
    history.append(version);
    this.#changes.push(version);
  }

  #forget(key: Key): void {
    this.#histories.delete(key);
    this.#known.delete(key);
  }
}
