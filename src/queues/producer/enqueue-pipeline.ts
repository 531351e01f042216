/**
 * How items enter a queue, in the order of the calls and each exactly once.
 *
 * Key: `i/<R>/<producer>/<n>`. R is the header revision of a linearizable read of the gate `h`, sent *after* the
 * last call of the group arrived, and never below the R used before; n counts up in this object. So if A's enqueue
 * had returned before B's was called, then R_A < commit of A <= R_B, and A's key is the smaller one. Equal R happens
 * only among calls that overlapped.
 *
 * Transaction, on a lane of this object, one group in flight: `IF value(h) < smallest key of the group THEN put all
 * ELSE get h`. One condition for the whole group: were it one each, the gate could pass an earlier item and let a
 * later one in.
 *
 * - *Reply lost*: the lane finds out whether the group was applied, and never applies it twice.
 * - *This process pauses between read and commit*: the dispatcher's gate has moved on; the group is refused, read
 *   anew, and gets larger keys in the same order. No group behind it is sent before it.
 * - *Session lost, watch cut, history compacted*: nothing here depends on them but the lane, see there.
 * - *The caller stops waiting*: what was not sent yet is dropped; what was sent may still be applied (`unknown`).
 */

import type { Lane } from '../commit/index.js';
import { QuorateError } from '../errors.js';
import { Backoff, type Runtime, sharedController, sleep } from '../runtime/index.js';
import { compare, get, nested, type Op, type Store, txnOf } from '../store/index.js';
import { asQuorateError, isPassing, isPassingRead } from './failures.js';
import { type ItemId, itemId, placeOf, type QueueKeys } from './keys.js';

/** Puts in one nested transaction, and nested transactions in one request: far below etcd's 128 on a path. */
const itemsPerNested = 60;
const itemsPerGroup = 30 * itemsPerNested;
/** A group closes at this size; one larger item travels alone. */
const bytesPerGroup = 1_000_000;
const retryDelay = { firstMs: 20, longestMs: 1_000 };
const laneTimeoutMs = 60_000;

/** One call's items, in order. */
export interface Submission {
  readonly values: readonly Uint8Array[];
  readonly bytes: number;
  /** `'over'` once the caller has its answer. */
  state: 'pending' | 'sent' | 'over';
  resolve(result: { ids: readonly ItemId[]; revision: number }): void;
  reject(error: QuorateError): void;
}

export class EnqueuePipeline {
  readonly #runtime: Runtime;
  readonly #store: Store;
  readonly #lane: Lane;
  readonly #keys: QueueKeys;
  readonly #producer: string;
  readonly #closed = sharedController();
  readonly #pending: Submission[] = [];
  #pendingItems = 0;
  #pendingBytes = 0;
  #counter = 0;
  #lastRevision = 0;
  #gateExists = false;
  #running = false;
  #onFull: (() => void) | undefined;

  constructor(options: { runtime: Runtime; store: Store; lane: Lane; keys: QueueKeys }) {
    this.#runtime = options.runtime;
    this.#store = options.store;
    this.#lane = options.lane;
    this.#keys = options.keys;
    this.#producer = options.runtime.newId();
  }

  submit(submission: Submission): void {
    if (this.#closed.signal.aborted) {
      submission.reject(closedError());
      return;
    }
    this.#pending.push(submission);
    this.#pendingItems += submission.values.length;
    this.#pendingBytes += submission.bytes;
    if (this.#isFull()) this.#onFull?.();
    if (this.#running) return;
    this.#running = true;
    // A microtask later, so that calls of the same turn travel together.
    queueMicrotask(() => void this.#run());
  }

  /** Refuses what is not sent yet, with `closed`; what is sent gets its answer. */
  close(): void {
    this.#closed.abort(closedError());
    for (const submission of this.#pending.splice(0)) submission.reject(closedError());
    this.#pendingItems = 0;
    this.#pendingBytes = 0;
    this.#onFull?.();
  }

  #isFull(): boolean {
    return this.#pendingItems >= itemsPerGroup || this.#pendingBytes >= bytesPerGroup;
  }

  async #run(): Promise<void> {
    let commit: Promise<void> | undefined;
    while (this.#pending.length > 0 || commit !== undefined) {
      // A full group is read for while the one before it commits; others go on gathering meanwhile.
      if (commit !== undefined && !this.#isFull()) {
        const full = new Promise<void>((resolve) => {
          this.#onFull = resolve;
        });
        await Promise.race([commit.then(() => (commit = undefined)), full]);
        this.#onFull = undefined;
        if (this.#pending.length === 0) continue;
      }
      const group = this.#take();
      const revision = await this.#read(group);
      await commit;
      commit = revision === undefined ? undefined : this.#commit(group, revision).catch(failing(group));
    }
    this.#running = false;
  }

  /** The next group, in order of the calls. A call is not divided, unless it is beyond a group by itself. */
  #take(): Submission[] {
    const group: Submission[] = [];
    let items = 0;
    let bytes = 0;
    for (const submission of this.#pending) {
      const fits =
        items + submission.values.length <= itemsPerGroup && bytes + submission.bytes <= bytesPerGroup;
      if (group.length > 0 && !fits) break;
      group.push(submission);
      items += submission.values.length;
      bytes += submission.bytes;
    }
    this.#pending.splice(0, group.length);
    this.#pendingItems -= items;
    this.#pendingBytes -= bytes;
    return group.filter((submission) => submission.state === 'pending');
  }

  /** The revision for the group's keys; undefined if nobody waits for the group any more. */
  async #read(group: readonly Submission[]): Promise<number | undefined> {
    return this.#retrying(group, isPassingRead, async () => {
      const read = await this.#store.range({ key: this.#keys.gate });
      if (read.kvs.length > 0 || this.#gateExists) return read.revision;
      // The gate is made once and never deleted. It starts below everything that anyone could put.
      await this.#store.txn(createGate(this.#keys, read.revision));
      this.#gateExists = true;
      return read.revision;
    });
  }

  async #commit(group: readonly Submission[], readRevision: number): Promise<void> {
    let revision: number | undefined = readRevision;
    while (revision !== undefined) {
      const live = group.filter((submission) => submission.state !== 'over');
      if (live.length === 0) return;
      this.#lastRevision = Math.max(this.#lastRevision, revision);
      const ids = live.map((submission) => submission.values.map(() => this.#nextId()));
      const request = this.#request(live, ids);
      const reply = await this.#retrying(live, isPassing, () => {
        for (const submission of live) if (submission.state === 'pending') submission.state = 'sent';
        return this.#lane.txn(request, { timeoutMs: laneTimeoutMs });
      });
      if (reply === undefined) return;
      if (reply.succeeded) {
        live.forEach((submission, index) => {
          submission.resolve({ ids: ids[index] ?? [], revision: reply.revision });
        });
        return;
      }
      // Refused by the gate: nothing of this was written, so a caller who leaves now leaves nothing behind.
      for (const submission of live) if (submission.state === 'sent') submission.state = 'pending';
      revision = await this.#read(live);
    }
  }

  #nextId(): ItemId {
    this.#counter += 1;
    return itemId(this.#lastRevision, this.#producer, this.#counter);
  }

  #request(live: readonly Submission[], ids: readonly (readonly ItemId[])[]) {
    const puts: Op[] = [];
    let smallest: ItemId | undefined;
    live.forEach((submission, s) => {
      submission.values.forEach((value, v) => {
        const id = ids[s]?.[v] ?? '';
        smallest ??= id;
        puts.push({ type: 'put', key: this.#keys.item(id), value });
      });
    });
    const success: Op[] = [];
    for (let start = 0; start < puts.length; start += itemsPerNested) {
      success.push(nested({ success: puts.slice(start, start + itemsPerNested) }));
    }
    return txnOf({
      compare: [compare.value(this.#keys.gate, 'less', smallest ?? '')],
      success: puts.length <= itemsPerNested ? puts : success,
      failure: [get(this.#keys.gate)],
    });
  }

  /**
   * Repeats an attempt for as long as it may be and someone waits for it. Undefined once nobody does, or when it
   * failed otherwise, which the callers then know.
   */
  async #retrying<T>(
    group: readonly Submission[],
    mayRetry: (error: unknown) => boolean,
    attempt: () => Promise<T>,
  ): Promise<T | undefined> {
    const backoff = new Backoff(this.#runtime, retryDelay);
    while (group.some((submission) => submission.state !== 'over')) {
      try {
        return await attempt();
      } catch (error) {
        const failure = asQuorateError(error);
        if (!mayRetry(failure)) {
          for (const submission of group) submission.reject(failure);
          return undefined;
        }
        for (const submission of group) if (submission.state === 'sent') submission.state = 'pending';
      }
      await sleep(this.#runtime, backoff.nextMs(), { signal: this.#closed.signal }).catch(() => {
        for (const submission of group) submission.reject(closedError());
      });
    }
    return undefined;
  }
}

/** `IF create(h) = 0 THEN put h`: the value is a place below every item put after that revision. */
export function createGate(keys: QueueKeys, revision: number) {
  return txnOf({
    compare: [compare.create(keys.gate, 'equal', 0)],
    success: [{ type: 'put', key: keys.gate, value: Buffer.from(placeOf(revision)) }],
  });
}

function failing(group: readonly Submission[]): (error: unknown) => void {
  return (error) => {
    for (const submission of group) submission.reject(asQuorateError(error));
  };
}

function closedError(): QuorateError {
  return new QuorateError('closed', 'the queue object was closed');
}
