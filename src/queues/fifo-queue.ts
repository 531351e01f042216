import type { Lane } from '../commit/index.js';
import { invalidArgument, isQuorateError, QuorateError } from '../errors.js';
import { abortedError, checkWaitOptions, type WaitOptions } from '../runtime/index.js';
import type { Client } from '../session/index.js';
import { type Codec, compare, get, jsonCodec, txnOf } from '../store/index.js';
import { QueueControls } from './control/queue-controls.js';
import { type ItemId, placeOf, QueueKeys } from './keys.js';
import { EnqueuePipeline } from './producer/enqueue-pipeline.js';
import { decodeBeat, decodeItem, encodeItem, type ItemTraits } from './records/index.js';
import {
  type CancelOptions,
  type JobOutcome,
  JobOutcomes,
  type WaitForResultOptions,
} from './results/job-outcomes.js';

export interface FifoQueueOptions<T> {
  /** Default: JSON. */
  codec?: Codec<T>;
  /** Of what handlers return, where results are asked for. Default: JSON. */
  resultCodec?: Codec<unknown>;
}

/** An item that is in the queue. */
export interface Enqueued {
  readonly id: ItemId;
  /** The revision that put it there. */
  readonly revision: number;
}

export interface QueueItem<T> extends Enqueued {
  readonly payload: T;
}

const defaultTimeoutMs = 10_000;
/** etcd refuses requests above 1.5 MiB; the rest is room for the lane, the key and the gate. */
const largestPayloadBytes = 1_572_864 - 8_192;
const itemsPerSubmission = 600;
const bytesPerSubmission = 500_000;

/**
 * A first-in-first-out queue that any number of processes put into and that {@link Worker}s take from.
 *
 * - **Order**: if one `enqueue` returned before another was called, in whatever processes, its item comes first;
 *   calls of one `FifoQueue` object keep their order even without waiting for each other. Calls of different
 *   processes that overlap are ordered either way. Items are *given out* in this order; handlers run side by side,
 *   and an item that comes back (handler failed, worker died) is given out before all later ones that still wait.
 * - **Guaranteed**: an item whose `enqueue` resolved is in the queue, once, and leaves it only with the
 *   acknowledgement of the worker that holds it. A connection lost at any moment neither loses nor doubles it.
 * - **Not guaranteed**: that a handler runs only once. See {@link Worker}.
 * - **Session loss** does not touch items: they are on no lease.
 * - **Cost**: an enqueue alone is 2 requests (one read, one commit); calls that meet in a process share them, up to
 *   1,800 items a pair. Producers never make each other retry.
 * - **Limits**: a payload of 1.5 MiB less 8 KiB.
 *
 * Algorithm: keys ordered by a linearizable read before the write, guarded by a gate; `docs/queues.md`.
 */
export class FifoQueue<T> implements AsyncDisposable {
  readonly name: string;
  readonly client: Client;
  readonly codec: Codec<T>;
  readonly resultCodec: Codec<unknown>;
  readonly #keys: QueueKeys;
  readonly #outcomes: JobOutcomes;
  #pipeline: Promise<{ pipeline: EnqueuePipeline; lane: Lane }> | undefined;
  #closed = false;

  /** Throws `invalid-argument` for a name that is empty, too long or has control characters. Sends nothing. */
  constructor(client: Client, name: string, options: FifoQueueOptions<T> = {}) {
    this.client = client;
    this.name = name;
    this.codec = options.codec ?? jsonCodec<T>();
    this.resultCodec = options.resultCodec ?? jsonCodec<unknown>();
    this.#keys = new QueueKeys(client.keys.prefix('queue', name));
    this.#outcomes = new JobOutcomes({ client, keys: this.#keys, codec: this.resultCodec });
  }

  /** Pause and resume, closed for new items, limits: for the whole queue. */
  get controls(): QueueControls {
    return new QueueControls(this.client, this.#keys);
  }

  /**
   * Puts one item at the tail. Default time limit 10 s.
   *
   * Errors: `codec` (the codec threw), `request-too-large`, `closed`, `aborted` and `timeout` (of `options`; outcome
   * `unknown` if the item was already on its way, in which case it is in the queue once or not at all), and what
   * the store answers.
   */
  async enqueue(payload: T, options: WaitOptions = {}): Promise<Enqueued> {
    const [enqueued] = await this.enqueueMany([payload], options);
    if (enqueued === undefined) throw new QuorateError('internal', 'an enqueue without a result');
    return enqueued;
  }

  /**
   * Puts items at the tail, in order and with nothing of this object between them. Up to 600 items and 500 kB they
   * enter in one revision, all or none; beyond that in parts, of which a failure may leave the first in the queue
   * (outcome `unknown`). Errors as {@link enqueue}; none is sent if one of them cannot be encoded or is too large.
   */
  async enqueueMany(payloads: readonly T[], options: WaitOptions = {}): Promise<readonly Enqueued[]> {
    if (!Array.isArray(payloads)) throw invalidArgument('payloads is not an array', 'an array of payloads');
    checkWaitOptions(options, this.#doing());
    if (this.#closed) throw this.#closedError();
    const parts = partsOf(payloads.map((payload) => this.#encode(payload)));
    // The calls' order is decided here, before anything is awaited.
    const started = this.#opened();
    const results = parts.map((part) => this.#submit(started, part, options));
    const settled = await Promise.allSettled(results);
    const failure = settled.find((result) => result.status === 'rejected');
    if (failure !== undefined) throw partialFailure(failure.reason, settled.length > 1);
    return settled.flatMap((result) => (result.status === 'fulfilled' ? result.value : []));
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
    const start = await this.#startOfItems(options);
    const range = this.#keys.itemsBetween(start, undefined);
    const read = await this.client.store.range({ ...range, limit: 1 }, options);
    const item = read.kvs[0];
    if (item === undefined) return undefined;
    return {
      id: this.#keys.nameIn(this.#keys.items, item.key),
      revision: item.createRevision,
      payload: this.decode(decodeItem(item.value).payload),
    };
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

  /** The bytes of an item. Throws `codec` and `request-too-large`. */
  encodeItem(payload: T, traits?: ItemTraits): Uint8Array {
    return this.#encode(payload, traits);
  }

  /** The payload in these bytes, or `codec`. */
  decode(bytes: Uint8Array): T {
    try {
      return this.codec.decode(bytes);
    } catch (cause) {
      throw new QuorateError('codec', `the codec of queue "${this.name}" cannot decode an item`, { cause });
    }
  }

  /** Refuses further items, waits for those on their way, gives the lane back. The queue itself stays. */
  async close(): Promise<void> {
    this.#closed = true;
    const opened = await this.#pipeline?.catch(() => undefined);
    opened?.pipeline.close();
    await opened?.lane.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #encode(payload: T, traits?: ItemTraits): Uint8Array {
    let bytes: Uint8Array;
    try {
      bytes = this.codec.encode(payload);
    } catch (cause) {
      throw new QuorateError('codec', `the codec of queue "${this.name}" cannot encode a payload`, { cause });
    }
    if (bytes.length > largestPayloadBytes) {
      throw new QuorateError(
        'request-too-large',
        `a payload of ${bytes.length} bytes is more than one request can carry: at most ${largestPayloadBytes}`,
        { details: { bytes: bytes.length, limit: largestPayloadBytes } },
      );
    }
    return encodeItem(bytes, this.client.runtime.wallMs(), traits);
  }

  #opened(): Promise<{ pipeline: EnqueuePipeline; lane: Lane }> {
    const open = async () => {
      const lane = await this.client.store.openLane();
      const { runtime, store } = this.client;
      return { lane, pipeline: new EnqueuePipeline({ runtime, store, lane, keys: this.#keys }) };
    };
    if (this.#pipeline === undefined) {
      const opening = open();
      this.#pipeline = opening;
      opening.catch(() => {
        // The next call tries again.
        if (this.#pipeline === opening) this.#pipeline = undefined;
      });
    }
    return this.#pipeline;
  }

  #submit(
    started: Promise<{ pipeline: EnqueuePipeline }>,
    values: readonly Uint8Array[],
    options: WaitOptions,
  ): Promise<Enqueued[]> {
    const { signal, timeoutMs = defaultTimeoutMs } = options;
    return new Promise((resolve, reject) => {
      const settle = (finish: () => void) => {
        if (submission.state === 'over') return;
        submission.state = 'over';
        timer?.cancel();
        signal?.removeEventListener('abort', onAbort);
        finish();
      };
      const giveUp = (error: QuorateError) => {
        const sent = submission.state === 'sent';
        settle(() => reject(sent ? asUnknown(error) : error));
      };
      const onAbort = () => {
        if (signal) giveUp(abortedError(signal, this.#doing()));
      };
      const submission = {
        values,
        bytes: values.reduce((sum, value) => sum + value.length + 64, 0),
        state: 'pending' as 'pending' | 'sent' | 'over',
        resolve: ({ ids, revision }: { ids: readonly ItemId[]; revision: number }) =>
          settle(() => resolve(ids.map((id) => ({ id, revision })))),
        reject: (error: QuorateError) => settle(() => reject(error)),
      };
      const timer =
        timeoutMs === Number.POSITIVE_INFINITY
          ? undefined
          : this.client.runtime.setTimer(timeoutMs, () =>
              giveUp(new QuorateError('timeout', `no result within ${timeoutMs} ms while ${this.#doing()}`)),
            );
      signal?.addEventListener('abort', onAbort, { once: true });
      started.then(
        ({ pipeline }) => pipeline.submit(submission),
        (error: QuorateError) => submission.reject(error),
      );
    });
  }

  /** Where the items begin: reading from the start of the prefix would walk over everything consumed so far. */
  async #startOfItems(options: WaitOptions): Promise<ItemId> {
    const { store } = this.client;
    const keys = this.#keys;
    const read = await store.txn(
      txnOf({
        compare: [compare.create(keys.gate, 'equal', 0)],
        failure: [get(keys.gate), get(keys.beat)],
      }),
      options,
    );
    const [gate, beat] = read.replies.map((reply) => (reply.type === 'range' ? reply.kvs[0] : undefined));
    if (gate === undefined || beat === undefined) return placeOf(0);
    const gateId = Buffer.from(gate.value).toString('latin1');
    const base = decodeBeat(beat.value).base;
    return base !== undefined && base < gateId ? base : gateId;
  }

  #doing(): string {
    return `enqueueing into "${this.name}"`;
  }

  #closedError(): QuorateError {
    return new QuorateError('closed', `this object of queue "${this.name}" was closed`);
  }
}

function asUnknown(error: QuorateError): QuorateError {
  return new QuorateError(error.code, error.message, { outcome: 'unknown', cause: error.cause });
}

/** Of several parts, others may have entered. */
function partialFailure(error: unknown, severalParts: boolean): unknown {
  return severalParts && isQuorateError(error) ? asUnknown(error) : error;
}

function partsOf(values: readonly Uint8Array[]): Uint8Array[][] {
  const parts: Uint8Array[][] = [];
  let bytes = 0;
  for (const value of values) {
    const last = parts.at(-1);
    if (
      last !== undefined &&
      last.length < itemsPerSubmission &&
      bytes + value.length <= bytesPerSubmission
    ) {
      last.push(value);
      bytes += value.length + 64;
    } else {
      parts.push([value]);
      bytes = value.length + 64;
    }
  }
  return parts;
}
