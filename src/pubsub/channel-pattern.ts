import { Payloads } from '../payload/index.js';
import { type Client, checkClient } from '../session/index.js';
import { channelOf, channelsRange } from './channel/channel-keys.js';
import { FanOut } from './channel/fan-out.js';
import { FrameReader } from './channel/frame-reader.js';
import { checkChannelOptions } from './channel/settings.js';
import type { ChannelSubscription } from './channel/subscription.js';
import type { ChannelOptions, SubscribeOptions } from './channel/types.js';

/**
 * All channels whose names begin with a text, those to come too: one watch, and one order, that of revisions. The protocol is
 * that of {@link Channel}.
 *
 * - Order: that of revisions, across channels; of channels that were published to in one revision, that of the store.
 * - Guaranteed and not guaranteed: as `Channel`. After compaction the gap is told of all revisions that it took, unless
 *   all that was published in them is still there, and known to be all (of a channel that it was told of before, or a new one).
 * - A position that lies within a revision names its channel, as every item does.
 * - Cost: as `Channel`; with `after`, a read that the store answers by going through all keys of the range.
 */
export class ChannelPattern<T = unknown> {
  /** What the names of its channels begin with. */
  readonly prefix: string;
  readonly #fanOut: FanOut<T>;

  /** Making one sends nothing. The empty prefix: all channels of the namespace. */
  constructor(client: Client, prefix: string, options: ChannelOptions<T> = {}) {
    checkClient(client);
    const { codec, schema } = checkChannelOptions(options);
    const { keys } = client;
    const range = channelsRange(keys, prefix);
    const owner = `channels "${prefix}*"`;
    const payloads = new Payloads({ owner, codec, schema });
    const reader = new FrameReader({ payloads, nameOf: (key) => channelOf(keys, key) });
    this.prefix = prefix;
    this.#fanOut = new FanOut({ client, range, reader, doing: `subscribing to ${owner}` });
  }

  /** Subscribes: resolves once everything that is published from then on will be delivered. */
  async subscribe(options: SubscribeOptions<T> = {}): Promise<ChannelSubscription<T>> {
    return this.#fanOut.subscribe(options);
  }
}
