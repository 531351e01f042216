import { commitUnder, type TransactionGuard } from '../../guard/index.js';
import type { PrefixMirror } from '../../mirror/index.js';
import { comparesOf, type Payloads } from '../../payload/index.js';
import { type TimeLeft, waitUnlessEnded } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import {
  compare,
  type Key,
  type KeyValue,
  type Op,
  type TxnReply,
  type TxnRequest,
} from '../../store/index.js';
import type { Draft } from './draft.js';
import type { Kept } from './kept.js';
import type { MapKeys } from './map-keys.js';
import type { ExpectedEntry, MapWrite, SwappedEntry } from './types.js';

/** Under what a write is made, and what is left of its time. */
export interface WriteTerms {
  readonly guard: TransactionGuard | undefined;
  readonly left: TimeLeft;
}

export interface WritesParts<K extends string, V> {
  readonly client: Client;
  readonly keys: MapKeys;
  readonly payloads: Payloads<V>;
  readonly mirror: PrefixMirror<Kept<K, V>>;
}

/** The transactions of a map. Each that changes something puts the stamp; each is waited for until the replica shows it. */
export class Writes<K extends string, V> {
  readonly #parts: WritesParts<K, V>;
  readonly #putStamp: Op;
  readonly #getStamp: Op;

  constructor(parts: WritesParts<K, V>) {
    const key = parts.keys.stamp;
    this.#parts = parts;
    this.#putStamp = { type: 'put', key, value: new Uint8Array() };
    this.#getStamp = { type: 'range', key };
  }

  async set(key: K, value: V, terms: WriteTerms): Promise<MapWrite> {
    const success = [await this.#put(key, value, terms), this.#putStamp];
    this.#checkRoom(success);
    return this.#written(await this.#send({ compare: [], success, failure: [] }, terms), terms);
  }

  /** Of what is absent nothing is written. */
  async delete(key: K, terms: WriteTerms): Promise<MapWrite & { readonly deleted: boolean }> {
    const at = { key: this.#parts.keys.entry(key) };
    const success: Op[] = [{ type: 'delete', ...at }, this.#putStamp];
    const request = { compare: [compare.create(at, 'greater', 0)], success, failure: [this.#getStamp] };
    const reply = await this.#send(request, terms);
    if (reply.succeeded) return { ...(await this.#written(reply, terms)), deleted: true };
    const { shown } = await this.#seen(newestIn(reply), terms.left);
    return {
      revision: reply.revision,
      shown: shown && (await this.#isGone(at.key, reply.revision, terms.left)),
      deleted: false,
    };
  }

  async compareAndSet(
    key: K,
    expected: ExpectedEntry<V>,
    value: V,
    terms: WriteTerms,
  ): Promise<SwappedEntry<V>> {
    const put = await this.#put(key, value, terms);
    this.#checkRoom([put, this.#putStamp]);
    return this.#swap(key, expected, put, terms);
  }

  compareAndDelete(key: K, expected: ExpectedEntry<V>, terms: WriteTerms): Promise<SwappedEntry<V>> {
    return this.#swap(key, expected, { type: 'delete', key: this.#parts.keys.entry(key) }, terms);
  }

  /** Undefined: it has seen what is not so any more, and the replica has come to know what is. */
  async commit({ reads, writes }: Draft<K, V>, terms: WriteTerms): Promise<MapWrite | undefined> {
    const { keys, mirror } = this.#parts;
    const success: Op[] = [];
    for (const [key, write] of writes) {
      if (write === undefined) success.push({ type: 'delete', key: keys.entry(key) });
      else success.push(await this.#put(key, write.value, terms));
    }
    success.push(this.#putStamp);
    this.#checkRoom(success);
    const seen = [...reads].map(([key, revision]) => ({ key: keys.entry(key), revision }));
    const request = {
      compare: seen.map(({ key, revision }) => compare.mod({ key }, 'equal', revision)),
      success,
      failure: [this.#getStamp, ...seen.map(({ key }): Op => ({ type: 'range', key }))],
    };
    const reply = await this.#send(request, terms);
    if (reply.succeeded) return this.#written(reply, terms);
    await mirror.reach(newestIn(reply), terms.left.all());
    return undefined;
  }

  async #swap(key: K, expected: ExpectedEntry<V>, change: Op, terms: WriteTerms): Promise<SwappedEntry<V>> {
    const { keys, payloads } = this.#parts;
    const at = keys.entry(key);
    const request = {
      compare: await this.#within(terms, () => comparesOf(at, expected, payloads)),
      success: [change, this.#putStamp],
      failure: [{ type: 'range', key: at } as const, this.#getStamp],
    };
    const reply = await this.#send(request, terms);
    if (reply.succeeded) return { succeeded: true, ...(await this.#written(reply, terms)) };
    // Who is told of it should not read something older here.
    await this.#seen(newestIn(reply), terms.left);
    const [found] = kvsIn(reply).filter((kv) => kv.key === at);
    if (found === undefined) {
      await this.#isGone(at, reply.revision, terms.left);
      return { succeeded: false, found: undefined };
    }
    const value = await this.#within(terms, async () => payloads.decode(found.value));
    const entry = { value, revision: found.modRevision };
    return { succeeded: false, found: entry };
  }

  #send(request: TxnRequest, { guard, left }: WriteTerms): Promise<TxnReply> {
    return commitUnder(this.#parts.client, guard, request, left.all());
  }

  #written({ revision }: TxnReply, { left }: WriteTerms): Promise<MapWrite> {
    return this.#seen(revision, left);
  }

  /** That it was applied is no less so where it cannot be waited for. */
  async #seen(revision: number, left: TimeLeft): Promise<MapWrite> {
    const { mirror } = this.#parts;
    if (mirror.revision >= revision) return { revision, shown: true };
    try {
      await mirror.reach(revision, left.all());
      return { revision, shown: true };
    } catch {
      return { revision, shown: mirror.revision >= revision };
    }
  }

  /** It was absent in the store as of this revision, and whoever has deleted it may have put no stamp. Whether that shows. */
  async #isGone(at: Key, revision: number, left: TimeLeft): Promise<boolean> {
    const { mirror } = this.#parts;
    const isShown = () => !mirror.has(at) || mirror.revision >= revision;
    if (!isShown()) await mirror.sync(left.all()).catch(() => {});
    return isShown();
  }

  async #put(key: K, value: V, terms: WriteTerms): Promise<Op> {
    const at = this.#parts.keys.entry(key);
    const bytes = await this.#within(terms, () => this.#parts.payloads.encode(value));
    return { type: 'put', key: at, value: bytes };
  }

  /** A schema may take its time, or never answer: nobody waits for it once the map is closed. */
  #within<T>({ left }: WriteTerms, asked: () => Promise<T>): Promise<T> {
    const { client, mirror } = this.#parts;
    const limits = { ...left.all(), ended: mirror.ended };
    return waitUnlessEnded(client.runtime, asked(), limits, 'asking the schema');
  }

  /** All replicas would stop where they are. Others may be about to write too, so it is no promise. */
  #checkRoom(ops: readonly Op[]): void {
    const writes = new Map<Key, { readonly bytes: number } | undefined>();
    for (const op of ops) {
      if (op.type === 'put') writes.set(op.key, { bytes: op.key.length + op.value.length });
      else if (op.type === 'delete') writes.set(op.key, undefined);
    }
    this.#parts.mirror.checkRoom(writes);
  }
}

function kvsIn({ replies }: TxnReply): readonly KeyValue[] {
  return replies.flatMap((reply) => (reply.type === 'range' ? reply.kvs : []));
}

/** The last change that the reply shows something of. */
function newestIn(reply: TxnReply): number {
  return Math.max(0, ...kvsIn(reply).map(({ modRevision }) => modRevision));
}
