import type { StandardSchemaV1 } from '@standard-schema/spec';
import { invalidArgument, QuorateError, shown } from '../errors.js';
import { checkSchema, Payloads } from '../payload/index.js';
import { checkWaitOptions, type WaitOptions } from '../runtime/index.js';
import { type Client, checkClient } from '../session/index.js';
import { type Codec, jsonCodec } from '../store/index.js';
import { checkedBound } from './bounds/check-bound.js';
import { TaskCheck } from './conditions/known-names.js';
import { QueueControls } from './control/queue-controls.js';
import { DeadLetters } from './dead-letters/dead-letters.js';
import { drain } from './emptying/drain.js';
import { type Purged, purge } from './emptying/purge.js';
import { type ItemId, QueueKeys, type QueueKind } from './keys.js';
import { levelFor, priorityOf } from './priority/priority.js';
import { checkWindow, onceWithin } from './producer/idempotency.js';
import { checkItemOptions, type ItemOptions, idempotencyKeyOf, traitsOf } from './producer/item-options.js';
import { Producer } from './producer/producer.js';
import type { Draft, Enqueued } from './producer/submission.js';
import { readHeads } from './reading/head.js';
import { decodeItem, encodeItem, type ItemTraits, type QueueBound } from './records/index.js';
import {
  type CancelOptions,
  type JobOutcome,
  JobOutcomes,
  type WaitForResultOptions,
} from './results/job-outcomes.js';
import { Schedules } from './schedules/schedules.js';
import { delayFor } from './timers/delay-option.js';

export interface QueueOptions<T> {
  /** Default: JSON. */
  codec?: Codec<T> | undefined;
  /**
   * What payloads must be, in any library of standardschema.dev (Zod, Valibot, ArkType…). They are validated when they are
   * enqueued, and stored as they were given; and again when they are taken out, where what the schema makes of them is handed
   * on. So a schema that transforms must accept what it was given in both places. It may be asynchronous.
   */
  schema?: StandardSchemaV1<unknown, T> | undefined;
  /** Of what handlers return, where results are asked for. Default: JSON. */
  resultCodec?: Codec<unknown> | undefined;
  /**
   * How many items the queue holds at most, those being worked on included, for a queue of which nobody has decided that: it is
   * kept in the store, and holds for all, from the first `enqueue` of an object that says so until `controls.setBound` changes it.
   * Default: as many as come.
   */
  maxLength?: number | undefined;
  /** What becomes of an item for which there is no room. See {@link QueueBound}. Default `wait`. */
  whenFull?: QueueBound['whenFull'] | undefined;
  /** How long an `idempotencyKey` is remembered, from the call that put its item. At least 1,000. Default 5 minutes. */
  idempotencyWindowMs?: number | undefined;
}

export interface EnqueueOptions extends ItemOptions, WaitOptions {}

export interface EnqueueManyOptions<T> extends Omit<ItemOptions, 'idempotencyKey'>, WaitOptions {
  /** Options of each item by itself, in place of those given for all. */
  each?: ((payload: T, index: number) => ItemOptions) | undefined;
}

/** What {@link Queue.peek} sees. */
export interface QueueItem<T> {
  readonly id: ItemId;
  /** The revision that put it there. */
  readonly revision: number;
  readonly payload: T;
  /** Of a queue that has priorities. */
  readonly priority: number | undefined;
  /** By the clock of who enqueued it. */
  readonly enqueuedAtMs: number;
  readonly traits: ItemTraits;
}

const defaultWindowMs = 300_000;
const noTraits: ItemTraits = {};

/**
 * What every queue does, whatever its kind: any number of processes put into it, and {@link Worker}s take from it.
 *
 * - **Guaranteed**: an item whose `enqueue` resolved is in the queue, once, and leaves it only with the
 *   acknowledgement of the worker that holds it, to the dead letters, or by a {@link purge}. A connection lost at any moment
 *   neither loses nor doubles it. Of calls with one `idempotencyKey` one puts an item, within the window.
 * - **Not guaranteed**: that a handler runs only once. See {@link Worker}.
 * - **Session loss** does not touch items: they are on no lease.
 * - **Cost**: an enqueue alone is 2 requests (one read, one commit); calls that meet in a process share them, up to
 *   1,800 items a pair. Producers never make each other retry. Idempotency keys add a lease for each eighth of their window,
 *   and to each commit a second key.
 * - **Limits**: a payload of 1.5 MiB less 8 KiB.
 *
 * A queue is of one kind for good, that of the object which used it first: enqueued, or worked on it. One of another kind is refused:
 * `invalid-argument`, from `enqueue`, `peek`, `oldestAgeMs`, `purge`, `drain` and changes of `controls`; a worker does not join, and is closed.
 */
export abstract class Queue<T> implements AsyncDisposable {
  readonly name: string;
  readonly kind: QueueKind;
  readonly client: Client;
  /** Items that failed for good. */
  readonly deadLetters: DeadLetters<T>;
  readonly resultCodec: Codec<unknown>;
  /** Of a condition queue: what this object takes it to wait for, encoded; none: whatever is stored. */
  readonly definition: QueueKeys['definition'] = {};
  readonly #tasks: TaskCheck;
  readonly #keys: QueueKeys;
  readonly #outcomes: JobOutcomes;
  readonly #payloads: Payloads<T>;
  readonly #producer: Producer;
  readonly #windowMs: number;

  protected constructor(kind: QueueKind, client: Client, name: string, options: QueueOptions<T>) {
    checkClient(client);
    if (typeof options !== 'object' || options === null) {
      throw invalidArgument(`options is ${shown(options)}`, 'an object, or none');
    }
    const { codec = jsonCodec<T>(), schema, idempotencyWindowMs = defaultWindowMs } = options;
    checkSchema(schema);
    checkWindow(idempotencyWindowMs);
    this.kind = kind;
    this.client = client;
    this.name = name;
    this.resultCodec = options.resultCodec ?? jsonCodec<unknown>();
    this.#keys = new QueueKeys(client.keys.prefix('queue', name), kind, this.definition);
    this.#tasks = new TaskCheck(kind, this.definition);
    this.#payloads = new Payloads({ owner: `queue "${name}"`, codec, schema });
    const bound = boundOf(options, kind);
    this.#producer = new Producer({ client, keys: this.#keys, queueName: name, bound });
    this.#windowMs = idempotencyWindowMs;
    this.#outcomes = new JobOutcomes({ client, keys: this.#keys, codec: this.resultCodec });
    const parts = { client, queueName: name, keys: this.#keys };
    this.deadLetters = new DeadLetters({ ...parts, payloads: this.#payloads, producer: this.#producer });
  }

  /** Pause and resume, closed for new items, limits: for the whole queue. */
  get controls(): QueueControls {
    return new QueueControls(this.client, this.#keys);
  }

  /** What puts items at times, by wall clock. Throws `invalid-argument` for a queue of kind `condition`. */
  get schedules(): Schedules<T> {
    if (this.kind === 'condition')
      throw invalidArgument('schedules of a condition queue', 'a queue of another kind');
    return new Schedules(this.client, this.#keys, {
      encode: (payload, options) => this.encodeItem(payload, options),
      decode: (payload) => this.decode(payload),
    });
  }

  /**
   * Puts one item at the tail. Default time limit 10 s.
   *
   * Errors: `invalid-argument` (options, or a payload that the schema refuses: `details.issues`), `codec` (the codec threw),
   * `request-too-large`, `queue-closed` (by an operator, or {@link drain}), `over-limit` (a bounded queue has no room, and nobody is to wait), `closed`, `aborted` and `timeout` (of `options`;
   * outcome `unknown` if the item was already on its way, in which case it is in the queue once or not at all), and what
   * the store answers.
   */
  async enqueue(payload: T, options: EnqueueOptions = {}): Promise<Enqueued> {
    checkWaitOptions(options, this.#producer.doing);
    const [enqueued] = await this.#enter([payload], options, () => options);
    if (enqueued === undefined) throw new QuorateError('internal', 'an enqueue without a result');
    return enqueued;
  }

  /**
   * Puts items at the tail, in order and with nothing of this object between them. Up to 600 items and 500 kB they
   * enter in one revision, all or none (but for the duplicates among them); beyond that in parts, of which a failure may leave
   * some in the queue (outcome `unknown`). Errors as {@link enqueue}; none is sent if one of them cannot be encoded, is
   * refused by the schema or is too large. An `idempotencyKey` belongs to one item: give them through `each`.
   */
  async enqueueMany(
    payloads: readonly T[],
    options: EnqueueManyOptions<T> = {},
  ): Promise<readonly Enqueued[]> {
    if (!Array.isArray(payloads)) throw invalidArgument('payloads is not an array', 'an array of payloads');
    checkWaitOptions(options, this.#producer.doing);
    const { each } = options;
    if ((options as ItemOptions).idempotencyKey !== undefined) {
      throw invalidArgument(
        'one idempotencyKey for several items',
        'each: (payload, index) => ({ idempotencyKey })',
      );
    }
    if (each !== undefined && typeof each !== 'function') {
      throw invalidArgument(
        'each is not a function',
        'a function that gives the options of an item, or none',
      );
    }
    // The caller's own array may change while a schema takes its time; and one with holes has no item there.
    return this.#enter(Array.from(payloads), options, each ?? (() => options));
  }

  /** Items that are not acknowledged yet, those being worked on included. One request; etcd counts them one by one. */
  async size(options: WaitOptions = {}): Promise<number> {
    checkWaitOptions(options, `counting the items of queue "${this.name}"`);
    return (await this.client.store.range({ ...this.#keys.items, countOnly: true }, options)).count;
  }

  /**
   * The first item that is not acknowledged yet, be it waiting or being worked on; undefined if there is none. Takes
   * nothing. Two requests. Error: `codec`.
   */
  async peek(options: WaitOptions = {}): Promise<QueueItem<T> | undefined> {
    checkWaitOptions(options, `looking at the head of queue "${this.name}"`);
    const [item] = await readHeads(this.client.store, this.#keys, options);
    if (item === undefined) return undefined;
    const { payload, enqueuedAtMs, traits = noTraits } = decodeItem(item.value);
    const id = this.#keys.nameIn(this.#keys.items, item.key);
    const known = { id, revision: item.createRevision, priority: priorityOf(id), enqueuedAtMs, traits };
    return { ...known, payload: await this.decode(payload) };
  }

  /**
   * For how many ms the first item has been in the queue, waiting or being worked on, or of the first of each priority the
   * oldest; undefined if there is none. By the wall clocks of who enqueued it and of this process: as wrong as they differ, and 0 rather than below. Two requests.
   */
  async oldestAgeMs(options: WaitOptions = {}): Promise<number | undefined> {
    checkWaitOptions(options, `asking for the age of queue "${this.name}"`);
    const heads = await readHeads(this.client.store, this.#keys, options);
    if (heads.length === 0) return undefined;
    const times = heads.map(({ value }) => decodeItem(value).enqueuedAtMs);
    return Math.max(0, this.client.runtime.wallMs() - Math.min(...times));
  }

  /**
   * Deletes the items that are in the queue at one revision since the call, those being worked on included, and says how many:
   * an item that was enqueued after this resolved, or after that revision, stays. Acknowledgements of jobs that run are
   * refused as `fenced`. In steps of 500 items, two requests each; not all at once. No default time limit; after a failure
   * some are deleted (`details.removed`), and it can be called again.
   */
  purge(options: WaitOptions = {}): Promise<Purged> {
    return purge(this.client, this.#keys, this.name, options);
  }

  /**
   * Closes the queue for new items, in all processes, and resolves when every item is acknowledged. It stays
   * closed, also if this is given up. A queue that is paused does not become empty. No default time limit. Does not poll: it
   * watches the last item, then what is still left. Each look costs etcd a pass over all items, and there are as many as
   * items that are done after later ones, at most.
   *
   * Error beside those of the wait and the store: `aborted`, if somebody opened the queue again meanwhile.
   */
  drain(options: WaitOptions = {}): Promise<void> {
    return drain(this.client, this.#keys, this.name, options);
  }

  /**
   * Resolves with what the job's handler returned, if its item asked for the result to be kept (`resultMs`); it cannot be
   * missed, whatever is cut or lost in between. Without `timeoutMs` it waits for as long as the job is in the queue.
   *
   * Errors: `dead-lettered` and `job-cancelled` if it ended so, with the reason; `no-result` if it ended and there is no result, as
   * none was asked for or it has expired, or if there never was such a job; `codec`; `aborted` and `timeout` of `options`. Cost:
   * two watches, shared by the waits of a process for one job, and one or two reads.
   */
  waitForResult<R = unknown>(id: ItemId, options: WaitForResultOptions = {}): Promise<R> {
    return this.#outcomes.wait<R>(id, options);
  }

  /** How the job ended, if that was to be kept, or that it has not ended. One read. Error: `codec`. */
  result<R = unknown>(id: ItemId, options: WaitOptions = {}): Promise<JobOutcome<R>> {
    return this.#outcomes.result<R>(id, options);
  }

  /** What the job's handler told last of its progress; undefined if it has told none, does not run, or has ended. One read. */
  progress(id: ItemId, options: WaitOptions = {}): Promise<unknown> {
    return this.#outcomes.progress(id, options);
  }

  /**
   * Ends a job that is in the queue, waiting or being worked on: false if there is none (any more). Once it returned true, the job
   * is never given out again and never acknowledged, with none of its effects; a handler that runs it has its signal fired as
   * soon as its worker has heard of it. One read and one commit. Outcome `unknown` if it was given up on its way.
   */
  cancel(id: ItemId, options: CancelOptions = {}): Promise<boolean> {
    return this.#outcomes.cancel(id, options);
  }

  /**
   * The bytes of an item for `job.complete({ enqueue })`. Throws as {@link enqueue} does, or rejects if there is a schema that
   * takes its time.
   */
  encodeItem(payload: T, options: ItemOptions = {}): Uint8Array | Promise<Uint8Array> {
    if (options.idempotencyKey !== undefined) {
      throw invalidArgument(
        'an idempotencyKey for a follow-up',
        'none: it enters with the acknowledgement, once',
      );
    }
    levelFor(this.kind, options.priority);
    this.#tasks.check(options);
    const traits = traitsOf(options);
    const atMs = this.client.runtime.wallMs();
    const toValue = ([bytes]: readonly Uint8Array[]) => encodeItem(bytes as Uint8Array, atMs, traits);
    const encoded = this.#payloads.encodeAll([payload]);
    return encoded instanceof Promise ? encoded.then(toValue) : toValue(encoded);
  }

  /** The payload in these bytes. Throws `codec`, or rejects with it if there is a schema that takes its time. */
  decode(bytes: Uint8Array): T | Promise<T> {
    return this.#payloads.decode(bytes);
  }

  /** Refuses further items, waits for those on their way, gives the lane back. The queue itself stays. */
  close(): Promise<void> {
    return this.#producer.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The order of the calls is decided in here, before anything is awaited. */
  async #enter(
    payloads: readonly T[],
    options: WaitOptions,
    each: (payload: T, index: number) => ItemOptions,
  ): Promise<readonly Enqueued[]> {
    this.#producer.checkOpen();
    const toDraft = this.#drafting(payloads, each);
    const encoded = this.#payloads.encodeAll(payloads);
    const drafts =
      encoded instanceof Promise ? encoded.then((all) => all.map(toDraft)) : encoded.map(toDraft);
    const entered = await this.#producer.enter(drafts, options);
    // Without a condition there is a result, and with an idempotency key what stands in.
    return entered as readonly Enqueued[];
  }

  /** Makes a draft of the bytes of the item at a place. Its options are asked for, and checked, at once. */
  #drafting(
    payloads: readonly T[],
    each: (payload: T, index: number) => ItemOptions,
  ): (bytes: Uint8Array, index: number) => Draft {
    const atMs = this.client.runtime.wallMs();
    const known = payloads.map((payload, index) => {
      const options = each(payload, index);
      checkItemOptions(options);
      this.#tasks.check(options);
      const key = idempotencyKeyOf(options);
      const condition = key === undefined ? undefined : onceWithin(this.#windowMs, this.#keys, key);
      const level = levelFor(this.kind, options.priority);
      const { task } = options;
      const delayMs = delayFor(this.kind, options.delayMs);
      return { traits: traitsOf(options), condition, level, task, delayMs };
    });
    return (bytes, index) => {
      const { traits, ...entering } = known[index] ?? {};
      return { value: encodeItem(bytes, atMs, traits), ...entering };
    };
  }
}

function boundOf(
  { maxLength, whenFull }: Pick<QueueOptions<unknown>, 'maxLength' | 'whenFull'>,
  kind: QueueKind,
): QueueBound | undefined {
  if (maxLength === undefined) {
    if (whenFull === undefined) return undefined;
    throw invalidArgument('whenFull without maxLength', 'both, or none');
  }
  return checkedBound({ maxLength, whenFull: whenFull ?? 'wait' }, kind) ?? undefined;
}
