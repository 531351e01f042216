/**
 * Whether a queue let in what it should, once, and let go only what may go, by a replay of its whole history; and whether
 * producers and operators were told the truth. The keys are told in `queues/keys.ts`.
 */
import { type ItemId, QueueKeys } from '../queues/keys.js';
import { decodeControl, decodeDeadLetter, decodeItem } from '../queues/records/index.js';
import {
  type HistoryEntry,
  inRange,
  type Key,
  type KeyEvent,
  type KeyRange,
  keyOf,
  textOf,
} from '../store/index.js';
import { milliseconds } from './evidence.js';
import type { History } from './history.js';
import type { EnqueueCall, SeenItem } from './queue.js';
import { checkCalls } from './queue-calls.js';
import { broken } from './sentences.js';

/** One call of `enqueue`. Payloads are texts, and each is enqueued by one call only. */
export interface ProducerCall extends EnqueueCall {
  readonly idempotencyKey?: string;
  /** It was told that an earlier one had put `id`, at `revision`. */
  readonly duplicate?: boolean;
  readonly revision?: number;
  /** True times. */
  readonly calledAtMs: number;
  readonly returnedAtMs?: number;
}

export interface PurgeCall {
  /** The store's revisions as it was called and as it returned; infinity if it has not. */
  readonly calledAt: number;
  readonly returnedAt: number;
  /** What it was told; absent if it failed, or has not returned. */
  readonly told?: { readonly removed: number; readonly revision: number };
}

/** A call that redrove or removed dead letters. */
export interface LetterCall {
  readonly what: 'redrive' | 'remove';
  /** Absent: all. */
  readonly id?: ItemId;
  /** For a redrive that succeeded, the items that it was told of. For a removal, present if it may have removed the letter. */
  readonly told?: readonly { readonly id: ItemId; readonly revision: number }[];
}

export interface ProducersCheck {
  readonly history: History;
  /** The prefix of the queue's keys: `client.keys.prefix('queue', name)`. */
  readonly prefix: Key;
  /** A prefix of keys that nothing else writes: `{effects}{id}` is put with the acknowledgement of item `id`. */
  readonly effects: Key;
  readonly calls: readonly ProducerCall[];
  readonly purges: readonly PurgeCall[];
  readonly letters: readonly LetterCall[];
  /** How long idempotency keys are remembered at least, in true time. */
  readonly windowMs: number;
}

/** What was there to be checked. */
export interface ProducersCounts {
  readonly items: number;
  /** Idempotency keys that came to stand, each life of a key. */
  readonly windows: number;
  /** Keys that had come to stand before. */
  readonly windowsAnew: number;
  readonly redriven: number;
  readonly purged: number;
}

interface Item extends SeenItem {
  /** Of the call that put it, or of none: it was redriven. */
  readonly call: ProducerCall | undefined;
}

/** A time in which an idempotency key stood. */
interface Window {
  readonly key: string;
  readonly id: ItemId;
  readonly create: number;
  readonly fromMs: number;
  toMs: number;
}

/**
 * Throws `InvariantBroken` for
 * - QUEUE-1, QUEUE-2, QUEUE-4: as `checkQueue` does, of calls that put an item; an item that goes although nobody acknowledged,
 *   buried or purged it; purges that say they deleted more or fewer than they did;
 * - QUEUE-14: an item without its idempotency key or beside one that stands; a key without its item; a key that is forgotten
 *   before its window is over; a call that is told of an item that its key did not stand for meanwhile;
 * - QUEUE-15: an item that enters while the queue is closed;
 * - QUEUE-16: an item that comes back without its dead letter, or twice; a letter that goes and comes back nowhere, though nobody
 *   removed it; a redrive that is told of an item that did not come back, or that another was told of.
 */
export function checkQueueProducers(options: ProducersCheck): ProducersCounts {
  const replay = new ProducersReplay(options);
  for (const entry of options.history.entries) replay.step(entry);
  const { items, windows } = replay;
  checkCalls(
    options.calls.filter((call) => call.duplicate !== true),
    items.filter(({ call }) => call !== undefined),
  );
  checkDuplicates(options.calls, windows);
  checkRedrives(options.letters, items);
  const told = options.purges.map((purge) => purge.told?.removed);
  const purged = replay.purged.length;
  if (told.every((removed) => removed !== undefined)) {
    const sum = told.reduce((all, removed) => all + removed, 0);
    if (sum !== purged)
      broken('QUEUE-1', `purges were told that they deleted ${sum} items, and it was ${purged}`);
  }
  const keys = new Set(windows.map(({ key }) => key));
  return {
    ...{ items: items.length, windows: windows.length, windowsAnew: windows.length - keys.size },
    ...{ redriven: items.filter(({ call }) => call === undefined).length, purged },
  };
}

class ProducersReplay {
  readonly #keys: QueueKeys;
  readonly #options: ProducersCheck;
  readonly #calls: ReadonlyMap<string, ProducerCall>;
  readonly items: Item[] = [];
  readonly windows: Window[] = [];
  readonly purged: Item[] = [];
  readonly #standing = new Map<ItemId, Item>();
  readonly #entered = new Set<string>();
  readonly #used = new Map<string, Window>();
  /** Payloads of the dead letters that stand. */
  readonly #letters = new Map<ItemId, string>();
  #isClosed = false;

  constructor(options: ProducersCheck) {
    this.#keys = new QueueKeys(options.prefix);
    this.#options = options;
    this.#calls = new Map(options.calls.map((call) => [call.payload, call]));
  }

  /** What guards a transaction is the state before it: what the revision itself changes of that counts from the next. */
  step({ revision, events, atMs = 0 }: HistoryEntry): void {
    const keys = this.#keys;
    const under = (range: KeyRange, type: KeyEvent['type']) =>
      events.filter((event) => event.type === type && inRange(range, event.kv.key));
    const idIn = (range: KeyRange, { kv }: KeyEvent) => keys.nameIn(range, kv.key);
    const lettersGone = under(keys.deadLetters, 'delete').map((event) => idIn(keys.deadLetters, event));
    const marks = new Map<string, ItemId>();
    for (const event of under(keys.idempotency, 'put')) {
      marks.set(idIn(keys.idempotency, event), textOf(event.kv.value));
    }
    this.#enter(under(keys.items, 'put'), { revision, atMs, marks, lettersGone });
    const written = new Set(events.flatMap(({ type, kv }) => (type === 'put' ? [kv.key] : [])));
    for (const event of under(keys.items, 'delete')) {
      const id = idIn(keys.items, event);
      this.#leaves(
        id,
        revision,
        written.has(`${this.#options.effects}${id}`) || written.has(keys.deadLetter(id)),
      );
    }
    for (const event of under(keys.idempotency, 'delete'))
      this.#forgotten(idIn(keys.idempotency, event), atMs);
    for (const { kv } of under(keys.deadLetters, 'put')) {
      const payload = payloadOf(decodeDeadLetter(kv.value).item);
      this.#letters.set(keys.nameIn(keys.deadLetters, kv.key), payload);
    }
    for (const { kv } of under({ key: keys.control }, 'put')) this.#isClosed = decodeControl(kv.value).closed;
  }

  #enter(
    puts: readonly KeyEvent[],
    {
      revision,
      atMs,
      marks,
      lettersGone,
    }: {
      revision: number;
      atMs: number;
      marks: Map<string, ItemId>;
      lettersGone: readonly ItemId[];
    },
  ): void {
    const back = new Map(lettersGone.map((id) => [this.#letters.get(id) ?? '', id]));
    for (const id of lettersGone) this.#letters.delete(id);
    for (const { kv } of puts) {
      const id = this.#keys.nameIn(this.#keys.items, kv.key);
      const payload = payloadOf(kv.value);
      const what = `item ${id} (${payload}) enters at revision ${revision}`;
      if (this.#isClosed) broken('QUEUE-15', `${what}, and the queue was closed`);
      const isBack = back.delete(payload);
      if (!isBack && this.#entered.has(payload)) {
        broken('QUEUE-16', `${what}, as it had before, and no dead letter of it went with that`);
      }
      this.#entered.add(payload);
      const call = isBack ? undefined : this.#calls.get(payload);
      if (call === undefined && !isBack) broken('QUEUE-2', `${what}, and nobody enqueued it`);
      const item: Item = { id, payload, create: revision, call };
      this.items.push(item);
      this.#standing.set(id, item);
      const key = call?.idempotencyKey;
      if (key === undefined) continue;
      const before = this.#used.get(keyOf(key));
      if (before !== undefined)
        broken('QUEUE-14', `${what}, and its key ${key} stood for ${before.id} of revision ${before.create}`);
      if (marks.get(keyOf(key)) !== id) broken('QUEUE-14', `${what} without its key ${key}`);
      marks.delete(keyOf(key));
      const window = {
        key,
        id,
        create: revision,
        fromMs: call?.calledAtMs ?? atMs,
        toMs: Number.POSITIVE_INFINITY,
      };
      this.#used.set(keyOf(key), window);
      this.windows.push(window);
    }
    for (const [key, id] of marks) {
      broken(
        'QUEUE-14',
        `key ${key} comes to stand for ${id} at revision ${revision}, and that does not enter with it`,
      );
    }
    for (const [payload, id] of back) {
      const isRemoved = this.#options.letters.some(
        (call) => call.what === 'remove' && call.id === id && call.told !== undefined,
      );
      if (isRemoved) continue;
      broken(
        'QUEUE-16',
        `dead letter ${id} (${payload}) goes at revision ${revision}, and its item does not come back`,
      );
    }
  }

  #leaves(id: ItemId, revision: number, isEnded: boolean): void {
    const item = this.#standing.get(id);
    this.#standing.delete(id);
    if (isEnded || item === undefined) return;
    const isPurged = this.#options.purges.some(({ calledAt, returnedAt, told }) => {
      const asOf = told?.revision ?? returnedAt;
      return calledAt < revision && revision <= returnedAt && item.create <= asOf;
    });
    if (!isPurged)
      broken(
        'QUEUE-1',
        `item ${id} of revision ${item.create} is gone at revision ${revision}, and nobody took it`,
      );
    this.purged.push(item);
  }

  #forgotten(key: string, atMs: number): void {
    const window = this.#used.get(key);
    this.#used.delete(key);
    if (window === undefined) return;
    window.toMs = atMs;
    const keptMs = atMs - window.fromMs;
    if (keptMs >= this.#options.windowMs) return;
    broken(
      'QUEUE-14',
      `key ${window.key} is forgotten ${milliseconds(keptMs)} after the call that put ${window.id}`,
    );
  }
}

/** Whoever was told of another's item: its key stood for that at some moment of the call. */
function checkDuplicates(calls: readonly ProducerCall[], windows: readonly Window[]): void {
  for (const { payload, idempotencyKey, duplicate, id, revision, calledAtMs, returnedAtMs } of calls) {
    if (duplicate !== true) continue;
    const window = windows.find(
      (one) => one.key === idempotencyKey && one.id === id && one.create === revision,
    );
    const what = `${payload} with key ${idempotencyKey} was told of ${id} of revision ${revision}`;
    if (window === undefined) broken('QUEUE-14', `${what}, for which that key never stood`);
    if (window.toMs < calledAtMs || window.fromMs > (returnedAtMs ?? Number.POSITIVE_INFINITY)) {
      broken('QUEUE-14', `${what}, for which it did not stand meanwhile`);
    }
  }
}

function checkRedrives(letters: readonly LetterCall[], items: readonly Item[]): void {
  const back = new Set(
    items.flatMap((item) => (item.call === undefined ? [`${item.id}@${item.create}`] : [])),
  );
  for (const { what, told = [] } of letters) {
    for (const { id, revision } of what === 'redrive' ? told : []) {
      if (back.delete(`${id}@${revision}`)) continue;
      broken(
        'QUEUE-16',
        `a redrive was told of item ${id} of revision ${revision}, which did not come back, or was told twice`,
      );
    }
  }
}

function payloadOf(value: Uint8Array): string {
  return String(JSON.parse(textOf(decodeItem(value).payload)));
}
