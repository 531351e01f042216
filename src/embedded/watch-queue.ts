import type { KeyEvent } from '../store/index.js';
import type { WatchResponseMessage } from './wire.js';

/** What waits to be sent on a watch stream: a ready message, or whole revisions of events of one watch. */
export type Outgoing<W> = WatchResponseMessage | EventBatch<W>;

export interface EventBatch<W> {
  readonly watch: W;
  readonly events: readonly KeyEvent[];
  /** The store's revision when these were the news. */
  readonly headerRevision: number;
}

/** About the bytes of an event in memory and on the wire. */
export function weightOf(event: KeyEvent): number {
  const { kv, prevKv } = event;
  const previous = prevKv === undefined ? 0 : prevKv.key.length + prevKv.value.length + 64;
  return kv.key.length + kv.value.length + 64 + previous;
}

function sum(events: readonly KeyEvent[]): number {
  let weight = 0;
  for (const event of events) weight += weightOf(event);
  return weight;
}

/** Events in parts of at most `limit` bytes, or a single event each; a revision may be cut. */
export function cut(events: readonly KeyEvent[], limit: number): KeyEvent[][] {
  return pack(
    events.map((event) => [event]),
    limit,
  );
}

/** Events in parts of at most `limit` bytes, or a single revision each; no revision is cut. */
export function cutByRevision(events: readonly KeyEvent[], limit: number): KeyEvent[][] {
  const revisions: KeyEvent[][] = [];
  let current: KeyEvent[] = [];
  for (const event of events) {
    if (current[0] !== undefined && current[0].kv.modRevision !== event.kv.modRevision) {
      revisions.push(current);
      current = [];
    }
    current.push(event);
  }
  revisions.push(current);
  return pack(revisions, limit);
}

function pack(units: readonly KeyEvent[][], limit: number): KeyEvent[][] {
  const parts: KeyEvent[][] = [];
  let room = 0;
  for (const unit of units) {
    const weight = sum(unit);
    const last = parts.at(-1);
    if (last === undefined || weight > room) {
      parts.push([...unit]);
      room = limit - weight;
    } else {
      last.push(...unit);
      room -= weight;
    }
  }
  return parts;
}

/**
 * What waits to be sent on one stream, in order. Adjacent batches of one watch leave as one message. Takes events
 * up to a weight, so that a client that does not read cannot make the server hold all that happened meanwhile.
 */
export class WatchQueue<W> {
  readonly #maxWeight: number;
  readonly #maxMessageWeight: number;
  #items: (Outgoing<W> | undefined)[] = [];
  #head = 0;
  #weight = 0;

  constructor(limits: { readonly maxWeight: number; readonly maxMessageWeight: number }) {
    this.#maxWeight = limits.maxWeight;
    this.#maxMessageWeight = limits.maxMessageWeight;
  }

  get length(): number {
    return this.#items.length - this.#head;
  }

  pushMessage(message: WatchResponseMessage): void {
    this.#items.push(message);
  }

  /** Returns false if there is no room; one batch always has room in an empty queue. */
  pushEvents(batch: EventBatch<W>): boolean {
    const weight = sum(batch.events);
    if (this.#weight > 0 && this.#weight + weight > this.#maxWeight) return false;
    this.#weight += weight;
    if (weight <= this.#maxMessageWeight) {
      this.#items.push(batch);
    } else {
      for (const events of cutByRevision(batch.events, this.#maxMessageWeight)) {
        this.#items.push({ ...batch, events });
      }
    }
    return true;
  }

  /** The next message's worth. */
  shift(): Outgoing<W> | undefined {
    const first = this.#take();
    if (first === undefined || !('watch' in first)) return first;
    let weight = this.#count(first);
    let events: KeyEvent[] | undefined;
    let headerRevision = first.headerRevision;
    for (let next = this.#items[this.#head]; next !== undefined; next = this.#items[this.#head]) {
      if (!('watch' in next) || next.watch !== first.watch) break;
      const more = sum(next.events);
      if (weight + more > this.#maxMessageWeight) break;
      weight += more;
      events ??= [...first.events];
      events.push(...next.events);
      headerRevision = next.headerRevision;
      this.#take();
      this.#weight -= more;
    }
    return events === undefined ? first : { watch: first.watch, events, headerRevision };
  }

  /** Drops the events of a watch that was cancelled. */
  dropEvents(watch: W): void {
    const kept = this.#items.slice(this.#head).filter((item) => {
      if (item === undefined || !('watch' in item) || item.watch !== watch) return true;
      this.#count(item);
      return false;
    });
    this.#items = kept;
    this.#head = 0;
  }

  clear(): void {
    this.#items = [];
    this.#head = 0;
    this.#weight = 0;
  }

  #count(batch: EventBatch<W>): number {
    const weight = sum(batch.events);
    this.#weight -= weight;
    return weight;
  }

  #take(): Outgoing<W> | undefined {
    const item = this.#items[this.#head];
    if (item === undefined) return undefined;
    this.#items[this.#head] = undefined;
    this.#head += 1;
    if (this.#head === this.#items.length) {
      this.#items = [];
      this.#head = 0;
    } else if (this.#head > 1_024) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }
}
