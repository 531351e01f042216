import { isPermanent, isQuorateError, QuorateError } from '../../../errors.js';
import type { Payloads } from '../../../payload/index.js';
import {
  Backoff,
  Listeners,
  sharedController,
  sleep,
  type WaitOptions,
  waitFor,
} from '../../../runtime/index.js';
import type { Client } from '../../../session/index.js';
import { asQuorateError } from '../failures.js';
import type { GroupKeys, TopicKeys } from '../keys.js';
import type { ConsumerEvent, ConsumerSettings, MessageHandler } from './consume-options.js';
import { DeliveredMessage } from './delivery.js';
import { join } from './joining.js';
import { Membership } from './membership.js';
import type { Deliver } from './partition-work.js';

const retryDelay = { firstMs: 50, longestMs: 5_000 };

export interface ConsumerParts<T> {
  readonly client: Client;
  readonly keys: TopicKeys;
  readonly group: GroupKeys;
  readonly payloads: Payloads<T>;
  readonly settings: ConsumerSettings;
  readonly handler: MessageHandler<T>;
  readonly partitions: number;
  readonly doing: string;
}

/**
 * A member of a group, made by `group.consume`. It outlives its sessions: when one is lost it joins again with a new one, as soon
 * as its handlers have ended.
 */
export class Consumer<T> implements AsyncDisposable {
  /** Resolves when it has ended: with what makes it unable to go on (`closed`, `permission-denied`…), or undefined if it was closed. */
  readonly ended: Promise<QuorateError | undefined>;
  readonly #parts: ConsumerParts<T>;
  readonly #listeners = new Listeners<ConsumerEvent>();
  readonly #closing = sharedController();
  readonly #joined: Promise<void>;
  #membership: Membership | undefined;
  #member: string | undefined;
  #graceMs: number;
  #onJoined!: () => void;

  /** Begins to join. Made by `group.consume`. */
  constructor(parts: ConsumerParts<T>) {
    this.#parts = parts;
    this.#graceMs = parts.settings.handoverMs;
    if (parts.settings.onEvent !== undefined) this.#listeners.add(parts.settings.onEvent);
    let onEnded: (error: QuorateError | undefined) => void = () => {};
    this.ended = new Promise((resolve) => {
      onEnded = resolve;
    });
    this.#joined = new Promise((resolve, reject) => {
      this.#onJoined = resolve;
      void this.ended.then((error) =>
        reject(error ?? new QuorateError('closed', 'this consumer was closed')),
      );
    });
    this.#joined.catch(() => {});
    this.#run().then(
      () => onEnded(undefined),
      (error: unknown) => onEnded(asQuorateError(error)),
    );
  }

  /** Its name among the members; undefined before it has joined, and while it joins again. */
  get member(): string | undefined {
    return this.#member;
  }

  /** Resolves when it has joined for the first time. */
  joined(options: WaitOptions = {}): Promise<void> {
    return waitFor(this.#parts.client.runtime, this.#joined, options, this.#parts.doing);
  }

  /** Runs `listener` at each event. Returns its removal. */
  onEvent(listener: (event: ConsumerEvent) => void): () => void {
    return this.#listeners.add(listener);
  }

  /**
   * Leaves the group: begins nothing more, waits for handlers for `graceMs` (default: `handoverMs`), writes the cursors and gives
   * the partitions up; handlers that go on then are told by their signal, and waited for. Never rejects. Idempotent.
   */
  async close(options: { readonly graceMs?: number } = {}): Promise<void> {
    this.#graceMs = options.graceMs ?? this.#graceMs;
    this.#closing.abort();
    this.#membership?.leave(this.#graceMs);
    await this.ended;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  readonly #tell = (event: ConsumerEvent): void => this.#listeners.emit(event);

  async #run(): Promise<void> {
    const { client } = this.#parts;
    const { signal } = this.#closing;
    const backoff = new Backoff(client.runtime, retryDelay);
    while (!signal.aborted) {
      try {
        await this.#belong();
        backoff.reset();
        if (!signal.aborted) this.#tell({ type: 'session-lost' });
      } catch (error) {
        if (signal.aborted) return;
        // Where it is to begin is said once, and stays as wrong as it is.
        if (isPermanent(error) || isQuorateError(error, 'future-revision')) throw error;
        this.#tell({ type: 'error', error });
      } finally {
        this.#membership = undefined;
        this.#member = undefined;
      }
      await sleep(client.runtime, backoff.nextMs(), { signal }).catch(() => {});
    }
  }

  /** One life as a member. */
  async #belong(): Promise<void> {
    const { client, keys, group, partitions, settings } = this.#parts;
    const { signal } = this.#closing;
    const session = await client.session({ signal });
    const member = await join({ client, keys, group, partitions, from: settings.from, session, signal });
    this.#member = member.id;
    this.#membership = new Membership({
      ...{ client, keys, group, partitions, settings, member },
      ...{ deliver: this.#deliver, tell: this.#tell },
    });
    if (signal.aborted) this.#membership.leave(this.#graceMs);
    this.#tell({ type: 'joined', member: member.id });
    this.#onJoined();
    await this.#membership.run();
  }

  readonly #deliver: Deliver = async ({ entry, partition, signal, hooks }) => {
    const { payloads, settings, handler } = this.#parts;
    let message: DeliveredMessage<T>;
    try {
      const value = await payloads.decode(entry.message.payload);
      const attempt = entry.failures + 1;
      message = new DeliveredMessage({ message: entry.message, partition, value, attempt, signal, hooks });
    } catch (error) {
      hooks.refused(error);
      return;
    }
    try {
      if (!signal.aborted) await handler(message);
      if (settings.ack === 'automatic') void message.ack().catch(() => {});
    } catch (error) {
      // Who fails because it is to stop has not failed.
      if (!signal.aborted) message.reject(error);
    }
  };
}
