/**
 * Whether a queue obeyed the rules of its operators and its items, by a replay of its whole history in the order of
 * revisions. The queue's keys and records are told in `queues/keys.ts`.
 */
import { controlOf } from '../queues/dispatch/reads.js';
import { type ItemId, QueueKeys, revisionOf } from '../queues/keys.js';
import {
  decodeItem,
  decodeRecord,
  decodeTakeBack,
  openControl,
  type QueueControl,
} from '../queues/records/index.js';
import { type HistoryEntry, inRange, type Key, type KeyEvent, type KeyRange } from '../store/index.js';
import type { History } from './history.js';
import { RateAllowance } from './rate-allowance.js';
import { broken } from './sentences.js';

export interface QueueRulesCheck {
  readonly history: History;
  /** The prefix of the queue's keys: `client.keys.prefix('queue', name)`. */
  readonly prefix: Key;
  /** By how much clocks may run too fast, as a share. Default 0. The rate is judged only where the history has times. */
  readonly clockRateError?: number;
  /** Everything had time to be done: then no cancellation may be left. Default false. */
  readonly settled?: boolean;
}

/** What was there to be checked. */
export interface QueueRulesCounts {
  /** Jobs given out, those that came back again included. */
  given: number;
  /** Of these: while an earlier item stood aside for its key or its group. */
  passed: number;
  /** Jobs of a key that came back, from a worker that was lost or for a retry, while others of the key waited. */
  keysOfLost: number;
  keysInRetry: number;
  /** Changes of dispatcher, while a group was full, a key was held, a rate was set, a cancellation was to be told. */
  takeoversWithFullGroup: number;
  takeoversWithHeldKey: number;
  takeoversWithRate: number;
  takeoversWithCancellation: number;
  /** Limits set below what was in hand. */
  loweredBelow: number;
  /** Jobs that a worker had when they were cancelled, and workers that were told. */
  cancelledInHand: number;
  told: number;
  /** Of the workers that had a cancelled job: gone before they could be told. */
  lostBeforeTold: number;
}

interface Item {
  readonly id: ItemId;
  readonly create: number;
  readonly key: string | undefined;
  readonly group: string | undefined;
  generation: number;
  wasGiven: boolean;
  /** Who has it, in its present generation. */
  worker: string | undefined;
}

interface Gift {
  readonly item: Item;
  /** In words. */
  readonly what: string;
  readonly isFirst: boolean;
}

/**
 * Throws `InvariantBroken` for
 * - QUEUE-4: an item given out for the first time while an earlier one waits that no rule holds back, or one of its group;
 * - QUEUE-9: an assignment under a control that says paused;
 * - QUEUE-10: a job given out while another of its key is in hand, or an earlier one stands;
 * - QUEUE-11: more in hand after an assignment, of a group that it gives from or in all, than the limit at its revision;
 * - QUEUE-12: more given out in some span of time than `burst` and what the rate allows for it, or than the rate allows since it
 *   was set or the dispatcher changed;
 * - QUEUE-13: a cancellation that goes while the worker that had the job is present, has its record, and was not told; a
 *   worker told of what was not cancelled; one left although `settled`.
 *
 * "Earlier" is what every dispatcher must have known: created no later than the revision that is the item's place.
 */
export function checkQueueRules(options: QueueRulesCheck): QueueRulesCounts {
  const { history, prefix, clockRateError = 0, settled = false } = options;
  const replay = new RulesReplay(new QueueKeys(prefix), clockRateError);
  for (const entry of history.entries) replay.step(entry);
  if (settled) replay.checkSettled();
  return replay.counts;
}

class RulesReplay {
  readonly counts: QueueRulesCounts = {
    ...{ given: 0, passed: 0, keysOfLost: 0, keysInRetry: 0, loweredBelow: 0 },
    ...{ takeoversWithFullGroup: 0, takeoversWithHeldKey: 0, takeoversWithRate: 0 },
    ...{ takeoversWithCancellation: 0, cancelledInHand: 0, told: 0, lostBeforeTold: 0 },
  };
  readonly #keys: QueueKeys;
  readonly #clockRateError: number;
  /** Standing ones. */
  readonly #items = new Map<ItemId, Item>();
  readonly #inHand = new Set<Item>();
  readonly #byKey = new Map<string, Set<Item>>();
  /** Never given out yet, and without a key. */
  readonly #fresh = new Set<Item>();
  readonly #presences = new Set<string>();
  readonly #candidates = new Map<Key, number>();
  /** By the keys of the records, which jobs they give in which generation. */
  readonly #records = new Map<Key, ReadonlySet<string>>();
  /** Who had the job, and in which grant. */
  readonly #cancelled = new Map<ItemId, { readonly worker: string; readonly grant: string } | undefined>();
  #control: QueueControl = openControl;
  #rate: RateAllowance | undefined;

  constructor(keys: QueueKeys, clockRateError: number) {
    this.#keys = keys;
    this.#clockRateError = clockRateError;
  }

  /** Compares of a transaction see the state before it: so what is guarded comes first, and then what the revision changes. */
  step(entry: HistoryEntry): void {
    const keys = this.#keys;
    const mine = entry.events.filter(({ kv }) => kv.key.startsWith(keys.prefix));
    if (mine.length === 0) return;
    const under = (range: Required<KeyRange>) => mine.filter(({ kv }) => inRange(range, kv.key));
    const records = under(keys.records);
    this.#give(records, entry);
    this.#cancel(under(keys.cancellations), records, entry.revision);
    for (const { type, kv } of records) if (type === 'delete') this.#records.delete(kv.key);
    for (const event of under(keys.items)) this.#item(event);
    for (const event of under(keys.generations)) this.#generation(event);
    for (const { type, kv } of under(keys.presences)) {
      const worker = keys.nameIn(keys.presences, kv.key);
      if (type === 'put') this.#presences.add(worker);
      else this.#presences.delete(worker);
    }
    for (const event of under(keys.candidates)) this.#candidate(event, entry);
    for (const { type, kv } of mine) {
      if (kv.key === keys.control)
        this.#controlled(controlOf(type === 'put' ? kv : undefined).control, entry);
    }
  }

  checkSettled(): void {
    const [left] = this.#cancelled.keys();
    if (left !== undefined) broken('QUEUE-13', `item ${left} was cancelled, and nobody was ever told`);
  }

  #give(records: readonly KeyEvent[], { revision, atMs }: HistoryEntry): void {
    const keys = this.#keys;
    const given: Gift[] = [];
    for (const { type, kv } of records) {
      const worker = keys.workerOfRecord(kv.key);
      if (type === 'delete' || keys.cancelledIn(worker, kv.key) !== undefined) continue;
      const jobs = decodeRecord(kv.value);
      this.#records.set(kv.key, new Set(jobs.map(({ id, generation }) => grantOf(id, generation))));
      const what = `record ${kv.key} of revision ${revision}`;
      if (this.#control.paused) broken('QUEUE-9', `${what} gives out ${jobs.length} jobs of a paused queue`);
      for (const { id, generation } of jobs) {
        const item = this.#items.get(id);
        if (item?.generation !== generation) continue;
        given.push({ item, what: `${what} gives out item ${id}`, isFirst: !item.wasGiven });
        item.worker = worker;
        item.wasGiven = true;
        this.#inHand.add(item);
        this.#fresh.delete(item);
      }
    }
    if (given.length === 0) return;
    this.counts.given += given.length;
    for (const gift of given) this.#inOrder(gift);
    this.#withinLimits(
      given.map(({ item }) => item),
      revision,
    );
    if (atMs === undefined || this.#rate === undefined) return;
    const excess = this.#rate.given(given.length, atMs);
    if (excess !== undefined)
      broken('QUEUE-12', `revision ${revision} gives out ${given.length} jobs: ${excess}`);
  }

  #inOrder({ item, what, isFirst }: Gift): void {
    const isBefore = (other: Item) => other.id < item.id && other.create <= revisionOf(item.id);
    for (const other of this.#byKey.get(item.key ?? '') ?? []) {
      if (other === item || item.key === undefined) continue;
      const ofKey = `item ${other.id} of the same key "${item.key}"`;
      if (other.worker !== undefined) broken('QUEUE-10', `${what} while ${other.worker} has ${ofKey}`);
      if (isBefore(other)) broken('QUEUE-10', `${what} before ${ofKey}, in generation ${other.generation}`);
    }
    if (!isFirst) return;
    for (const other of this.#fresh) {
      if (!isBefore(other)) continue;
      if (other.group === undefined || (item.key === undefined && other.group === item.group)) {
        broken('QUEUE-4', `${what} before item ${other.id}, which no rule holds back`);
      }
      this.counts.passed += 1;
    }
  }

  #withinLimits(given: readonly Item[], revision: number): void {
    const { concurrency = Number.POSITIVE_INFINITY } = this.#control.limits;
    if (this.#inHand.size > concurrency) {
      broken(
        'QUEUE-11',
        `${this.#inHand.size} jobs are in hand at revision ${revision}, and ${concurrency} may be`,
      );
    }
    for (const group of new Set(given.map((item) => item.group))) {
      if (group === undefined) continue;
      const [count, limit] = [this.#inHandOf(group), this.#limitOf(group)];
      if (count > limit)
        broken(
          'QUEUE-11',
          `${count} jobs of group "${group}" are in hand at revision ${revision}, and ${limit} may be`,
        );
    }
  }

  #cancel(cancellations: readonly KeyEvent[], records: readonly KeyEvent[], revision: number): void {
    const keys = this.#keys;
    const told = new Set<string>();
    for (const { type, kv } of records) {
      const worker = keys.workerOfRecord(kv.key);
      const id = keys.cancelledIn(worker, kv.key);
      if (id === undefined || type === 'delete') continue;
      if (!this.#cancelled.has(id))
        broken(
          'QUEUE-13',
          `worker ${worker} is told at revision ${revision} of item ${id}, which was not cancelled`,
        );
      told.add(`${worker}/${id}`);
      this.counts.told += 1;
    }
    for (const { type, kv } of cancellations) {
      const id = keys.nameIn(keys.cancellations, kv.key);
      if (type === 'put') {
        const item = this.#items.get(id);
        const holder = item?.worker && { worker: item.worker, grant: grantOf(id, item.generation) };
        this.#cancelled.set(id, holder || undefined);
        if (holder) this.counts.cancelledInHand += 1;
        continue;
      }
      const holder = this.#cancelled.get(id);
      this.#cancelled.delete(id);
      if (holder === undefined || told.has(`${holder.worker}/${id}`)) continue;
      if (!this.#presences.has(holder.worker)) this.counts.lostBeforeTold += 1;
      else if (this.#hasRecord(holder.worker, holder.grant)) {
        broken(
          'QUEUE-13',
          `item ${id} was cancelled, and worker ${holder.worker} has it and is not told at ${revision}`,
        );
      }
    }
  }

  #hasRecord(worker: string, grant: string): boolean {
    const range = this.#keys.recordsOf(worker);
    return [...this.#records].some(([key, grants]) => inRange(range, key) && grants.has(grant));
  }

  #item({ type, kv }: KeyEvent): void {
    const id = this.#keys.nameIn(this.#keys.items, kv.key);
    if (type === 'delete') {
      const item = this.#items.get(id);
      if (item === undefined) return;
      this.#items.delete(id);
      this.#inHand.delete(item);
      this.#fresh.delete(item);
      this.#byKey.get(item.key ?? '')?.delete(item);
      return;
    }
    const { key, group } = decodeItem(kv.value).traits ?? {};
    const life = { generation: 0, wasGiven: false, worker: undefined };
    const item: Item = { id, create: kv.createRevision, key, group, ...life };
    this.#items.set(id, item);
    if (key === undefined) this.#fresh.add(item);
    else this.#byKey.set(key, (this.#byKey.get(key) ?? new Set()).add(item));
  }

  #generation({ type, kv }: KeyEvent): void {
    const item = this.#items.get(this.#keys.nameIn(this.#keys.generations, kv.key));
    if (type === 'delete' || item === undefined) return;
    item.generation = kv.version;
    item.worker = undefined;
    this.#inHand.delete(item);
    if (item.key === undefined || (this.#byKey.get(item.key)?.size ?? 0) < 2) return;
    const { reason, delayMs } = decodeTakeBack(kv.value);
    if (reason === 'worker-lost') this.counts.keysOfLost += 1;
    else if (delayMs > 0) this.counts.keysInRetry += 1;
  }

  #candidate({ type, kv }: KeyEvent, { atMs }: HistoryEntry): void {
    if (type === 'put') {
      this.#candidates.set(kv.key, kv.createRevision);
      return;
    }
    const wasFirst = Math.min(...this.#candidates.values()) === this.#candidates.get(kv.key);
    this.#candidates.delete(kv.key);
    if (!wasFirst) return;
    if (atMs !== undefined) this.#rate?.empty(atMs);
    const { counts } = this;
    const inHand = [...this.#inHand];
    if (inHand.some(({ group }) => group !== undefined && this.#inHandOf(group) >= this.#limitOf(group)))
      counts.takeoversWithFullGroup += 1;
    if (inHand.some(({ key }) => key !== undefined && (this.#byKey.get(key)?.size ?? 0) > 1))
      counts.takeoversWithHeldKey += 1;
    if (this.#rate !== undefined) counts.takeoversWithRate += 1;
    if ([...this.#cancelled.values()].some((holder) => holder !== undefined))
      counts.takeoversWithCancellation += 1;
  }

  #controlled(control: QueueControl, { atMs }: HistoryEntry): void {
    const before = this.#control.limits.rate;
    this.#control = control;
    const { concurrency = Number.POSITIVE_INFINITY, rate } = control.limits;
    const isAbove = ({ group }: Item) => group !== undefined && this.#inHandOf(group) > this.#limitOf(group);
    if (this.#inHand.size > concurrency || [...this.#inHand].some(isAbove)) this.counts.loweredBelow += 1;
    if (JSON.stringify(rate) === JSON.stringify(before)) return;
    this.#rate = rate && atMs !== undefined ? new RateAllowance(rate, this.#clockRateError, atMs) : undefined;
  }

  #inHandOf(group: string): number {
    return [...this.#inHand].filter((item) => item.group === group).length;
  }

  #limitOf(group: string): number {
    const { groups = {}, groupConcurrency = Number.POSITIVE_INFINITY } = this.#control.limits;
    return Object.entries(groups).find(([name]) => name === group)?.[1] ?? groupConcurrency;
  }
}

function grantOf(id: ItemId, generation: number): string {
  return `${id}@${generation}`;
}
