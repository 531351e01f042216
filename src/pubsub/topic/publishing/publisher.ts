import type { Lane } from '../../../commit/index.js';
import { isQuorateError, QuorateError } from '../../../errors.js';
import { defaultTimeoutMs, sharedController, type WaitOptions } from '../../../runtime/index.js';
import type { Client } from '../../../session/index.js';
import { type RangeOp, txnOf } from '../../../store/index.js';
import { asQuorateError, mayReadAgain } from '../failures.js';
import type { TopicKeys } from '../keys.js';
import type { OpenedTopic } from '../opening.js';
import { retrying } from '../retrying.js';
import { type Draft, PublishCall, type Published } from './publish-call.js';
import { PublishPipeline } from './publish-pipeline.js';

/** A call whose turn has not come. */
interface InLine {
  readonly call: PublishCall;
  /** Undefined until they are prepared. */
  drafts: readonly Draft[] | undefined;
}

interface Opened {
  readonly pipeline: PublishPipeline;
  readonly lane: Lane;
}

/**
 * What puts messages into a topic for one object, in the order of the calls: that in which {@link publish} was called, however
 * long it takes to prepare what a call is to put. Calls wait for those before them to be prepared or given up.
 */
export class Publisher {
  readonly #client: Client;
  readonly #keys: TopicKeys;
  readonly #topicName: string;
  readonly #segmentFrames: number;
  readonly #openTopic: () => Promise<OpenedTopic>;
  #opened: Promise<Opened> | undefined;
  #pipeline: PublishPipeline | undefined;
  /** Calls that are not submitted yet, in their order. */
  readonly #line: InLine[] = [];
  readonly #closing = sharedController();

  constructor(options: {
    client: Client;
    keys: TopicKeys;
    topicName: string;
    segmentFrames: number;
    openTopic: () => Promise<OpenedTopic>;
  }) {
    this.#client = options.client;
    this.#keys = options.keys;
    this.#topicName = options.topicName;
    this.#segmentFrames = options.segmentFrames;
    this.#openTopic = options.openTopic;
  }

  /** The options of the wait have been checked; its time limit begins here. */
  publish(
    prepared: readonly Draft[] | Promise<readonly Draft[]>,
    { signal, timeoutMs = defaultTimeoutMs }: WaitOptions,
  ): Promise<readonly Published[]> {
    const doing = `publishing to "${this.#topicName}"`;
    if (this.#closing.signal.aborted) {
      if (prepared instanceof Promise) prepared.catch(() => {});
      return Promise.reject(
        new QuorateError('closed', `this object of topic "${this.#topicName}" was closed`),
      );
    }
    const call = new PublishCall({ runtime: this.#client.runtime, signal, timeoutMs, doing });
    const place: InLine = { call, drafts: prepared instanceof Promise ? undefined : prepared };
    this.#line.push(place);
    if (this.#pipeline !== undefined && place.drafts !== undefined) this.#advance();
    else this.#await(place, prepared);
    return call.published;
  }

  /** Refuses further messages, waits for those on their way, gives the lane back. */
  async close(): Promise<void> {
    this.#closing.abort(new QuorateError('closed', 'this object of the topic was closed'));
    const opened = await this.#opened?.catch(() => undefined);
    if (opened === undefined) return;
    opened.pipeline.close();
    await opened.lane.close();
  }

  /** Until it is closed: callers have limits of their own. */
  #retrying<V>(attempt: () => Promise<V>): Promise<V> {
    const mayRetry = (error: unknown) => mayReadAgain(error) || isQuorateError(error, 'unreachable');
    return retrying(this.#client, this.#closing.signal, attempt, mayRetry);
  }

  #await(place: InLine, prepared: readonly Draft[] | Promise<readonly Draft[]>): void {
    Promise.all([prepared, this.#open()])
      .then(([drafts]) => {
        place.drafts = drafts;
      })
      .catch((error: unknown) => place.call.fail(asQuorateError(error)))
      .finally(() => this.#advance());
    // Who gives up is not waited for; those before it still are.
    place.call.published.then(
      () => {},
      () => this.#advance(),
    );
  }

  /** Submits those whose turn it is. */
  #advance(): void {
    for (let first = this.#line[0]; first !== undefined; first = this.#line[0]) {
      const { call, drafts } = first;
      if (!call.isOver) {
        if (drafts === undefined || this.#pipeline === undefined) return;
        for (const portion of call.divide(drafts)) this.#pipeline.submit(portion);
      }
      this.#line.shift();
    }
  }

  #open(): Promise<Opened> {
    if (this.#opened === undefined) {
      const opening = this.#openPipeline();
      this.#opened = opening;
      opening.catch(() => {
        // The next call tries again.
        if (this.#opened === opening) this.#opened = undefined;
      });
    }
    return this.#opened;
  }

  async #openPipeline(): Promise<Opened> {
    const { store, runtime } = this.#client;
    const { description, head } = await this.#openTopic();
    const { partitions } = description;
    // So that a segment gets full though every publisher puts only a few frames into it.
    const counts = Array.from({ length: partitions }, (_, partition): RangeOp => {
      return { type: 'range', ...this.#keys.framesOf(partition, head.segment), countOnly: true };
    });
    const { replies } = await this.#retrying(() =>
      store.txn(txnOf({ success: counts }), { timeoutMs: defaultTimeoutMs }),
    );
    const frames = replies.reduce((sum, reply) => sum + (reply.type === 'range' ? reply.count : 0), 0);
    const lane = await this.#retrying(() => store.openLane());
    const parts = { runtime, lane, keys: this.#keys, partitions, head, frames };
    const pipeline = new PublishPipeline({ ...parts, segmentFrames: this.#segmentFrames });
    this.#pipeline = pipeline;
    return { lane, pipeline };
  }
}
