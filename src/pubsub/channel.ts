/**
 * Ordered fan-out: a message is published once, and every process that subscribes is told it, in one order for all.
 *
 * **Protocol.** A channel is the key m = `{ns}/channel/{name}/m`, without a lease, and the store's history of it is the log.
 * - publish: `put m := frame`, by the exactly-once store. A key cannot be put twice in one request, so the messages that one
 *   process publishes to a channel while a commit is under way stand in one value, the frame (channel/frame.ts), which the next
 *   commit puts (channel/publisher.ts). Nothing is read before, and nothing is left to be cleaned up: compaction of the store takes
 *   what is old. Under a guard: `IF guard THEN put m`.
 * - The place of a message is (revision, index): the revision of the put, and its place in the frame. Revisions order the
 *   messages of all channels of a store. The key's version counts its frames, without a hole.
 * - subscribe: a watch of m from now, which all subscribers of this object share (channel/feed.ts). They have joined once the server
 *   has created it. Which put was the last before that is read beside it. Each event is decoded once, and handed to all in the same turn.
 * - from a position on: a watch of its own from that revision (channel/history.ts), until it has come to where the shared one
 *   has everything that follows; then it goes on with that.
 * - patterns: the same over the range of all keys below a prefix (channel-pattern.ts).
 * - The key is never deleted: its version would begin again, and what compaction leaves could not be told from what it took.
 *
 * **Who waits for what.** Publishers wait for the commit before of their own object, and for nobody else. Nobody waits for
 * subscribers. Who takes too long is left with its place in the log: what it has not taken is bounded (channel/subscriber.ts).
 *
 * **When things go wrong.** Reply lost: settled by the exactly-once store; the message is there once. The session lost, or the
 * publisher dead: the key has no lease; what was on its way is published once or never. A subscriber cut off: its watch
 * goes on with the revision after the last *event*, so nothing is missing and nothing comes twice. A process pauses: the same; what
 * it publishes when it wakes is new. History compacted before it was delivered, up to C: the key at C has its last frame, and the
 * version tells how many there were: if that was the only one nothing is missing; else the gap is told, up to that frame
 * (channel/after-compaction.ts). A watch that leaves something out in spite of all: the next event's version is not the one
 * after the last, which is told as a gap too (channel/continuity.ts).
 *
 * **Wrong:** to resume at the revision in a header, which is that of the store and not that of what was delivered (`mod + 1` of the
 * last event); to take a watch's cut for the end of a gap, and read the state; to publish anew after an outcome nobody knows (Redis
 * clients: twice, or out of order); one key a message, on a lease (everything is written twice, and who is cut off for
 * longer than the lease is told of no gap); to drop what a slow reader has not read without a word (Redis, NATS core).
 */
import { invalidArgument } from '../errors.js';
import { checkGuard } from '../guard/index.js';
import { Payloads } from '../payload/index.js';
import { checkWaitOptions, defaultTimeoutMs } from '../runtime/index.js';
import { type Client, checkClient } from '../session/index.js';
import type { Key } from '../store/index.js';
import { channelKey } from './channel/channel-keys.js';
import { FanOut } from './channel/fan-out.js';
import { FrameReader } from './channel/frame-reader.js';
import { mostMessagesPerCall, Publisher } from './channel/publisher.js';
import { checkChannelOptions } from './channel/settings.js';
import type { ChannelSubscription } from './channel/subscription.js';
import type {
  ChannelOptions,
  ChannelPlace,
  ChannelPublishOptions,
  SubscribeOptions,
} from './channel/types.js';

/**
 * Messages from any process to every process that subscribes.
 *
 * - Order: one for all subscribers, that of revisions. Messages of one `Channel` object are in the order of the calls, save
 *   one whose caller gave up with outcome `unknown`, which may come later. A call that began after another had settled, in whatever
 *   process, comes after it.
 * - Guaranteed: a message is published once if `publish` resolves, and never if it rejects with outcome `not-applied`. A
 *   subscriber is told every message that is published after `subscribe` resolved, in order and none twice, over cuts,
 *   pauses and changes of members; what it cannot be told it is told as a gap.
 * - Not guaranteed: that anybody has handled a message: there are no acknowledgements (see `Topic`). That history reaches back:
 *   it does as far as the store was not compacted, and etcd is compacted every few minutes where it is set up well.
 *   Nor that a subscriber knows that it is cut off: it has no state, and is told nothing until it is back.
 * - Session loss: none of this needs a session.
 * - Memory: what subscribers of this object have not taken is at most the largest `bufferSize` that any had, or what came at once,
 *   and about 16 MiB as it is encoded, for all of them together; for each that reads history, the store's own bound of a watch. Waiting
 *   to be published: 64 MiB.
 * - Errors: `invalid-argument`; `codec`; `aborted`, `timeout`; `closed`; what the store refuses (`no-space`,
 *   `permission-denied`…). Of `publish`: `request-too-large` above some 1.5 MB, `over-limit` if too much waits; with a
 *   `guard`: `fenced`, `hold-lost`, `session-lost`. Of `subscribe`: `future-revision`.
 * - Cost: a publish, one request, shared by what is published meanwhile, and by other channels; an event for each process that
 *   subscribes. A subscription, one watch and one read for all of this object; with `after`, a read more, and where that lies
 *   back a watch until it has caught up; the same for each that falls behind by more than its buffer, with `wait`.
 */
export class Channel<T = unknown> {
  readonly name: string;
  /** The key that messages are published under. */
  readonly key: Key;
  readonly #publisher: Publisher;
  readonly #payloads: Payloads<T>;
  readonly #fanOut: FanOut<T>;
  /** What `publish` does, for messages. */
  readonly #doing: string;

  /**
   * Making one sends nothing. Names are those of all clients of the namespace: any text of up to 1,024 bytes without control
   * characters. Parts are best divided by a character of your choice (`orders/eu/1`), for who subscribes to all under a prefix.
   */
  constructor(client: Client, name: string, options: ChannelOptions<T> = {}) {
    checkClient(client);
    const { codec, schema } = checkChannelOptions(options);
    this.key = channelKey(client.keys, name);
    this.name = name;
    this.#payloads = new Payloads({ owner: `channel "${name}"`, codec, schema });
    this.#publisher = new Publisher(client, this.key);
    const quoted = JSON.stringify(name);
    this.#doing = `publishing to the channel ${quoted}`;
    this.#fanOut = new FanOut({
      ...{ client, range: { key: this.key }, channel: name, doing: `subscribing to the channel ${quoted}` },
      reader: new FrameReader({ payloads: this.#payloads, nameOf: () => name }),
    });
  }

  /**
   * Publishes a message. Resolves with its place once it is committed, whether anybody subscribes or not. One request, which all
   * share that are published while the one before is under way. `timeoutMs` is 10 s where none is given.
   */
  publish(message: T, options: ChannelPublishOptions = {}): Promise<ChannelPlace> {
    return this.#submit([message], options);
  }

  /** Publishes all of them at one revision, in this order, or none. Resolves with the place of each. One request. */
  async publishAll(
    messages: readonly T[],
    options: ChannelPublishOptions = {},
  ): Promise<readonly ChannelPlace[]> {
    if (!Array.isArray(messages) || messages.length > mostMessagesPerCall) {
      const what = Array.isArray(messages) ? `an array of ${messages.length}` : `of type ${typeof messages}`;
      throw invalidArgument(`messages is ${what}`, `an array of at most ${mostMessagesPerCall} messages`);
    }
    if (messages.length === 0) {
      this.#check(options);
      return [];
    }
    const { revision, index } = await this.#submit([...messages], options);
    return messages.map((_message, nth) => ({ revision, index: index + nth }));
  }

  /**
   * Subscribes: resolves once everything that is published from then on will be delivered.
   *
   * ```ts
   * const subscription = await prices.subscribe();
   * for await (const item of subscription) {
   *   if (item.type === 'message') show(item.payload);
   *   else if (item.type === 'gap') reload();
   * }
   * ```
   */
  async subscribe(options: SubscribeOptions<T> = {}): Promise<ChannelSubscription<T>> {
    return this.#fanOut.subscribe(options);
  }

  #submit(messages: readonly T[], options: ChannelPublishOptions): Promise<ChannelPlace> {
    try {
      this.#check(options);
      const { guard, signal, timeoutMs = defaultTimeoutMs } = options;
      const encoded = this.#payloads.encodeAll(messages);
      return this.#publisher.submit(encoded, { guard, signal, timeoutMs, doing: this.#doing });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #check(options: ChannelPublishOptions): void {
    checkWaitOptions(options, this.#doing);
    checkGuard(options.guard);
  }
}
