/**
 * One term of a queue's dispatcher: carries its plan's writes and reads to the store and the changes to the plan.
 *
 * - Begins with what loading.ts reads, and then reads the items in windows.
 * - *Reply lost*: the exactly-once store finds out. If even that cannot tell (`unknown`), the term is given up: under the
 *   next one the write can no longer be applied.
 * - *Deposed*: the deletion of its candidate key comes through the watch, or a write is refused; nothing else is sent.
 * - *Watch cut or compacted*: everything is read anew, under the same term, once the write under way has its answer.
 * - *Session lost or process paused*: the term's key goes with the session or is deleted; writes are refused.
 */
import { isPassing, isPassingRead, type QuorateError } from '../../errors.js';
import { Backoff, type Runtime, sleep, type Timer } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import {
  type KeyEvent,
  put,
  type RangeRequest,
  type RangeResult,
  type TxnReply,
  type TxnRequest,
  txnOf,
} from '../../store/index.js';
import type { HubItem, Subscription } from '../../watch/index.js';
import { accountsIn } from '../bounds/credit-keys.js';
import type { GatheredLook } from '../conditions/messages.js';
import { lookAt } from '../conditions/read-conditions.js';
import { asQuorateError } from '../failures.js';
import { placeOf, type QueueKeys } from '../keys.js';
import { type Beat, encodeBeat } from '../records/index.js';
import type { TimerRead } from '../timers/messages.js';
import { readTimers } from '../timers/timer-transactions.js';
import { DispatchPlan, planLimits } from './dispatch-plan.js';
import { beatIntervalMs } from './heartbeat.js';
import { type Loading, loadState } from './loading.js';
import type { PlannedWrite, WindowRead } from './messages.js';
import { changeOf, storedItem } from './reads.js';
import { outcomeOf, requestOf, type Term, underTerm } from './transactions.js';

const retryDelay = { firstMs: 20, longestMs: 1_000 };
const callTimeoutMs = 10_000;

export class Dispatcher {
  readonly #client: Client;
  readonly #runtime: Runtime;
  readonly #keys: QueueKeys;
  readonly #term: Term;
  readonly #mirror: number;
  readonly #ended = new AbortController();
  #plan: DispatchPlan | undefined;
  /** Changes that came before there was a plan. */
  #early: Extract<HubItem, { type: 'events' }>[] = [];
  /** Counts loads: answers to what an earlier plan asked for are dropped. */
  #load = 0;
  #writing: Promise<void> | undefined;
  #timer: Timer | undefined;
  /** Queue time as of a moment of this process's clock: it goes on through a load under the same term. */
  #time: { readonly timeMs: number; readonly timeAtMs: number } | undefined;
  /** Of a schedule, by this process's clock. */
  #tickAtMs: number | undefined;
  /** The beat that stands in the store, and when it was sent; undefined where that is not known. */
  #beat: { readonly beat: Beat; readonly atMs: number } | undefined;
  #sequence = 0;
  #failure: QuorateError | undefined;

  /** `mirror`: waiting items held in memory before the rest is left in the store. */
  constructor(options: { client: Client; keys: QueueKeys; term: Term; mirror: number }) {
    this.#client = options.client;
    this.#runtime = options.client.runtime;
    this.#keys = options.keys;
    this.#term = options.term;
    this.#mirror = options.mirror;
  }

  /** Dispatches until deposed or told to stop. Rejects if it cannot go on; the term should then be given up. */
  async run(signal: AbortSignal): Promise<void> {
    const stop = () => this.#end();
    let subscription: Subscription | undefined;
    if (!signal.aborted) {
      signal.addEventListener('abort', stop, { once: true });
      subscription = this.#client.hub.subscribe(this.#keys.watched, (item) => this.#onItem(item));
      if (!this.#ended.signal.aborted) {
        await new Promise<void>((resolve) => {
          this.#ended.signal.addEventListener('abort', () => resolve(), { once: true });
        });
      }
    }
    subscription?.close();
    signal.removeEventListener('abort', stop);
    this.#timer?.cancel();
    await this.#writing;
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** A schedule ticks next in so many ms; undefined: none does. */
  nextTickIn(restMs: number | undefined): void {
    const nowMs = this.#runtime.monotonicMs();
    this.#tickAtMs = restMs === undefined ? undefined : nowMs + restMs;
    this.#plan?.apply({ type: 'next-tick', atMs: this.#tickAtMs }, nowMs);
    this.#advance();
  }

  /** The last beat again with the queue time of now, for who resigns; undefined where no delays are counted, or it is not known. */
  get lastBeat(): Beat | undefined {
    if (this.#beat === undefined || this.#keys.kind !== 'delay') return undefined;
    const { beat, atMs } = this.#beat;
    return { ...beat, timeMs: beat.timeMs + Math.floor(this.#runtime.monotonicMs() - atMs) };
  }

  #end(failure?: unknown): void {
    if (failure !== undefined && !this.#ended.signal.aborted) this.#failure = asQuorateError(failure);
    this.#ended.abort();
  }

  #onItem(item: HubItem): void {
    switch (item.type) {
      case 'opened':
        void this.#reload().catch((error: unknown) => this.#end(error));
        return;
      case 'events':
        if (item.events.some((event) => this.#isDeposition(event))) this.#end();
        else if (this.#plan === undefined) this.#early.push(item);
        else this.#changed(this.#plan, item);
        return;
      case 'interrupted':
        this.#load += 1;
        this.#plan = undefined;
        return;
      case 'failed':
        this.#end(item.error);
    }
  }

  #isDeposition({ type, kv }: KeyEvent): boolean {
    return (
      type === 'delete' &&
      kv.key === this.#keys.candidate(this.#term.candidate) &&
      kv.modRevision > this.#term.revision
    );
  }

  #changed(plan: DispatchPlan, { revision, events }: Extract<HubItem, { type: 'events' }>): void {
    const changes = events.flatMap((event) => {
      const change = changeOf(this.#keys, event);
      return change === undefined ? [] : [{ revision: event.kv.modRevision, change }];
    });
    plan.apply({ type: 'changes', revision, changes }, this.#runtime.monotonicMs());
    this.#reloadIfOutdated(plan);
    this.#advance();
  }

  #reloadIfOutdated(plan: DispatchPlan): void {
    if (!plan.isOutdated || plan !== this.#plan) return;
    void this.#reload().catch((error: unknown) => this.#end(error));
  }

  async #reload(): Promise<void> {
    this.#load += 1;
    const load = this.#load;
    this.#plan = undefined;
    this.#early = [];
    await this.#writing;
    const state = await loadState(this.#keys, this.#term, {
      ...{ send: (request) => this.#send(request), range: (request) => this.#range(request) },
      showLife: this.#signsOfLife(load),
    });
    if (state === undefined) this.#end();
    if (state === undefined || load !== this.#load || this.#ended.signal.aborted) return;
    const plan = new DispatchPlan({ ...planLimits, mirror: this.#mirror });
    const nowMs = this.#runtime.monotonicMs();
    this.#time ??= { timeMs: state.timeMs, timeAtMs: nowMs };
    plan.apply({ type: 'loaded', state: { ...state, ...this.#time } }, nowMs);
    plan.apply({ type: 'next-tick', atMs: this.#tickAtMs }, nowMs);
    this.#plan = plan;
    for (const item of this.#early.splice(0)) this.#changed(plan, item);
    this.#advance();
  }

  /** Repeats a beat as often as a plan would beat, for as long as this load goes on. */
  #signsOfLife(load: number): Loading['showLife'] {
    let shownAtMs = this.#runtime.monotonicMs();
    return async (beat) => {
      const nowMs = this.#runtime.monotonicMs();
      if (load !== this.#load || nowMs - shownAtMs < beatIntervalMs) return;
      shownAtMs = nowMs;
      const again = put(this.#keys.beat, encodeBeat({ ...beat, follows: true }));
      // As every write, to its end before anything else is written: the next beat may tell of other bases.
      this.#writing = this.#send(underTerm(this.#keys, this.#term, [again]), isPassing)
        .then((reply) => {
          if (reply?.succeeded !== true) this.#end();
        })
        .catch((error: unknown) => this.#end(error))
        .finally(() => {
          this.#writing = undefined;
        });
      await this.#writing;
    };
  }

  /** Sends what the plan wants sent now, and sees to it that it is asked again in time. */
  #advance(): void {
    const plan = this.#plan;
    if (plan === undefined || this.#ended.signal.aborted) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    for (let read = plan.nextRead(); read !== undefined; read = plan.nextRead()) {
      void this.#readWindow(plan, read, this.#load).catch((error: unknown) => this.#end(error));
    }
    if (plan.nextReadsAccounts()) {
      void this.#readAccounts(plan, this.#load).catch((error: unknown) => this.#end(error));
    }
    const look = plan.nextLook();
    if (look !== undefined)
      void this.#look(plan, look, this.#load).catch((error: unknown) => this.#end(error));
    const nowMs = this.#runtime.monotonicMs();
    for (let next = plan.nextTimerRead(nowMs); next !== undefined; next = plan.nextTimerRead(nowMs)) {
      void this.#readTimers(plan, next, this.#load).catch((error: unknown) => this.#end(error));
    }
    if (this.#writing !== undefined) return;
    const write = plan.nextWrite(nowMs);
    if (write !== undefined) {
      this.#writing = this.#write(plan, write, this.#load)
        .catch((error: unknown) => this.#end(error))
        .finally(() => {
          this.#writing = undefined;
          this.#advance();
        });
      return;
    }
    const wakeAtMs = plan.wakeAtMs(nowMs);
    if (wakeAtMs === undefined) return;
    this.#timer = this.#runtime.setTimer(Math.max(1, wakeAtMs - nowMs), () => this.#advance(), {
      background: true,
    });
  }

  async #write(plan: DispatchPlan, write: PlannedWrite, load: number): Promise<void> {
    const request = requestOf(this.#keys, this.#term, write, () => this.#nextSequence());
    const known = write.beat && { beat: write.beat, atMs: this.#runtime.monotonicMs() };
    // Until the reply nobody knows which one stands.
    if (known !== undefined) this.#beat = undefined;
    const reply = await this.#send(request, isPassing);
    if (reply === undefined || !reply.succeeded) {
      this.#end();
      return;
    }
    if (known !== undefined) this.#beat = known;
    if (load !== this.#load) return;
    const outcome = outcomeOf(this.#keys, write, reply);
    plan.apply({ type: 'written', write, outcome }, this.#runtime.monotonicMs());
    this.#reloadIfOutdated(plan);
  }

  async #readWindow(plan: DispatchPlan, read: WindowRead, load: number): Promise<void> {
    const keys = this.#keys;
    const range = keys.itemsBetween(read.from, read.to);
    const answer = await this.#range({ ...range, limit: read.limit + 1 });
    if (answer === undefined || load !== this.#load) return;
    const kvs = answer.kvs.slice(0, read.limit);
    const beyond = answer.kvs[read.limit];
    plan.apply(
      {
        type: 'window',
        read,
        revision: answer.revision,
        items: kvs.map((kv) => storedItem(keys, kv)),
        next: beyond === undefined ? undefined : keys.nameIn(keys.items, beyond.key),
        bytes: kvs.reduce((sum, kv) => sum + kv.value.length, 0),
      },
      this.#runtime.monotonicMs(),
    );
    this.#advance();
  }

  /** Of a bounded queue: etcd counts its items one by one, once a term. */
  async #readAccounts(plan: DispatchPlan, load: number): Promise<void> {
    const keys = this.#keys;
    const reply = await this.#send(
      txnOf({
        success: [
          { type: 'range', ...keys.accounts },
          { type: 'range', ...keys.items, countOnly: true },
        ],
      }),
    );
    const [accounts, items] = reply?.replies ?? [];
    if (accounts?.type !== 'range' || items?.type !== 'range' || load !== this.#load) return;
    const { revision } = reply as TxnReply;
    const state = { revision, live: items.count, accounts: accountsIn(keys, accounts.kvs) };
    plan.apply({ type: 'accounts', ...state }, this.#runtime.monotonicMs());
    this.#advance();
  }

  async #look(plan: DispatchPlan, look: GatheredLook, load: number): Promise<void> {
    const sight = await lookAt(this.#keys, look, (request) => this.#range(request));
    if (load !== this.#load || this.#ended.signal.aborted) return;
    plan.apply({ type: 'looked', sight }, this.#runtime.monotonicMs());
    this.#advance();
  }

  #range(request: RangeRequest): Promise<RangeResult | undefined> {
    return this.#retrying(isPassingRead, () =>
      this.#client.store.range(request, { timeoutMs: callTimeoutMs }),
    );
  }

  async #readTimers(plan: DispatchPlan, read: TimerRead, load: number): Promise<void> {
    const answer = await this.#retrying(isPassingRead, () =>
      readTimers(this.#keys, this.#client.store, read, { timeoutMs: callTimeoutMs }),
    );
    if (answer === undefined || load !== this.#load) return;
    plan.apply({ type: 'timers', answer }, this.#runtime.monotonicMs());
    this.#advance();
  }

  #send(request: TxnRequest, mayRetry = isPassingRead): Promise<TxnReply | undefined> {
    return this.#retrying(mayRetry, () => this.#client.store.txn(request, { timeoutMs: callTimeoutMs }));
  }

  /** Repeats what may be repeated, until the term ends; undefined then. */
  async #retrying<T>(
    mayRetry: (error: unknown) => boolean,
    attempt: () => Promise<T>,
  ): Promise<T | undefined> {
    const backoff = new Backoff(this.#runtime, retryDelay);
    const { signal } = this.#ended;
    while (!signal.aborted) {
      try {
        return await attempt();
      } catch (error) {
        if (!mayRetry(error)) throw error;
      }
      await sleep(this.#runtime, backoff.nextMs(), { signal }).catch(() => {});
    }
    return undefined;
  }

  /** Never used twice, in this term or another, so that no record overwrites one. */
  #nextSequence(): string {
    this.#sequence += 1;
    const { candidate, revision } = this.#term;
    return `${placeOf(revision)}-${candidate}-${this.#sequence.toString(16).padStart(10, '0')}`;
  }
}
