/**
 * Whether a queue did with its items what it promises, by a replay of its whole history in the order of revisions, and
 * whether its producers were told the truth. The queue's keys and records are told in `queues/keys.ts`.
 */
import { type ItemId, type LevelName, levelOf, QueueKeys, type QueueKind } from '../queues/keys.js';
import { decodeItem, decodeRecord } from '../queues/records/index.js';
import {
  type HistoryEntry,
  inRange,
  type Key,
  type KeyEvent,
  type KeyRange,
  keyOf,
  textOf,
} from '../store/index.js';
import type { History } from './history.js';
import { checkCalls } from './queue-calls.js';
import { broken } from './sentences.js';

/** One call of `enqueue` as its caller saw it. Payloads are texts, and each is enqueued by one call only. */
export interface EnqueueCall {
  readonly payload: string;
  readonly producer: string;
  /** When it was called and when it returned: numbers of one sequence, or times. */
  readonly calledAt: number;
  readonly returnedAt?: number;
  readonly id?: ItemId;
  /** A rule may hold its item back: when it is first given out is not judged. Default false. */
  readonly mayBeHeld?: boolean;
  readonly outcome: 'pending' | 'enqueued' | 'not-applied' | 'unknown';
}

export interface QueueCheck {
  readonly history: History;
  /** The prefix of the queue's keys: `client.keys.prefix('queue', name)`. */
  readonly prefix: Key;
  /** Default: 'fifo'. */
  readonly kind?: QueueKind;
  /**
   * A prefix of keys that nothing else writes. Every handler, as it completes a job, writes the job's payload under it as the
   * key, and as the value the job's generation.
   */
  readonly effects: Key;
  readonly calls: readonly EnqueueCall[];
  /** Everything had time to be done: then nothing may be left. Default false. */
  readonly drained?: boolean;
}

/** What was there to be checked. */
export interface QueueCounts {
  readonly items: number;
  readonly acknowledged: number;
  /** Generations beyond the first: how often a job was taken back. */
  readonly takenBack: number;
  readonly gateMoves: number;
  /** Records of assignment. */
  readonly records: number;
  /** Jobs in them. */
  readonly assignments: number;
  readonly calls: number;
}

/** An item as the history shows it. */
export interface SeenItem {
  readonly id: ItemId;
  readonly payload: string;
  /** Its create revision. */
  readonly create: number;
  /** The revision in which it was first given to a worker. */
  readonly firstAssigned?: number;
}

/**
 * Throws `InvariantBroken` for
 * - QUEUE-1: a call was told that it enqueued, and no item ever was; or an item is left although `drained`;
 * - QUEUE-2: an item that nobody enqueued, two of one call, or one under another id than its caller was told;
 * - QUEUE-3: an item comes back, is given out or taken back after its acknowledgement, or is acknowledged twice;
 * - QUEUE-4: items out of the order of their calls, or first given out in another order;
 * - QUEUE-5: an effect twice, or without its acknowledgement, or the other way round;
 * - QUEUE-6: a job given out in another generation than its present one, one generation given out twice, or acknowledged by
 *   another holder than the present one;
 * - QUEUE-7: a job given to a worker that is not present;
 * - QUEUE-8: an item at or below the gate, or a gate that does not move up; in a queue that has levels, those of each;
 * - QUEUE-21: in a queue that has levels, what QUEUE-4 is for, among the items of a level.
 */
export function checkQueue(options: QueueCheck): QueueCounts {
  const { history, calls, drained = false } = options;
  const replay = new QueueReplay(new QueueKeys(options.prefix, options.kind), options.effects);
  for (const entry of history.entries) replay.step(entry);
  checkCalls(calls, replay.items());
  if (drained) checkDrained(replay.left());
  return { ...replay.counts(), calls: calls.length };
}

function checkDrained(left: readonly SeenItem[]): void {
  if (left.length === 0) return;
  const first = left.slice(0, 5).map(({ id, payload, firstAssigned }) => {
    const given =
      firstAssigned === undefined ? 'never given out' : `first given out at revision ${firstAssigned}`;
    return `${id} (${payload}, ${given})`;
  });
  broken(
    'QUEUE-1',
    `${left.length} items were never done: ${first.join(', ')}${left.length > 5 ? ', …' : ''}`,
  );
}

interface Item extends SeenItem {
  firstAssigned?: number;
  generation: number;
  /** The generation in which it was last given to a worker. */
  held?: number;
}

class QueueReplay {
  readonly #keys: QueueKeys;
  readonly #effects: Key;
  readonly #all = new Map<ItemId, Item>();
  readonly #standing = new Map<ItemId, Item>();
  readonly #given = new Set<string>();
  readonly #present = new Set<Key>();
  readonly #effectOf = new Map<Key, number>();
  readonly #gates = new Map<LevelName, ItemId>();
  readonly #counts = { acknowledged: 0, takenBack: 0, gateMoves: 0, records: 0, assignments: 0 };

  constructor(keys: QueueKeys, effects: Key) {
    this.#keys = keys;
    this.#effects = effects;
  }

  items(): readonly SeenItem[] {
    return [...this.#all.values()];
  }

  left(): readonly SeenItem[] {
    return [...this.#standing.values()];
  }

  counts(): Omit<QueueCounts, 'calls'> {
    return { items: this.#all.size, ...this.#counts };
  }

  /**
   * Compares of a transaction see the state before it, and what shares a revision does not meet. So all that is guarded by
   * the gate, by items, generations or presences comes first, and then what the revision itself changes of these.
   */
  step({ revision, events }: HistoryEntry): void {
    const keys = this.#keys;
    const mine = events.filter(
      ({ kv }) => kv.key.startsWith(keys.prefix) || kv.key.startsWith(this.#effects),
    );
    if (mine.length === 0) return;
    const under = (range: Required<KeyRange>) => mine.filter(({ kv }) => inRange(range, kv.key));
    for (const { type, kv } of under(keys.records)) {
      if (type === 'put') this.#assigned(kv.key, kv.value, revision);
    }
    const items = under(keys.items);
    const ended = this.#acknowledged(items, revision);
    this.#effectsWritten(mine, ended, revision);
    for (const { type, kv } of items) if (type === 'put') this.#created(kv.key, kv.value, revision);
    for (const event of under(keys.generations)) this.#generation(event, revision);
    for (const { type, kv } of under(keys.presences)) {
      if (type === 'put') this.#present.add(kv.key);
      else this.#present.delete(kv.key);
    }
    for (const { type, kv } of mine) {
      const level = type === 'put' ? keys.levelOfGate(kv.key) : undefined;
      if (level !== undefined) this.#gateMoved(level, textOf(kv.value), revision);
    }
  }

  #created(key: Key, value: Uint8Array, revision: number): void {
    const id = this.#keys.nameIn(this.#keys.items, key);
    const before = this.#all.get(id);
    if (before)
      broken('QUEUE-3', `item ${id} of revision ${before.create} comes back at revision ${revision}`);
    const gate = this.#gates.get(levelOf(id));
    if (gate === undefined || id <= gate) {
      broken(
        'QUEUE-8',
        `item ${id} appears at revision ${revision}, and the gate was at ${gate ?? 'no place'}`,
      );
    }
    const payload: unknown = JSON.parse(textOf(decodeItem(value).payload));
    const item: Item = { id, payload: String(payload), create: revision, generation: 0 };
    this.#all.set(id, item);
    this.#standing.set(id, item);
  }

  #assigned(key: Key, value: Uint8Array, revision: number): void {
    const worker = this.#keys.workerOfRecord(key);
    if (this.#keys.cancelledIn(worker, key) !== undefined) return;
    this.#counts.records += 1;
    if (!this.#present.has(this.#keys.presence(worker))) {
      broken(
        'QUEUE-7',
        `record ${key} of revision ${revision} is for worker ${worker}, which was not present`,
      );
    }
    for (const job of decodeRecord(value)) {
      const what = `record ${key} of revision ${revision} gives out item ${job.id}`;
      this.#counts.assignments += 1;
      const item = this.#standing.get(job.id);
      if (item?.create !== job.create) {
        const now = this.#all.has(job.id) ? 'which was acknowledged before' : 'which there is not';
        broken('QUEUE-3', `${what} of revision ${job.create}, ${item ? `and it is of ${item.create}` : now}`);
      }
      if (job.generation !== item.generation) {
        broken('QUEUE-6', `${what} in generation ${job.generation}, and it is in ${item.generation}`);
      }
      const grant = `${job.id}@${job.generation}`;
      if (this.#given.has(grant))
        broken('QUEUE-6', `${what} in generation ${job.generation}, given out before`);
      this.#given.add(grant);
      item.held = job.generation;
      item.firstAssigned ??= revision;
    }
  }

  /** Ends the items that went, and answers them by the keys of the effects that must come with that. */
  #acknowledged(items: readonly KeyEvent[], revision: number): Map<Key, Item> {
    const ended = new Map<Key, Item>();
    for (const { type, kv } of items) {
      if (type === 'put') continue;
      const id = this.#keys.nameIn(this.#keys.items, kv.key);
      const item = this.#standing.get(id);
      if (item === undefined)
        broken('QUEUE-3', `item ${id} is acknowledged at revision ${revision}, and was not there`);
      this.#standing.delete(id);
      ended.set(`${this.#effects}${keyOf(item.payload)}`, item);
      this.#counts.acknowledged += 1;
    }
    return ended;
  }

  #effectsWritten(events: readonly KeyEvent[], ended: Map<Key, Item>, revision: number): void {
    for (const { type, kv } of events) {
      if (type !== 'put' || !kv.key.startsWith(this.#effects)) continue;
      const before = this.#effectOf.get(kv.key);
      if (before !== undefined)
        broken('QUEUE-5', `${kv.key} is written at revision ${revision}, and was at ${before}`);
      this.#effectOf.set(kv.key, revision);
      const item = ended.get(kv.key);
      if (item === undefined)
        broken('QUEUE-5', `${kv.key} is written at revision ${revision}, and no job ends there`);
      ended.delete(kv.key);
      const by = Number(textOf(kv.value));
      if (by !== item.generation || item.held !== item.generation) {
        const held = item.held === undefined ? 'nobody held it' : `it was held in ${item.held}`;
        broken(
          'QUEUE-6',
          `item ${item.id} is acknowledged at revision ${revision} in generation ${by}, is in ${item.generation}, and ${held}`,
        );
      }
    }
    for (const [key, { id }] of ended) {
      broken('QUEUE-5', `item ${id} is acknowledged at revision ${revision} without its effect ${key}`);
    }
  }

  #generation({ type, kv }: KeyEvent, revision: number): void {
    const id = this.#keys.nameIn(this.#keys.generations, kv.key);
    const item = this.#standing.get(id);
    if (type === 'delete') {
      if (item)
        broken('QUEUE-6', `item ${id} loses its generation ${item.generation} at revision ${revision}`);
      return;
    }
    if (item === undefined)
      broken('QUEUE-3', `item ${id} is taken back at revision ${revision}, and is not there`);
    item.generation = kv.version;
    this.#counts.takenBack += 1;
  }

  #gateMoved(level: LevelName, to: ItemId, revision: number): void {
    const gate = this.#gates.get(level);
    if (gate !== undefined && to <= gate)
      broken('QUEUE-8', `the gate moves from ${gate} to ${to} at revision ${revision}`);
    if (gate !== undefined) this.#counts.gateMoves += 1;
    this.#gates.set(level, to);
  }
}
