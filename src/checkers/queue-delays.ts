/**
 * Whether a queue kept the delays of its items, by a replay of its whole history in the order of revisions. The keys are told in
 * `queues/keys.ts`, the protocol in `queues/timers/timer-plan.ts`.
 */
import { beatOf } from '../queues/dispatch/reads.js';
import { type ItemId, QueueKeys } from '../queues/keys.js';
import { itemOfTimer } from '../queues/timers/timer-place.js';
import { delayIn } from '../queues/timers/timer-transactions.js';
import {
  type HistoryEntry,
  inRange,
  type Key,
  type KeyEvent,
  type KeyRange,
  textOf,
} from '../store/index.js';
import { milliseconds } from './evidence.js';
import type { History } from './history.js';
import { broken } from './sentences.js';

export interface QueueDelaysCheck {
  /** With true times. */
  readonly history: History;
  /** The prefix of the queue's keys: `client.keys.prefix('queue', name)`. */
  readonly prefix: Key;
  /** By how much clocks may run too fast, as a share. Default 0. */
  readonly clockRateError?: number;
  /** Somebody may have purged the queue: then delayed items may go as they are. Default false. */
  readonly mayPurge?: boolean;
  /** Everything had time to be done: then nothing of a delay may be left. Default false. */
  readonly settled?: boolean;
}

/** What was there to be checked. */
export interface QueueDelaysCounts {
  /** Items that entered after a delay. */
  fired: number;
  /** Of these: at a place that no producer could have put them to any more. */
  firedBelowGate: number;
  /** Of these: items that were stamped, or fired, under another dispatcher than there was when they were enqueued or stamped. */
  stampedBySuccessor: number;
  firedBySuccessor: number;
  /** Items that were cancelled while they were delayed, and of these before anybody had stamped them. */
  cancelled: number;
  cancelledFresh: number;
  /** Timers that went after their item had been cancelled. */
  dropped: number;
  purged: number;
}

interface Delayed {
  readonly value: Uint8Array;
  readonly delayMs: number;
  readonly atMs: number;
  readonly enqueuedUnder: string | undefined;
  stampedUnder?: string | undefined;
  isStamped: boolean;
}

/**
 * Throws `InvariantBroken` for
 * - QUEUE-22: an item that enters the queue before its delay is over;
 * - QUEUE-23: a delayed item that goes and neither enters the queue in that revision, with the value that it had, nor is cancelled; one
 *   that is there twice, or comes again; a beat whose queue time is before that of an earlier one, which begins delays anew;
 *   one that is left, or a trace of one, although `settled`.
 */
export function checkQueueDelays(options: QueueDelaysCheck): QueueDelaysCounts {
  const replay = new DelaysReplay(options);
  for (const entry of options.history.entries) replay.step(entry);
  if (options.settled === true) replay.checkSettled();
  return replay.counts;
}

class DelaysReplay {
  readonly counts: QueueDelaysCounts = {
    ...{ fired: 0, firedBelowGate: 0, stampedBySuccessor: 0, firedBySuccessor: 0 },
    ...{ cancelled: 0, cancelledFresh: 0, dropped: 0, purged: 0 },
  };
  readonly #keys: QueueKeys;
  readonly #clockRateError: number;
  readonly #mayPurge: boolean;
  readonly #delayed = new Map<ItemId, Delayed>();
  /** Of all items that ever were. */
  readonly #known = new Set<ItemId>();
  /** Standing ones of what a delay leaves. */
  readonly #traces = new Set<Key>();
  readonly #candidates = new Map<Key, number>();
  #gate = '';
  #queueMs = 0;

  constructor({ prefix, clockRateError = 0, mayPurge = false }: QueueDelaysCheck) {
    this.#keys = new QueueKeys(prefix, 'delay');
    this.#clockRateError = clockRateError;
    this.#mayPurge = mayPurge;
  }

  step(entry: HistoryEntry): void {
    const keys = this.#keys;
    const mine = entry.events.filter(({ kv }) => kv.key.startsWith(keys.prefix));
    if (mine.length === 0) return;
    const under = (range: Required<KeyRange>) => mine.filter(({ kv }) => inRange(range, kv.key));
    this.#fresh(under(keys.freshDelays));
    this.#items(under(keys.items), under(keys.delayed), entry);
    this.#leave(under(keys.delayed), [...under(keys.items), ...under(keys.cancellations)], entry);
    this.#enter(under(keys.delayed), under(keys.freshDelays), entry);
    this.#timers(under(keys.timers), under(keys.items), entry);
    for (const event of under(keys.candidates)) this.#candidate(event);
    for (const { kv } of mine) {
      if (kv.key === keys.gate) this.#gate = textOf(kv.value);
      if (kv.key === keys.beat) this.#beat(kv.value, entry);
    }
  }

  checkSettled(): void {
    const [id] = this.#delayed.keys();
    if (id !== undefined) broken('QUEUE-23', `item ${id} is delayed for ever`);
    const [trace] = this.#traces;
    if (trace !== undefined) broken('QUEUE-23', `${trace} is left of an item that has gone`);
  }

  #fresh(events: readonly KeyEvent[]): void {
    for (const { type, kv } of events) {
      if (type === 'put') this.#traces.add(kv.key);
      else this.#traces.delete(kv.key);
    }
  }

  /** What enters the queue. */
  #items(
    items: readonly KeyEvent[],
    delayed: readonly KeyEvent[],
    { revision, atMs = 0 }: HistoryEntry,
  ): void {
    const keys = this.#keys;
    const gone = new Set(delayed.flatMap(({ type, kv }) => (type === 'delete' ? [kv.key] : [])));
    for (const { type, kv } of items) {
      if (type === 'delete') continue;
      const id = keys.nameIn(keys.items, kv.key);
      const what = `item ${id} enters the queue at revision ${revision}`;
      const wait = this.#delayed.get(id);
      if (wait === undefined) {
        if (this.#known.has(id)) broken('QUEUE-23', `${what} although it has ended, or is there already`);
        this.#known.add(id);
        continue;
      }
      if (!gone.has(keys.delayedItem(id))) broken('QUEUE-23', `${what} and is delayed still`);
      if (Buffer.compare(wait.value, kv.value) !== 0)
        broken('QUEUE-23', `${what} with another value than it had`);
      const waitedMs = (atMs - wait.atMs) * (1 + this.#clockRateError);
      // A clock may be read a little before its request leaves, never after.
      if (waitedMs < wait.delayMs) {
        broken(
          'QUEUE-22',
          `${what} after ${milliseconds(atMs - wait.atMs)} of ${milliseconds(wait.delayMs)}`,
        );
      }
      this.counts.fired += 1;
      if (id < this.#gate) this.counts.firedBelowGate += 1;
      if (wait.stampedUnder !== this.#leader()) this.counts.firedBySuccessor += 1;
    }
  }

  /** What is not delayed any more. `others`: items and cancellations of the same revision. */
  #leave(events: readonly KeyEvent[], others: readonly KeyEvent[], { revision }: HistoryEntry): void {
    const keys = this.#keys;
    const put = new Set(others.flatMap(({ type, kv }) => (type === 'put' ? [kv.key] : [])));
    for (const { type, kv } of events) {
      if (type === 'put') continue;
      const id = keys.nameIn(keys.delayed, kv.key);
      const wait = this.#delayed.get(id);
      this.#delayed.delete(id);
      if (put.has(keys.item(id))) continue;
      if (put.has(keys.cancellation(id))) {
        this.counts.cancelled += 1;
        if (wait?.isStamped === false) this.counts.cancelledFresh += 1;
      } else if (this.#mayPurge) this.counts.purged += 1;
      else broken('QUEUE-23', `item ${id} goes at revision ${revision}, and is nowhere`);
    }
  }

  #enter(
    events: readonly KeyEvent[],
    fresh: readonly KeyEvent[],
    { revision, atMs = 0 }: HistoryEntry,
  ): void {
    const keys = this.#keys;
    const delays = new Map(fresh.map(({ kv }) => [keys.nameIn(keys.freshDelays, kv.key), kv.value]));
    for (const { type, kv } of events) {
      if (type === 'delete') continue;
      const id = keys.nameIn(keys.delayed, kv.key);
      if (this.#known.has(id))
        broken('QUEUE-23', `item ${id} is delayed at revision ${revision}, and was known`);
      this.#known.add(id);
      const delay = delays.get(id);
      if (delay === undefined)
        broken('QUEUE-23', `item ${id} is delayed at revision ${revision}, and nobody is told`);
      const wait = { value: kv.value, delayMs: delayIn(delay), atMs };
      this.#delayed.set(id, { ...wait, enqueuedUnder: this.#leader(), isStamped: false });
    }
  }

  #timers(events: readonly KeyEvent[], items: readonly KeyEvent[], { revision }: HistoryEntry): void {
    const keys = this.#keys;
    const fired = new Set(items.flatMap(({ type, kv }) => (type === 'put' ? [kv.key] : [])));
    for (const { type, kv } of events) {
      const id = itemOfTimer(keys.nameIn(keys.timers, kv.key));
      const wait = this.#delayed.get(id);
      if (type === 'put') {
        this.#traces.add(kv.key);
        if (wait === undefined) continue;
        if (wait.isStamped) broken('QUEUE-23', `item ${id} is given a second timer at revision ${revision}`);
        wait.isStamped = true;
        wait.stampedUnder = this.#leader();
        if (wait.enqueuedUnder !== undefined && wait.enqueuedUnder !== wait.stampedUnder)
          this.counts.stampedBySuccessor += 1;
      } else if (this.#traces.delete(kv.key)) {
        if (wait !== undefined)
          broken('QUEUE-23', `item ${id} is delayed, and loses its timer at revision ${revision}`);
        if (!fired.has(keys.item(id))) this.counts.dropped += 1;
      }
    }
  }

  #beat(value: Uint8Array, { revision }: HistoryEntry): void {
    const queueMs = beatOf({ ...noKey, value })?.timeMs ?? 0;
    if (queueMs < this.#queueMs) {
      const from = `${milliseconds(this.#queueMs)} to ${milliseconds(queueMs)}`;
      broken('QUEUE-23', `queue time goes back from ${from} at revision ${revision}`);
    }
    this.#queueMs = queueMs;
  }

  #candidate({ type, kv }: KeyEvent): void {
    if (type === 'put') this.#candidates.set(kv.key, kv.createRevision);
    else this.#candidates.delete(kv.key);
  }

  /** Who was first in the line for dispatcher. */
  #leader(): string | undefined {
    const [first] = [...this.#candidates].sort(([, a], [, b]) => a - b);
    return first && `${first[0]} of ${first[1]}`;
  }
}

const noKey = { key: '', createRevision: 0, modRevision: 0, version: 0, lease: '0' };
