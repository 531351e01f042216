import { invalidArgument, type QuorateError, shown } from '../../../errors.js';
import type { Payloads } from '../../../payload/index.js';
import { checkWaitOptions, defaultTimeoutMs, type WaitOptions } from '../../../runtime/index.js';
import type { Client } from '../../../session/index.js';
import { type KeyValue, remove, txnOf } from '../../../store/index.js';
import { asQuorateError } from '../failures.js';
import type { GroupKeys } from '../keys.js';
import { decodeDeadLetter } from './dead-letter.js';
import type { TopicMessage } from './delivery.js';

/** A message that a group gave up. It stays until somebody discards it, whatever retention does to the topic. */
export interface GroupDeadLetter<T> extends Omit<TopicMessage<T>, 'value'> {
  /** Undefined if there is an {@link error}. */
  readonly value: T | undefined;
  /** Why its value cannot be had: the codec or the schema refuses it. */
  readonly error: QuorateError | undefined;
  readonly attempts: number;
  readonly reason: string;
}

export interface GroupDeadLettersOptions extends WaitOptions {
  /** At most so many, the oldest of the first partition first. Default 100. */
  limit?: number | undefined;
  /** Only what comes after this one: the last of the page before. */
  after?: Pick<TopicMessage<unknown>, 'partition' | 'revision' | 'index'> | undefined;
}

const mostRead = 1_000;

/** The dead letters of one group. */
export class GroupDeadLetters<T> {
  readonly #client: Client;
  readonly #keys: GroupKeys;
  readonly #payloads: Payloads<T>;

  constructor(options: { client: Client; keys: GroupKeys; payloads: Payloads<T> }) {
    this.#client = options.client;
    this.#keys = options.keys;
    this.#payloads = options.payloads;
  }

  /** By partition, and there in the order of the log. One request. Errors: as the store's; `codec` for what another program has written. */
  async list(options: GroupDeadLettersOptions = {}): Promise<readonly GroupDeadLetter<T>[]> {
    checkWaitOptions(options, 'reading dead letters');
    const { limit = 100, after, signal, timeoutMs = defaultTimeoutMs } = options;
    if (!Number.isInteger(limit) || limit < 1 || limit > mostRead) {
      throw invalidArgument(`limit is ${shown(limit)}`, `a whole number from 1 to ${mostRead}, or none`);
    }
    const all = this.#keys.deadLetters;
    // The least key after it.
    const key = after === undefined ? all.key : `${this.#keys.deadLetter(after.partition, after)}\0`;
    const { kvs } = await this.#client.store.range({ ...all, key, limit }, { signal, timeoutMs });
    const letters = await Promise.all(kvs.map((kv) => this.#letterIn(kv)));
    return letters.filter((letter) => letter !== undefined);
  }

  /** Forgets one. False if there is no such dead letter. One request. */
  async discard(
    { partition, revision, index }: Pick<TopicMessage<T>, 'partition' | 'revision' | 'index'>,
    options: WaitOptions = {},
  ): Promise<boolean> {
    checkWaitOptions(options, 'discarding a dead letter');
    const request = txnOf({ success: [remove(this.#keys.deadLetter(partition, { revision, index }))] });
    const { replies } = await this.#client.store.txn(request, { timeoutMs: defaultTimeoutMs, ...options });
    return replies[0]?.type === 'delete' && replies[0].deleted > 0;
  }

  /** Undefined for a key that is none. */
  async #letterIn({ key, value }: KeyValue): Promise<GroupDeadLetter<T> | undefined> {
    const name = key.slice(this.#keys.deadLetters.key.length);
    const found = /^([0-9a-f]+)\/([0-9a-f]+)\.([0-9a-f]+)$/.exec(name)?.slice(1);
    if (found === undefined) return undefined;
    const [partition = 0, revision = 0, index = 0] = found.map((text) => Number.parseInt(text, 16));
    const { payload, ...said } = decodeDeadLetter(value);
    const letter = { partition, revision, index, ...said };
    try {
      return { ...letter, value: await this.#payloads.decode(payload), error: undefined };
    } catch (error) {
      // It is shown all the same, since it can be discarded.
      return { ...letter, value: undefined, error: asQuorateError(error) };
    }
  }
}
