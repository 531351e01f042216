import { isQuorateError, QuorateError } from '../errors.js';
import { Backoff, Listeners, type Runtime, sleep, type Timer } from '../runtime/index.js';
import type { KeyEvent, Store, Watch, WatchItem, WatchRequest } from '../store/index.js';

/** What a subscriber of the {@link WatchHub} is told, in this order of meaning: state to re-read, news, doubt, end. */
export type HubItem =
  /**
   * Every event above `revision` follows. Also the first item; after `interrupted` it stands for a gap: what
   * happened meanwhile was not delivered and never will be, so look at the state again.
   */
  | { readonly type: 'opened'; readonly revision: number }
  /** Whole revisions, ascending, none twice. `revision` is the last event's. */
  | { readonly type: 'events'; readonly revision: number; readonly events: readonly KeyEvent[] }
  /** The watch was cut and is being opened anew: says nothing about the keys. The next item is `opened` or `failed`. */
  | { readonly type: 'interrupted'; readonly error: Error }
  /** The last item: this watch can never go on. A new subscription tries again. */
  | { readonly type: 'failed'; readonly error: QuorateError };

export interface Subscription {
  /** No item arrives after it returns. Idempotent; safe inside the listener. */
  /** `lingerMs`: how long the watch outlives its last subscriber, if this is it, in place of the hub's own. */
  close(options?: { readonly lingerMs?: number }): void;
  /** How long the underlying watch has stood open without a cut, in ms; 0 if it is not open. */
  readonly ageMs: number;
}

/** A watch that ended at once again and again (compacted, by a store that misjudges "now") is not reopened in a tight loop. */
const reopenDelay = { firstMs: 10, longestMs: 1_000 };

/**
 * One watch of the store "from now", shared by all who subscribed to the same keys and filters.
 *
 * After a cut the store reopens it from now (resuming by revision is etcd's slow path, and what subscribers want
 * to know is the state, not its history). A member that lags may then answer with a revision below one that was
 * delivered already; what was delivered is not delivered again, so that subscribers only ever see revisions grow.
 */
export class SharedWatch {
  readonly #store: Store;
  readonly #runtime: Runtime;
  readonly #request: WatchRequest;
  readonly #lingerMs: number;
  readonly #onEnd: () => void;
  readonly #subscribers = new Set<Listeners<HubItem>>();
  readonly #ended = new AbortController();
  #watch: Watch | undefined;
  #linger: Timer | undefined;
  #openedAtMs: number | undefined;
  #latestRevision = 0;

  constructor(options: {
    store: Store;
    runtime: Runtime;
    request: WatchRequest;
    lingerMs: number;
    /** Called before subscribers learn of the end, so that one who subscribes anew gets a new watch. */
    onEnd: () => void;
  }) {
    this.#store = options.store;
    this.#runtime = options.runtime;
    this.#request = { ...options.request, resume: 'now' };
    this.#lingerMs = options.lingerMs;
    this.#onEnd = options.onEnd;
  }

  subscribe(listener: (item: HubItem) => void): Subscription {
    this.#linger?.cancel();
    this.#linger = undefined;
    const subscriber = new Listeners<HubItem>();
    subscriber.add(listener);
    this.#subscribers.add(subscriber);
    if (this.#openedAtMs !== undefined) {
      subscriber.emit({ type: 'opened', revision: this.#latestRevision });
    }
    const shared = this;
    return {
      close: (options) => this.#unsubscribe(subscriber, options?.lingerMs ?? this.#lingerMs),
      get ageMs() {
        return shared.#subscribers.has(subscriber) ? shared.#ageMs() : 0;
      },
    };
  }

  /** Opens the watch. To be called once, right after the first subscription. */
  start(): void {
    void this.#run();
  }

  /** Ends the watch; whoever still listens gets `failed`. Idempotent. */
  end(error: QuorateError): void {
    if (this.#ended.signal.aborted) return;
    this.#ended.abort();
    this.#linger?.cancel();
    this.#openedAtMs = undefined;
    this.#watch?.close();
    this.#onEnd();
    const last = [...this.#subscribers];
    this.#subscribers.clear();
    for (const subscriber of last) subscriber.emit({ type: 'failed', error });
  }

  #ageMs(): number {
    return this.#openedAtMs === undefined ? 0 : this.#runtime.monotonicMs() - this.#openedAtMs;
  }

  #unsubscribe(subscriber: Listeners<HubItem>, lingerMs: number): void {
    if (!this.#subscribers.delete(subscriber) || this.#subscribers.size > 0) return;
    if (this.#ended.signal.aborted) return;
    this.#linger = this.#runtime.setTimer(lingerMs, () => this.#endUnused(), { background: true });
  }

  #endUnused(): void {
    this.end(new QuorateError('closed', 'the watch is closed: nobody subscribes to it'));
  }

  async #run(): Promise<void> {
    const backoff = new Backoff(this.#runtime, reopenDelay);
    try {
      while (!this.#ended.signal.aborted) {
        this.#watch = this.#store.watch(this.#request);
        let last: WatchItem['type'] | undefined;
        for await (const item of this.#watch) {
          if (this.#ended.signal.aborted) return;
          last = item.type;
          if (last === 'events') backoff.reset();
          this.#handle(item);
        }
        if (this.#ended.signal.aborted) return;
        if (last !== 'compacted') {
          throw new QuorateError('closed', 'the watch ended, as it does when its store is closed');
        }
        await sleep(this.#runtime, backoff.nextMs(), { signal: this.#ended.signal, background: true });
      }
    } catch (error) {
      // Not before the first subscriber holds its subscription, even if `store.watch` itself threw.
      await Promise.resolve();
      this.end(failureOf(error));
    }
  }

  #handle(item: WatchItem): void {
    switch (item.type) {
      case 'opened':
        this.#openedAtMs = this.#runtime.monotonicMs();
        this.#latestRevision = Math.max(this.#latestRevision, item.revision);
        this.#emit({ type: 'opened', revision: this.#latestRevision });
        return;
      case 'events':
        this.#deliver(item.events);
        return;
      case 'interrupted':
        this.#interrupt(item.error);
        return;
      case 'compacted':
        this.#interrupt(
          new QuorateError('compacted', `history up to revision ${item.compactRevision} was compacted`),
        );
        return;
      case 'progress':
        return;
    }
  }

  #deliver(events: readonly KeyEvent[]): void {
    const latest = this.#latestRevision;
    const fresh = events.filter((event) => event.kv.modRevision > latest);
    const last = fresh.at(-1);
    if (last === undefined) return;
    this.#latestRevision = last.kv.modRevision;
    this.#emit({ type: 'events', revision: this.#latestRevision, events: fresh });
  }

  #interrupt(error: Error): void {
    this.#openedAtMs = undefined;
    if (this.#subscribers.size === 0) this.#endUnused();
    else this.#emit({ type: 'interrupted', error });
  }

  /** To those who subscribe now and still do when their turn comes; who joins during it starts after this item. */
  #emit(item: HubItem): void {
    for (const subscriber of [...this.#subscribers]) {
      if (this.#subscribers.has(subscriber)) subscriber.emit(item);
    }
  }
}

function failureOf(error: unknown): QuorateError {
  if (isQuorateError(error)) return error;
  return new QuorateError('internal', 'the watch failed in an unforeseen way', { cause: error });
}
