/**
 * How items enter a queue, in the order of the calls and each exactly once.
 *
 * Key: `i/<R>/<producer>/<n>`. R is the header revision of a linearizable read of the gate `h`, sent *after* the
 * last call of the group arrived, and never below the R used before; n counts up in this object. So if A's enqueue
 * had returned before B's was called, then R_A < commit of A <= R_B, and A's key is the smaller one. Equal R happens
 * only among calls that overlapped.
 *
 * Transaction, on a lane of this object, one group in flight: `IF value(h) < smallest key of the group, mod(h/ctl) = as read
 * THEN put all ELSE get h`. One condition for the whole group: were it one each, the gate could pass an earlier item and let
 * a later one in. A call with a condition of its own travels as a nested transaction, whose refusal concerns nobody else.
 * A queue that operators have closed (`h/ctl`, read with the gate) lets nothing in.
 *
 * - *Reply lost*: the lane finds out whether the group was applied, and never applies it twice.
 * - *This process pauses between read and commit*: the dispatcher's gate has moved on; the group is refused, read
 *   anew, and gets larger keys in the same order. No group behind it is sent before it.
 * - *Session lost, watch cut, history compacted*: nothing here depends on them but the lane, see there.
 * - *The caller stops waiting*: what was not sent yet is dropped; what was sent may still be applied (`unknown`).
 */

import type { Lane } from '../../commit/index.js';
import { QuorateError } from '../../errors.js';
import { Backoff, type Runtime, sharedController, sleep } from '../../runtime/index.js';
import {
  type Compare,
  compare,
  get,
  type Key,
  nested,
  type Op,
  type OpReply,
  type Store,
  type TxnReply,
  type TxnRequest,
  txnOf,
} from '../../store/index.js';
import { asQuorateError, isPassing, isPassingRead } from '../failures.js';
import { type ItemId, itemId, placeOf, type QueueKeys } from '../keys.js';
import { decodeControl } from '../records/index.js';

/** Puts in one nested transaction, and nested transactions in one request: far below etcd's 128 on a path. */
export const itemsPerNested = 60;
const itemsPerGroup = 30 * itemsPerNested;
/** Nested transactions of a group, about. */
const widestGroup = 56;
/** A group closes at this size; one larger item travels alone. */
const bytesPerGroup = 1_000_000;
const retryDelay = { firstMs: 20, longestMs: 1_000 };
const laneTimeoutMs = 60_000;

/** What else must hold for a call's items to enter, and what is done with them in the same revision. */
export interface Condition {
  readonly compare: readonly Compare[];
  /** Beside the puts of the items. Names no key of the queue that the pipeline writes. */
  readonly success: (ids: readonly ItemId[]) => readonly Op[];
  /** What is read if it does not hold. */
  readonly failure: readonly Op[];
  /** The key that it writes: etcd refuses a request that may write one twice, so those of one key follow each other. */
  readonly key: Key;
}

/** One call's items, in order. At most {@link itemsPerNested} with a condition. */
export interface Submission {
  readonly values: readonly Uint8Array[];
  readonly bytes: number;
  readonly condition?: Condition | undefined;
  /** `'over'` once the caller has its answer. */
  state: 'pending' | 'sent' | 'over';
  resolve(result: { ids: readonly ItemId[]; revision: number }): void;
  /** Its own condition did not hold at `revision`, and the reads of its failure were answered. */
  decline?(replies: readonly OpReply[], revision: number): void;
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
      const reading = await this.#read(group);
      await commit;
      commit = reading === undefined ? undefined : this.#commit(group, reading).catch(failing(group));
    }
    this.#running = false;
  }

  /** The next group, in order of the calls. A call is not divided, unless it is beyond a group by itself. */
  #take(): Submission[] {
    const group: Submission[] = [];
    let items = 0;
    let bytes = 0;
    let width = 0;
    const conditions = new Set<Key>();
    for (const submission of this.#pending) {
      const fits =
        items + submission.values.length <= itemsPerGroup && bytes + submission.bytes <= bytesPerGroup;
      if (group.length > 0 && !fits) break;
      const { condition, values } = submission;
      // A condition is a nested transaction, and may end one of puts before it is full.
      width += condition === undefined ? values.length / itemsPerNested : 2;
      if (group.length > 0 && width > widestGroup) break;
      if (condition !== undefined) {
        if (conditions.has(condition.key)) break;
        conditions.add(condition.key);
      }
      group.push(submission);
      items += submission.values.length;
      bytes += submission.bytes;
    }
    this.#pending.splice(0, group.length);
    this.#pendingItems -= items;
    this.#pendingBytes -= bytes;
    return group.filter((submission) => submission.state === 'pending');
  }

  /** What the group's keys are made of; undefined if nobody waits for the group any more, or nothing is let in. */
  async #read(group: readonly Submission[]): Promise<Reading | undefined> {
    return this.#retrying(group, isPassingRead, async () => {
      const { revision, kvs } = await this.#store.range(this.#keys.admission);
      const control = kvs.find(({ key }) => key === this.#keys.control);
      if (control !== undefined && decodeControl(control.value).closed) throw queueClosedError();
      const reading = { revision, control: control?.modRevision ?? 0 };
      if (kvs.some(({ key }) => key === this.#keys.gate) || this.#gateExists) return reading;
      // The gate is made once and never deleted. It starts below everything that anyone could put.
      await this.#store.txn(createGate(this.#keys, revision));
      this.#gateExists = true;
      return reading;
    });
  }

  async #commit(group: readonly Submission[], first: Reading): Promise<void> {
    let reading: Reading | undefined = first;
    while (reading !== undefined) {
      const live = group.filter((submission) => submission.state !== 'over');
      if (live.length === 0) return;
      this.#lastRevision = Math.max(this.#lastRevision, reading.revision);
      const ids = live.map((submission) => submission.values.map(() => this.#nextId()));
      const { request, answer } = this.#request(live, ids, reading);
      const reply = await this.#retrying(live, isPassing, () => {
        for (const submission of live) if (submission.state === 'pending') submission.state = 'sent';
        return this.#lane.txn(request, { timeoutMs: laneTimeoutMs });
      });
      if (reply === undefined) return;
      if (reply.succeeded) {
        answer(reply);
        return;
      }
      // Refused by the gate: nothing of this was written, so a caller who leaves now leaves nothing behind.
      for (const submission of live) if (submission.state === 'sent') submission.state = 'pending';
      reading = await this.#read(live);
    }
  }

  #nextId(): ItemId {
    this.#counter += 1;
    return itemId(this.#lastRevision, this.#producer, this.#counter);
  }

  /** The transaction of a group, and who is told what when it was applied. */
  #request(
    live: readonly Submission[],
    ids: readonly (readonly ItemId[])[],
    { control }: Reading,
  ): { request: TxnRequest; answer: (reply: TxnReply) => void } {
    const runs = new RunsOfPuts();
    const told: ((reply: TxnReply) => void)[] = [];
    for (const [index, submission] of live.entries()) {
      const own = ids[index] ?? [];
      const puts = submission.values.map((value, at): Op => {
        return { type: 'put', key: this.#keys.item(own[at] ?? ''), value };
      });
      const { condition } = submission;
      if (condition === undefined) {
        runs.add(puts);
        told.push(({ revision }) => submission.resolve({ ids: own, revision }));
        continue;
      }
      const at = runs.addNested({
        compare: condition.compare,
        success: [...puts, ...condition.success(own)],
        failure: condition.failure,
      });
      told.push(({ revision, replies }) => {
        const inner = replies[at];
        if (inner?.type === 'txn' && !inner.succeeded) submission.decline?.(inner.replies, revision);
        else submission.resolve({ ids: own, revision });
      });
    }
    const request = txnOf({
      compare: [
        compare.value(this.#keys.gate, 'less', ids.flat()[0] ?? ''),
        compare.mod(this.#keys.control, 'equal', control),
      ],
      success: runs.ops(),
      failure: [get(this.#keys.gate)],
    });
    const answer = (reply: TxnReply) => {
      for (const tell of told) tell(reply);
    };
    return { request, answer };
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

/** What was read before a group: the revision that its keys are made of, and that which last wrote the control. */
interface Reading {
  readonly revision: number;
  readonly control: number;
}

/** Operations of a group, in order: puts that follow each other share nested transactions if they are too many for one level. */
class RunsOfPuts {
  readonly #ops: Op[] = [];
  #run: Op[] = [];

  add(puts: readonly Op[]): void {
    for (const put of puts) {
      this.#run.push(put);
      if (this.#run.length === itemsPerNested) this.#close();
    }
  }

  /** Returns its place among the replies. */
  addNested(request: TxnRequest): number {
    this.#close();
    return this.#ops.push(nested(request)) - 1;
  }

  ops(): readonly Op[] {
    if (this.#ops.length === 0) return this.#run;
    this.#close();
    return this.#ops;
  }

  #close(): void {
    if (this.#run.length === 0) return;
    this.#ops.push(nested({ success: this.#run }));
    this.#run = [];
  }
}

function queueClosedError(): QuorateError {
  return new QuorateError('queue-closed', 'the queue was closed by an operator, and lets nothing in');
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
