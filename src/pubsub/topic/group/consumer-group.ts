import { invalidArgument, shown } from '../../../errors.js';
import type { Payloads } from '../../../payload/index.js';
import { stoppable, type WaitOptions, waitFor } from '../../../runtime/index.js';
import type { Client } from '../../../session/index.js';
import type { GroupKeys, TopicKeys } from '../keys.js';
import type { OpenedTopic } from '../opening.js';
import { checkFrom, type From } from '../reading/starting.js';
import { withinTime } from '../within-time.js';
import {
  type ConsumeOptions,
  type ConsumerSettings,
  checkConsumeOptions,
  type MessageHandler,
} from './consume-options.js';
import { Consumer } from './consumer.js';
import { GroupDeadLetters } from './dead-letters.js';
import type { Delivery } from './delivery.js';
import { type GroupReport, type Lag, reportGroup } from './group-report.js';
import { iterate } from './iterating.js';
import { type Moving, resume, seek } from './moving.js';
import { removeGroup } from './removing.js';

export interface SeekOptions extends WaitOptions {
  /** Default: all. */
  partition?: number | undefined;
}

export interface ResumeOptions extends WaitOptions {
  /** What it was stopped at is passed over, as if it was acknowledged. Default false: it has all its attempts again. */
  skip?: boolean | undefined;
}

/**
 * A consumer group of a topic: its members share the partitions among them, and every message is handled by one of them. Groups
 * know nothing of each other. Made by `topic.group`; making one sends nothing.
 *
 * - **Order**: messages of one key are handed out in the order of the log, one after the other, across all members: the next one
 *   not before the one before it is acknowledged, or was given up. Between keys there is no order.
 * - **Guaranteed**: at least once. A message is handed out until it is acknowledged, or its attempts are used up, or retention has
 *   removed it, of which the group is told exactly. One whose acknowledgement was confirmed is never handed out again, unless
 *   somebody seeks back. A partition has one owner at a time in the order of revisions, and nobody else moves its cursor.
 * - **Not guaranteed**: that a handler runs once, or that no two run at the same time for one message: a member whose session was lost may still
 *   be working. Its signal has fired, if its process could notice, and its acknowledgement is refused.
 * - **Session loss**: the partitions of the member go to others when its lease ends; it joins again by itself.
 * - **A failing message** holds up its own key, and its partition once `prefetch` others wait beyond it. See `onExhausted`.
 */
export class ConsumerGroup<T> {
  readonly name: string;
  readonly deadLetters: GroupDeadLetters<T>;
  readonly #client: Client;
  readonly #keys: TopicKeys;
  readonly #group: GroupKeys;
  readonly #payloads: Payloads<T>;
  readonly #topicName: string;
  readonly #framesPerPage: number;
  readonly #openTopic: () => Promise<OpenedTopic>;
  readonly #onConsumer: (consumer: Consumer<T>) => void;

  /** Made by `topic.group`. */
  constructor(options: {
    client: Client;
    keys: TopicKeys;
    name: string;
    topicName: string;
    payloads: Payloads<T>;
    framesPerPage: number;
    openTopic: () => Promise<OpenedTopic>;
    onConsumer: (consumer: Consumer<T>) => void;
  }) {
    this.name = options.name;
    this.#client = options.client;
    this.#keys = options.keys;
    this.#group = options.keys.group(options.name);
    this.#payloads = options.payloads;
    this.#topicName = options.topicName;
    this.#framesPerPage = options.framesPerPage;
    this.#openTopic = options.openTopic;
    this.#onConsumer = options.onConsumer;
    this.deadLetters = new GroupDeadLetters({
      client: this.#client,
      keys: this.#group,
      payloads: this.#payloads,
    });
  }

  /**
   * Becomes a member, and runs `handler` for each message of the partitions that it is given. Resolves when it has joined;
   * `signal` and `timeoutMs` end that wait, and then it leaves again.
   *
   * ```ts
   * await using consumer = await topic.group('billing').consume(async (order) => charge(order.value));
   * ```
   *
   * Errors: `invalid-argument`, `future-revision` for a `from` that is not there yet; `closed`, `permission-denied`, `unauthenticated`. While
   * the store is away it keeps trying.
   * Cost: joining, 3 requests; a claim, 1; then one request for all that is acknowledged while the one before it is under way, in
   * each partition, and these share requests. Messages come by one watch a partition.
   */
  async consume(handler: MessageHandler<T>, options: ConsumeOptions = {}): Promise<Consumer<T>> {
    if (typeof handler !== 'function')
      throw invalidArgument(`handler is of type ${typeof handler}`, 'a function');
    const doing = this.#doing('joining');
    const settings = checkConsumeOptions(options, doing, this.#framesPerPage);
    const wait = { signal: options.signal, timeoutMs: options.timeoutMs };
    const { description } = await waitFor(this.#client.runtime, this.#openTopic(), wait, doing);
    const consumer = this.#consumer(handler, settings, description.partitions);
    try {
      await consumer.joined(wait);
      return consumer;
    } catch (error) {
      void consumer.close();
      throw error;
    }
  }

  /**
   * The same one by one. Asking for the next message acknowledges the one before, unless `ack` is `'manual'`. Leaving the loop, or
   * `signal`, leaves the group; what was not acknowledged is handed out again. Throws if it can never go on.
   *
   * ```ts
   * for await (const message of topic.group('audit').messages()) await write(message.value);
   * ```
   */
  messages(options: ConsumeOptions = {}): AsyncIterableIterator<Delivery<T>> {
    const doing = this.#doing('joining');
    const settings = checkConsumeOptions(options, doing, this.#framesPerPage);
    return stoppable(options.signal, (end) => this.#iterate(settings, end));
  }

  /**
   * How far the group is behind, by partition, as of one revision.
   *
   * Errors: as the store's. Cost: one read, and the names of what is behind the cursors, a request for each segment and eight
   * partitions.
   */
  async lag(options: WaitOptions = {}): Promise<readonly Lag[]> {
    const { partitions } = await this.describe(options);
    return partitions.map(({ partition, messages, missed }) => ({ partition, messages, missed }));
  }

  /** The same, with its members, who owns which partition, where the cursors are, and why a partition waits. */
  describe(options: WaitOptions = {}): Promise<GroupReport> {
    return this.#within(options, 'looking at', async (partitions, signal) => {
      const parts = { client: this.#client, keys: this.#keys, group: this.#group };
      return reportGroup({ ...parts, partitions, signal });
    });
  }

  /**
   * Moves the cursors: the group goes on there. All partitions in one revision, which is answered: from there on nothing of
   * before is handed out any more, and no acknowledgement of before counts. Members need not be stopped: whoever owns a
   * partition is refused and begins anew, as soon as its handlers have ended. With `partition`, the others are left alone.
   *
   * Errors: `invalid-argument`, `future-revision`; outcome `unknown` where nobody knows whether it was done. Cost: see `From`; one request.
   */
  async seek(from: From, options: SeekOptions = {}): Promise<number> {
    checkFrom(from);
    return this.#within(options, 'seeking in', async (count, signal) =>
      seek(this.#moving(count, options.partition, signal), from),
    );
  }

  /** Goes on with a partition that was stopped at a message. False if it is not. Two requests. */
  resume(partition: number, options: ResumeOptions = {}): Promise<boolean> {
    return this.#within(options, 'resuming', async (count, signal) =>
      resume(this.#moving(count, partition, signal), { skip: options.skip === true }),
    );
  }

  /**
   * Removes the group, which has no members any more: its cursors and its dead letters. Who joins one of this name later makes it
   * anew, and begins at its own `from`: so does a consumer that lost its session and joins again by itself. False if there was
   * nothing. Messages of the topic stay.
   *
   * Errors: `conflict` while it has members, with the labels of up to 16 of them in `details.members`; a member that died counts until its
   * session has ended. Outcome `unknown` where nobody knows whether it was done: called again, it removes what is there by then. Cost: one
   * request, whose revision takes all dead letters away.
   */
  remove(options: WaitOptions = {}): Promise<boolean> {
    const doing = this.#doing('removing');
    return withinTime(this.#client.runtime, options, doing, (signal) =>
      removeGroup(this.#client, this.#group, signal, doing),
    );
  }

  #moving(count: number, partition: number | undefined, signal: AbortSignal): Moving {
    const all = Array.from({ length: count }, (_, one) => one);
    if (partition !== undefined && !all.includes(partition)) {
      throw invalidArgument(
        `partition is ${shown(partition)}`,
        `a whole number from 0 to ${count - 1}, or none`,
      );
    }
    const partitions = partition === undefined ? all : [partition];
    const group = this.#group;
    const sign = partition === undefined ? group.moved : group.movedOf(partition);
    return { client: this.#client, keys: this.#keys, group, partitions, sign, signal };
  }

  #within<V>(
    options: WaitOptions,
    what: string,
    work: (partitions: number, signal: AbortSignal) => Promise<V>,
  ): Promise<V> {
    const doing = this.#doing(what);
    return withinTime(this.#client.runtime, options, doing, async (signal) => {
      const { runtime } = this.#client;
      const { description } = await waitFor(runtime, this.#openTopic(), { signal }, doing);
      return work(description.partitions, signal);
    });
  }

  async *#iterate(settings: ConsumerSettings, end: AbortSignal): AsyncGenerator<Delivery<T>, void, void> {
    const { runtime } = this.#client;
    const opened = waitFor(runtime, this.#openTopic(), { signal: end }, this.#doing('joining'));
    const found = await opened.catch((error: unknown) => {
      // It was asked to end.
      if (!end.aborted) throw error;
    });
    if (found === undefined) return;
    const { description } = found;
    const consume = (handler: MessageHandler<T>) => this.#consumer(handler, settings, description.partitions);
    yield* iterate(consume, settings.ack === 'automatic', end);
  }

  #consumer(handler: MessageHandler<T>, settings: ConsumerSettings, partitions: number): Consumer<T> {
    const consumer = new Consumer<T>({
      ...{ client: this.#client, keys: this.#keys, group: this.#group, payloads: this.#payloads },
      ...{ settings, handler, partitions, doing: this.#doing('joining') },
    });
    this.#onConsumer(consumer);
    return consumer;
  }

  #doing(what: string): string {
    return `${what} the group "${this.name}" of topic "${this.#topicName}"`;
  }
}
