/**
 * Whether a bounded queue held no more than it was to, and told its producers the truth, by a replay of its whole history. The keys
 * are told in `queues/bounds/credit-keys.ts`.
 */
import { accountsIn } from '../queues/bounds/credit-keys.js';
import type { StoredAccount } from '../queues/bounds/credit-messages.js';
import { type ItemId, QueueKeys, revisionOf } from '../queues/keys.js';
import { decodeControl, decodeItem, decodeRecord, type QueueBound } from '../queues/records/index.js';
import { type HistoryEntry, inRange, type Key, type KeyValue, textOf } from '../store/index.js';
import type { History } from './history.js';
import type { EnqueueCall, SeenItem } from './queue.js';
import { checkCalls } from './queue-calls.js';
import { broken } from './sentences.js';

/** A call of `enqueueMany`, and the calls of its items. */
export interface BoundedCall {
  readonly items: readonly EnqueueCall[];
  /** The store's revisions as it was called and as it returned. */
  readonly calledAt: number;
  readonly returnedAt: number;
  /** It was told `over-limit`. */
  readonly refused: boolean;
}

export interface QueueBoundsCheck {
  readonly history: History;
  /** The prefix of the queue's keys: `client.keys.prefix('queue', name)`. */
  readonly prefix: Key;
  /** A prefix of keys that nothing else writes: `{effects}{id}` is put with the acknowledgement of item `id`. */
  readonly effects: Key;
  readonly calls: readonly BoundedCall[];
}

/** What was there to be checked. */
export interface QueueBoundsCounts {
  readonly items: number;
  readonly dropped: number;
  /** Grants that took credit back. */
  readonly takenBack: number;
  /** Accounts that outlived their producers. */
  readonly orphaned: number;
  /** Grants while no worker was present. */
  readonly grantedByProducers: number;
  /** Revisions that left no room. */
  readonly full: number;
}

/** How a bounded queue stood as of a revision. */
interface Standing {
  readonly revision: number;
  /** Items and unspent credit. */
  readonly sum: number;
  readonly bound: QueueBound | undefined;
}

/**
 * Throws `InvariantBroken` for
 * - QUEUE-28: items and unspent credit that grow above the bound; an item that nobody paid for; credit that is spent and was not
 *   granted; an item that goes though nobody acknowledged or cancelled it, unless it is to be dropped, nobody works on it, and no older one waits to be given out for the first time;
 * - QUEUE-29: a call that was told that the queue is full, which it was at no time;
 * - QUEUE-1, QUEUE-2, QUEUE-4: as `checkQueue` does, of calls and their items.
 */
export function checkQueueBounds(options: QueueBoundsCheck): QueueBoundsCounts {
  const replay = new BoundsReplay(options);
  for (const entry of options.history.entries) replay.step(entry);
  checkCalls(
    options.calls.flatMap(({ items }) => items),
    replay.items,
  );
  for (const call of options.calls) if (call.refused) checkRefusal(call, replay.standings);
  return replay.counts;
}

function checkRefusal({ items, calledAt, returnedAt }: BoundedCall, standings: readonly Standing[]): void {
  const first = standings.findLastIndex(({ revision }) => revision <= calledAt);
  const met = standings.slice(Math.max(0, first)).filter(({ revision }) => revision <= returnedAt);
  const wasFull = met.some(({ sum, bound }) => bound !== undefined && sum + items.length > bound.maxLength);
  if (wasFull) return;
  const most = Math.max(...met.map(({ sum }) => sum));
  broken(
    'QUEUE-29',
    `${items[0]?.producer} was refused ${items.length} items between revisions ${calledAt} and ${returnedAt}, when there were at most ${most}`,
  );
}

class BoundsReplay {
  readonly items: SeenItem[] = [];
  readonly standings: Standing[] = [];
  readonly #options: QueueBoundsCheck;
  readonly #keys: QueueKeys;
  readonly #live = new Map<ItemId, KeyValue>();
  readonly #accounts = new Map<Key, KeyValue>();
  readonly #generations = new Map<ItemId, number>();
  /** The generation that was given out last. */
  readonly #given = new Map<ItemId, number>();
  readonly #workers = new Set<Key>();
  #bound: QueueBound | undefined;
  #counts = { items: 0, dropped: 0, takenBack: 0, orphaned: 0, grantedByProducers: 0, full: 0 };

  constructor(options: QueueBoundsCheck) {
    this.#options = options;
    this.#keys = new QueueKeys(options.prefix);
  }

  get counts(): QueueBoundsCounts {
    return { ...this.#counts };
  }

  step({ revision, events }: HistoryEntry): void {
    const keys = this.#keys;
    const before = this.#stand();
    const boundBefore = this.#bound;
    const usedBefore = this.#used();
    const written = new Set(events.flatMap(({ type, kv }) => (type === 'put' ? [kv.key] : [])));
    const gone: KeyValue[] = [];
    let entered = 0;
    for (const { type, kv } of events) {
      const isPut = type === 'put';
      if (inRange(keys.items, kv.key)) {
        const id = keys.nameIn(keys.items, kv.key);
        const item = this.#live.get(id);
        if (!isPut && item !== undefined) gone.push(item);
        if (isPut) {
          entered += 1;
          this.#enters(id, kv);
        }
      } else if (inRange(keys.accounts, kv.key)) this.#accountChanges(kv, isPut);
      else if (inRange(keys.records, kv.key) && isPut && !kv.key.includes('/x/')) {
        for (const { id, generation } of decodeRecord(kv.value)) this.#given.set(id, generation);
      } else if (inRange(keys.generations, kv.key) && isPut) {
        this.#generations.set(keys.nameIn(keys.generations, kv.key), kv.version);
      } else if (inRange(keys.presences, kv.key)) {
        if (isPut) this.#workers.add(kv.key);
        else this.#workers.delete(kv.key);
      } else if (kv.key === keys.control && isPut) this.#bound = decodeControl(kv.value).bound ?? undefined;
    }
    for (const { key } of gone) {
      const id = keys.nameIn(keys.items, key);
      const isEnded = written.has(`${this.#options.effects}${id}`) || written.has(keys.cancellation(id));
      if (!isEnded) this.#dropped(id, gone, revision, boundBefore);
    }
    for (const { key } of gone) this.#live.delete(keys.nameIn(keys.items, key));
    let paid = 0;
    for (const [name, used] of this.#used()) paid += used - (usedBefore.get(name) ?? 0);
    if (boundBefore !== undefined && entered > paid) {
      broken('QUEUE-28', `${entered} items enter at revision ${revision}, and ${paid} are paid for`);
    }
    this.#compare(before, revision);
  }

  #compare(before: number, revision: number): void {
    const sum = this.#stand();
    const bound = this.#bound;
    this.standings.push({ revision, sum, bound });
    if (bound === undefined) return;
    if (sum >= bound.maxLength) this.#counts.full += 1;
    if (sum <= Math.max(bound.maxLength, before)) return;
    broken(
      'QUEUE-28',
      `at revision ${revision} there are ${this.#live.size} items, and credit for ${sum - this.#live.size}: the bound is ${bound.maxLength}`,
    );
  }

  #enters(id: ItemId, kv: KeyValue): void {
    this.#live.set(id, kv);
    this.#counts.items += 1;
    const payload = String(JSON.parse(textOf(decodeItem(kv.value).payload)));
    this.items.push({ id, payload, create: kv.createRevision });
  }

  #accountChanges(kv: KeyValue, isPut: boolean): void {
    const { key } = kv;
    const before = this.#accounts.get(key);
    if (isPut) this.#accounts.set(key, kv);
    else this.#accounts.delete(key);
    if (!key.endsWith('/g')) return;
    if (!isPut) {
      const here = `${key.slice(0, -1)}h`;
      if (before !== undefined && !this.#accounts.has(here)) this.#counts.orphaned += 1;
      return;
    }
    if (before !== undefined && Buffer.compare(kv.value, before.value) < 0) this.#counts.takenBack += 1;
    if (this.#workers.size === 0) this.#counts.grantedByProducers += 1;
  }

  #dropped(id: ItemId, gone: readonly KeyValue[], revision: number, bound: QueueBound | undefined): void {
    const what = `item ${id} is gone at revision ${revision}`;
    if (bound?.whenFull !== 'drop-oldest') broken('QUEUE-28', `${what}, and nobody took it`);
    if (this.#isInHand(id)) broken('QUEUE-28', `${what} to make room, and somebody works on it`);
    const dropped = new Set(gone.map(({ key }) => this.#keys.nameIn(this.#keys.items, key)));
    for (const [other, { createRevision }] of this.#live) {
      // What came beside it may lie on either side of what its dispatcher had seen.
      if (other >= id || createRevision > revisionOf(id) || dropped.has(other)) continue;
      // One that was given out may have come back beside it.
      if (!this.#given.has(other)) broken('QUEUE-28', `${what} to make room, and ${other} is older`);
    }
    this.#counts.dropped += 1;
  }

  #isInHand(id: ItemId): boolean {
    return this.#given.get(id) === (this.#generations.get(id) ?? 0);
  }

  #read(): readonly StoredAccount[] {
    return accountsIn(this.#keys, [...this.#accounts.values()]);
  }

  /** By each producer. */
  #used(): ReadonlyMap<string, number> {
    return new Map(this.#read().map(({ name, demand }) => [name, demand?.used ?? 0]));
  }

  /** Items and unspent credit. */
  #stand(): number {
    let unspent = 0;
    for (const { name, grant, demand } of this.#read()) {
      const left = (grant?.granted ?? 0) - (demand?.used ?? 0);
      if (left < 0 && grant !== undefined) {
        broken('QUEUE-28', `${name} has put ${demand?.used} items, and was granted ${grant.granted}`);
      }
      unspent += Math.max(0, left);
    }
    return this.#live.size + unspent;
  }
}
