import type { QuorateError } from '../../errors.js';
import { type KeyValue, type RangeResult, textOfKey } from '../../store/index.js';
import { asQuorateError } from '../failures.js';
import type { QueueKeys } from '../keys.js';
import { decodeSchedule, type ScheduleRecord } from '../records/index.js';
import { type Ticks, ticksOf } from './ticks.js';

/** A schedule as it was at a revision. */
export interface Known {
  readonly name: string;
  /** The revision that wrote it. */
  readonly mod: number;
  readonly record: ScheduleRecord;
  readonly ticks: Ticks;
  /** The next one that is not decided. */
  readonly nextMs: number;
}

/**
 * The schedules of a queue, by reads, by the watch and by replies to ticks, in whatever order these come: of each the newest that was
 * told counts. What is known to be there and has gone is refused by its revision when it ticks.
 */
export class KnownSchedules {
  readonly #keys: QueueKeys;
  readonly #onError: (error: QuorateError) => void;
  readonly #schedules = new Map<string, Known>();

  /** `onError`: told of one that cannot be read. */
  constructor(keys: QueueKeys, onError: (error: QuorateError) => void) {
    this.#keys = keys;
    this.#onError = onError;
  }

  /** When the next tick comes that is not decided; infinity: none does. */
  get nextMs(): number {
    let first = Number.POSITIVE_INFINITY;
    for (const { nextMs } of this.#schedules.values()) if (nextMs < first) first = nextMs;
    return first;
  }

  /** Up to `most` of those that have a tick to decide. */
  due(nowMs: number, most: number): readonly Known[] {
    return [...this.#schedules.values()].filter(({ nextMs }) => nextMs <= nowMs).slice(0, most);
  }

  /** All that there are were read. */
  read({ revision, kvs }: RangeResult): void {
    const found = new Set(kvs.map(({ key }) => this.#nameOf(key)));
    for (const [name, { mod }] of this.#schedules) {
      // The watch may have brought one that was set after this was read.
      if (!found.has(name) && mod <= revision) this.#schedules.delete(name);
    }
    for (const kv of kvs) this.learn(kv, true);
  }

  learn(kv: KeyValue, isThere: boolean): void {
    const name = this.#nameOf(kv.key);
    const known = this.#schedules.get(name);
    if (known !== undefined && known.mod >= kv.modRevision) return;
    if (!isThere) {
      this.#schedules.delete(name);
      return;
    }
    try {
      const record = decodeSchedule(kv.value);
      this.know({ name, mod: kv.modRevision, record, ticks: ticksOf(record.rule) });
    } catch (error) {
      // Nobody knows when it was to tick.
      this.#schedules.delete(name);
      this.#onError(asQuorateError(error));
    }
  }

  know(known: Omit<Known, 'nextMs'>): void {
    const current = this.#schedules.get(known.name);
    if (current !== undefined && current.mod > known.mod) return;
    const nextMs = known.ticks.after(known.record.lastMs) ?? Number.POSITIVE_INFINITY;
    this.#schedules.set(known.name, { ...known, nextMs });
  }

  /** It is not there any more as it was known. */
  forget({ name, mod }: Known): void {
    // The watch may have brought one that was set again since.
    if (this.#schedules.get(name)?.mod === mod) this.#schedules.delete(name);
  }

  #nameOf(key: string): string {
    return textOfKey(this.#keys.nameIn(this.#keys.schedules, key));
  }
}
