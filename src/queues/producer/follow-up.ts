/**
 * Items that enter their queues in the transaction that acknowledges another: `job.complete({ enqueue })`.
 *
 * Key `i/<R>/<producer>/<n>` as with every item (enqueue-pipeline.ts), with a producer name of this object's own. R is the
 * revision of one linearizable read of gate and control of all target queues, sent after the call: so what another call of
 * `enqueue` returned before has the smaller key.
 *
 * The acknowledgement's innermost transaction becomes `IF value(h) < smallest key, mod(h/ctl) = as read, for each target THEN
 * delete i/X, put items, effects ELSE get h`. These compares stand in the same nested transaction as the puts, so either the job
 * is acknowledged and its follow-ups are in, or neither.
 *
 * - *Refused by a gate or a changed control*: nothing was applied. Read again, larger keys, again.
 * - *A closed queue*: `queue-closed`, nothing is sent, and the job is still held.
 * - *Reply lost*: the acknowledgement's own affair (held-job.ts). Each attempt names the item X by its life and generation, so of
 *   several attempts with different keys at most one is applied, however late they arrive.
 * - *This process pauses between read and write*: the gate has moved on; refused.
 * - *A queue that nobody has used yet*: its gate is made first, as an enqueue does it.
 */
import { invalidArgument } from '../../errors.js';
import type { WaitOptions } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import { type Compare, compare, get, type Key, type KeyValue, type Op, txnOf } from '../../store/index.js';
import { StoredTaskCheck } from '../conditions/known-names.js';
import { type ItemId, itemId, type LevelName, QueueKeys } from '../keys.js';
import { levelFor } from '../priority/priority.js';
import type { Queue } from '../queue.js';
import { delayFor } from '../timers/delay-option.js';
import { type Entry, putEntry } from '../timers/entry.js';
import { admissionOf, createGates } from './admission.js';
import type { ItemOptions } from './item-options.js';
import type { Enqueued } from './submission.js';

/** It enters once with the acknowledgement, and needs no idempotency key. */
export type FollowUpOptions = Omit<ItemOptions, 'idempotencyKey'>;

/** One item to be put into a queue as another job is acknowledged. Made by {@link followUp}. */
export interface FollowUp {
  readonly queue: Queue<unknown>;
  readonly payload: unknown;
  readonly options: FollowUpOptions;
}

/** An item for `job.complete({ enqueue })`: into a queue of the same client, the job's own or another. */
export function followUp<T>(queue: Queue<T>, payload: T, options: FollowUpOptions = {}): FollowUp {
  return { queue: queue as Queue<unknown>, payload, options };
}

/** Beside the effects of the caller, the acknowledgement and what else travels with it: etcd takes 128 operations. */
const mostFollowUps = 60;

type FollowUpEntry = Entry & { readonly index: number };

/** A queue, and what enters each of its levels. */
interface Target {
  readonly keys: QueueKeys;
  readonly levels: Map<LevelName, FollowUpEntry[]>;
}

/** What is put, encoded, by where. */
export interface PreparedFollowUps {
  readonly count: number;
  readonly targets: readonly Target[];
}

/** The part of one attempt. */
export interface Admission {
  readonly compare: readonly Compare[];
  readonly puts: readonly Op[];
  /** If a gate refuses. */
  readonly failure: readonly Op[];
  /** In the order of the call. */
  readonly ids: readonly ItemId[];
}

export class FollowUps {
  readonly #client: Client;
  readonly #producer: string;
  #counter = 0;

  constructor(client: Client) {
    this.#client = client;
    this.#producer = client.runtime.newId();
  }

  /** Rejects with `codec`, `request-too-large`, and `invalid-argument` for more than 60, or a queue of another client. */
  async prepare(followUps: readonly FollowUp[]): Promise<PreparedFollowUps> {
    if (!Array.isArray(followUps) || followUps.length > mostFollowUps) {
      throw invalidArgument(
        'enqueue is no list of items',
        `an array of at most ${mostFollowUps} followUp(…)`,
      );
    }
    const targets = new Map<string, Target>();
    for (const [index, one] of followUps.entries()) {
      const { queue, payload, options } = checked(one);
      const prefix = this.#prefixOf(queue);
      const level = levelFor(queue.kind, options.priority);
      const name = `${queue.kind} ${prefix}`;
      const target = targets.get(name) ?? {
        keys: new QueueKeys(prefix, queue.kind, queue.definition),
        levels: new Map<LevelName, FollowUpEntry[]>(),
      };
      targets.set(name, target);
      const entries = target.levels.get(level) ?? [];
      target.levels.set(level, entries);
      const delayMs = delayFor(queue.kind, options.delayMs);
      const { task } = options;
      entries.push({ index, delayMs, task, value: await queue.encodeItem(payload, options) });
    }
    return { count: followUps.length, targets: [...targets.values()] };
  }

  /** Reads the gates and makes the keys. Rejects with `queue-closed`, with `invalid-argument` for what the queue is not, and as a read does. */
  async admit({ count, targets }: PreparedFollowUps, options: WaitOptions): Promise<Admission> {
    const { revision, admissions } = await this.#read(targets, options);
    const ids: ItemId[] = Array.from({ length: count }, () => '');
    const compares: Compare[] = [];
    const puts: Op[] = [];
    targets.forEach(({ keys, levels }, at) => {
      const admission = admissions[at] ?? [];
      const { control } = admissionOf(keys, admission, levels.keys());
      new StoredTaskCheck(keys).check(admission, [...levels.values()].flat());
      compares.push(compare.mod(keys.control, 'equal', control));
      for (const [level, entries] of levels) {
        const own = entries.map(({ index, ...entry }) => {
          const id = this.#nextId(revision, level);
          ids[index] = id;
          puts.push(putEntry(keys, id, entry));
          return id;
        });
        compares.push(compare.value(keys.gateOf(level), 'less', own[0] ?? ''));
      }
    });
    return {
      compare: compares,
      puts,
      ids,
      failure: targets.flatMap(({ keys, levels }) =>
        [...levels.keys()].map((level) => get(keys.gateOf(level))),
      ),
    };
  }

  async #read(
    targets: readonly Target[],
    options: WaitOptions,
  ): Promise<{ revision: number; admissions: readonly (readonly KeyValue[])[] }> {
    const { store } = this.#client;
    const request = txnOf({ success: targets.map(({ keys }) => ({ type: 'range', ...keys.admission })) });
    for (;;) {
      const { revision, replies } = await store.txn(request, options);
      const admissions = replies.map((reply) => (reply.type === 'range' ? reply.kvs : []));
      let allMade = true;
      for (const [at, { keys, levels }] of targets.entries()) {
        const { missing } = admissionOf(keys, admissions[at] ?? [], levels.keys());
        if (missing.length === 0) continue;
        const { succeeded } = await store.txn(createGates(keys, revision, missing), options);
        allMade &&= succeeded;
      }
      if (allMade) return { revision, admissions };
    }
  }

  #nextId(revision: number, level: LevelName): ItemId {
    this.#counter += 1;
    return itemId(revision, this.#producer, this.#counter, level);
  }

  #prefixOf(queue: Queue<unknown>): Key {
    // Another may be of another store, which this transaction does not reach.
    if (queue.client !== this.#client) {
      throw invalidArgument('a follow-up for a queue of another client', "queues of the worker's own client");
    }
    return this.#client.keys.prefix('queue', queue.name);
  }
}

function checked(followUp: FollowUp): FollowUp {
  const { queue, options } = followUp ?? {};
  if (typeof queue?.encodeItem === 'function' && typeof options === 'object' && options !== null)
    return followUp;
  throw invalidArgument('enqueue holds what is no item', 'what followUp(queue, payload, options) makes');
}

/** Ids and the revision that put the items in, in the order of the call. */
export function enqueuedBy(ids: readonly ItemId[], revision: number): readonly Enqueued[] {
  return ids.map((id) => ({ id, revision, duplicate: false }));
}
