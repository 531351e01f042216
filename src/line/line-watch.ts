import { Backoff, Reminder, type Timer } from '../runtime/index.js';
import type { Client } from '../session/index.js';
import type { Key, KeyEvent, KeyRange, KeyValue } from '../store/index.js';
import type { HubItem, Subscription } from '../watch/index.js';
import type { JoinsUnderWay, Teller } from './joins-under-way.js';
import type { Place } from './place.js';
import { readLine } from './read-line.js';

/** What is watched of a line, or beside it. */
export interface WatchSource extends KeyRange {
  readonly without?: readonly ('put' | 'delete')[];
}

export interface LineWatchOptions {
  /** Which events it takes: that a key has gone is all that most lines need to know. Default `'deletions'`. */
  readonly of?: 'deletions' | 'everything' | undefined;
  /** What else is watched, in place of the line. */
  readonly sources?: readonly WatchSource[] | undefined;
  /** What a place makes of what happened at a revision. Default: `place.apply`. */
  readonly deliver?:
    | ((place: Place, events: readonly KeyEvent[], revision: number, complete: boolean) => void)
    | undefined;
  /** After each look at the line, for each place that was told of it. */
  readonly onSeen?: ((place: Place, present: ReadonlyMap<Key, KeyValue>) => void) | undefined;
  /** Looks read the values too. Default: only where a key has gone and may have been handed the hold. */
  readonly values?: boolean | undefined;
}

export interface LineWatchParts {
  readonly client: Client;
  /** What looks at the line read. */
  readonly range: KeyRange;
  readonly joins: JoinsUnderWay;
  /** Nobody was followed for some time, and nothing is watched any more. */
  readonly onIdle: () => void;
}

/** How long the watch stays open after its last use: long enough to serve the next contention without a read. */
const lingerMs = 5_000;

/** Less where it would only be told what nobody waits for; but contention may come and go. */
const dismissedMs = 500;

/** A watch this young may be served by the server's slow path, which takes up to 100 ms: reads stand by for it. */
const freshMs = 100;
const freshReadsMs = [8, 32] as const;

/** After which a watch that failed for good is asked for once more, while somebody waits. */
const reopenDelay = { firstMs: 100, longestMs: 5_000 };

/**
 * The one watch on a line that all places of this process share. It tells each place which older ones have
 * gone, and reads the line where the watch alone cannot tell: where it opened after what a place knows.
 */
export class LineWatch implements Teller {
  readonly #parts: LineWatchParts;
  readonly #client: Client;
  readonly #options: LineWatchOptions;
  /** Places that wait, or that hold and want to know of their deletion. */
  readonly #followed = new Set<Place>();
  readonly #timers = new Set<Timer>();
  readonly #sources: readonly WatchSource[];
  readonly #deliverTo: NonNullable<LineWatchOptions['deliver']>;
  readonly #subscriptions = new Map<WatchSource, Subscription>();
  /** Since when each of them is open. */
  readonly #openedSince = new Map<WatchSource, number>();
  /** Every event above this revision is delivered; undefined while one of the watches is not open. */
  #openedAt: number | undefined;
  /** Revision of the newest event that was delivered to those who were followed then. */
  #deliveredAt = 0;
  readonly #reopening: Backoff;
  #reading: AbortController | undefined;
  #readAgain = false;
  readonly #linger: Reminder;
  #isDismissed = false;
  readonly #recheck: Reminder;
  #reopen: Timer | undefined;

  constructor(parts: LineWatchParts, options: LineWatchOptions = {}) {
    const { client, range } = parts;
    this.#parts = parts;
    this.#client = client;
    this.#options = options;
    const filter = options.of === 'everything' ? {} : { without: ['put'] as const };
    this.#sources = options.sources ?? [{ ...range, ...filter }];
    this.#deliverTo =
      options.deliver ?? ((place, events, revision, complete) => place.apply(events, revision, complete));
    this.#reopening = new Backoff(client.runtime, reopenDelay);
    this.#linger = new Reminder(client.runtime, () => this.#closeIdle());
    this.#recheck = new Reminder(client.runtime, () => this.#lookAgain());
  }

  /** Tells a place what happened at a revision. */
  tell(place: Place, events: readonly KeyEvent[], revision: number): void {
    this.#deliverTo(place, events, revision, this.#isComplete(place));
  }

  follow(place: Place): void {
    if (this.#followed.has(place) || place.state.status === 'gone') return;
    this.#followed.add(place);
    place.onGone(() => this.forget(place));
    this.#open();
    if (this.#openedAt !== undefined && this.#mustLook(place)) this.#read();
    this.#armRecheck();
  }

  /** The same for a place that was not followed from its beginning: what was delivered since then may have told of its end. */
  followFromNow(place: Place): void {
    if (this.#followed.has(place)) return;
    const missed = this.#deliveredAt > place.asOf;
    this.follow(place);
    if (missed && this.#followed.has(place) && this.#openedAt !== undefined) this.#read();
  }

  forget(place: Place): void {
    if (!this.#followed.delete(place)) return;
    if (this.#followed.size > 0) return;
    this.#reading?.abort();
    this.#recheck.clear();
    this.#reopen?.cancel();
    this.#reopen = undefined;
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
    if (!this.#linger.isSet) this.#linger.setIn(lingerMs);
  }

  /** Nobody is expected to be followed soon: the watch, if there is one, closes sooner than it would. */
  dismiss(): void {
    if (this.#followed.size > 0 || this.#subscriptions.size === 0 || this.#isDismissed) return;
    this.#isDismissed = true;
    this.#linger.setIn(dismissedMs);
  }

  /** Whether every deletion since the state that the place knows has been, or will be, delivered. */
  #isComplete(place: Place): boolean {
    return this.#openedAt !== undefined && this.#openedAt <= place.asOf;
  }

  #mustLook(place: Place): boolean {
    return place.needsLook || !this.#isComplete(place);
  }

  #open(): void {
    this.#linger.clear();
    this.#isDismissed = false;
    for (const source of this.#sources) this.#openSource(source);
  }

  #openSource(source: WatchSource): void {
    if (this.#subscriptions.has(source)) return;
    const subscription = this.#client.hub.subscribe(source, (item) => this.#receive(source, item));
    this.#subscriptions.set(source, subscription);
    // A watch that stood open already has said so by now, before there was a subscription to ask for its age.
    if (this.#openedSince.has(source)) this.#backFreshWatch(subscription);
  }

  #closeIdle(): void {
    this.#close(this.#isDismissed ? { lingerMs: 0 } : undefined);
    this.#parts.onIdle();
  }

  #close(options?: { readonly lingerMs: number }): void {
    this.#linger.clear();
    for (const subscription of this.#subscriptions.values()) subscription.close(options);
    this.#subscriptions.clear();
    this.#openedSince.clear();
    this.#openedAt = undefined;
  }

  /** For those who are followed; the next place would open it too. */
  #openAgain(): void {
    if (this.#followed.size === 0 || this.#reopen !== undefined) return;
    const open = () => {
      this.#reopen = undefined;
      this.#open();
    };
    this.#reopen = this.#client.runtime.setTimer(this.#reopening.nextMs(), open, { background: true });
  }

  /** Not any more once nobody is followed. */
  #later(delayMs: number, run: () => void): void {
    const timer = this.#client.runtime.setTimer(delayMs, () => {
      this.#timers.delete(timer);
      run();
    });
    this.#timers.add(timer);
  }

  #receive(source: WatchSource, item: HubItem): void {
    switch (item.type) {
      case 'opened':
        this.#openedSince.set(source, item.revision);
        this.#reopening.reset();
        this.#allOpened();
        this.#backFreshWatch(this.#subscriptions.get(source));
        return;
      case 'events':
        this.#deliver(item.events);
        return;
      case 'interrupted':
        this.#openedSince.delete(source);
        this.#openedAt = undefined;
        return;
      case 'failed':
        this.#close();
        if (item.error.code !== 'closed') this.#openAgain();
        return;
    }
  }

  #allOpened(): void {
    if (this.#openedSince.size < this.#sources.length) return;
    this.#openedAt = Math.max(...this.#openedSince.values());
    for (const place of this.#followed) {
      if (!this.#mustLook(place)) continue;
      this.#read();
      return;
    }
  }

  #deliver(events: readonly KeyEvent[]): void {
    let index = 0;
    while (index < events.length) {
      const revision = events[index]?.kv.modRevision;
      let end = index;
      while (end < events.length && events[end]?.kv.modRevision === revision) end += 1;
      this.#deliverRevision(events.slice(index, end), revision ?? 0);
      index = end;
    }
  }

  /** Everything of one revision. Who follows may be told by the same event to follow no more. */
  #deliverRevision(events: readonly KeyEvent[], revision: number): void {
    this.#deliveredAt = revision;
    for (const place of [...this.#followed]) {
      this.#deliverTo(place, events, revision, this.#isComplete(place));
    }
    this.#parts.joins.note({ teller: this, events, revision });
    if (this.#openedAt !== undefined && this.#someone('isInDoubt')) this.#read();
  }

  /** One read at a time; asked for meanwhile, it is done once more, since the first may have been too early. */
  #read(): void {
    if (this.#reading !== undefined) {
      this.#readAgain = true;
      return;
    }
    const reading = new AbortController();
    this.#reading = reading;
    this.#readAgain = false;
    const values = this.#options.values === true || this.#someone('isMissing');
    readLine(this.#client, this.#parts.range, { signal: reading.signal, values }).then(
      ({ kvs, revision }) => {
        this.#reading = undefined;
        const present = new Map<string, KeyValue>(kvs.map((kv) => [kv.key, kv]));
        for (const place of [...this.#followed]) {
          // A place taken after this read is not in it, and knows more.
          if (place.asOf > revision) continue;
          place.see(present, revision, values);
          this.#options.onSeen?.(place, present);
        }
        if ((this.#readAgain && this.#followed.size > 0) || this.#someone('needsLook')) this.#read();
      },
      () => {
        this.#reading = undefined;
        if (this.#followed.size > 0) this.#read();
      },
    );
  }

  #backFreshWatch(subscription: Subscription | undefined): void {
    if (subscription === undefined || subscription.ageMs >= freshMs) return;
    for (const delayMs of freshReadsMs) {
      this.#later(delayMs, () => {
        if (this.#hasWaiting()) this.#read();
      });
    }
  }

  /** A watch that goes silent unnoticed must not hold up the line: about once a TTL, with jitter, look. */
  #armRecheck(): void {
    if (this.#recheck.isSet) return;
    let ttlMs = Number.POSITIVE_INFINITY;
    for (const { session } of this.#followed) ttlMs = Math.min(ttlMs, session.ttlMs);
    this.#recheck.setIn(ttlMs * (0.75 + this.#client.runtime.random() / 2));
  }

  #lookAgain(): void {
    if (this.#followed.size === 0) return;
    this.#open();
    if (this.#hasWaiting()) this.#read();
    this.#armRecheck();
  }

  #hasWaiting(): boolean {
    for (const place of this.#followed) if (place.state.status === 'waiting') return true;
    return false;
  }

  #someone(state: 'isMissing' | 'isInDoubt' | 'needsLook'): boolean {
    for (const place of this.#followed) if (place[state]) return true;
    return false;
  }
}
