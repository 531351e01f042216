import { QuorateError } from '../../errors.js';
import { waitFor } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import type { KeyRange } from '../../store/index.js';
import { Feed } from './feed.js';
import type { FrameReader } from './frame-reader.js';
import { historyOf } from './history.js';
import { checkSubscribeOptions } from './settings.js';
import { type Newest, readNewest } from './store-reads.js';
import { Subscriber } from './subscriber.js';
import { ChannelSubscription } from './subscription.js';
import type { ChannelPosition, SubscribeOptions } from './types.js';

/** The subscribers of one range in this process: while there are any, they share a feed. */
export class FanOut<T> {
  readonly #parts: {
    readonly client: Client;
    readonly range: KeyRange;
    readonly channel: string | undefined;
    readonly reader: FrameReader<T>;
  };
  readonly #doing: string;
  #feed: Feed<T> | undefined;

  /** `channel`: the one that it is about, if it is one. `doing`: for messages. */
  constructor(options: {
    readonly client: Client;
    readonly range: KeyRange;
    readonly channel?: string;
    readonly reader: FrameReader<T>;
    readonly doing: string;
  }) {
    const { client, range, channel, reader, doing } = options;
    this.#parts = { client, range, channel, reader };
    this.#doing = doing;
  }

  async subscribe(options: SubscribeOptions<T>): Promise<ChannelSubscription<T>> {
    const { client, channel } = this.#parts;
    const settings = checkSubscribeOptions(options, channel, this.#doing);
    const feed = this.#standing();
    const subscriber = new Subscriber({
      ...{ feed, settings },
      readHistory: (from, signal) => historyOf({ ...this.#parts, ...from, signal }),
    });
    const { after, signal, timeoutMs } = settings;
    const givenUp = new AbortController();
    try {
      const joining = feed.opened.then(() => this.#look(feed, after, givenUp.signal));
      const newest = await waitFor(client.runtime, joining, { signal, timeoutMs }, this.#doing);
      subscriber.begin(after, newest);
      return new ChannelSubscription(subscriber, { isListener: settings.onItem !== undefined });
    } catch (error) {
      givenUp.abort();
      subscriber.end();
      throw error;
    }
  }

  #standing(): Feed<T> {
    if (this.#feed !== undefined) return this.#feed;
    const feed: Feed<T> = new Feed({
      ...this.#parts,
      onEnd: () => {
        if (this.#feed === feed) this.#feed = undefined;
      },
    });
    this.#feed = feed;
    return feed;
  }

  /** Where the range stands, for who begins where the feed does not reach back to. */
  async #look(
    feed: Feed<T>,
    after: ChannelPosition | undefined,
    signal: AbortSignal,
  ): Promise<Newest | undefined> {
    if (after === undefined) return undefined;
    const { revision, index } = after;
    const isNear =
      index === undefined && revision <= feed.revision && feed.numberAfter(revision) !== undefined;
    if (isNear) return undefined;
    const { client, range } = this.#parts;
    const newest = await readNewest(client, range, signal);
    if (newest.revision >= revision) return newest;
    throw new QuorateError(
      'future-revision',
      `after is revision ${revision}, and the store has come to ${newest.revision}: it is a position of another one`,
      { details: { after: revision, revision: newest.revision } },
    );
  }
}
