/**
 * What a life of a worker takes in: the jobs that are assigned to it, until each is settled.
 *
 * - **Take**: each record that appears below `a/<W>/` is a list of jobs, in queue order. Payloads too long for it are read, a few in one
 *   request, and what comes after such a record waits for it, so that jobs are handed over in the order in which they came.
 * - **Cancellation**: `a/<W>/x/X` says that item X is cancelled and gone. The job is over here, its handler's signal fires, and
 *   the key is deleted along with emptied records. Whatever this worker still sends for X is refused by its guards, told or not.
 * - **Stopped**, it gives back what still arrives.
 * - *Watch cut*: what came meanwhile is read; records known by their key are passed over.
 */
import { isPassingRead, QuorateError } from '../../errors.js';
import { Backoff, sleep } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import { get, type KeyValue, textOf, txnOf } from '../../store/index.js';
import { TaskFacts } from '../conditions/task-facts.js';
import { jobsOfRecord } from '../dispatch/reads.js';
import type { ExpiringLeases } from '../expiring-leases.js';
import type { ItemId, QueueKeys } from '../keys.js';
import type { FollowUps } from '../producer/follow-up.js';
import { firstOf } from '../reading/first-of.js';
import { decodeItem, returnOf } from '../records/index.js';
import { HeldJob, type HeldJobContext } from './held-job.js';
import type { RecordCleaner } from './record-cleaner.js';
import type { RecordLedger } from './record-ledger.js';

const retryDelay = { firstMs: 50, longestMs: 2_000 };
const callTimeoutMs = 10_000;
/** Long payloads are up to 1.5 MiB each. */
const payloadsPerRead = 4;
/** Before a job whose payload could not be read is given out again. */
const unreadableDelayMs = 1_000;

/** Who is told of what comes in. */
export interface IntakeListener {
  /** A job has come. In queue order as far as they were assigned in it. */
  readonly onJob: (job: HeldJob) => void;
  /** Its payload is there and cannot be read. */
  readonly onUnreadable: (job: HeldJob, error: unknown) => void;
  /** Somebody has cancelled it. */
  readonly onCancelled: (job: HeldJob, error: QuorateError, reason: string) => void;
  readonly onError: (error: unknown) => void;
}

export interface IntakeOptions {
  readonly client: Client;
  readonly keys: QueueKeys;
  /** Name of the life. */
  readonly worker: string;
  /** Aborted when the life is over: nothing is taken any more. */
  readonly signal: AbortSignal;
  readonly ledger: RecordLedger;
  readonly cleaner: RecordCleaner;
  readonly leases: ExpiringLeases;
  readonly followUps: FollowUps;
  readonly listener: IntakeListener;
}

export class Intake {
  readonly #client: Client;
  readonly #keys: QueueKeys;
  readonly #worker: string;
  readonly #signal: AbortSignal;
  readonly #ledger: RecordLedger;
  readonly #cleaner: RecordCleaner;
  readonly #listener: IntakeListener;
  readonly #context: HeldJobContext;
  readonly #held = new Set<HeldJob>();
  /** Of each reading under way, what was cancelled since its watch stands. */
  readonly #cancelledMeanwhile = new Set<Map<ItemId, string>>();
  #filling: Promise<void> | undefined;
  #hasStopped = false;
  readonly #returning = new Set<Promise<void>>();

  constructor(options: IntakeOptions) {
    const { client, keys, signal, ledger, leases, followUps } = options;
    this.#client = client;
    this.#keys = keys;
    this.#worker = options.worker;
    this.#signal = signal;
    this.#ledger = ledger;
    this.#cleaner = options.cleaner;
    this.#listener = options.listener;
    this.#context = {
      ...{ store: client.store, runtime: client.runtime, keys, signal, ledger, leases, followUps },
      facts: new TaskFacts(keys),
      onSettled: (job) => this.#onSettled(job),
    };
  }

  /** Not settled yet, in the order in which they came. */
  get held(): readonly HeldJob[] {
    return [...this.#held];
  }

  /** Resolves when the payloads of all that has come are there, or were given up; undefined if none is missing. */
  get filling(): Promise<void> | undefined {
    return this.#filling;
  }

  /** What is being given back because it came after the stop. None rejects. */
  get returning(): Iterable<Promise<void>> {
    return this.#returning;
  }

  /** From now on all that comes is given back. */
  stop(): void {
    this.#hasStopped = true;
  }

  /** Gives a job back without counting a failure. */
  async giveBack(job: HeldJob): Promise<void> {
    await job.giveBack(returnOf(job.assigned), {});
  }

  /** Takes what came up to `revision`, where the watch begins to bring the rest. A job taken twice would run twice. */
  async catchUp(revision: number): Promise<void> {
    const cancelled = new Map<ItemId, string>();
    this.#cancelledMeanwhile.add(cancelled);
    try {
      await this.#readUpTo(revision, cancelled);
    } finally {
      this.#cancelledMeanwhile.delete(cancelled);
    }
  }

  /** `cancelled`: what was told to be cancelled since the watch stands, before its records may have been read. */
  async #readUpTo(revision: number, cancelled: ReadonlyMap<ItemId, string>): Promise<void> {
    const backoff = new Backoff(this.#client.runtime, retryDelay);
    const range = { ...this.#keys.recordsOf(this.#worker), maxCreateRevision: revision };
    while (!this.#signal.aborted) {
      const stopReading = this.#ledger.startReading();
      try {
        const read = await this.#client.store.range(range, { timeoutMs: callTimeoutMs });
        const inOrder = [...read.kvs].sort(
          (a, b) => a.createRevision - b.createRevision || (a.key < b.key ? -1 : 1),
        );
        for (const kv of inOrder) this.take(kv, cancelled);
        return;
      } catch (error) {
        if (!isPassingRead(error)) throw error;
      } finally {
        stopReading();
      }
      await sleep(this.#client.runtime, backoff.nextMs(), { signal: this.#signal }).catch(() => {});
    }
  }

  take(record: KeyValue, alreadyCancelled: ReadonlyMap<ItemId, string> = new Map()): void {
    if (this.#signal.aborted || this.#ledger.knows(record.key)) return;
    const cancelled = this.#keys.cancelledIn(this.#worker, record.key);
    if (cancelled !== undefined) {
      this.#cancelled(cancelled, record);
      return;
    }
    const assigned = jobsOfRecord(record);
    this.#ledger.opened(record.key, assigned.length);
    const jobs = assigned.map((job) => new HeldJob(job, record.key, this.#context));
    for (const job of jobs) this.#held.add(job);
    for (const job of jobs) {
      const reason = alreadyCancelled.get(job.assigned.id);
      if (reason !== undefined) this.#cancel(job, reason);
    }
    if (this.#hasStopped) {
      for (const job of jobs) if (!job.isSettled) this.#return(job);
      return;
    }
    if (this.#filling === undefined && jobs.every((job) => job.payload !== undefined)) {
      for (const job of jobs) if (!job.isSettled) this.#listener.onJob(job);
      return;
    }
    const filling = (this.#filling ?? Promise.resolve())
      .then(() => this.#fill(jobs))
      .finally(() => {
        if (this.#filling === filling) this.#filling = undefined;
      });
    this.#filling = filling;
  }

  #return(job: HeldJob): void {
    const returning = this.giveBack(job)
      .catch((error: unknown) => this.#listener.onError(error))
      .finally(() => this.#returning.delete(returning));
    this.#returning.add(returning);
  }

  #cancelled(id: ItemId, notice: KeyValue): void {
    this.#ledger.opened(notice.key, 0);
    this.#cleaner.soon();
    const reason = textOf(notice.value);
    for (const meanwhile of this.#cancelledMeanwhile) meanwhile.set(id, reason);
    for (const job of this.#held) if (job.assigned.id === id) this.#cancel(job, reason);
  }

  #cancel(job: HeldJob, reason: string): void {
    const { id } = job.assigned;
    const error = new QuorateError('job-cancelled', `job ${id} was cancelled${reason && `: ${reason}`}`, {
      details: { id, reason },
    });
    if (job.cancel(error)) this.#listener.onCancelled(job, error, reason);
  }

  /** Reads the payloads that the record left out, then hands the jobs over, in order. */
  async #fill(jobs: readonly HeldJob[]): Promise<void> {
    const missing = jobs.filter((job) => job.payload === undefined);
    const unreadable = new Map<HeldJob, unknown>();
    try {
      for (let start = 0; start < missing.length; start += payloadsPerRead) {
        await this.#readPayloads(missing.slice(start, start + payloadsPerRead), unreadable);
      }
    } catch (error) {
      this.#listener.onError(error);
    }
    for (const job of jobs) {
      // Settled, or given back on closing while this was read.
      if (job.custody !== 'held') continue;
      if (job.payload !== undefined) this.#listener.onJob(job);
      else if (unreadable.has(job)) this.#listener.onUnreadable(job, unreadable.get(job));
      else {
        // Others may read it: they have another connection. That is no failure of the job, but must not spin.
        const later = { ...returnOf(job.assigned), delayMs: unreadableDelayMs };
        job.giveBack(later, {}).catch((error: unknown) => this.#listener.onError(error));
      }
    }
  }

  async #readPayloads(jobs: readonly HeldJob[], unreadable: Map<HeldJob, unknown>): Promise<void> {
    const request = txnOf({ success: jobs.map((job) => get(this.#keys.item(job.assigned.id))) });
    const reply = await this.#client.store.txn(request, { timeoutMs: callTimeoutMs });
    jobs.forEach((job, index) => {
      const item = firstOf(reply.replies[index]);
      if (item === undefined) {
        job.drop();
        return;
      }
      try {
        job.payload = decodeItem(item.value).payload;
      } catch (error) {
        unreadable.set(job, error);
      }
    });
  }

  #onSettled(job: HeldJob): void {
    this.#held.delete(job);
    this.#ledger.settled(job.record);
    this.#cleaner.soon();
  }
}
