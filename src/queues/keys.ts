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
 * | `i/<R>/<producer>/<n>` | an item; what follows `i/` is its id |
 * | `w/<worker>` | a worker's presence, leased; its create revision tells one life of the worker from another |
 *
 * Everything that the dispatcher watches (`e/` to `w/`) is one range without the two things that it writes most,
 * records and beats, so one watch gives it every change in revision order.
 */
import { hexRevision, type Key, type KeyRange, prefixEnd, prefixRange } from '../store/index.js';

const counterDigits = 10;

/** Names an item: the text after `i/`. Ids sort in queue order. */
export type ItemId = string;

export class QueueKeys {
  readonly prefix: Key;
  readonly gate: Key;
  readonly beat: Key;
  readonly items: Required<KeyRange>;
  readonly generations: Required<KeyRange>;
  readonly presences: Required<KeyRange>;
  readonly candidates: Required<KeyRange>;
  readonly records: Required<KeyRange>;
  /** Candidates, generations, gate, items and presences: what a dispatcher must see change in one order. */
  readonly watched: Required<KeyRange>;

  constructor(prefix: Key) {
    this.prefix = prefix;
    this.gate = `${prefix}h`;
    this.beat = `${prefix}beat`;
    this.items = prefixRange(`${prefix}i/`);
    this.generations = prefixRange(`${prefix}g/`);
    this.presences = prefixRange(`${prefix}w/`);
    this.candidates = prefixRange(`${prefix}e/`);
    this.records = prefixRange(`${prefix}a/`);
    this.watched = { key: this.candidates.key, rangeEnd: prefixEnd(`${prefix}w/`) };
  }

  item(id: ItemId): Key {
    return `${this.items.key}${id}`;
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

  /** Items from `from` (inclusive) to `to` (exclusive), or to the end. */
  itemsBetween(from: ItemId, to: ItemId | undefined): Required<KeyRange> {
    return { key: this.item(from), rangeEnd: to === undefined ? this.items.rangeEnd : this.item(to) };
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

/** Ids sort by the revision that the producer read, then by producer, then by its counter. */
export function itemId(revision: number, producer: string, counter: number): ItemId {
  return `${hexRevision(revision)}/${producer}/${counter.toString(16).padStart(counterDigits, '0')}`;
}

/** The place before all items whose producers read revision `revision` or later. */
export function placeOf(revision: number): ItemId {
  return hexRevision(revision);
}

/** The revision that the producer of an item (or the maker of a place) had read. */
export function revisionOf(place: ItemId): number {
  return Number.parseInt(place.slice(0, 16), 16);
}
