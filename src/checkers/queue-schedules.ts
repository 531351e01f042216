/**
 * Whether each tick of a queue's schedules was decided once, and as was asked for, by a replay of its whole history in the order of
 * revisions. The protocol is told in `queues/schedules/ticker.ts`.
 */
import { type ItemId, QueueKeys } from '../queues/keys.js';
import { decodeItem, decodeSchedule, type ItemTraits, type ScheduleRecord } from '../queues/records/index.js';
import { firstOfDue, lateAfterMs } from '../queues/schedules/due.js';
import { ticksOf } from '../queues/schedules/ticks.js';
import { type HistoryEntry, inRange, type Key, type KeyEvent, textOf, textOfKey } from '../store/index.js';
import type { History } from './history.js';
import { broken } from './sentences.js';

export interface QueueSchedulesCheck {
  readonly history: History;
  /** The prefix of the queue's keys: `client.keys.prefix('queue', name)`. */
  readonly prefix: Key;
}

/** What was there to be checked. */
export interface QueueSchedulesCounts {
  /** Writes that decided ticks, and items that they put. */
  decisions: number;
  items: number;
  /** Of the decisions: by another dispatcher than the one before of the same schedule. */
  bySuccessor: number;
  /** Decisions about ticks that were missed, by what was asked for. */
  skipped: number;
  oneForAll: number;
  someForAll: number;
  /** Schedules that were changed, and removed. */
  changed: number;
  removed: number;
}

interface Item {
  readonly id: ItemId;
  readonly payload: Uint8Array;
  readonly traits: ItemTraits;
}

interface Standing {
  readonly record: ScheduleRecord;
  /** Who decided last. */
  readonly leader: string | undefined;
}

/**
 * Throws `InvariantBroken` for QUEUE-8: an item of a tick at or below the gate; and for QUEUE-24: a tick that is decided again, or passed over; items that are not those of the ticks which a decision
 * is about, by what is asked for those that are missed; an item of a schedule that is put beside no decision of it; a change that takes
 * a schedule back to before ticks that were decided.
 */
export function checkQueueSchedules({ history, prefix }: QueueSchedulesCheck): QueueSchedulesCounts {
  const replay = new SchedulesReplay(new QueueKeys(prefix));
  for (const entry of history.entries) replay.step(entry);
  return replay.counts;
}

class SchedulesReplay {
  readonly counts: QueueSchedulesCounts = {
    ...{
      decisions: 0,
      items: 0,
      bySuccessor: 0,
      skipped: 0,
      oneForAll: 0,
      someForAll: 0,
      changed: 0,
      removed: 0,
    },
  };
  readonly #keys: QueueKeys;
  readonly #standing = new Map<string, Standing>();
  readonly #candidates = new Map<Key, number>();
  #gate = '';

  constructor(keys: QueueKeys) {
    this.#keys = keys;
  }

  step({ events, revision }: HistoryEntry): void {
    const keys = this.#keys;
    const items = new Map<string, Item[]>();
    for (const event of events) {
      const item = this.#itemIn(event);
      const { schedule } = item?.traits ?? {};
      if (item === undefined || schedule === undefined) continue;
      if (item.id <= this.#gate)
        broken('QUEUE-8', `item ${item.id} of schedule "${schedule}" is put below gate ${this.#gate}`);
      items.set(schedule, [...(items.get(schedule) ?? []), item]);
    }
    for (const { type, kv } of events) {
      if (inRange(keys.schedules, kv.key)) {
        const name = textOfKey(keys.nameIn(keys.schedules, kv.key));
        if (type === 'put') this.#written(name, decodeSchedule(kv.value), items.get(name) ?? [], revision);
        else if (this.#standing.delete(name)) this.counts.removed += 1;
        if (type === 'put') items.delete(name);
      }
      if (kv.key === keys.gate) this.#gate = textOf(kv.value);
      if (!inRange(keys.candidates, kv.key)) continue;
      if (type === 'put') this.#candidates.set(kv.key, kv.createRevision);
      else this.#candidates.delete(kv.key);
    }
    const [name] = items.keys();
    if (name !== undefined)
      broken(
        'QUEUE-24',
        `an item of schedule "${name}" is put at revision ${revision}, and no tick is decided`,
      );
  }

  /** An item that enters, or is delayed. */
  #itemIn({ type, kv }: KeyEvent): Item | undefined {
    const keys = this.#keys;
    if (type === 'delete' || !inRange(keys.items, kv.key)) return undefined;
    const { payload, traits = {} } = decodeItem(kv.value);
    return { id: keys.nameIn(keys.items, kv.key), payload, traits };
  }

  #written(name: string, record: ScheduleRecord, items: readonly Item[], revision: number): void {
    const before = this.#standing.get(name);
    const what = `schedule "${name}" at revision ${revision}`;
    if (record.decidedAtMs === undefined) {
      if (items.length > 0) broken('QUEUE-24', `${what} is set, and puts an item`);
      if (before !== undefined) {
        if (record.lastMs < before.record.lastMs)
          broken('QUEUE-24', `${what} goes back from ${before.record.lastMs} to ${record.lastMs}`);
        this.counts.changed += 1;
      }
      this.#standing.set(name, { record, leader: before?.leader });
      return;
    }
    if (before === undefined) broken('QUEUE-24', `${what} is decided, and was not set`);
    const expected = this.#expected(before.record, record.decidedAtMs, what);
    const ticks = [...items].sort((a, b) => (a.id < b.id ? -1 : 1)).map(({ traits }) => traits.tickMs);
    if (record.lastMs !== expected.lastMs)
      broken(
        'QUEUE-24',
        `${what} is decided up to ${record.lastMs}, and ticks have come up to ${expected.lastMs}`,
      );
    if (ticks.join() !== expected.ticks.join())
      broken(
        'QUEUE-24',
        `${what} puts items for ticks ${ticks.join()}, and should for ${expected.ticks.join()}`,
      );
    for (const { payload } of items) {
      if (Buffer.compare(payload, before.record.payload) !== 0)
        broken('QUEUE-24', `${what} puts another payload than its own`);
    }
    const leader = this.#leader();
    this.counts.decisions += 1;
    this.counts.items += items.length;
    if (before.leader !== undefined && before.leader !== leader) this.counts.bySuccessor += 1;
    this.#standing.set(name, { record, leader });
  }

  /** By going through all of them. */
  #expected(
    before: ScheduleRecord,
    nowMs: number,
    what: string,
  ): { ticks: readonly number[]; lastMs: number } {
    const come: number[] = [];
    const ticks = ticksOf(before.rule);
    for (let tick = ticks.after(before.lastMs); tick !== undefined && tick <= nowMs; tick = ticks.after(tick))
      come.push(tick);
    const lastMs = come.at(-1);
    if (lastMs === undefined)
      broken('QUEUE-24', `${what} is decided by ${nowMs}, and no tick has come since ${before.lastMs}`);
    const late = come.filter((tick) => tick <= nowMs - lateAfterMs);
    const { missed } = before;
    if (late.length > 0) {
      if (missed === 'skip') this.counts.skipped += 1;
      else if (missed === 'one') this.counts.oneForAll += 1;
      else this.counts.someForAll += 1;
    }
    const most = missed === 'skip' ? 0 : missed === 'one' ? 1 : missed.atMost;
    const all = [...late.slice(Math.max(0, late.length - most)), ...come.slice(late.length)];
    return firstOfDue({ ticks: all, lastMs }, before.payload.length);
  }

  #leader(): string | undefined {
    const [first] = [...this.#candidates].sort(([, a], [, b]) => a - b);
    return first && `${first[0]} of ${first[1]}`;
  }
}
