/**
 * Whether a condition queue released what it should, when it should, and kept the order of its tasks, by a replay of its whole
 * history in the order of revisions. The queue's keys are told in `queues/keys.ts` and `queues/conditions/gathering.ts`.
 */
import { namedIn, purgedKey, releasedIn, releasedKey } from '../queues/conditions/condition-keys.js';
import { type Definition, decodeDefinition } from '../queues/conditions/definition.js';
import { type ItemId, QueueKeys } from '../queues/keys.js';
import { decodeItem, decodeRecord } from '../queues/records/index.js';
import {
  type HistoryEntry,
  inRange,
  type Key,
  type KeyEvent,
  type KeyRange,
  textOf,
} from '../store/index.js';
import { Facts } from './condition-judge.js';
import type { History } from './history.js';
import { broken } from './sentences.js';

export interface QueueConditionsCheck {
  readonly history: History;
  /** The prefix of the queue's keys: `client.keys.prefix('queue', name)`. */
  readonly prefix: Key;
  /** Everything had time to be done: then what a condition that holds would release must be released. Default false. */
  readonly settled?: boolean;
}

/** What was there to be checked. */
export interface QueueConditionsCounts {
  releases: number;
  /** Of these: several items, everything for good, by a condition that asks for no items. */
  batches: number;
  openings: number;
  byFactsAlone: number;
  /** Items that had gathered and were cancelled, or purged. */
  cancelledGathered: number;
  purgedGathered: number;
  /** Changes of dispatcher, and of the definition, while items had gathered; while a task waited that was released. */
  takeoversWhileGathering: number;
  definedWhileGathering: number;
  takeoversWithHeldTask: number;
  /** Items that were given out while an earlier one waited for its predecessors. */
  passedHeldTask: number;
  /** Items of tasks with predecessors that were given out for the first time. */
  tasksInOrder: number;
}

interface Item {
  readonly task: string | undefined;
  wasGiven: boolean;
}

/**
 * Throws `InvariantBroken` for
 * - QUEUE-25: an item given out that is not released; an item that comes to be among what was; a bound that moves down;
 * - QUEUE-26: a release while the condition does not hold in the state that it meets, or of other items than the shortest part
 *   from the front that fulfils it (or several of those in a row); with `settled`, a condition that holds and released nothing;
 * - QUEUE-27: an item given out before the tasks that its own comes after were completed; a task said to be completed though none of its items
 *   was acknowledged; a definition with a cycle.
 */
export function checkQueueConditions(options: QueueConditionsCheck): QueueConditionsCounts {
  const { history, prefix, settled = false } = options;
  const replay = new ConditionsReplay(new QueueKeys(prefix, 'condition'));
  for (const entry of history.entries) replay.step(entry);
  if (settled) {
    const due = replay.due();
    if (due !== undefined) broken('QUEUE-26', due);
  }
  return replay.counts;
}

class ConditionsReplay {
  readonly counts: QueueConditionsCounts = {
    ...{ releases: 0, batches: 0, openings: 0, byFactsAlone: 0, cancelledGathered: 0, purgedGathered: 0 },
    ...{ takeoversWhileGathering: 0, definedWhileGathering: 0, takeoversWithHeldTask: 0 },
    ...{ passedHeldTask: 0, tasksInOrder: 0 },
  };
  readonly #keys: QueueKeys;
  readonly #facts: Facts;
  /** Standing ones. */
  readonly #items = new Map<ItemId, Item>();
  readonly #candidates = new Map<Key, number>();
  #definition: Definition | undefined;
  /** Undefined: there is none any more. */
  #bound: ItemId | undefined = '';

  constructor(keys: QueueKeys) {
    this.#keys = keys;
    this.#facts = new Facts(keys);
  }

  /** Compares of a transaction see the state before it: so what is guarded comes first, and then what the revision changes. */
  step({ events, revision }: HistoryEntry): void {
    const keys = this.#keys;
    const mine = events.filter(({ kv }) => kv.key.startsWith(keys.prefix));
    if (mine.length === 0) return;
    const under = (range: Required<KeyRange>) => mine.filter(({ kv }) => inRange(range, kv.key));
    for (const event of under(keys.records)) this.#give(event, revision);
    for (const event of mine) if (event.kv.key === releasedKey(keys)) this.#release(event, revision);
    for (const event of under(keys.conditions)) this.#completed(event, mine, revision);
    this.#count(mine);
    for (const event of under(keys.items)) this.#item(event, revision);
    for (const event of under(keys.conditions)) this.#facts.learn(event);
    for (const { type, kv } of mine) {
      if (kv.key === keys.definitionKey && type === 'put') this.#definition = decodeDefinition(kv.value);
    }
    for (const event of under(keys.candidates)) this.#candidate(event);
  }

  /** What a condition that holds would release; undefined if nothing is to be. */
  due(): string | undefined {
    if (this.#definition === undefined || this.#bound === undefined) return undefined;
    const { when, release } = this.#definition;
    const gathered = this.#gathered();
    if (when !== null && !this.#facts.holds(when, tasksOf(gathered))) return undefined;
    if (when !== null && release === 'batches' && gathered.length === 0) return undefined;
    return `${gathered.length} items have gathered, the condition holds, and nothing is released`;
  }

  #gathered(): readonly (readonly [ItemId, Item])[] {
    const bound = this.#bound;
    if (bound === undefined) return [];
    return [...this.#items].filter(([id]) => id >= bound).sort(([a], [b]) => (a < b ? -1 : 1));
  }

  #give({ type, kv }: KeyEvent, revision: number): void {
    const worker = this.#keys.workerOfRecord(kv.key);
    if (type === 'delete' || this.#keys.cancelledIn(worker, kv.key) !== undefined) return;
    for (const { id } of decodeRecord(kv.value)) {
      const item = this.#items.get(id);
      if (item === undefined) continue;
      const what = `item ${id} is given out at revision ${revision}`;
      if (this.#bound !== undefined && id >= this.#bound) {
        broken('QUEUE-25', `${what}, and only what is below ${this.#bound} is released`);
      }
      const lacks = this.#lacks(item.task);
      if (lacks.length > 0)
        broken('QUEUE-27', `${what}: task "${item.task}" comes after ${lacks.join(', ')}`);
      if (item.task !== undefined && !item.wasGiven && this.#predecessors(item.task).length > 0) {
        this.counts.tasksInOrder += 1;
      }
      if (!item.wasGiven && this.#held().some(([held]) => held < id)) this.counts.passedHeldTask += 1;
      item.wasGiven = true;
    }
  }

  #predecessors(task: string | undefined): readonly string[] {
    return Object.entries(this.#definition?.tasks ?? {}).find(([name]) => name === task)?.[1] ?? [];
  }

  #lacks(task: string | undefined): readonly string[] {
    return this.#predecessors(task).filter((name) => !this.#facts.done.has(name));
  }

  /** Released, and waiting for their predecessors. */
  #held(): readonly (readonly [ItemId, Item])[] {
    const bound = this.#bound;
    return [...this.#items].filter(
      ([id, { task }]) => (bound === undefined || id < bound) && this.#lacks(task).length > 0,
    );
  }

  #release({ kv }: KeyEvent, revision: number): void {
    const { upTo } = releasedIn(kv);
    const what = `the release of revision ${revision}`;
    const before = this.#bound;
    if (before === undefined) broken('QUEUE-25', `${what} closes a queue that was open for good`);
    if (upTo !== undefined && upTo < before)
      broken('QUEUE-25', `${what} goes back from ${before} to ${upTo}`);
    const gathered = this.#gathered();
    const { when, release } = this.#definition ?? {};
    if (when === undefined) broken('QUEUE-26', `${what} comes before a condition`);
    const batch = gathered.filter(([id]) => upTo === undefined || id < upTo);
    this.counts.releases += 1;
    if (when === null || release === 'latched') {
      if (upTo !== undefined) broken('QUEUE-26', `${what} is of a part, and everything should pass`);
      if (when !== null && !this.#facts.holds(when as never, tasksOf(gathered))) {
        broken('QUEUE-26', `${what} finds ${said(gathered)}, for which the condition does not hold`);
      }
      this.counts.openings += 1;
    } else {
      if (upTo === undefined) broken('QUEUE-26', `${what} is for good, and should be of a batch`);
      this.#batches(when as never, batch, what);
      if (batch.length > 1) this.counts.batches += 1;
    }
    this.#bound = upTo;
  }

  #batches(
    when: NonNullable<Definition['when']>,
    batch: readonly (readonly [ItemId, Item])[],
    what: string,
  ): void {
    let left = batch;
    do {
      const tasks = tasksOf(left);
      if (!this.#facts.holds(when, tasks)) {
        broken('QUEUE-26', `${what} is of ${said(batch)}, and for ${said(left)} the condition does not hold`);
      }
      const count = this.#facts.batchOf(when, tasks);
      if (count === undefined) this.counts.byFactsAlone += 1;
      left = count === undefined ? [] : left.slice(count);
    } while (left.length > 0);
  }

  /** A fact about a task comes with an acknowledgement of one of its items, or from outside. */
  #completed({ type, kv }: KeyEvent, mine: readonly KeyEvent[], revision: number): void {
    const task = namedIn(this.#keys, 'task', kv.key);
    if (task === undefined) return;
    if (type === 'delete') broken('QUEUE-27', `task "${task}" is not completed any more at ${revision}`);
    const by = textOf(kv.value);
    if (by === '') return;
    const goes = mine.some((event) => event.type === 'delete' && event.kv.key === this.#keys.item(by));
    const isLetter = mine.some((event) => event.kv.key === this.#keys.deadLetter(by));
    if (!goes || isLetter || this.#items.get(by)?.task !== task) {
      broken('QUEUE-27', `task "${task}" is completed at revision ${revision}, and item ${by} of it is not`);
    }
  }

  #count(mine: readonly KeyEvent[]): void {
    const keys = this.#keys;
    const isPurge = mine.some(({ kv }) => kv.key === purgedKey(keys));
    for (const { type, kv } of mine) {
      const id = keys.nameIn(keys.items, kv.key);
      if (type !== 'delete' || !inRange(keys.items, kv.key)) continue;
      if (this.#bound === undefined || id < this.#bound) continue;
      if (isPurge) this.counts.purgedGathered += 1;
      else this.counts.cancelledGathered += 1;
    }
    const isDefined = mine.some(({ kv }) => kv.key === keys.definitionKey && kv.version > 1);
    if (isDefined && this.#gathered().length > 0) this.counts.definedWhileGathering += 1;
  }

  #item({ type, kv }: KeyEvent, revision: number): void {
    const id = this.#keys.nameIn(this.#keys.items, kv.key);
    if (type === 'delete') {
      this.#items.delete(id);
      return;
    }
    if (this.#bound !== undefined && id < this.#bound) {
      broken(
        'QUEUE-25',
        `item ${id} comes at revision ${revision}, below ${this.#bound}, which was released`,
      );
    }
    this.#items.set(id, { task: decodeItem(kv.value).traits?.task, wasGiven: false });
  }

  #candidate({ type, kv }: KeyEvent): void {
    if (type === 'put') {
      this.#candidates.set(kv.key, kv.createRevision);
      return;
    }
    const wasFirst = Math.min(...this.#candidates.values()) === this.#candidates.get(kv.key);
    this.#candidates.delete(kv.key);
    if (!wasFirst) return;
    if (this.#gathered().length > 0) this.counts.takeoversWhileGathering += 1;
    if (this.#held().length > 0) this.counts.takeoversWithHeldTask += 1;
  }
}

function tasksOf(items: readonly (readonly [ItemId, Item])[]): readonly (string | undefined)[] {
  return items.map(([, { task }]) => task);
}

function said(items: readonly (readonly [ItemId, Item])[]): string {
  const tasks = [...new Set(tasksOf(items))].filter((task) => task !== undefined);
  return tasks.length === 0 ? `${items.length} items` : `${items.length} items (${tasks.join(', ')})`;
}
