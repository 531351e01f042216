/**
 * A small hot table, in the memory of every process that reads it: looked up at the speed of a `Map`, written through the store.
 *
 * **Protocol.** Keys: `{ns}/map/{name}/e/{key}`, an entry each, without a lease, in the codec's bytes and nothing else; and the stamp
 * `{ns}/map/{name}/s`. Every replica mirrors the prefix (src/mirror): loads it as of one revision, and follows it by a watch, revision by
 * revision. What is written is decoded once, when it comes.
 * - set: `put e/k, put s`. delete: `IF create(e/k) > 0 THEN delete e/k, put s ELSE get s`.
 * - compare and set: `IF mod(e/k) = m`, or `IF value(e/k) = bytes`, `THEN put e/k, put s ELSE get e/k, get s`.
 * - update: the function reads memory and says what is to be written: `IF mod(e/k) = m for each k that it has read THEN the writes, put s
 *   ELSE get s, get each`. Refused, it waits until the replica shows what it was refused for, and runs the function again.
 * - under a guard, be it of a hold, a leadership or a session: `IF guard THEN {the transaction}`, nested.
 * - a proof that the replica is fresh: `get s` at t. As every change puts it, nothing has happened after mod(s) that had been committed
 *   before t: a replica that stands at mod(s) is as fresh as of t. Where others write who know nothing of the stamp, `put s` in
 *   its place: the replica has come so far when its watch brings that.
 *
 * **Who waits for what.** Readers for nothing. A write, once applied, for the watch of its own replica to bring it, so that its
 * caller reads what he wrote. `sync` and `getFresh` for a proof that is sent after the call. Updates of one object run one after the
 * other.
 *
 * **When things go wrong.** Reply lost: settled by the exactly-once store. Session lost: none is needed. Watch cut, or the store away:
 * reads go on, writes wait, `stalenessMs` says how old the replica may be. History compacted: the table is read again and the difference told, as
 * one `reset`. Process pauses: the staleness is counted by all clocks, whenever somebody asks. A value that cannot be read: the last that could
 * stays, and the change tells. Too many entries: the replica stays as it is, and says so, until there are fewer.
 *
 * **Wrong:** a cache that a write goes into at once (a state that there never was, if somebody else's write before it has not come yet); a
 * write whose event is not waited for (its caller reads what was before); a time to live in place of a proof (old values served as
 * new while the watch hangs); the newest revision among the entries as the proof (it misses deletions).
 */
import { invalidArgument, shown } from '../../errors.js';
import { checkGuard } from '../../guard/index.js';
import { type MirrorState, PrefixMirror, putStamp, readStamp } from '../../mirror/index.js';
import { checkCodec, checkSchema, Payloads } from '../../payload/index.js';
import {
  checkWaitOptions,
  defaultTimeoutMs,
  Listeners,
  stoppable,
  TimeLeft,
  type WaitOptions,
} from '../../runtime/index.js';
import { type Client, checkClient } from '../../session/index.js';
import { checkName, jsonCodec } from '../../store/index.js';
import { ChangeBuffer } from './change-buffer.js';
import { type Kept, keptOf } from './kept.js';
import { MapKeys } from './map-keys.js';
import { Table } from './table.js';
import type {
  ExpectedEntry,
  MapBatch,
  MapChangesOptions,
  MapDraft,
  MapEntry,
  MapWrite,
  MapWriteOptions,
  ReplicatedMapOptions,
  SwappedEntry,
  UnreadableEntry,
  UpdatedMap,
} from './types.js';
import { Updates } from './updates.js';
import { Writes, type WriteTerms } from './writes.js';

const defaultMaxEntries = 100_000;
const defaultMaxBuffered = 1_000;

/**
 * A typed table in memory, kept up to date.
 *
 * - Order: revisions. Every read shows the table as of one revision, `revision`, which never goes back; a change of several entries
 *   shows as a whole or not at all.
 * - Guaranteed: what a write of this object has changed, its caller reads here once it resolves (unless `shown` is false). A write
 *   that resolves was applied once; one that rejects with outcome `not-applied` never is. `getFresh` is linearizable.
 * - Not guaranteed: that `get` is up to date. It is `stalenessMs` old at most, about a second while all is well; while the store is away it
 *   serves what it has, and gets older.
 * - A value that the codec or the schema refuses never reaches a reader: the last that could be read stays, `unreadable` and the
 *   change tell. Of a change of several entries, the others are taken in. An entry that could never be read is absent.
 * - Values are decoded once, and the same object is handed to all who read it: change none.
 * - Memory: the decoded entries, at most `maxEntries`, of at most `maxBytes` as stored. A table that outgrows them is not taken in any
 *   further (`state` is `behind`, with code `over-limit`) until it has shrunk; a write that would make it do so is refused.
 * - Session loss: none of this needs a session. Entries stay until they are deleted.
 * - `timeoutMs` is 10 s where none is given. Errors of all calls: `invalid-argument`, `aborted`, `timeout`, `closed`, what the store
 *   refuses; of writes: `codec`, `over-limit`, `request-too-large`, `too-many-operations` beyond some 120 entries; with a
 *   `guard`: `fenced`, `hold-lost`, `session-lost`.
 * - Cost: to open, a read for each megabyte or 1,000 entries, some five more, and a watch; then a read of one key about each second. A read: none. `set`, `delete`,
 *   `compareAndSet`: one request, and an event for each replica. `update`: one if nobody else has changed what it has read. `getFresh`,
 *   `sync`: one read for all who ask at a time.
 */
export class ReplicatedMap<K extends string = string, V = unknown>
  implements AsyncDisposable, Iterable<[K, V]>
{
  readonly name: string;
  readonly #client: Client;
  readonly #keys: MapKeys;
  readonly #mirror: PrefixMirror<Kept<K, V>>;
  readonly #table = new Table<K, V>();
  readonly #writes: Writes<K, V>;
  readonly #updates: Updates<K, V>;
  readonly #changed = new Listeners<MapBatch<K, V>>();

  /**
   * Resolves once the table is in memory. One for each map in a process is enough, and should be closed. Errors, beside those of
   * all calls: `over-limit` for a table that is too large; `timeout` if the store does not answer.
   */
  static async open<K extends string = string, V = unknown>(
    client: Client,
    name: string,
    options: ReplicatedMapOptions<V> & WaitOptions = {},
  ): Promise<ReplicatedMap<K, V>> {
    checkClient(client);
    checkName(name, 'map name');
    const doing = `opening the replicated map ${JSON.stringify(name)}`;
    checkWaitOptions(options, doing);
    const { signal, timeoutMs = defaultTimeoutMs } = options;
    const map = new ReplicatedMap<K, V>(client, name, options);
    try {
      await map.#mirror.ready({ signal, timeoutMs });
      return map;
    } catch (error) {
      await map.close();
      throw error;
    }
  }

  private constructor(client: Client, name: string, options: ReplicatedMapOptions<V>) {
    const { codec = jsonCodec<V>(), schema, maxEntries = defaultMaxEntries, maxBytes } = options;
    const { stampedBy = 'writers', proveEveryMs } = options;
    checkCodec(codec);
    checkSchema(schema);
    if (!(Number.isSafeInteger(maxEntries) && maxEntries >= 1)) {
      throw invalidArgument(`maxEntries is ${shown(maxEntries)}`, 'a whole number of entries from 1');
    }
    if (stampedBy !== 'writers' && stampedBy !== 'readers') {
      throw invalidArgument(`stampedBy is ${shown(stampedBy)}`, "'writers' or 'readers'");
    }
    const { plainStore, runtime } = client;
    this.name = name;
    this.#client = client;
    this.#keys = new MapKeys(client, name);
    const keys = this.#keys;
    const payloads = new Payloads({ owner: `replicated map "${name}"`, codec, schema });
    this.#mirror = new PrefixMirror<Kept<K, V>>({
      ...{ store: client.store, runtime, prefix: keys.prefix, maxBytes, proveEveryMs },
      ...{ closed: client.closed, owner: `the replicated map ${JSON.stringify(name)}` },
      entryOf: (kv, before, ended) => keptOf({ keys, payloads, runtime, ended }, kv, before),
      ...{ maxEntries, uncounted: keys.stamp },
      proof: stampedBy === 'writers' ? readStamp(client.store, keys.stamp) : putStamp(plainStore, keys.stamp),
    });
    const { mirror, table } = { mirror: this.#mirror, table: this.#table };
    this.#writes = new Writes({ client, keys, payloads, mirror });
    this.#updates = new Updates({ runtime, keys, table, mirror, writes: this.#writes });
    this.#mirror.onBatch((mirrored) => {
      const batch = this.#table.apply(mirrored);
      if (batch !== undefined) this.#changed.emit(batch);
    });
  }

  get size(): number {
    return this.#table.entries.size;
  }

  /** The entries are those of this revision. */
  get revision(): number {
    return this.#mirror.revision;
  }

  /** All that had been committed so many ms ago shows. */
  get stalenessMs(): number {
    return this.#mirror.stalenessMs;
  }

  get state(): MirrorState {
    return this.#mirror.state;
  }

  /** What stands there and cannot be read, as of `revision`. */
  get unreadable(): ReadonlyMap<K, UnreadableEntry> {
    return new Map(this.#table.unreadable);
  }

  /** From memory. */
  get(key: K): V | undefined {
    return this.#table.entries.get(key)?.value;
  }

  has(key: K): boolean {
    return this.#table.entries.has(key);
  }

  /** The same with the revision of its write, for {@link compareAndSet}. */
  entry(key: K): MapEntry<V> | undefined {
    return this.#table.entries.get(key);
  }

  /** The keys of this moment, in no particular order. */
  keys(): IterableIterator<K> {
    return [...this.#table.entries.keys()].values();
  }

  values(): IterableIterator<V> {
    return Array.from(this.#table.entries.values(), ({ value }) => value).values();
  }

  /** The entries of this moment, which what comes in meanwhile does not change. */
  entries(): IterableIterator<[K, V]> {
    return Array.from(this.#table.entries, ([key, { value }]): [K, V] => [key, value]).values();
  }

  [Symbol.iterator](): IterableIterator<[K, V]> {
    return this.entries();
  }

  /** What it is now, linearizable: as {@link sync}, and then from memory. */
  async getFresh(key: K, options: WaitOptions = {}): Promise<V | undefined> {
    this.#keys.entry(key);
    await this.sync(options);
    const unreadable = this.#table.unreadable.get(key);
    if (unreadable !== undefined) throw unreadable.error;
    return this.get(key);
  }

  /** Resolves once the table shows all that had been committed when this was called, with the revision that it is of. */
  async sync(options: WaitOptions = {}): Promise<number> {
    const left = this.#left(options, 'synchronising');
    return this.#mirror.sync(left.all());
  }

  async set(key: K, value: V, options: MapWriteOptions = {}): Promise<MapWrite> {
    return this.#writes.set(key, value, this.#terms(options, 'writing'));
  }

  /** `deleted`: it was there. */
  async delete(key: K, options: MapWriteOptions = {}): Promise<MapWrite & { readonly deleted: boolean }> {
    return this.#writes.delete(key, this.#terms(options, 'deleting from'));
  }

  /** Writes it if it is as expected. Refused, tells what stood there at that moment; errors: `codec`, if that cannot be read. */
  async compareAndSet(
    key: K,
    expected: ExpectedEntry<V>,
    value: V,
    options: MapWriteOptions = {},
  ): Promise<SwappedEntry<V>> {
    return this.#writes.compareAndSet(key, expected, value, this.#terms(options, 'comparing and setting in'));
  }

  /** Deletes it if it is as expected. */
  async compareAndDelete(
    key: K,
    expected: ExpectedEntry<V>,
    options: MapWriteOptions = {},
  ): Promise<SwappedEntry<V>> {
    const terms = this.#terms(options, 'comparing and deleting from');
    return this.#writes.compareAndDelete(key, expected, terms);
  }

  /**
   * Changes several entries at once, made from what the function has read, so that no other write comes between. It takes effect at one
   * moment within the call, also where it writes nothing.
   *
   * `change` may run several times, with states that nobody has any more: it should have no effects of its own. What it throws of
   * a state of the call's own time rejects the call, and nothing is written. Other updates of this object wait for it, so it must not call
   * `update` of the same object.
   *
   * ```ts
   * await rates.update((draft) => {
   *   for (const code of ['EUR', 'USD']) draft.set(code, 2 * (draft.get(code) ?? 0));
   * });
   * ```
   */
  async update<T>(
    change: (draft: MapDraft<K, V>) => T | Promise<T>,
    options: MapWriteOptions = {},
  ): Promise<UpdatedMap<T>> {
    const terms = this.#terms(options, 'updating');
    if (typeof change !== 'function') {
      throw invalidArgument(`change is of type ${typeof change}`, 'a function');
    }
    return this.#updates.run({ change, ...terms, doing: this.#doing('updating') });
  }

  /** Called for each batch from now on, synchronously; one that throws is reported as a process warning. Returns what takes it off. */
  onChange(listener: (batch: MapBatch<K, V>) => void): () => void {
    return this.#changed.add(listener);
  }

  onState(listener: (state: MirrorState) => void): () => void {
    return this.#mirror.onState(listener);
  }

  /**
   * All there is, as the first batch, and then what becomes of it. A reader who is slow is told of all that he has missed as one
   * batch, so he ends at the last state, and the memory for him is bounded. Ends when the signal fires, the reader leaves, or
   * the map is closed.
   */
  changes(options: MapChangesOptions = {}): AsyncIterableIterator<MapBatch<K, V>> {
    checkWaitOptions(options, this.#doing('following'));
    const { signal, maxBuffered = defaultMaxBuffered } = options;
    if (!(Number.isSafeInteger(maxBuffered) && maxBuffered >= 1)) {
      throw invalidArgument(`maxBuffered is ${shown(maxBuffered)}`, 'a whole number of changes from 1');
    }
    return stoppable(signal, (end) => this.#changesUntil(end, maxBuffered));
  }

  /** Ends what is waiting with `closed`. What is in memory can still be read. Idempotent. */
  async close(): Promise<void> {
    await this.#mirror.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async *#changesUntil(end: AbortSignal, maxBuffered: number): AsyncGenerator<MapBatch<K, V>, void, void> {
    const buffer = new ChangeBuffer<K, V>(maxBuffered);
    let wake = () => {};
    const stops = [
      this.#changed.add((batch) => {
        buffer.push(batch);
        wake();
      }),
      this.#mirror.onState(() => wake()),
    ];
    end.addEventListener('abort', () => wake(), { once: true });
    buffer.push(this.#table.snapshot(this.revision));
    try {
      while (!end.aborted) {
        const batch = buffer.take();
        if (batch !== undefined) yield batch;
        else if (this.state.status === 'ended') return;
        else
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
      }
    } finally {
      for (const stop of stops) stop();
    }
  }

  #doing(what: string): string {
    return `${what} the replicated map ${JSON.stringify(this.name)}`;
  }

  /** Refuses at once what guards nothing, and a session that is lost. */
  #terms(options: MapWriteOptions, what: string): WriteTerms {
    const left = this.#left(options, what);
    checkGuard(options.guard);
    return { guard: options.guard, left };
  }

  #left(options: WaitOptions, what: string): TimeLeft {
    const doing = this.#doing(what);
    checkWaitOptions(options, doing);
    const { state } = this;
    if (state.status === 'ended') throw state.error;
    const { signal, timeoutMs = defaultTimeoutMs } = options;
    return new TimeLeft(this.#client.runtime, { signal, timeoutMs }, doing);
  }
}
