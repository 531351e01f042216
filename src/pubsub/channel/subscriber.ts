import { QuorateError, quorateErrorOf } from '../../errors.js';
import { isThenable, offAbort, onAbort, warnOfListener } from '../../runtime/index.js';
import type { Feed, Receiver } from './feed.js';
import type { Stretch } from './history.js';
import { ReadersWaiting } from './readers-waiting.js';
import type { SubscribeSettings } from './settings.js';
import type { Newest } from './store-reads.js';
import type { ChannelGap, ChannelItem, ChannelPosition } from './types.js';

/** How a subscriber reads on from the store's history. */
export type ReadHistory<T> = (
  from: { readonly position: ChannelPosition; readonly newest?: Newest | undefined },
  signal: AbortSignal,
) => AsyncGenerator<Stretch<T>, void, void>;

/** What was dropped and has not been told yet. */
interface Dropped {
  readonly fromRevision: number;
  last: ChannelPosition;
  /** Undefined once a gap is among it. */
  messages: number | undefined;
}

/**
 * - `live`: it is offered what comes, and what it has not taken is in the feed's tail.
 * - `apart`: it reads the store's history, until it has come to where the tail begins.
 * - `over`: it ended, for good.
 */
type State = 'live' | 'apart' | 'over';

/** One subscriber: what it was told last, where it stands, and who waits for what comes next. */
export class Subscriber<T> implements Receiver<T> {
  readonly limit: number;
  /** Resolves when it is over, with the error that it ended with, if it was one. */
  readonly ended: Promise<QuorateError | undefined>;
  readonly #feed: Feed<T>;
  readonly #settings: SubscribeSettings<T>;
  readonly #onItem: SubscribeSettings<T>['onItem'];
  readonly #readHistory: ReadHistory<T>;
  readonly #over = new AbortController();
  #state: State = 'live';
  /** Of the next item that it takes from the feed. */
  #cursor = 0;
  /** What it was told of, though it has not come by the feed yet. */
  #toldTo = 0;
  #start: ChannelPosition = { revision: 0 };
  #position: ChannelPosition = this.#start;
  /** What was found as it joined. */
  #newest: Newest | undefined;
  readonly #waiting = new ReadersWaiting<ChannelItem<T>>();
  /** The listener's promise for the item before has not settled. */
  #isBusy = false;
  #isCatchingUp = false;
  /** The reader of history has an item, which nobody waits for. */
  #wanted: (() => void) | undefined;
  #dropped: Dropped | undefined;
  #failure: QuorateError | undefined;
  #onEnded: (error: QuorateError | undefined) => void = () => {};

  constructor(options: {
    feed: Feed<T>;
    settings: SubscribeSettings<T>;
    readHistory: ReadHistory<T>;
  }) {
    const { feed, settings } = options;
    this.#feed = feed;
    this.#settings = settings;
    this.#onItem = settings.onItem;
    this.limit = settings.bufferSize;
    this.#readHistory = options.readHistory;
    this.ended = new Promise((resolve) => {
      this.#onEnded = resolve;
    });
    feed.enter(this);
  }

  /** After what it began. */
  get start(): ChannelPosition {
    return this.#start;
  }

  get position(): ChannelPosition {
    return this.#position;
  }

  /**
   * Begins after a position: with the feed if that is near enough, else in the store's history. Once, when the feed is open.
   * Throws what has ended the feed since.
   */
  begin(after: ChannelPosition | undefined, newest: Newest | undefined): void {
    if (this.#state === 'over') {
      throw this.#failure ?? new QuorateError('closed', 'the subscription ended before it began');
    }
    const { signal } = this.#settings;
    if (signal?.aborted) {
      this.end();
      return;
    }
    if (signal !== undefined) onAbort(signal, this.#onSignal);
    this.#start = after ?? { revision: this.#feed.revision };
    this.#position = this.#start;
    const isWhole = this.#position.index === undefined;
    if (isWhole && this.#joinAt(toldTo(this.#position, newest))) return;
    this.#newest = newest;
    this.#state = 'apart';
    if (this.#onItem !== undefined) void this.#catchUp();
  }

  offer(item: ChannelItem<T>, number: number): boolean {
    if (this.#cursor > number) return true;
    if (item.revision <= this.#toldTo) {
      this.#cursor = number + 1;
      return true;
    }
    if (this.#cursor === number && this.#dropped === undefined) {
      if (this.#onItem !== undefined) {
        if (!this.#isBusy) {
          this.#cursor = number + 1;
          this.#tell(this.#own(item));
          return true;
        }
      } else if (!this.#waiting.isEmpty) {
        this.#cursor = number + 1;
        this.#serve(this.#own(item));
        return true;
      }
    }
    if (number - this.#cursor >= this.limit && !this.#mayWaitWhole) {
      this.overrun(this.#feed.tail.at(this.#cursor), this.#cursor);
    }
    return this.#state !== 'live';
  }

  overrun(item: ChannelItem<T>, number: number): void {
    if (this.#state !== 'live' || this.#cursor !== number) return;
    switch (this.#settings.whenFull) {
      case 'wait':
        this.#state = 'apart';
        this.#newest = undefined;
        this.#feed.remove(this);
        return;
      case 'drop-oldest':
        this.#cursor += 1;
        this.#drop(this.#own(item));
        return;
      case 'fail':
        this.end(
          new QuorateError('over-limit', `the subscriber is more than ${this.limit} messages behind`, {
            details: { position: plain(this.#position), bufferSize: this.limit },
          }),
        );
    }
  }

  fail(error: QuorateError): void {
    this.end(error);
  }

  next(): Promise<IteratorResult<ChannelItem<T>, undefined>> {
    const item = this.#take();
    if (item !== undefined) return Promise.resolve({ value: item, done: false });
    if (this.#state === 'over') {
      const failure = this.#failure;
      this.#failure = undefined;
      return failure === undefined
        ? Promise.resolve({ value: undefined, done: true })
        : Promise.reject(failure);
    }
    const result = this.#waiting.wait();
    if (this.#state === 'apart') {
      this.#wanted?.();
      void this.#catchUp();
    }
    return result;
  }

  /** Ends it. Whoever waits is told, what has not been taken is not told any more. Idempotent. */
  end(error?: QuorateError): void {
    if (this.#state === 'over') return;
    this.#state = 'over';
    const { signal } = this.#settings;
    if (signal !== undefined) offAbort(signal, this.#onSignal);
    this.#feed.remove(this);
    this.#feed.leave(this);
    this.#over.abort();
    this.#wanted?.();
    this.#dropped = undefined;
    // Whoever asks next is told, if nobody waits.
    if (this.#waiting.isEmpty) this.#failure = error;
    this.#waiting.end(error);
    this.#onEnded(error);
  }

  /** It had taken all before what comes now, all at once: that is there, and need not be read again. */
  get #mayWaitWhole(): boolean {
    return this.#settings.whenFull === 'wait' && this.#cursor >= this.#feed.pushedFrom;
  }

  /** Somebody waits for the next item. */
  get #isAwaited(): boolean {
    return this.#onItem === undefined ? !this.#waiting.isEmpty : !this.#isBusy;
  }

  readonly #onSignal = (): void => this.end();

  /** The next item that is there, and is taken with this. */
  #take(): ChannelItem<T> | undefined {
    if (this.#state === 'over') return undefined;
    const item = this.#takeGap() ?? this.#takeNext();
    if (item !== undefined) this.#position = item;
    return item;
  }

  #takeNext(): ChannelItem<T> | undefined {
    const { tail } = this.#feed;
    if (this.#state !== 'live' || this.#cursor >= tail.head) return undefined;
    const item = this.#own(tail.at(this.#cursor));
    this.#cursor += 1;
    if (this.#cursor === tail.head) this.#feed.caughtUp(this);
    return item;
  }

  /** As this subscriber is told it: of a gap it may have been told a part before it joined the feed. */
  #own(item: ChannelItem<T>): ChannelItem<T> {
    if (item.type !== 'gap' || item.fromRevision > this.#toldTo) return item;
    return { ...item, fromRevision: this.#toldTo + 1 };
  }

  #takeGap(): ChannelGap | undefined {
    if (this.#dropped === undefined) return undefined;
    const { fromRevision, last, messages } = this.#dropped;
    this.#dropped = undefined;
    const { revision, index, channel } = last;
    const gap = { type: 'gap', reason: 'dropped', fromRevision, toRevision: revision, messages } as const;
    return { ...gap, revision, index, channel };
  }

  #drop(item: ChannelItem<T>): void {
    const fromRevision = item.type === 'gap' ? item.fromRevision : item.revision;
    this.#dropped ??= { fromRevision, last: item, messages: 0 };
    this.#dropped.last = item;
    if (item.type === 'gap') this.#dropped.messages = undefined;
    else if (this.#dropped.messages !== undefined) this.#dropped.messages += 1;
  }

  /** Tells the listener; what it still works on holds up what comes next. */
  #tell(item: ChannelItem<T>): void {
    this.#position = item;
    const working = this.#call(item);
    if (working === undefined) return;
    this.#isBusy = true;
    void working.then(() => {
      this.#isBusy = false;
      this.#goOn();
    });
  }

  /** Tells the listener what has come while it was busy. */
  #goOn(): void {
    while (!this.#isBusy) {
      const item = this.#take();
      if (item === undefined) break;
      this.#tell(item);
    }
    if (!this.#isBusy && this.#state === 'apart') void this.#catchUp();
  }

  /** Its promise never rejects. */
  #call(item: ChannelItem<T>): Promise<void> | undefined {
    try {
      const working: unknown = this.#onItem?.(item);
      if (working === undefined || !isThenable(working)) return undefined;
      return Promise.resolve(working).then(() => {}, warnOfListener);
    } catch (error) {
      warnOfListener(error);
      return undefined;
    }
  }

  /** Reads history at the pace of who takes it, until it comes to where the feed's tail begins. */
  async #catchUp(): Promise<void> {
    if (this.#isCatchingUp) return;
    this.#isCatchingUp = true;
    this.#feed.pin();
    try {
      const from = { position: this.#position, newest: this.#newest };
      for await (const { items, revision } of this.#readHistory(from, this.#over.signal)) {
        for (const item of items) if (!(await this.#hand(item))) return;
        if (this.#over.signal.aborted || this.#joinAt(revision)) return;
      }
    } catch (error) {
      this.end(quorateErrorOf(error, 'reading the history of a channel failed'));
    } finally {
      this.#isCatchingUp = false;
      this.#feed.unpin();
      // It may have been left behind again by now.
      if (this.#state === 'apart' && this.#isAwaited) void this.#catchUp();
    }
  }

  /** Resolves when it was taken; false if it is over. */
  async #hand(item: ChannelItem<T>): Promise<boolean> {
    if (this.#onItem !== undefined) {
      this.#position = item;
      await this.#call(item);
      return this.#state !== 'over';
    }
    while (this.#waiting.isEmpty && this.#state !== 'over') {
      await new Promise<void>((resolve) => {
        this.#wanted = resolve;
      });
    }
    if (this.#state === 'over') return false;
    this.#serve(item);
    return true;
  }

  /** Hands it to who has waited the longest. */
  #serve(item: ChannelItem<T>): void {
    this.#position = item;
    this.#waiting.serve(item);
  }

  /**
   * Goes on with the feed, if that has all that comes after this revision, up to which all was told, and no more of it than
   * may wait for this subscriber.
   */
  #joinAt(revision: number): boolean {
    const number = this.#feed.numberAfter(revision);
    if (number === undefined || this.#state === 'over') return false;
    if (this.#feed.tail.head - number > this.limit) return false;
    this.#state = 'live';
    this.#cursor = number;
    this.#toldTo = revision;
    if (revision >= this.#position.revision) this.#position = { revision };
    this.#feed.add(this, number);
    if (this.#onItem !== undefined) this.#goOn();
    while (!this.#waiting.isEmpty) {
      const item = this.#take();
      if (item === undefined) break;
      this.#serve(item);
    }
    return true;
  }
}

/** Up to where all has been told, if a position is whole. */
function toldTo({ revision }: ChannelPosition, newest: Newest | undefined): number {
  return newest !== undefined && newest.put <= revision ? Math.max(revision, newest.revision) : revision;
}

function plain({ revision, index, channel }: ChannelPosition): ChannelPosition {
  return { revision, index, channel };
}
