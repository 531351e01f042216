/**
 * Puts an item for each tick of each schedule, beside the dispatcher and under its term.
 *
 * **Key.** `s/<name>`: what the schedule is, and up to where its ticks are decided (`lastMs`). It is changed by compare-and-set only, by who
 * sets it and by ticks.
 *
 * **Tick.** When a tick has come by this process's wall clock: a linearizable read of gates and control gives R, as before an enqueue, and then
 * `IF create(e/me) = term THEN {IF mod(s/<name>) = as known, value(h) < key, mod(h/ctl) = as read THEN put s/<name> := decided up to it, put i/…
 * for each tick that is to have an item ELSE get s/<name>}`. So a tick is decided once, with its items, whoever tries. Ticks of several schedules
 * that come together share a read and a group. Of ticks whose items are too large for one write together, the earliest are decided, and then
 * those that are left.
 *
 * - *Reply lost*: the exactly-once store finds out; if it cannot, the schedule is read again: either it is decided, or the next attempt compares the
 *   same revision, and one of the two is refused.
 * - *Refused by the gate or the control*: read again, with larger keys. *Closed*: nothing is put and nothing decided until it is open again, and
 *   then ticks were missed.
 * - *Changed or removed meanwhile*: refused, and what it is now is known from the reply, or from the watch if that already tells of something later.
 * - *Deposed, session lost, process paused*: the term refuses what comes late. The successor decides what was not decided.
 * - *Watch cut, history compacted*: all schedules are read again. What this misses for a moment is refused by the revision.
 * - *Watch failed for good*: what is known goes on ticking, and another watch is opened.
 * - *The wall clock is set back*: ticks that were decided are not repeated. *Forward*: ticks come at once, and none until then.
 */
import { isPassing, isPassingRead, isQuorateError, type QuorateError } from '../../errors.js';
import { Backoff, type Runtime, type Timer } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import { compare, get, nested, put, type TxnOp, type TxnReply } from '../../store/index.js';
import type { Subscription } from '../../watch/index.js';
import { type Term, underTerm } from '../dispatch/transactions.js';
import { asQuorateError } from '../failures.js';
import { itemId, type QueueKeys } from '../keys.js';
import { levelFor } from '../priority/priority.js';
import { admissionOf, createGates } from '../producer/admission.js';
import { firstOf } from '../reading/first-of.js';
import { encodeItem, encodeSchedule, type ScheduleRecord } from '../records/index.js';
import { putEntry } from '../timers/entry.js';
import { type Due, dueTicks, firstOfDue } from './due.js';
import { type Known, KnownSchedules } from './known-schedules.js';

const retryDelay = { firstMs: 20, longestMs: 2_000 };
const callTimeoutMs = 10_000;
/** A wall clock may be set meanwhile. */
const longestSleepMs = 10_000;
const closedPauseMs = 1_000;
/** Schedules that are decided together. */
const mostTogether = 50;

export interface TickerOptions {
  readonly client: Client;
  readonly keys: QueueKeys;
  readonly term: Term;
  readonly onError: (error: QuorateError) => void;
  /** Told, whenever there is nothing to do, in how many ms the next tick comes; undefined: none does. */
  readonly onNext?: ((restMs: number | undefined) => void) | undefined;
}

export class Ticker {
  readonly #client: Client;
  readonly #runtime: Runtime;
  readonly #keys: QueueKeys;
  readonly #term: Term;
  readonly #producer: string;
  readonly #onError: (error: QuorateError) => void;
  readonly #onNext: ((restMs: number | undefined) => void) | undefined;
  readonly #schedules: KnownSchedules;
  /** Unread since a watch was opened. */
  #isStale = false;
  #counter = 0;
  #isDeposed = false;
  /** Something has changed since the last look. */
  #hasNews = false;
  #wake: () => void = () => {};

  constructor(options: TickerOptions) {
    this.#client = options.client;
    this.#runtime = options.client.runtime;
    this.#keys = options.keys;
    this.#term = options.term;
    this.#onError = options.onError;
    this.#onNext = options.onNext;
    this.#producer = options.client.runtime.newId();
    this.#schedules = new KnownSchedules(options.keys, options.onError);
  }

  /** Ticks until told to stop, or deposed. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const onAbort = () => this.#wake();
    signal.addEventListener('abort', onAbort, { once: true });
    const stopWatching = this.#watch();
    const backoff = new Backoff(this.#runtime, retryDelay);
    while (!signal.aborted && !this.#isDeposed) {
      try {
        const pauseMs = await this.#step();
        backoff.reset();
        if (pauseMs > 0) await this.#rest(pauseMs, signal);
      } catch (error) {
        if (signal.aborted) break;
        this.#isStale = true;
        if (!isPassing(error) && !isPassingRead(error)) this.#onError(asQuorateError(error));
        this.#hasNews = false;
        await this.#rest(backoff.nextMs(), signal);
      }
    }
    stopWatching();
    signal.removeEventListener('abort', onAbort);
  }

  /** Answers how to stop it. */
  #watch(): () => void {
    const backoff = new Backoff(this.#runtime, retryDelay);
    let subscription: Subscription;
    let again: Timer | undefined;
    const subscribe = () => {
      subscription = this.#client.hub.subscribe(this.#keys.schedules, (item) => {
        if (item.type === 'opened') this.#isStale = true;
        if (item.type === 'events')
          for (const { type, kv } of item.events) this.#schedules.learn(kv, type === 'put');
        if (item.type === 'failed') {
          this.#onError(item.error);
          again = this.#runtime.setTimer(backoff.nextMs(), subscribe, { background: true });
        }
        this.#hasNews = true;
        this.#wake();
      });
    };
    subscribe();
    return () => {
      again?.cancel();
      subscription.close();
    };
  }

  /** Does what is due, and answers for how long there is nothing to do. */
  async #step(): Promise<number> {
    if (this.#isStale) await this.#readAll();
    this.#hasNews = false;
    const nowMs = this.#runtime.wallMs();
    const due = this.#schedules.due(nowMs, mostTogether);
    if (due.length > 0) return this.#tick(due, nowMs);
    const restMs = this.#schedules.nextMs - nowMs;
    this.#onNext?.(Number.isFinite(restMs) ? restMs : undefined);
    return Math.max(1, Math.min(restMs, longestSleepMs));
  }

  async #readAll(): Promise<void> {
    this.#isStale = false;
    const range = { ...this.#keys.schedules };
    this.#schedules.read(await this.#client.store.range(range, { timeoutMs: callTimeoutMs }));
  }

  /** Answers for how long to pause then. */
  async #tick(due: readonly Known[], nowMs: number): Promise<number> {
    const admission = await this.#admit(due);
    if (admission === undefined) return closedPauseMs;
    await Promise.all(
      due.map(async (known) => {
        const decided = dueTicks(known.ticks, known.record.missed, known.record.lastMs, nowMs);
        if (decided === undefined) return;
        const first = firstOfDue(decided, known.record.payload.length);
        await this.#decide(known, first, nowMs, admission);
      }),
    );
    return 0;
  }

  /** Undefined while the queue is closed. */
  async #admit(due: readonly Known[]): Promise<{ revision: number; control: number } | undefined> {
    const { store } = this.#client;
    const levels = due.map(({ record }) => levelFor(this.#keys.kind, record.priority));
    try {
      for (;;) {
        const { revision, kvs } = await store.range(this.#keys.admission, { timeoutMs: callTimeoutMs });
        const { missing, control } = admissionOf(this.#keys, kvs, levels);
        if (missing.length === 0) return { revision, control };
        const request = createGates(this.#keys, revision, missing);
        if ((await store.txn(request, { timeoutMs: callTimeoutMs })).succeeded) return { revision, control };
      }
    } catch (error) {
      if (isQuorateError(error, 'queue-closed')) return undefined;
      throw error;
    }
  }

  async #decide(
    known: Known,
    due: Due,
    nowMs: number,
    admission: { revision: number; control: number },
  ): Promise<void> {
    const keys = this.#keys;
    const key = keys.schedule(known.name);
    const record = { ...known.record, lastMs: due.lastMs, decidedAtMs: nowMs };
    const { level, ids, puts } = this.#items(known, due, nowMs, admission.revision);
    const request = underTerm(keys, this.#term, [
      nested({
        compare: [
          compare.mod(key, 'equal', known.mod),
          compare.mod(keys.control, 'equal', admission.control),
          ...(ids[0] === undefined ? [] : [compare.value(keys.gateOf(level), 'less', ids[0])]),
        ],
        success: [put(key, encodeSchedule(record)), puts],
        failure: [get(key)],
      }),
    ]);
    const reply = await this.#client.store.txn(request, { timeoutMs: callTimeoutMs });
    if (!reply.succeeded) this.#isDeposed = true;
    else this.#decided(known, record, reply);
  }

  #items(
    { name, record }: Known,
    { ticks }: Due,
    nowMs: number,
    revision: number,
  ): { level: string; ids: readonly string[]; puts: TxnOp } {
    const { payload, traits, priority, delayMs } = record;
    const level = levelFor(this.#keys.kind, priority);
    const ids: string[] = [];
    const success = ticks.map((tickMs) => {
      this.#counter += 1;
      const id = itemId(revision, this.#producer, this.#counter, level);
      ids.push(id);
      const value = encodeItem(payload, nowMs, { ...traits, schedule: name, tickMs });
      return putEntry(this.#keys, id, { value, delayMs });
    });
    return { level, ids, puts: nested({ success }) };
  }

  #decided(known: Known, record: ScheduleRecord, { replies, revision }: TxnReply): void {
    const [part] = replies;
    if (part?.type !== 'txn') return;
    if (part.succeeded) {
      this.#schedules.know({ ...known, record, mod: revision });
      return;
    }
    const found = firstOf(part.replies[0]);
    if (found === undefined) this.#schedules.forget(known);
    else this.#schedules.learn(found, true);
  }

  #rest(pauseMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      let timer: Timer | undefined;
      const wake = () => {
        timer?.cancel();
        this.#wake = () => {};
        resolve();
      };
      this.#wake = wake;
      if (signal.aborted || this.#hasNews) wake();
      else timer = this.#runtime.setTimer(pauseMs, wake, { background: true });
    });
  }
}
