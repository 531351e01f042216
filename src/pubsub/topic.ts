/**
 * A durable log in partitions, which groups of consumers and single readers go through, each at its own pace.
 *
 * **Protocol.** The keys are listed in topic/keys.ts. What stands in the log are *frames*: what one publisher puts into one partition in
 * one revision. The place of a message is (revision, index in the frame), so the log of a partition is in the order of revisions.
 * - publish: `IF mod(h) = as known THEN put m/…`, on a lane, one group at a time (topic/publishing/publish-pipeline.ts).
 * - read: pages out of the store, then a watch; one revision divides them (topic/reading/partition-reader.ts).
 * - a group: members on leases, who each work out the same assignment (topic/group/membership.ts); owners of partitions
 *   (topic/group/claims.ts), who alone write the cursor (topic/group/cursor-writer.ts), unless somebody seeks (topic/group/moving.ts).
 * - retention: one keeper removes the beginning of partitions, and says in the same revision what is gone (topic/retention/keeper.ts).
 *
 * **Who waits for what.** Publishers wait for the group before of their own object. Readers and groups only read the log, so nobody
 * waits for them, retention included. A member waits until the owner before it has let go, or its lease has ended.
 *
 * **When things go wrong.** Each of these files says it for what it does. In short:
 * - *Reply lost*: a message is in the log once or not at all; a claim, a cursor or a removal is looked at again before anything is built on it.
 * - *Session lost*: messages, cursors and dead letters are on no lease. A member, what it owns and the keeper's place go with the
 *   lease; what was not acknowledged is handed out again by the next owner.
 * - *Process pauses*: what it sends when it wakes is compared with its term, and refused if that has passed. A publish that meets a
 *   head which has moved on is refused too, and put behind that.
 * - *History compacted*: no message is lost by it, since nothing in the log is kept as history. What was being read as of an older
 *   revision is read anew; only the fate of a write whose reply was lost as well may stay `unknown`.
 */
import { invalidArgument, QuorateError, shown } from '../errors.js';
import { checkCodec, checkSchema, Payloads } from '../payload/index.js';
import {
  checkWaitOptions,
  defaultTimeoutMs,
  sharedController,
  stoppable,
  type WaitOptions,
  waitFor,
} from '../runtime/index.js';
import { type Client, checkClient } from '../session/index.js';
import { checkName, jsonCodec } from '../store/index.js';
import { checkPartitions, checkRetention, type Description, type Retention } from './topic/description.js';
import type { Consumer } from './topic/group/consumer.js';
import { ConsumerGroup } from './topic/group/consumer-group.js';
import { TopicKeys } from './topic/keys.js';
import { type OpenedTopic, openTopic } from './topic/opening.js';
import {
  checkAtLeast,
  checkKey,
  checkObject,
  checkPartition,
  type PublishAllOptions,
  type PublishOptions,
  type ReadOptions,
  type TopicOptions,
} from './topic/options.js';
import { partitionOf } from './topic/partitioner.js';
import type { Draft, Published } from './topic/publishing/publish-call.js';
import { defaultSegmentFrames } from './topic/publishing/publish-pipeline.js';
import { Publisher } from './topic/publishing/publisher.js';
import { defaultFramesPerPage } from './topic/reading/log-pages.js';
import { type ReadItem, readTopic } from './topic/reading/read-topic.js';
import { checkFrom, type From, startingPlaces } from './topic/reading/starting.js';
import { decideRetention } from './topic/retention/decide-retention.js';
import { Keeper } from './topic/retention/keeper.js';
import { retrying } from './topic/retrying.js';
import { describeTopic, type TopicReport } from './topic/topic-report.js';
import { withinTime } from './topic/within-time.js';

/**
 * A durable log of messages in partitions, which groups of consumers and single readers go through, each at its own pace.
 *
 * - **Order**: by partition. Messages of one key are in one partition, in the order of their publishing: one that was published
 *   after the publishing of another had returned comes behind it, whoever publishes. Calls of one object keep their order.
 * - **Guaranteed**: a message whose `publish` resolved is in the log, once, and stays there until retention removes it. Readers and
 *   groups get every message in order, or are told exactly what they miss. A connection lost at any moment neither loses nor doubles one.
 * - **Not guaranteed**: an order between partitions, or of messages without a key; that a message is handled once (see {@link ConsumerGroup}).
 * - **Session loss** does not touch messages or cursors: they are on no lease.
 * - **Limits**: 64 partitions; a message of about 1.4 MiB (`request-too-large`).
 */
export class Topic<T> implements AsyncDisposable {
  readonly name: string;
  readonly #client: Client;
  readonly #keys: TopicKeys;
  readonly #payloads: Payloads<T>;
  readonly #wanted: Partial<Description>;
  readonly #framesPerPage: number;
  readonly #publisher: Publisher;
  readonly #keeper: Keeper;
  readonly #consumers = new Set<Consumer<T>>();
  readonly #closed = sharedController();
  #opened: Promise<OpenedTopic> | undefined;
  /** As soon as it is known. */
  #partitions: number | undefined;
  #closing: Promise<void> | undefined;

  /** The topic of this name in the client's namespace. Making one sends nothing. */
  constructor(client: Client, name: string, options: TopicOptions<T> = {}) {
    checkClient(client);
    checkName(name, 'topic name');
    checkObject('options', options);
    const {
      partitions,
      retention,
      codec = jsonCodec<T>(),
      schema,
      retentionCheckMs,
      segmentFrames,
      framesPerPage,
    } = options;
    checkPartitions(partitions);
    checkRetention(retention);
    checkCodec(codec);
    checkSchema(schema);
    checkAtLeast('retentionCheckMs', retentionCheckMs, 10);
    checkAtLeast('segmentFrames', segmentFrames, 1);
    // With what was removed they are in one request.
    checkAtLeast('framesPerPage', framesPerPage, 1, 100);
    this.#framesPerPage = framesPerPage ?? defaultFramesPerPage;
    this.name = name;
    this.#client = client;
    this.#keys = new TopicKeys(client.keys.prefix('topic', name));
    this.#payloads = new Payloads({ owner: `topic "${name}"`, codec, schema });
    this.#wanted = {
      ...(partitions === undefined ? {} : { partitions }),
      ...(retention === undefined ? {} : { retention }),
    };
    const parts = { client, keys: this.#keys };
    this.#publisher = new Publisher({
      ...{ ...parts, topicName: name, openTopic: () => this.#open() },
      segmentFrames: segmentFrames ?? defaultSegmentFrames,
    });
    this.#keeper = new Keeper({ ...parts, checkEveryMs: retentionCheckMs });
  }

  /**
   * Appends a message. Resolves when it is in the log, with its place.
   *
   * ```ts
   * await orders.publish({ id: 7, state: 'paid' }, { key: 'order-7' });
   * ```
   *
   * Errors: `invalid-argument`, `codec`, `request-too-large`; `closed`; `timeout` (default 10,000 ms) and `aborted`, with outcome `unknown` if it was sent. While
   * the store is away it is tried again until then. Cost: one request and one log entry, shared by all that wait at the same
   * moment; at first three more requests.
   */
  async publish(value: T, options: PublishOptions = {}): Promise<Published> {
    checkWaitOptions(options, this.#doing('publishing to'));
    const { key, partition } = options;
    checkKey(key);
    if (key !== undefined && partition !== undefined) {
      throw invalidArgument('both key and partition are given', 'one of them, or none');
    }
    const prepared = this.#prepare([value], () => key, partition);
    const [published] = await this.#publisher.publish(prepared, options);
    return published as Published;
  }

  /**
   * Appends messages in their order. They are in one revision as far as one request carries them (512 messages, 512 KiB); what is more
   * follows in further ones, and if one of these fails, those before it are in the log.
   *
   * Errors and cost as `publish`.
   */
  async publishAll(values: readonly T[], options: PublishAllOptions<T> = {}): Promise<readonly Published[]> {
    checkWaitOptions(options, this.#doing('publishing to'));
    if (!Array.isArray(values)) throw invalidArgument('values is no array', 'an array of messages');
    const { key } = options;
    if (key !== undefined && typeof key !== 'function') {
      throw invalidArgument('key is no function', 'a function of the message, or none');
    }
    const keyed = (value: T, index: number) => {
      const found = key?.(value, index);
      checkKey(found);
      return found;
    };
    return this.#publisher.publish(this.#prepare(values, keyed, undefined), options);
  }

  /** The consumer group of this name. It is there as soon as it has had a member, and keeps its cursors until it is removed. */
  group(name: string): ConsumerGroup<T> {
    checkName(name, 'group name');
    return new ConsumerGroup({
      ...{ client: this.#client, keys: this.#keys, name, topicName: this.name, payloads: this.#payloads },
      framesPerPage: this.#framesPerPage,
      openTopic: () => this.#open(),
      onConsumer: (consumer) => {
        this.#keeper.start();
        this.#consumers.add(consumer);
        void consumer.ended.then(() => this.#consumers.delete(consumer));
        // It was closed while this one was on its way.
        if (this.#closed.signal.aborted) void consumer.close({ graceMs: 0 });
      },
    });
  }

  /**
   * Reads without a group: every reader for himself, and nothing is stored. Each partition in order; of several, each as it comes. A
   * slow reader slows nobody, and holds a bounded number of messages. Throws if it can never go on.
   *
   * ```ts
   * for await (const item of topic.read({ from: { time: Date.now() - 60_000 } })) {
   *   if (item.type === 'message') console.log(item.value);
   * }
   * ```
   *
   * Errors: `invalid-argument`, `future-revision`; as the store's. Cost: to find the beginning see `From`; then a request for each segment and one for
   * about 32 frames while it is behind; then one watch a partition, shared in the process.
   */
  read(options: ReadOptions = {}): AsyncIterableIterator<ReadItem<T>> {
    checkObject('options', options);
    const { from = 'start', partition, follow = true, signal } = options;
    checkFrom(from);
    if (typeof follow !== 'boolean')
      throw invalidArgument(`follow is ${shown(follow)}`, 'true or false, or none');
    if (signal !== undefined && !(signal instanceof AbortSignal)) {
      throw invalidArgument('signal is not an AbortSignal', 'an AbortSignal, or none');
    }
    return stoppable(signal, (end) => this.#read({ from, partition, follow }, end));
  }

  /** How much there is, what was removed, and who removes. Errors: as the store's. Cost: one read, and the names of all that is there. */
  async describe(options: WaitOptions = {}): Promise<TopicReport> {
    const doing = this.#doing('looking at');
    return withinTime(this.#client.runtime, options, doing, async (signal) => {
      await waitFor(this.#client.runtime, this.#open(), { signal }, doing);
      return describeTopic(this.#client, this.#keys, signal);
    });
  }

  /**
   * Decides anew how much is kept: `{}` keeps everything. It takes effect when the keeper looks next. Two requests. Errors: `invalid-argument`; as the
   * store's.
   */
  async setRetention(retention: Retention, options: WaitOptions = {}): Promise<void> {
    checkRetention(retention);
    if (retention === undefined)
      throw invalidArgument('retention is missing', 'an object, which may be empty');
    const doing = this.#doing('changing the retention of');
    await withinTime(this.#client.runtime, options, doing, async (signal) => {
      await waitFor(this.#client.runtime, this.#open(), { signal }, doing);
      await decideRetention(this.#client, this.#keys, retention, signal);
    });
    this.#keeper.start();
  }

  /** Refuses further messages, waits for those on their way, and closes the consumers of this object. The topic stays. Never rejects. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#closed.abort();
    const consumers = [...this.#consumers].map((consumer) => consumer.close());
    await Promise.all([this.#publisher.close(), this.#keeper.close(), ...consumers]);
  }

  /** At once, if nothing has to be waited for. */
  #prepare(
    values: readonly T[],
    keyOf: (value: T, index: number) => string | undefined,
    partition: number | undefined,
  ): readonly Draft[] | Promise<readonly Draft[]> {
    // What is wrong with a call is told before the topic is there.
    const keys = values.map(keyOf);
    this.#keeper.start();
    const encoded = this.#payloads.encodeAll(values);
    const draft = (payloads: readonly Uint8Array[], partitions: number) => {
      if (partition !== undefined) checkPartition(partition, partitions);
      return payloads.map((payload, index): Draft => {
        const key = keys[index];
        return { key, payload, partition: key === undefined ? partition : partitionOf(key, partitions) };
      });
    };
    const partitions = this.#partitions;
    if (partitions !== undefined && !(encoded instanceof Promise)) return draft(encoded, partitions);
    return Promise.all([encoded, this.#open()]).then(([payloads, { description }]) =>
      draft(payloads, description.partitions),
    );
  }

  async *#read(
    { from, partition, follow }: { from: From; partition: number | undefined; follow: boolean },
    signal: AbortSignal,
  ): AsyncGenerator<ReadItem<T>, void, void> {
    try {
      const { runtime } = this.#client;
      const { description } = await waitFor(runtime, this.#open(), { signal }, this.#doing('reading'));
      if (partition !== undefined) checkPartition(partition, description.partitions);
      const all = Array.from({ length: description.partitions }, (_, one) => one);
      const partitions = partition === undefined ? all : [partition];
      const parts = { client: this.#client, keys: this.#keys, partitions, signal };
      const places = await startingPlaces(parts, from);
      yield* readTopic({
        ...parts,
        framesPerPage: this.#framesPerPage,
        payloads: this.#payloads,
        places,
        follows: follow,
      });
    } catch (error) {
      // It was asked to end.
      if (!signal.aborted) throw error;
    }
  }

  #open(): Promise<OpenedTopic> {
    if (this.#closed.signal.aborted) {
      return Promise.reject(new QuorateError('closed', `this object of topic "${this.name}" was closed`));
    }
    if (this.#opened === undefined) {
      const parts = { client: this.#client, keys: this.#keys, topicName: this.name, wanted: this.#wanted };
      const { signal } = this.#closed;
      // It may be made as often as it likes: there is one.
      const attempt = () => openTopic(parts, { timeoutMs: defaultTimeoutMs, signal });
      const opening = retrying(this.#client, signal, attempt);
      this.#opened = opening;
      opening.then(
        ({ description }) => {
          this.#partitions = description.partitions;
        },
        () => {
          // The next call tries again.
          if (this.#opened === opening) this.#opened = undefined;
        },
      );
    }
    return this.#opened;
  }

  #doing(what: string): string {
    return `${what} topic "${this.name}"`;
  }
}
