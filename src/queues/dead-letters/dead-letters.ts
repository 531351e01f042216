/**
 * What a queue's dead letters say, and how one comes back.
 *
 * Key: `D/<id>`, written by the worker that gives the item up, in the transaction that deletes it.
 *
 * **Redrive**, within the group that the new item travels in: `{IF mod(D/<id>) = m THEN put i/<new id>, delete D/<id> ELSE get
 * D/<id>}`. The new item has the payload and the traits of the old one, a new place at the tail, and no failures: those were
 * counted under the old id. Ids are never used again, so neither is the letter's key.
 *
 * - *Reply lost*: the lane finds out whether the group was applied. *The caller gave up, or its process died*: the letter is there
 *   exactly if the item is not, so redriving it again is safe.
 * - *Two at once, or a removal beside it*: the later finds no letter, and puts nothing.
 * - *The queue is closed*: refused like any enqueue, and the letter stays.
 */
import { invalidArgument, isQuorateError, type QuorateError, shown } from '../../errors.js';
import type { Payloads } from '../../payload/index.js';
import { checkWaitOptions, type WaitOptions } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import { compare, inRange, type KeyRange, type KeyValue, txnOf } from '../../store/index.js';
import { type ItemId, levelOf, type QueueKeys } from '../keys.js';
import type { Producer } from '../producer/producer.js';
import type { Draft, Enqueued } from '../producer/submission.js';
import {
  type DeadLetterCause,
  decodeDeadLetter,
  decodeItem,
  encodeItem,
  type ItemTraits,
} from '../records/index.js';

/** An item that failed for good. */
export interface DeadLetter<T> {
  /** Of the item that it was. */
  readonly id: ItemId;
  readonly cause: DeadLetterCause;
  /** In words: the message of the last failure. */
  readonly reason: string;
  readonly failures: number;
  /** How often a worker was lost that held it. */
  readonly losses: number;
  /** When it was given up, by the clock of the worker that had it last. */
  readonly atMs: number;
  /** By the clock of who enqueued it. */
  readonly enqueuedAtMs: number;
  readonly traits: ItemTraits;
  /** Undefined if it cannot be decoded; then `unreadable` says why. */
  readonly payload: T | undefined;
  readonly unreadable?: QuorateError;
  /** The revision that put it here. */
  readonly revision: number;
}

export interface ListOptions extends WaitOptions {
  /** Lists what comes behind this id. */
  readonly after?: ItemId | undefined;
  /** At most so many, from 1 to 1,000. Default 100. */
  readonly limit?: number | undefined;
}

const defaultLimit = 100;
const longestList = 1_000;
/** Redriven together. */
const lettersPerStep = 100;
const noTraits: ItemTraits = {};

/** The dead letters of a queue, in the order that their items had. */
export class DeadLetters<T> {
  readonly #client: Client;
  readonly #keys: QueueKeys;
  readonly #queueName: string;
  readonly #payloads: Payloads<T>;
  readonly #producer: Producer;

  /** Made by its queue. */
  constructor(options: {
    client: Client;
    keys: QueueKeys;
    queueName: string;
    payloads: Payloads<T>;
    producer: Producer;
  }) {
    this.#client = options.client;
    this.#keys = options.keys;
    this.#queueName = options.queueName;
    this.#payloads = options.payloads;
    this.#producer = options.producer;
  }

  /** One request. Errors: `invalid-argument`, `codec` for a letter that another program wrote. */
  async list(options: ListOptions = {}): Promise<readonly DeadLetter<T>[]> {
    checkWaitOptions(options, this.#doing('listing'));
    const { after, limit = defaultLimit } = options;
    if (!Number.isInteger(limit) || limit < 1 || limit > longestList) {
      throw invalidArgument(`limit is ${shown(limit)}`, `a whole number from 1 to ${longestList}, or none`);
    }
    const { kvs } = await this.#client.store.range({ ...this.#behind(after), limit }, options);
    return Promise.all(kvs.map((kv) => this.#letterOf(kv)));
  }

  /** Undefined if there is none of this id (any more). One request. Errors as {@link list}. */
  async get(id: ItemId, options: WaitOptions = {}): Promise<DeadLetter<T> | undefined> {
    checkWaitOptions(options, this.#doing('reading'));
    const { kvs } = await this.#client.store.range({ key: this.#keyOf(id) }, options);
    return kvs[0] && this.#letterOf(kvs[0]);
  }

  /** Deletes a letter for good. False if there is none of this id (any more). One request. */
  async remove(id: ItemId, options: WaitOptions = {}): Promise<boolean> {
    checkWaitOptions(options, this.#doing('removing'));
    const request = txnOf({ success: [{ type: 'delete', key: this.#keyOf(id) }] });
    const [reply] = (await this.#client.store.txn(request, options)).replies;
    return reply?.type === 'delete' && reply.deleted > 0;
  }

  /**
   * Puts a letter's item, or those of all letters that there are now, at the tail of the queue (that of its priority, if the queue
   * has priorities), with the payload and the traits that it had and no failures: and deletes the letter in the same revision, so each comes back once, whoever else
   * redrives it and whatever reply is lost. Answers the items that this call put: none for a letter that is gone. All of them take
   * a read and an enqueue for each hundred letters. Default time limit 10 s for each hundred. In a queue that holds so many items
   * at most each takes its place by itself, as if it were enqueued alone.
   *
   * Errors as of `enqueue`, and `codec` for a letter that cannot be read, which `'all'` passes over. After a failure some may have come back: calling
   * it again redrives the rest.
   */
  async redrive(which: ItemId | 'all', options: WaitOptions = {}): Promise<readonly Enqueued[]> {
    checkWaitOptions(options, this.#doing('redriving'));
    this.#producer.checkOpen();
    if (which !== 'all') {
      const { kvs } = await this.#client.store.range({ key: this.#keyOf(which) }, options);
      return this.#putBack(kvs, options);
    }
    const entered: Enqueued[] = [];
    let after: ItemId | undefined;
    let asOf: number | undefined;
    for (;;) {
      const window = { ...this.#behind(after), limit: lettersPerStep };
      const { kvs, revision } = await this.#client.store.range(window, options);
      asOf ??= revision;
      const then = asOf;
      // What came back and failed again in the meantime stays.
      const letters = kvs.filter((kv) => kv.createRevision <= then && isReadable(kv));
      entered.push(...(await this.#putBack(letters, options)));
      const last = kvs.at(-1);
      if (last === undefined || kvs.length < lettersPerStep) return entered;
      after = this.#keys.nameIn(this.#keys.deadLetters, last.key);
    }
  }

  async #putBack(letters: readonly KeyValue[], options: WaitOptions): Promise<readonly Enqueued[]> {
    if (letters.length === 0) return [];
    const entered = await this.#producer.enter(
      letters.map((kv) => this.#draftOf(kv)),
      options,
      // In a bounded queue: they were never one call, and may be more than it holds.
      { apart: true },
    );
    return entered.filter((item) => item !== undefined);
  }

  #draftOf({ key, value, modRevision }: KeyValue): Draft {
    const { payload, traits } = decodeItem(decodeDeadLetter(value).item);
    const condition = {
      key,
      compare: [compare.mod({ key }, 'equal', modRevision)],
      success: () => [{ type: 'delete', key } as const],
      failure: [{ type: 'range', key, keysOnly: true } as const],
      declined: () => undefined,
      declinedBehind: () => undefined,
    };
    const level = levelOf(this.#keys.nameIn(this.#keys.deadLetters, key));
    return { value: encodeItem(payload, this.#client.runtime.wallMs(), traits), level, condition };
  }

  async #letterOf({ key, value, createRevision }: KeyValue): Promise<DeadLetter<T>> {
    const { item, ...known } = decodeDeadLetter(value);
    const id = this.#keys.nameIn(this.#keys.deadLetters, key);
    let letter = { id, ...known, enqueuedAtMs: 0, traits: noTraits, revision: createRevision };
    try {
      const { payload, enqueuedAtMs, traits = noTraits } = decodeItem(item);
      letter = { ...letter, enqueuedAtMs, traits };
      return { ...letter, payload: await this.#payloads.decode(payload) };
    } catch (error) {
      if (!isQuorateError(error, 'codec')) throw error;
      return { ...letter, payload: undefined, unreadable: error };
    }
  }

  #behind(after: ItemId | undefined): KeyRange {
    const { key, rangeEnd } = this.#keys.deadLetters;
    return { key: after === undefined ? key : `${this.#keyOf(after)}\0`, rangeEnd };
  }

  #keyOf(id: ItemId): string {
    const key = typeof id === 'string' ? this.#keys.deadLetter(id) : '';
    if (inRange(this.#keys.deadLetters, key) && id !== '') return key;
    throw invalidArgument(`the id of a dead letter is ${shown(id)}`, 'the id of an item');
  }

  #doing(what: string): string {
    return `${what} dead letters of queue "${this.#queueName}"`;
  }
}

function isReadable({ value }: KeyValue): boolean {
  try {
    decodeItem(decodeDeadLetter(value).item);
    return true;
  } catch {
    return false;
  }
}
