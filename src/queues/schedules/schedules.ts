/**
 * What operators and programs say of a queue's schedules. Key `s/<name>`, see ticker.ts; changed here by `IF mod(s/<name>) = as read THEN put
 * s/<name> ELSE get s/<name>`, again with what was found if others were faster, ticks among them: so none of those is lost or repeated.
 *
 * - *Reply lost*: the exactly-once store finds out whether this change was applied. Nothing depends on a session, a watch or the history.
 */
import { invalidArgument, QuorateError } from '../../errors.js';
import {
  Backoff,
  checkWaitOptions,
  defaultTimeoutMs,
  TimeLeft,
  type WaitOptions,
} from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import { checkName, compare, get, type KeyValue, put, remove, textOfKey, txnOf } from '../../store/index.js';
import type { QueueKeys } from '../keys.js';
import { admissionOf } from '../producer/admission.js';
import type { ItemOptions } from '../producer/item-options.js';
import { firstOf } from '../reading/first-of.js';
import {
  decodeItem,
  decodeSchedule,
  encodeSchedule,
  type ItemTraits,
  type ScheduleRecord,
} from '../records/index.js';
import { delayFor } from '../timers/delay-option.js';
import { checkedMissed, type MissedTicks } from './due.js';
import { checkedRule, type ScheduleRule, ticksOf } from './ticks.js';

const retryDelay = { firstMs: 5, longestMs: 200 };
const longestName = 256;
/** It is written with each tick. */
const longestPayloadBytes = 256 * 1_024;
const noTraits: ItemTraits = {};

/** What a schedule is to be. One of `everyMs` and `cron`. */
export interface ScheduleOptions<T> extends WaitOptions {
  /** At every whole multiple of so many ms since 1970, UTC; a whole number from 1,000, up to a year. */
  everyMs?: number | undefined;
  /** Five fields, minutes first, or six, seconds first: `'30 2 * * 1-5'`. */
  cron?: string | undefined;
  /** Of `cron`: an IANA name such as `Europe/Berlin`. Default `UTC`. */
  timezone?: string | undefined;
  payload: T;
  /** Of each item. */
  item?: Omit<ItemOptions, 'idempotencyKey'> | undefined;
  /** Default `'one'`. */
  missed?: MissedTicks | undefined;
}

/** A schedule as it is. */
export interface Schedule<T> {
  readonly name: string;
  readonly rule: ScheduleRule;
  readonly missed: MissedTicks;
  /** Undefined if it cannot be decoded; then `unreadable` says why. */
  readonly payload: T | undefined;
  readonly unreadable?: unknown;
  readonly traits: ItemTraits;
  /** All ticks up to here are decided, in wall time. */
  readonly lastMs: number;
  /** The next tick. It may lie in the past, where nobody dispatches. */
  readonly nextMs: number;
  /** The revision that wrote it last. */
  readonly revision: number;
}

interface Codecs<T> {
  readonly encode: (payload: T, options: ItemOptions) => Uint8Array | Promise<Uint8Array>;
  readonly decode: (payload: Uint8Array) => T | Promise<T>;
}

/**
 * Schedules of a queue: each puts an item for each of its ticks, whoever runs.
 *
 * - **Order**: the item of a tick has its place from when it is put, as if somebody had enqueued it then.
 * - **Guaranteed**: a tick is given an item once, or, by `missed`, none, across the fleet: whoever dispatches, dies or comes back, and
 *   whatever is set meanwhile. Ticks that come at their time have one item each. A handler sees which in `job.tick`.
 * - **Not guaranteed**: punctuality beyond the dispatcher's own wall clock (that of one of the workers), which is believed: one that is ahead ticks
 *   early, one that is behind late, and none twice. Without a worker nothing ticks. A tick that is late by more than 5 s counts as missed.
 * - **A closed queue** is put nothing into: its ticks were missed when it opens again. A paused one is. A full one is too: ticks
 *   pass the bound of a queue, whatever its `whenFull` says.
 * - **Session loss** does not touch schedules: they are on no lease.
 * - **Cost**: two requests for all schedules that tick together, up to 50; a dispatcher reads all of them when it begins. A change is a read and
 *   a commit, and one commit more for each change that comes between. The payload is written with each tick. While a queue has schedules its
 *   dispatcher writes at least 6 beats a minute, and 30 where a tick is always near, so that its death is noticed before a tick is missed.
 *
 * Errors of every method: `invalid-argument`, also for a queue of another kind; `aborted` and `timeout` (of `options`; default 10 s; outcome
 * `unknown` if the change was on its way), and what the store answers.
 */
export class Schedules<T> {
  readonly #client: Client;
  readonly #keys: QueueKeys;
  readonly #codecs: Codecs<T>;

  /** Made by its queue. */
  constructor(client: Client, keys: QueueKeys, codecs: Codecs<T>) {
    this.#client = client;
    this.#keys = keys;
    this.#codecs = codecs;
  }

  /**
   * Makes a schedule, or changes it. Ticks from now on count, by the wall clock of this process; one whose rule stays the same goes on from
   * where it was, so that it can be set at each start of a program. A payload is up to 256 KiB (`request-too-large`).
   */
  async set(name: string, options: ScheduleOptions<T>): Promise<Schedule<T>> {
    checkScheduleName(name);
    if (typeof options !== 'object' || options === null)
      throw invalidArgument('no options', 'an object with everyMs or cron');
    const { item = {}, signal, timeoutMs } = options;
    checkWaitOptions({ signal, timeoutMs }, `setting schedule "${name}"`);
    if (typeof item !== 'object' || item === null)
      throw invalidArgument('item is no object', 'the options of an item, or none');
    const rule = checkedRule(options);
    const missed = checkedMissed(options.missed);
    const delayMs = delayFor(this.#keys.kind, item.delayMs);
    const { payload, traits } = decodeItem(await this.#codecs.encode(options.payload, item));
    if (payload.length > longestPayloadBytes) {
      throw new QuorateError(
        'request-too-large',
        `the payload of schedule "${name}" has ${payload.length} bytes; up to ${longestPayloadBytes} are taken`,
      );
    }
    const { priority } = item;
    const same = JSON.stringify(rule);
    const nowMs = Math.floor(this.#client.runtime.wallMs());
    const kv = await this.#change(name, options, (before) => {
      const lastMs =
        before === undefined
          ? nowMs
          : JSON.stringify(before.rule) === same
            ? before.lastMs
            : Math.max(nowMs, before.lastMs);
      return { rule, missed, traits, priority, delayMs, lastMs, payload };
    });
    return this.#scheduleOf(kv as KeyValue);
  }

  /** False if there is none of this name (any more). Items that it has put stay. */
  async remove(name: string, options: WaitOptions = {}): Promise<boolean> {
    checkScheduleName(name);
    checkWaitOptions(options, `removing schedule "${name}"`);
    const request = txnOf({ success: [remove(this.#keys.schedule(name))] });
    const [reply] = (await this.#client.store.txn(request, { timeoutMs: defaultTimeoutMs, ...options }))
      .replies;
    return reply?.type === 'delete' && reply.deleted > 0;
  }

  /** All of them, by name. One request. Error: `codec` for one that another program wrote. */
  async list(options: WaitOptions = {}): Promise<readonly Schedule<T>[]> {
    checkWaitOptions(options, 'listing schedules');
    const { kvs } = await this.#client.store.range(
      { ...this.#keys.schedules },
      { timeoutMs: defaultTimeoutMs, ...options },
    );
    return Promise.all(kvs.map((kv) => this.#scheduleOf(kv)));
  }

  /** Undefined if there is none of this name. One request. Errors as {@link list}. */
  async get(name: string, options: WaitOptions = {}): Promise<Schedule<T> | undefined> {
    checkScheduleName(name);
    checkWaitOptions(options, `reading schedule "${name}"`);
    const read = { key: this.#keys.schedule(name) };
    const { kvs } = await this.#client.store.range(read, { timeoutMs: defaultTimeoutMs, ...options });
    return kvs[0] && this.#scheduleOf(kvs[0]);
  }

  async #change(
    name: string,
    { signal, timeoutMs = defaultTimeoutMs }: WaitOptions,
    next: (before: ScheduleRecord | undefined) => ScheduleRecord,
  ): Promise<KeyValue | undefined> {
    const { runtime, store } = this.#client;
    const left = new TimeLeft(runtime, { signal, timeoutMs }, `setting schedule "${name}"`);
    const backoff = new Backoff(runtime, retryDelay);
    const key = this.#keys.schedule(name);
    const first = await store.txn(
      txnOf({ success: [get(key), { type: 'range', ...this.#keys.admission }] }),
      left.forRead(),
    );
    this.#checkKind(first.replies[1]?.type === 'range' ? first.replies[1].kvs : []);
    for (let found = firstOf(first.replies[0]); ; await left.pause(backoff.nextMs())) {
      const value = encodeSchedule(next(found && decodeSchedule(found.value)));
      const mod = found?.modRevision ?? 0;
      const { succeeded, revision, replies } = await store.txn(
        txnOf({ compare: [compare.mod(key, 'equal', mod)], success: [put(key, value)], failure: [get(key)] }),
        left.all(),
      );
      if (succeeded)
        return { key, value, createRevision: revision, modRevision: revision, version: 1, lease: '0' };
      found = firstOf(replies[0]);
    }
  }

  /** A queue that nobody has used yet comes to be with its first item; a closed one may be given schedules. */
  #checkKind(kvs: readonly KeyValue[]): void {
    if (kvs.length === 0) return;
    admissionOf(
      this.#keys,
      kvs.filter(({ key }) => key !== this.#keys.control),
      [],
    );
  }

  async #scheduleOf(kv: KeyValue): Promise<Schedule<T>> {
    const { rule, missed, traits = noTraits, lastMs, payload } = decodeSchedule(kv.value);
    const known = {
      ...{ name: textOfKey(this.#keys.nameIn(this.#keys.schedules, kv.key)), rule, missed, traits, lastMs },
      ...{ nextMs: ticksOf(rule).after(lastMs) ?? Number.POSITIVE_INFINITY, revision: kv.modRevision },
    };
    try {
      return { ...known, payload: await this.#codecs.decode(payload) };
    } catch (unreadable) {
      return { ...known, payload: undefined, unreadable };
    }
  }
}

function checkScheduleName(name: unknown): asserts name is string {
  checkName(name, 'name of a schedule');
  if (name.length > longestName)
    throw invalidArgument(`a name of ${name.length} characters`, `up to ${longestName}`);
}
