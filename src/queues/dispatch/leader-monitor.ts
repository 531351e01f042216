/**
 * How the next candidate learns that the dispatcher is dead while there is work for it.
 *
 * It watches `beat`. If the last one says that another follows, silence since then counts. If not, the queue was at
 * rest: it watches for new items and delays, and counts from the first that the last beat does not cover (`seen`). An item put
 * between that beat and the opening of this watch is found by a read at the opening. A dispatcher that lives answers
 * either way within its beat interval. Where only timers and ticks wait, a beat says when the next one comes at the latest (`pulseMs`): then
 * silence counts from that time on, and from a new item or delay at once.
 *
 * Being wrong costs a term, never a promise: the term is what keeps two dispatchers apart. So the clock only has to be
 * fair: it starts anew when this process's own watch was cut, and what already waits in the event loop is looked at
 * before silence is believed, since it may have been this process that stood still.
 */
import { Backoff, type Runtime, sleep, type Timer } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import { type KeyValue, txnOf } from '../../store/index.js';
import type { HubItem, Subscription } from '../../watch/index.js';
import type { QueueKeys } from '../keys.js';
import { firstOf } from '../reading/first-of.js';
import { readStarts } from '../reading/starts.js';
import type { Beat } from '../records/index.js';
import { beatOf } from './reads.js';

const retryDelay = { firstMs: 50, longestMs: 1_000 };

export class LeaderMonitor {
  readonly #client: Client;
  readonly #runtime: Runtime;
  readonly #keys: QueueKeys;
  readonly #patienceMs: number;
  readonly #onSilence: (beatRevision: number) => void;
  readonly #beats: Subscription;
  #items: Subscription | undefined;
  #last: Beat | undefined;
  #lastRevision = 0;
  /** Since when a sign of life is overdue to come; undefined: none is expected. */
  #expectingSinceMs: number | undefined;
  /** When it is overdue. */
  #deadlineMs = Number.POSITIVE_INFINITY;
  #timer: Timer | undefined;
  readonly #closed = new AbortController();

  /** `onSilence` gets the mod revision of the last beat, 0 if there is none, and is called at most once. */
  constructor(options: {
    client: Client;
    keys: QueueKeys;
    patienceMs: number;
    onSilence: (beatRevision: number) => void;
  }) {
    this.#client = options.client;
    this.#runtime = options.client.runtime;
    this.#keys = options.keys;
    this.#patienceMs = options.patienceMs;
    this.#onSilence = options.onSilence;
    const request = { key: this.#keys.beat, without: ['delete'] as const };
    this.#beats = this.#client.hub.subscribe(request, (item) => this.#onBeatItem(item));
  }

  close(): void {
    this.#closed.abort();
    this.#timer?.cancel();
    this.#beats.close();
    this.#items?.close();
    this.#items = undefined;
  }

  get #isClosed(): boolean {
    return this.#closed.signal.aborted;
  }

  #onBeatItem(item: HubItem): void {
    if (this.#isClosed) return;
    if (item.type === 'events') {
      const kv = item.events.at(-1)?.kv;
      if (kv !== undefined) this.#onBeat(kv);
    } else if (item.type === 'opened') {
      void this.#readBeat();
    } else {
      this.#expect(undefined);
    }
  }

  async #readBeat(): Promise<void> {
    const read = await this.#insisting(() => this.#client.store.range({ key: this.#keys.beat }));
    if (read === undefined) return;
    const kv = read.kvs[0];
    if (kv !== undefined) this.#onBeat(kv);
    else this.#expect(this.#runtime.monotonicMs());
  }

  #onBeat(kv: KeyValue): void {
    if (kv.modRevision < this.#lastRevision) return;
    this.#lastRevision = kv.modRevision;
    this.#last = beatOf(kv);
    if (this.#last === undefined || this.#last.follows) {
      this.#items?.close();
      this.#items = undefined;
      this.#expect(this.#runtime.monotonicMs());
      return;
    }
    const { pulseMs } = this.#last;
    this.#expect(pulseMs === undefined ? undefined : this.#runtime.monotonicMs(), pulseMs);
    this.#items ??= this.#client.hub.subscribe({ ...this.#keys.news, without: ['delete'] }, (item) =>
      this.#onItemsItem(item),
    );
  }

  #onItemsItem(item: HubItem): void {
    if (this.#isClosed || this.#expectsSoon) return;
    if (item.type === 'opened') void this.#findUnseen();
    const seen = this.#last?.seen ?? 0;
    if (item.type === 'events' && item.revision > seen) this.#expect(this.#runtime.monotonicMs());
  }

  async #findUnseen(): Promise<void> {
    const beat = this.#last;
    if (beat === undefined) return;
    const { store } = this.#client;
    const keys = this.#keys;
    // No item is written twice; what a condition rests on may be.
    const unseen = { minModRevision: beat.seen + 1, limit: 1, keysOnly: true };
    const found = await this.#insisting(async () => {
      const { levels } = await readStarts(store, keys, {});
      const ranges = levels.map(({ start }) => keys.newsFrom(start));
      return store.txn(txnOf({ success: ranges.map((range) => ({ type: 'range', ...range, ...unseen })) }));
    });
    if (found === undefined || this.#last !== beat || this.#expectsSoon) return;
    if (found.replies.some((reply) => firstOf(reply) !== undefined)) {
      this.#expect(this.#runtime.monotonicMs());
    }
  }

  /** Reads again and again until it is answered: till then silence tells nothing. Undefined once this is closed. */
  async #insisting<T>(read: () => Promise<T>): Promise<T | undefined> {
    const backoff = new Backoff(this.#runtime, retryDelay);
    while (!this.#isClosed) {
      const answer = await read().catch(() => undefined);
      if (answer !== undefined) return this.#isClosed ? undefined : answer;
      await sleep(this.#runtime, backoff.nextMs(), { signal: this.#closed.signal, background: true }).catch(
        () => {},
      );
    }
    return undefined;
  }

  /** A sign of life is overdue no later than if one were expected from now on. */
  get #expectsSoon(): boolean {
    return (
      this.#expectingSinceMs !== undefined &&
      this.#deadlineMs <= this.#runtime.monotonicMs() + this.#patienceMs
    );
  }

  /** `restMs`: how long it may still take by what was announced. */
  #expect(sinceMs: number | undefined, restMs = 0): void {
    this.#expectingSinceMs = sinceMs;
    this.#deadlineMs = (sinceMs ?? 0) + this.#patienceMs + restMs;
    this.#timer?.cancel();
    this.#timer = undefined;
    if (sinceMs === undefined) return;
    this.#timer = this.#runtime.setTimer(this.#patienceMs + restMs, () => void this.#elapsed(sinceMs), {
      background: true,
    });
  }

  async #elapsed(sinceMs: number): Promise<void> {
    await this.#runtime.nextTurn();
    if (this.#isClosed || this.#expectingSinceMs !== sinceMs) return;
    this.#expectingSinceMs = undefined;
    this.#onSilence(this.#lastRevision);
  }
}
