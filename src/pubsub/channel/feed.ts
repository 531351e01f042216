import { QuorateError, quorateErrorOf } from '../../errors.js';
import { Backoff, offAbort, onAbort, sleep } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import type { KeyRange, Watch, WatchItem } from '../../store/index.js';
import { afterCompaction } from './after-compaction.js';
import { Continuity } from './continuity.js';
import type { Batch, FrameReader } from './frame-reader.js';
import { readNewest, watchEnded } from './store-reads.js';
import { Tail } from './tail.js';
import type { ChannelItem } from './types.js';

/** One subscriber, as its feed knows it. */
export interface Receiver<T> {
  /** How many items it may be behind. */
  readonly limit: number;
  /** Takes the item with this number, if it is the next and somebody waits for it. False: it is behind now. */
  offer(item: ChannelItem<T>, number: number): boolean;
  /** This item, which it has not taken, is about to go. */
  overrun(item: ChannelItem<T>, number: number): void;
  /** The feed is over. */
  fail(error: QuorateError): void;
}

export interface FeedOptions<T> {
  readonly client: Client;
  readonly range: KeyRange;
  /** The channel, if it is one. */
  readonly channel: string | undefined;
  readonly reader: FrameReader<T>;
  /** Called before its subscribers learn that it is over, so that who subscribes anew gets a new one. */
  readonly onEnd: () => void;
}

/** A watch that the store takes for compacted again and again is not opened in a tight loop. */
const reopenDelay = { firstMs: 10, longestMs: 1_000 };

/**
 * One watch for all subscribers of a range in this process: each event is decoded once, and handed on in the same turn to
 * those who wait for it. After a cut the watch goes on by the revision, so a cut is not noticed. What some have not taken
 * yet stays in the tail, which has a bound; who falls behind that is overrun.
 */
export class Feed<T> {
  readonly tail = new Tail<T>();
  /** Resolves when it stands open for the first time: what is published from then on is delivered. */
  readonly opened: Promise<void>;
  readonly #options: FeedOptions<T>;
  readonly #continuity = new Continuity();
  /** All that use it, those who read history at the moment too. */
  readonly #users = new Set<Receiver<T>>();
  readonly #receivers = new Set<Receiver<T>>();
  readonly #behind = new Set<Receiver<T>>();
  readonly #ended = new AbortController();
  /** Who reads history would join where they have come, so what has come since is kept for them. */
  #pins = 0;
  /** Who is called meanwhile may take items and go; but what is being handed on stays until all were offered it. */
  #isPushing = false;
  #isBridging = false;
  #limit = 1;
  #pushedFrom = 0;
  /** Every event up to it has been handed on. */
  #revision: number | undefined;
  #watch: Watch | undefined;
  #onOpened: () => void = () => {};
  #onFailed: (error: QuorateError) => void = () => {};

  constructor(options: FeedOptions<T>) {
    this.#options = options;
    this.opened = new Promise((resolve, reject) => {
      this.#onOpened = resolve;
      this.#onFailed = reject;
    });
    // All who wait for it may have gone.
    this.opened.catch(() => {});
    const { closed } = options.client;
    if (!closed.aborted) onAbort(closed, this.#onClosed);
    void this.#run();
  }

  /** Every event up to it has been handed on. 0 before it is open. */
  get revision(): number {
    return this.#revision ?? 0;
  }

  /** The number of the first item of those that came last, all at once: of one revision, mostly. */
  get pushedFrom(): number {
    return this.#pushedFrom;
  }

  enter(user: Receiver<T>): void {
    this.#users.add(user);
  }

  leave(user: Receiver<T>): void {
    if (this.#users.delete(user) && this.#users.size === 0) this.#end();
  }

  /** From now on it is offered what comes; what is there from this number on it takes by itself. */
  add(receiver: Receiver<T>, from: number): void {
    this.#limit = Math.max(this.#limit, receiver.limit);
    this.#receivers.add(receiver);
    if (from < this.tail.head) this.#behind.add(receiver);
  }

  remove(receiver: Receiver<T>): void {
    this.#receivers.delete(receiver);
    this.caughtUp(receiver);
  }

  /** It has taken all that there is. */
  caughtUp(receiver: Receiver<T>): void {
    if (this.#behind.delete(receiver)) this.#tidy();
  }

  pin(): void {
    this.#pins += 1;
  }

  unpin(): void {
    this.#pins -= 1;
    this.#tidy();
  }

  /** Where somebody goes on who was told all up to this revision; undefined if what comes then has gone already. */
  numberAfter(revision: number): number | undefined {
    return revision < this.tail.floor ? undefined : this.tail.firstAbove(revision);
  }

  #tidy(): void {
    if (this.#behind.size > 0 || this.#pins > 0 || this.#isPushing) return;
    this.tail.clear();
    this.tail.floor = Math.max(this.tail.floor, this.revision);
  }

  readonly #onClosed = (): void => this.#fail(asQuorateError(this.#options.client.closed.reason));

  async #run(): Promise<void> {
    // Not before the first subscriber has it.
    await Promise.resolve();
    const { client, range } = this.#options;
    const { signal } = this.#ended;
    const backoff = new Backoff(client.runtime, reopenDelay);
    try {
      client.closed.throwIfAborted();
      while (!signal.aborted) {
        const from = this.#revision;
        const start = from === undefined ? {} : { fromRevision: from + 1 };
        this.#watch = client.store.watch({ ...range, ...start });
        let last: WatchItem['type'] | undefined;
        for await (const item of this.#watch) {
          if (signal.aborted) return;
          last = item.type;
          const handling = this.#handle(item);
          if (handling !== undefined) await handling;
        }
        if (signal.aborted) return;
        if (last !== 'compacted') throw watchEnded();
        if (from === this.#revision) await sleep(client.runtime, backoff.nextMs(), { signal });
      }
    } catch (error) {
      if (!signal.aborted) this.#fail(asQuorateError(error));
    }
  }

  /** In one step, but where a schema takes its time, or history was compacted. */
  #handle(item: WatchItem): Promise<void> | undefined {
    switch (item.type) {
      case 'opened':
        if (this.#revision !== undefined) return undefined;
        this.#revision = item.revision;
        this.tail.floor = item.revision;
        this.#onOpened();
        void this.#lookBack();
        return undefined;
      case 'events': {
        const { reader } = this.#options;
        if (this.#receivers.size === 0 && this.#pins === 0) {
          // All who subscribe read history, and are far behind.
          for (const { kv } of item.events) this.#continuity.accept(kv);
          this.#revision = item.revision;
          this.#tidy();
          return undefined;
        }
        const batch = reader.read(item.events, this.#continuity);
        if (batch instanceof Promise) return batch.then((read) => this.#push(read, item.revision));
        this.#push(batch, item.revision);
        return undefined;
      }
      case 'compacted':
        return this.#revision === undefined ? undefined : this.#bridge(this.#revision, item.compactRevision);
      case 'interrupted':
      case 'progress':
        return undefined;
    }
  }

  /**
   * Asks which put was the last before all that comes: by that alone it is known, if compaction takes what comes first, whether
   * it took anything else. Of many channels that would be too much to ask.
   */
  async #lookBack(): Promise<void> {
    const { client, range, channel } = this.#options;
    if (channel === undefined) return;
    try {
      const { revision, kv } = await readNewest(client, range, this.#ended.signal);
      // What has come since it was asked is known better.
      if (kv === undefined || this.#continuity.hasSeen(kv.key) || this.#isBridging) return;
      if (revision < this.revision) return;
      if (kv.modRevision <= this.revision) this.#continuity.accept(kv);
    } catch {
      // Then a gap may be told where nothing is missing. What can never be done the watch finds out too.
    }
  }

  async #bridge(revision: number, compactRevision: number): Promise<void> {
    const taken = { fromRevision: revision + 1, toRevision: compactRevision };
    const parts = { ...this.#options, continuity: this.#continuity };
    this.#isBridging = true;
    try {
      const batch = await afterCompaction(parts, taken, this.#ended.signal);
      if (batch !== undefined) this.#push(batch, Math.max(revision, compactRevision));
    } finally {
      this.#isBridging = false;
    }
  }

  /** Hands on what whole revisions say, in one step: nobody joins in the middle of one. */
  #push({ items, weights }: Batch<T>, revision: number): void {
    const { tail } = this;
    this.#isPushing = true;
    this.#pushedFrom = tail.head;
    try {
      for (let at = 0; at < items.length; at += 1) {
        const item = items[at] as ChannelItem<T>;
        const number = tail.head;
        tail.add(item, weights[at] ?? 0);
        for (const receiver of this.#receivers) {
          if (!receiver.offer(item, number)) this.#behind.add(receiver);
        }
        if (this.#behind.size === 0 && this.#pins === 0) tail.clear();
        else while (this.#isTooLong || tail.isOverweight) this.#overrun();
      }
    } finally {
      this.#isPushing = false;
    }
    this.#revision = revision;
    this.#tidy();
  }

  /** Nobody needs so much. What came last, all at once, stays for those who have taken everything before it. */
  get #isTooLong(): boolean {
    const { head, base } = this.tail;
    return head - base > this.#limit && base < this.#pushedFrom;
  }

  #overrun(): void {
    const { tail } = this;
    const number = tail.base;
    const item = tail.at(number);
    for (const receiver of [...this.#behind]) receiver.overrun(item, number);
    if (tail.base === number) tail.shift();
  }

  #end(): void {
    if (this.#ended.signal.aborted) return;
    this.#ended.abort();
    offAbort(this.#options.client.closed, this.#onClosed);
    this.#watch?.close();
    this.#options.onEnd();
    this.#onFailed(new QuorateError('closed', 'nobody subscribes any more'));
  }

  #fail(error: QuorateError): void {
    const last = [...this.#users];
    this.#users.clear();
    this.#receivers.clear();
    this.#behind.clear();
    this.#onFailed(error);
    this.#end();
    for (const user of last) user.fail(error);
  }
}

function asQuorateError(error: unknown): QuorateError {
  return quorateErrorOf(error, 'the watch failed in an unforeseen way');
}
