/**
 * The keys of one queue, all below `{namespace}/queue/{name}/`:
 *
 * | key | holds |
 * |---|---|
 * | `a/<worker>/<sequence>` | an assignment record: jobs given to a worker. Not leased: expiry must not erase who held a job |
 * | `beat` | the dispatcher's sign of life, and where its successor begins to read |
 * | `e/<worker>` | a candidate for dispatcher, leased; its create revision is the term |
 * | `g/<id>` | how often the item was taken back: the *version* is the generation, the value counts failures |
 * | `h` | the gate: no item at or below it can be created any more |
 * | `h/ctl` | what operators have decided: paused, closed, limits, bound |
 * | `h/p/<level>` | the gate of one level, where a queue has levels; `h` then only says that there is a queue |
 * | `h/kind` | what kind of queue this is, written with the gate when the first object uses it, and never changed |
 * | `h/def` | what a condition queue waits for |
 * | `i/<R>/<producer>/<n>` | an item; what follows `i/` is its id |
 * | `i/<level>/<R>/<producer>/<n>` | an item of a queue that has levels |
 * | `q/rel`, `q/gate/<name>`, `q/task/<name>`, `q/purged`, `q/defined` | of a condition queue: up to where items are released, and by what |
 * | `j/<producer>/…` | in a bounded queue: that a producer is present, what was granted to it, what it has used (bounds/credit-keys.ts) |
 * | `n/<id>` | an item with a delay that no dispatcher has seen yet: how many ms (queues of kind `delay`, as all that is about timers) |
 * | `s/<name>` | a schedule, and up to where its ticks are decided |
 * | `w/<worker>` | a worker's presence, leased; its create revision tells one life of the worker from another |
 * | `x/<id>` | the item was cancelled: whoever works on it is to be told |
 * | `N/<id>` | an item whose delay is not over |
 * | `T/<due>/<id>` | its timer: the queue time at which it is due, in ms |
 * | `D/<id>` | a dead letter: an item that failed for good, with what is known of it |
 * | `P/<id>` | what the item's handler told last of its progress, on its worker's session |
 * | `R/<id>` | the result of an item that was asked for, on a lease |
 * | `U/<key>` | an idempotency key that was used: the id of its item, on a lease as long as the window |
 *
 * Everything that the dispatcher watches (`e/` to `x/`) is one range, so one watch gives it every change in revision
 * order. What it writes most (records and beats) and what is none of its business (upper case) lies outside.
 */
import { hexRevision, type Key, type KeyRange, keyOf, prefixRange } from '../store/index.js';

const counterDigits = 10;
/** A revision, the name of a producer (both 16 digits), a number, and what is between. */
const idBytes = 16 + 1 + 16 + 1 + counterDigits;
const levelBytes = 3;
const cancelled = 'x/';

/** What decides about order and layout. A queue is of one kind for good. */
export type QueueKind = 'fifo' | 'priority' | 'delay' | 'condition';

/** Names an item: the text after `i/`. Ids sort in queue order. */
export type ItemId = string;

/** What ids begin with that have one order and one gate: empty in a queue that has no levels, else two digits and a slash. */
export type LevelName = string;

export class QueueKeys {
  readonly prefix: Key;
  /** Of the object that made these; `kindKey` holds that of the queue. */
  readonly kind: QueueKind;
  readonly kindKey: Key;
  readonly gate: Key;
  /** Of a condition queue. */
  readonly definitionKey: Key;
  /** The definition that the object was made with, encoded; it may come to have another. */
  readonly definition: { current?: Uint8Array | undefined };
  readonly conditions: Required<KeyRange>;
  readonly beat: Key;
  readonly control: Key;
  /** The gates of levels. */
  readonly levelGates: Required<KeyRange>;
  /** The gates, the control and the kind: what decides whether an item is let in. */
  readonly admission: Required<KeyRange>;
  readonly items: Required<KeyRange>;
  readonly freshDelays: Required<KeyRange>;
  readonly delayed: Required<KeyRange>;
  readonly timers: Required<KeyRange>;
  readonly schedules: Required<KeyRange>;
  readonly generations: Required<KeyRange>;
  readonly presences: Required<KeyRange>;
  readonly accounts: Required<KeyRange>;
  readonly candidates: Required<KeyRange>;
  readonly records: Required<KeyRange>;
  readonly cancellations: Required<KeyRange>;
  readonly deadLetters: Required<KeyRange>;
  readonly progress: Required<KeyRange>;
  readonly results: Required<KeyRange>;
  readonly idempotency: Required<KeyRange>;
  /** Accounts, cancellations, candidates, control, delays, generations, gates, items and presences: what a dispatcher must see change in one order. */
  readonly watched: Required<KeyRange>;

  constructor(prefix: Key, kind: QueueKind = 'fifo', definition: QueueKeys['definition'] = {}) {
    this.prefix = prefix;
    this.kind = kind;
    this.kindKey = `${prefix}h/kind`;
    this.gate = `${prefix}h`;
    this.definitionKey = `${prefix}h/def`;
    this.definition = definition;
    this.conditions = prefixRange(`${prefix}q/`);
    this.beat = `${prefix}beat`;
    this.control = `${prefix}h/ctl`;
    this.levelGates = prefixRange(`${prefix}h/p/`);
    this.admission = { key: this.gate, rangeEnd: `${prefix}i` };
    this.items = prefixRange(`${prefix}i/`);
    this.freshDelays = prefixRange(`${prefix}n/`);
    this.delayed = prefixRange(`${prefix}N/`);
    this.timers = prefixRange(`${prefix}T/`);
    this.schedules = prefixRange(`${prefix}s/`);
    this.generations = prefixRange(`${prefix}g/`);
    this.presences = prefixRange(`${prefix}w/`);
    this.accounts = prefixRange(`${prefix}j/`);
    this.candidates = prefixRange(`${prefix}e/`);
    this.records = prefixRange(`${prefix}a/`);
    this.cancellations = prefixRange(`${prefix}x/`);
    this.deadLetters = prefixRange(`${prefix}D/`);
    this.progress = prefixRange(`${prefix}P/`);
    this.results = prefixRange(`${prefix}R/`);
    this.idempotency = prefixRange(`${prefix}U/`);
    this.watched = { key: this.candidates.key, rangeEnd: this.cancellations.rangeEnd };
  }

  /** The same keys, for an object with this definition. */
  definedAs(definition: QueueKeys['definition']): QueueKeys {
    return new QueueKeys(this.prefix, this.kind, definition);
  }

  /** What a dispatcher is expected to take note of: items and accounts, and delays, or what a condition rests on. */
  get news(): Required<KeyRange> {
    return this.newsFrom('');
  }

  /** The same without the items before `start`. */
  newsFrom(start: ItemId): Required<KeyRange> {
    const last = {
      condition: this.conditions,
      delay: this.freshDelays,
      fifo: this.accounts,
      priority: this.accounts,
    };
    return { key: this.item(start), rangeEnd: last[this.kind].rangeEnd };
  }

  /** How long the key of an item is. */
  get itemKeyBytes(): number {
    return this.items.key.length + idBytes + (this.kind === 'priority' ? levelBytes : 0);
  }

  /** What every item of the level has a larger id than. */
  gateOf(level: LevelName): Key {
    return level === '' ? this.gate : `${this.levelGates.key}${level.slice(0, -1)}`;
  }

  /** The level that a key is the gate of; undefined for other keys. */
  levelOfGate(key: Key): LevelName | undefined {
    if (key.startsWith(this.levelGates.key)) return `${this.nameIn(this.levelGates, key)}/`;
    return key === this.gate && this.kind !== 'priority' ? '' : undefined;
  }

  item(id: ItemId): Key {
    return `${this.items.key}${id}`;
  }

  /** Where the item is until its delay is over. */
  delayedItem(id: ItemId): Key {
    return `${this.delayed.key}${id}`;
  }

  freshDelay(id: ItemId): Key {
    return `${this.freshDelays.key}${id}`;
  }

  /** At a place of timers/timer-place.ts. */
  timer(place: string): Key {
    return `${this.timers.key}${place}`;
  }

  schedule(name: string): Key {
    return `${this.schedules.key}${keyOf(name)}`;
  }

  generation(id: ItemId): Key {
    return `${this.generations.key}${id}`;
  }

  presence(worker: string): Key {
    return `${this.presences.key}${worker}`;
  }

  candidate(worker: string): Key {
    return `${this.candidates.key}${worker}`;
  }

  recordsOf(worker: string): Required<KeyRange> {
    return prefixRange(`${this.records.key}${worker}/`);
  }

  /** Below a worker's records: it is to stop working on the item, which is cancelled. */
  cancellationFor(worker: string, id: ItemId): Key {
    return `${this.recordsOf(worker).key}${cancelled}${id}`;
  }

  /** The item that a key among a worker's records says is cancelled; undefined for a record. */
  cancelledIn(worker: string, key: Key): ItemId | undefined {
    const name = this.nameIn(this.recordsOf(worker), key);
    return name.startsWith(cancelled) ? name.slice(cancelled.length) : undefined;
  }

  cancellation(id: ItemId): Key {
    return `${this.cancellations.key}${id}`;
  }

  deadLetter(id: ItemId): Key {
    return `${this.deadLetters.key}${id}`;
  }

  progressOf(id: ItemId): Key {
    return `${this.progress.key}${id}`;
  }

  result(id: ItemId): Key {
    return `${this.results.key}${id}`;
  }

  used(idempotencyKey: string): Key {
    return `${this.idempotency.key}${idempotencyKey}`;
  }

  /** Items from `from` (inclusive) to `to` (exclusive), or to the end of its level. */
  itemsBetween(from: ItemId, to: ItemId | undefined): Required<KeyRange> {
    const { rangeEnd } = prefixRange(this.item(levelOf(from)));
    return { key: this.item(from), rangeEnd: to === undefined ? rangeEnd : this.item(to) };
  }

  /** The last segment or segments of a key: an item's id, a worker's name. */
  nameIn(range: KeyRange, key: Key): string {
    return key.slice(range.key.length);
  }

  /** The worker in the key of a record. */
  workerOfRecord(key: Key): string {
    const name = this.nameIn(this.records, key);
    return name.slice(0, name.indexOf('/'));
  }
}

/** Ids sort by level, then by the revision that the producer read, then by producer, then by its counter. */
export function itemId(revision: number, producer: string, counter: number, level: LevelName = ''): ItemId {
  const number = counter.toString(16).padStart(counterDigits, '0');
  return `${placeOf(revision, level)}/${producer}/${number}`;
}

/** The place before all items of a level whose producers read revision `revision` or later. */
export function placeOf(revision: number, level: LevelName = ''): ItemId {
  return `${level}${hexRevision(revision)}`;
}

/** The revision that the producer of an item (or the maker of a place) had read. */
export function revisionOf(place: ItemId): number {
  const from = levelOf(place).length;
  return Number.parseInt(place.slice(from, from + 16), 16);
}

/** Of an item or a place. A revision has 16 digits, so nothing else has a slash there. */
export function levelOf(place: ItemId): LevelName {
  return place[2] === '/' ? place.slice(0, 3) : '';
}
