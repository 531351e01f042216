/**
 * Whether a priority queue gave out what is more urgent first, by a replay of its whole history in the order of revisions. The
 * queue's keys and records are told in `queues/keys.ts`.
 */
import { type ItemId, type LevelName, levelOf, QueueKeys, revisionOf } from '../queues/keys.js';
import { decodeItem, decodeRecord } from '../queues/records/index.js';
import { type HistoryEntry, inRange, type Key, type KeyEvent, type KeyRange } from '../store/index.js';
import type { History } from './history.js';
import { broken } from './sentences.js';

export interface QueuePriorityCheck {
  readonly history: History;
  /** The prefix of the queue's keys: `client.keys.prefix('queue', name)`. */
  readonly prefix: Key;
}

/** What was there to be checked. */
export interface QueuePriorityCounts {
  /** Items given out for the first time. */
  given: number;
  /** Of these: while one waited that is older and less urgent. */
  passing: number;
  /** Of these: while one waited that is more urgent, and too young for the dispatcher to have known it for sure. */
  beforeYounger: number;
  /** Of these: while one waited that is more urgent, and may be held back by a rule. */
  besideHeld: number;
  /** Priorities that were first used when items of others waited. */
  openedLate: number;
  /** Changes of dispatcher while items of several priorities waited. */
  takeovers: number;
}

interface Item {
  readonly id: ItemId;
  readonly level: LevelName;
  readonly create: number;
  /** It has a key or a group. */
  readonly mayBeHeld: boolean;
}

/**
 * Throws `InvariantBroken` for QUEUE-20: an item given out for the first time while a more urgent one waits for its first time, has
 * neither key nor group, and is no younger than what its dispatcher has seen.
 *
 * What a dispatcher has seen is told by what it gave out: everything up to the revision that put the youngest of that, in this write or
 * earlier in its term; and everything up to the revision in which its term began.
 */
export function checkQueuePriority({ history, prefix }: QueuePriorityCheck): QueuePriorityCounts {
  const replay = new PriorityReplay(new QueueKeys(prefix, 'priority'));
  for (const entry of history.entries) replay.step(entry);
  return replay.counts;
}

class PriorityReplay {
  readonly counts: QueuePriorityCounts = {
    ...{ given: 0, passing: 0, beforeYounger: 0, besideHeld: 0, openedLate: 0, takeovers: 0 },
  };
  readonly #keys: QueueKeys;
  readonly #all = new Map<ItemId, Item>();
  /** Never given out yet. */
  readonly #fresh = new Map<ItemId, Item>();
  /** By the beginning of its term, what a dispatcher has seen. */
  readonly #seen = new Map<number, number>();
  readonly #candidates = new Map<Key, number>();

  constructor(keys: QueueKeys) {
    this.#keys = keys;
  }

  /** Compares of a transaction see the state before it: so what is guarded comes first, and then what the revision changes. */
  step({ events }: HistoryEntry): void {
    const keys = this.#keys;
    const mine = events.filter(({ kv }) => kv.key.startsWith(keys.prefix));
    if (mine.length === 0) return;
    const under = (range: Required<KeyRange>) => mine.filter(({ kv }) => inRange(range, kv.key));
    this.#give(under(keys.records));
    for (const event of under(keys.items)) this.#item(event);
    for (const { type, kv } of under(keys.levelGates)) {
      if (type === 'put' && kv.version === 1 && this.#fresh.size > 0) this.counts.openedLate += 1;
    }
    for (const event of under(keys.candidates)) this.#candidate(event);
  }

  #give(records: readonly KeyEvent[]): void {
    const keys = this.#keys;
    const first: Item[] = [];
    let term = 0;
    let youngest = 0;
    for (const { type, kv } of records) {
      const worker = keys.workerOfRecord(kv.key);
      if (type === 'delete' || keys.cancelledIn(worker, kv.key) !== undefined) continue;
      term = revisionOf(keys.nameIn(keys.recordsOf(worker), kv.key));
      for (const { id } of decodeRecord(kv.value)) {
        youngest = Math.max(youngest, this.#all.get(id)?.create ?? 0);
        const item = this.#fresh.get(id);
        if (item !== undefined) first.push(item);
      }
    }
    const seen = Math.max(term, youngest, this.#seen.get(term) ?? 0);
    this.#seen.set(term, seen);
    for (const { id } of first) this.#fresh.delete(id);
    for (const item of first) this.#inOrder(item, seen);
  }

  #inOrder(item: Item, seen: number): void {
    this.counts.given += 1;
    let [passes, isBeforeYounger, isBesideHeld] = [false, false, false];
    for (const other of this.#fresh.values()) {
      if (other.level > item.level && other.create < item.create) passes = true;
      if (other.level >= item.level) continue;
      if (other.mayBeHeld) isBesideHeld = true;
      else if (other.create > seen) isBeforeYounger = true;
      else {
        broken(
          'QUEUE-20',
          `item ${item.id} of revision ${item.create} is given out by a dispatcher that has seen revision ${seen}, and item ${other.id} of revision ${other.create} waits`,
        );
      }
    }
    if (passes) this.counts.passing += 1;
    if (isBeforeYounger) this.counts.beforeYounger += 1;
    if (isBesideHeld) this.counts.besideHeld += 1;
  }

  #item({ type, kv }: KeyEvent): void {
    const id = this.#keys.nameIn(this.#keys.items, kv.key);
    if (type === 'delete') {
      this.#all.delete(id);
      this.#fresh.delete(id);
      return;
    }
    const { key, group } = decodeItem(kv.value).traits ?? {};
    const mayBeHeld = key !== undefined || group !== undefined;
    const item = { id, level: levelOf(id), create: kv.createRevision, mayBeHeld };
    this.#all.set(id, item);
    this.#fresh.set(id, item);
  }

  #candidate({ type, kv }: KeyEvent): void {
    if (type === 'put') {
      this.#candidates.set(kv.key, kv.createRevision);
      return;
    }
    const wasFirst = Math.min(...this.#candidates.values()) === this.#candidates.get(kv.key);
    this.#candidates.delete(kv.key);
    const levels = new Set([...this.#fresh.values()].map(({ level }) => level));
    if (wasFirst && levels.size > 1) this.counts.takeovers += 1;
  }
}
