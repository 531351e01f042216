/**
 * A value that many processes read, replace and watch: one key, changed by one transaction at a time.
 *
 * **Protocol.** The value is the key v = `{ns}/value/{name}/v`, without a lease, in the codec's bytes and nothing else, so other
 * programs can read and write it. m is the revision of a write that was seen, 0 where there was none.
 * - get: a linearizable read.
 * - set: `put v`. delete: `get v, delete v`.
 * - compare and set: `IF mod(v) = m`, or `IF value(v) = bytes`, `THEN put v ELSE get v`. One and the same transaction compares and
 *   writes, so nothing comes between; revisions do not recur, so a value that went and came back is another one.
 * - update: the function is given what was seen last, and what it answers is written with `IF mod(v) = m THEN put v ELSE get v`.
 *   Refused, it is given what stands there now, and so on. The state that a write replaces is the one that it was made from.
 * - under a guard, be it of a hold, a leadership or a session: `IF guard THEN {the transaction}`, nested, so that a refusal tells
 *   whether the guard had ended or the value was another.
 *
 * **Who waits for what.** Updates of one object run one after the other, so they never refuse each other. Of those of different
 * processes that try at a time one succeeds, and another tries again at once. Who is refused twice within a second takes it for a
 * crowd: for a second after the last sign of it, its updates are transactions that stand in the line of the key, with the same
 * compare (stm/atomically.ts). Watchers stand on one watch.
 *
 * **When things go wrong.** Reply lost: settled by the exactly-once store; the reply of ELSE too is that of the moment at which
 * the transaction was refused. Session lost, or the process dead, or the process pauses: the value has no lease, and a write on its
 * way is applied once or never; under a guard, only while that stands. History compacted: `history` ends with `compacted`,
 * `changes` tells a gap, and a write whose reply was lost may end with outcome `unknown`. Watch cut: a watcher is told `unknown`,
 * reads again, and never goes back.
 *
 * **Wrong:** to compare in the process and then put (Redis GET and SET: updates are lost); to compare `version`, which begins
 * again with each life of the key; to try again after an outcome nobody knows; to answer a refusal from what was seen before.
 */
import { invalidArgument } from '../../errors.js';
import { checkGuard, commitUnder } from '../../guard/index.js';
import { checkCodec, checkSchema, comparesOf, Payloads } from '../../payload/index.js';
import {
  checkWaitOptions,
  defaultTimeoutMs,
  stoppable,
  TimeLeft,
  type WaitOptions,
} from '../../runtime/index.js';
import { type Client, checkClient } from '../../session/index.js';
import { type Compare, get, jsonCodec, type Key, type KeyValue, put, remove } from '../../store/index.js';
import { FactFollower } from '../../watch/index.js';
import { changesOf, checkAfter } from './changes.js';
import { checkLimit, versionsOf } from './history.js';
import { latestOf } from './latest.js';
import { keyIn, readableOf, versionedOf } from './reading.js';
import type {
  AtomicValueOptions,
  ChangesOptions,
  Expected,
  HistoryOptions,
  Swapped,
  Updated,
  ValueChange,
  ValueView,
  Versioned,
  WriteOptions,
} from './types.js';
import { Updates } from './updates.js';

/** About so often the key is read while it is watched, against a watch that fell silent unnoticed. */
const recheckMs = 10_000;

/**
 * A typed value that is replaced atomically.
 *
 * - Order: linearizable. Every call takes effect at one revision between its beginning and its end.
 * - Guaranteed: a write that settles was applied once; one that rejects with outcome `not-applied` never is. No update is lost:
 *   what `update` and `compareAndSet` write replaces exactly the state that they were made from.
 * - Not guaranteed: that a function given to `update` runs once, or is given what is newest: what it was given still stands when its
 *   answer is written, and that is all. Between processes that update one value all the time the turns are those of
 *   {@link atomically}.
 * - Session loss: none of this needs a session. The value stays until it is deleted.
 * - `timeoutMs` is 10 s where none is given. A call that was given up after its request was sent has outcome `unknown`.
 * - Errors of all calls: `invalid-argument`; `codec`, where the codec or the schema refuses what stands there; `aborted` and
 *   `timeout`; what the store refuses (`no-space`, `permission-denied`…). Of writes with a `guard`: `fenced`, `hold-lost`,
 *   `session-lost`. Of writes: `request-too-large` above some 1.5 MB.
 * - Cost: one request for each of `get`, `set`, `delete`, `compareAndSet`; `update`, one if nobody else has written since this
 *   object last did, else one more, and a read the first time; in a crowd as {@link atomically}.
 */
export class AtomicValue<T = unknown> {
  readonly name: string;
  /** The key that it is stored under. */
  readonly key: Key;
  readonly #client: Client;
  readonly #payloads: Payloads<T>;
  /** Follows it for all watchers of this object. */
  readonly #follower: FactFollower;
  readonly #updates: Updates<T>;

  /** Making one sends nothing. Names, and what is stored, are shared by all clients of the namespace. */
  constructor(client: Client, name: string, options: AtomicValueOptions<T> = {}) {
    checkClient(client);
    if (typeof options !== 'object' || options === null) {
      throw invalidArgument(
        `options are of type ${typeof options}`,
        'an object with codec or schema, or none',
      );
    }
    const { codec = jsonCodec<T>(), schema } = options;
    checkCodec(codec);
    checkSchema(schema);
    this.key = `${client.keys.prefix('value', name)}v`;
    this.name = name;
    this.#client = client;
    this.#payloads = new Payloads({ owner: `value "${name}"`, codec, schema });
    this.#updates = new Updates({ client, key: this.key, payloads: this.#payloads });
    const { hub, store, runtime } = client;
    this.#follower = new FactFollower({ hub, store, runtime, key: this.key, recheckMs });
  }

  /** What it is now, undefined if it is absent. One read. */
  async get(options: WaitOptions = {}): Promise<Versioned<T> | undefined> {
    const left = this.#left(options, 'reading');
    const { kvs } = await this.#client.store.range({ key: this.key }, left.all());
    return this.#versioned(kvs[0]);
  }

  /** Replaces it, whatever it was. Answers the revision. One request. */
  async set(value: T, options: WriteOptions = {}): Promise<number> {
    const left = this.#left(options, 'setting');
    checkGuard(options.guard);
    const bytes = await this.#payloads.encode(value);
    const request = { compare: [], success: [put(this.key, bytes)], failure: [] };
    return (await commitUnder(this.#client, options.guard, request, left.all())).revision;
  }

  /**
   * Replaces it if it is as expected: what `get` told, the write of a revision, or any write of an equal value. Refused, it
   * answers what stood there at that moment. One request.
   *
   * ```ts
   * const seen = await limit.get();
   * const swapped = await limit.compareAndSet(seen, 2 * (seen?.value ?? 1));
   * if (!swapped.succeeded) console.log('somebody was first:', swapped.found?.value);
   * ```
   */
  async compareAndSet(expected: Expected<T>, value: T, options: WriteOptions = {}): Promise<Swapped<T>> {
    const left = this.#left(options, 'comparing and setting');
    const bytes = await this.#payloads.encode(value);
    return this.#swap(expected, put(this.key, bytes), options, left);
  }

  /** Deletes it if it is as expected. What is absent is as nothing but `undefined` and revision 0 expect. One request. */
  async compareAndDelete(expected: Expected<T>, options: WriteOptions = {}): Promise<Swapped<T>> {
    const left = this.#left(options, 'comparing and deleting');
    return this.#swap(expected, remove(this.key), options, left);
  }

  /** Deletes it. Answers whether it was there. One request. */
  async delete(options: WriteOptions = {}): Promise<boolean> {
    const left = this.#left(options, 'deleting');
    checkGuard(options.guard);
    const request = { compare: [], success: [remove(this.key)], failure: [] };
    const { replies } = await commitUnder(this.#client, options.guard, request, left.all());
    const [reply] = replies;
    return reply?.type === 'delete' && reply.deleted > 0;
  }

  /**
   * Replaces it by what `change` makes of it, so that no other write comes between. Answers what it wrote.
   *
   * `change` may run several times, with states that nobody has any more: it should have no effects of its own. What it throws
   * of a state of the call's own time rejects the call, and nothing is written. It may be asynchronous; other updates of this
   * object wait for it meanwhile, so it must not call `update` of the same object.
   */
  async update(
    change: (current: T | undefined) => T | Promise<T>,
    options: WriteOptions = {},
  ): Promise<Updated<T>> {
    const left = this.#left(options, 'updating');
    checkGuard(options.guard);
    if (typeof change !== 'function')
      throw invalidArgument(`change is of type ${typeof change}`, 'a function');
    return this.#updates.run({ change, guard: options.guard, left, doing: this.#doing('updating') });
  }

  /**
   * Its versions, the newest first: what it is now, what it was before, back to the write that created it. What was before a
   * deletion is not told. Each is one read, made when it is asked for.
   *
   * Errors, beside those of all calls: `compacted` where history ends before that, after the versions that are left.
   * `timeoutMs` is for each read.
   */
  history(options: HistoryOptions = {}): AsyncIterableIterator<Versioned<T>> {
    checkWaitOptions(options, this.#doing('reading the history of'));
    return this.#history(checkLimit(options.limit), options);
  }

  async *#history(
    limit: number,
    { signal, timeoutMs = defaultTimeoutMs }: HistoryOptions,
  ): AsyncGenerator<Versioned<T>, void, void> {
    for await (const kv of versionsOf(this.#client, this.key, limit, { signal, timeoutMs })) {
      yield await versionedOf(this.#payloads, kv);
    }
  }

  /**
   * Follows it: what it is, and then what it becomes. Conflated: a slow reader is told the newest, never an older after a newer,
   * and at the end the last. `unknown` is told where the watch is cut; what follows is what a read has found.
   *
   * Ends when the signal fires or the reader leaves; throws only what can never be recovered from. Cost: one watch, which all
   * watchers of this value in the process share, and a read at each opening and about every 10 s.
   */
  watch(options: Pick<WaitOptions, 'signal'> = {}): AsyncIterableIterator<ValueView<T>> {
    checkWaitOptions(options, this.#doing('watching'));
    return stoppable(options.signal, (end) => latestOf(this.#follower, this.#payloads, end));
  }

  /**
   * Follows every change of it, in order and none twice, over cuts too; what compaction has taken is told as a gap. With
   * `after`, goes on after a revision that was dealt with before, in whatever process.
   *
   * Ends when the signal fires or the reader leaves; throws only what can never be recovered from. What a slow reader has
   * not taken yet is kept in memory. Cost: a watch of its own, and a read at the beginning and after each gap.
   */
  changes(options: ChangesOptions = {}): AsyncIterableIterator<ValueChange<T>> {
    checkWaitOptions(options, this.#doing('watching'));
    checkAfter(options.after);
    return stoppable(options.signal, (end) => this.#changes(options.after, end));
  }

  async *#changes(after: number | undefined, end: AbortSignal): AsyncGenerator<ValueChange<T>, void, void> {
    for await (const change of changesOf(this.#client, this.key, after, end)) {
      if (change.type === 'gap') {
        yield change;
        continue;
      }
      const isState = change.type === 'state';
      const { kv = undefined } = isState ? change : change.event;
      const revision = isState ? change.revision : change.event.kv.modRevision;
      if (kv === undefined) yield { type: 'state', revision, state: undefined };
      else if (!isState && change.event.type === 'delete') yield { type: 'deleted', revision };
      else {
        const read = await readableOf(this.#payloads, kv);
        if ('error' in read) yield { type: 'unreadable', ...read };
        else if (isState) yield { type: 'state', revision, state: read };
        else yield { type: 'set', ...read };
      }
    }
  }

  async #swap(
    expected: Expected<T>,
    change: ReturnType<typeof put> | ReturnType<typeof remove>,
    { guard }: WriteOptions,
    left: TimeLeft,
  ): Promise<Swapped<T>> {
    checkGuard(guard);
    const asExpected: readonly Compare[] = await comparesOf(this.key, expected, this.#payloads);
    const request = { compare: asExpected, success: [change], failure: [get(this.key)] };
    const reply = await commitUnder(this.#client, guard, request, left.all());
    if (reply.succeeded) return { succeeded: true, revision: reply.revision };
    return { succeeded: false, found: await this.#versioned(keyIn(reply)) };
  }

  async #versioned(kv: KeyValue | undefined): Promise<Versioned<T> | undefined> {
    return kv && versionedOf(this.#payloads, kv);
  }

  #doing(what: string): string {
    return `${what} the value ${JSON.stringify(this.name)}`;
  }

  #left(options: WaitOptions, what: string): TimeLeft {
    checkWaitOptions(options, this.#doing(what));
    const { signal, timeoutMs = defaultTimeoutMs } = options;
    return new TimeLeft(this.#client.runtime, { signal, timeoutMs }, this.#doing(what));
  }
}
