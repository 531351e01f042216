import { invalidArgument } from '../../../errors.js';
import type { LoggedMessage } from '../reading/partition-reader.js';

/** A message of a topic, in the log. */
export interface TopicMessage<T> {
  readonly partition: number;
  /** The revision that put it. Revisions and indexes are the order of the partition. */
  readonly revision: number;
  /** Among the messages of the partition that this revision put. */
  readonly index: number;
  readonly key: string | undefined;
  readonly value: T;
  /** By the clock of its publisher. */
  readonly publishedAtMs: number;
}

/** A message in the hands of a member of a group. */
export interface Delivery<T> extends TopicMessage<T> {
  /** 1 for the first time; failures count across members, as far as they came to be known. */
  readonly attempt: number;
  /** Fires when this member is no longer to work on it: its acknowledgement would be refused. */
  readonly signal: AbortSignal;
  /**
   * It is dealt with. Resolves when the store knows, from when on it is never handed out again; with automatic acknowledgement
   * the handler's end says so, and this need not be called. Errors: `fenced` if the partition has another owner by now, or
   * somebody moved the cursor; `session-lost`, `closed`; outcome `unknown` where nobody can tell; `invalid-argument` after {@link reject}: the
   * first call of the two counts.
   */
  ack(): Promise<void>;
  /** It could not be dealt with: it is handed out again later, or given up after so many times. */
  reject(reason?: unknown): void;
}

export interface DeliveryHooks {
  acked(): Promise<void>;
  rejected(reason: unknown): void;
}

/** Of a message that cannot be handed out as well. */
export interface EntryHooks extends DeliveryHooks {
  /** The codec or the schema refuses it, today as tomorrow. */
  refused(error: unknown): void;
}

/** A message, and how it was settled. */
export class DeliveredMessage<T> implements Delivery<T> {
  readonly partition: number;
  readonly revision: number;
  readonly index: number;
  readonly key: string | undefined;
  readonly value: T;
  readonly publishedAtMs: number;
  readonly attempt: number;
  readonly signal: AbortSignal;
  readonly #hooks: DeliveryHooks;
  #acked: Promise<void> | undefined;
  #isSettled = false;

  constructor(options: {
    message: LoggedMessage;
    partition: number;
    value: T;
    attempt: number;
    signal: AbortSignal;
    hooks: DeliveryHooks;
  }) {
    const { message } = options;
    this.partition = options.partition;
    this.revision = message.revision;
    this.index = message.index;
    this.key = message.key;
    this.publishedAtMs = message.publishedAtMs;
    this.value = options.value;
    this.attempt = options.attempt;
    this.signal = options.signal;
    this.#hooks = options.hooks;
  }

  /** Acknowledged or rejected. */
  get isSettled(): boolean {
    return this.#isSettled;
  }

  ack(): Promise<void> {
    if (!this.#isSettled) {
      this.#isSettled = true;
      this.#acked = this.#hooks.acked();
      // Nobody need wait for it.
      this.#acked.catch(() => {});
    }
    return (
      this.#acked ??
      Promise.reject(invalidArgument('this message was rejected before', 'one of ack and reject'))
    );
  }

  reject(reason?: unknown): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    this.#hooks.rejected(reason);
  }
}
