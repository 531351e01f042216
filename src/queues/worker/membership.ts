/**
 * One life of a worker: from its presence to the end of its session, or until it leaves. A worker that lost its session
 * begins another life under another name; nothing of the old one is taken over.
 *
 * - **Join**: watch `a/<W>/`, then `IF create(anchor) = a, create(w/W) = 0 THEN {IF the queue is of this kind THEN put w/W leased}`
 *   (producer/admission.ts). The name is new and the watch stands before anything can be assigned to it, so nothing is read and
 *   nothing is missed. A queue of another kind refuses: whoever did its jobs would not write what that kind rests on.
 * - **Take**: each record that appears is a list of jobs, in queue order. Payloads too long for it are read, in one request.
 * - **Cancellation**: `a/<W>/x/X` says that item X is cancelled and gone. The job is over here, its handler's signal fires, and
 *   the key is deleted along with emptied records. Whatever this worker still sends for X is refused by its guards, told or not.
 * - **Leave**: presence with no slots, and `a/<W>/` is read in that revision; what waits and what still arrives is given back; then `IF
 *   every create(a/<W>/…) < v+1 THEN delete w/W ELSE get a/<W>/`, v being the revision up to which it was read: what was assigned at the
 *   last moment is given back too, so that no polite close counts as the loss of a worker. If the store is away, the
 *   deletion is repeated in the background, and what is left is taken back as from one that was lost: the session may live on
 *   without this worker, and the presence with it.
 *
 * - *Watch cut*: when it stands again, `a/<W>/` is read; records known by their key are passed over.
 * - *Session lost*: handlers' signals fire and nothing more is taken. The dispatcher sees the presence go, and takes
 *   each job back. A handler that ends before that may still acknowledge.
 * - *Process paused*: as a lost session, seen from outside first. Late acknowledgements name a generation that has passed.
 * - *Reply to the join lost*: the exactly-once store finds out, and is waited for as long as the session lives, so that no
 *   join is applied once it was given up. If even that cannot tell, this life ends, and deletes what it may have put.
 */
import { isQuorateError, QuorateError } from '../../errors.js';
import { Backoff, type Runtime, sharedController, sleep, type Timer, waitFor } from '../../runtime/index.js';
import type { Client, Session } from '../../session/index.js';
import {
  compare,
  get,
  type KeyValue,
  type OpReply,
  put,
  type RangeOp,
  remove,
  type TxnReply,
  textOf,
  txnOf,
} from '../../store/index.js';
import type { HubItem, Subscription } from '../../watch/index.js';
import { TaskFacts } from '../conditions/task-facts.js';
import { jobsOfRecord } from '../dispatch/reads.js';
import type { ExpiringLeases } from '../expiring-leases.js';
import { isPassingRead } from '../failures.js';
import type { ItemId, QueueKeys } from '../keys.js';
import { leaveBehindNothing } from '../leave-behind-nothing.js';
import { ifOfKind, wasOfKind, writeKind } from '../producer/admission.js';
import type { FollowUps } from '../producer/follow-up.js';
import { firstOf } from '../reading/first-of.js';
import { decodeItem, encodePresence, returnOf } from '../records/index.js';
import { HeldJob, type HeldJobContext } from './held-job.js';
import { ProgressReport } from './progress-report.js';
import { RecordLedger } from './record-ledger.js';

const retryDelay = { firstMs: 50, longestMs: 2_000 };
const callTimeoutMs = 10_000;
/** Of a write whose failure costs only tidiness or time. */
const passingTimeoutMs = 2_000;
/** What is not deleted by then is deleted in the background. */
const leaveTimeoutMs = 2_000;
/** Emptied records that no acknowledgement took along are deleted after this. */
const cleanUpDelayMs = 500;
/** Long payloads are up to 1.5 MiB each. */
const payloadsPerRead = 4;
/** Before a job whose payload could not be read is given out again. */
const unreadableDelayMs = 1_000;

export interface MembershipOptions {
  readonly client: Client;
  readonly keys: QueueKeys;
  readonly session: Session;
  readonly slots: number;
  /** How many jobs run at a time. */
  readonly concurrency: number;
  readonly label: string;
  readonly leases: ExpiringLeases;
  readonly followUps: FollowUps;
  /** A job has come. In queue order as far as they were assigned in it. */
  readonly onJob: (job: HeldJob) => void;
  /** Its payload is there and cannot be read. */
  readonly onUnreadable: (job: HeldJob, error: unknown) => void;
  /** Somebody has cancelled it. */
  readonly onCancelled: (job: HeldJob, error: QuorateError, reason: string) => void;
  readonly onError: (error: unknown) => void;
}

export class Membership {
  /** Name of this life. */
  readonly worker: string;
  readonly session: Session;
  readonly #options: MembershipOptions;
  readonly #runtime: Runtime;
  readonly #keys: QueueKeys;
  readonly #ended = sharedController();
  readonly #ledger = new RecordLedger();
  readonly #held = new Set<HeldJob>();
  /** Of each reading under way, what was cancelled since its watch stands. */
  readonly #cancelledMeanwhile = new Set<Map<ItemId, string>>();
  readonly #context: HeldJobContext;
  #subscription: Subscription | undefined;
  #create = 0;
  #intake: Promise<void> | undefined;
  #cleanUp: Timer | undefined;
  #leaving = false;
  #hasLeft = false;
  /** The revision up to which all records of this life were taken, once it is leaving. */
  #takenUpTo = 0;
  readonly #returning = new Set<Promise<void>>();

  constructor(options: MembershipOptions) {
    this.#options = options;
    this.#runtime = options.client.runtime;
    this.#keys = options.keys;
    this.session = options.session;
    this.worker = this.#runtime.newId();
    this.#context = {
      store: options.client.store,
      runtime: this.#runtime,
      keys: options.keys,
      signal: this.#ended.signal,
      ledger: this.#ledger,
      facts: new TaskFacts(options.keys),
      leases: options.leases,
      followUps: options.followUps,
      onSettled: (job) => this.#onSettled(job),
    };
  }

  /** Aborted when this life is over: the session was lost, or the worker has left. */
  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  /** Not settled yet, in the order in which they came. */
  get held(): readonly HeldJob[] {
    return [...this.#held];
  }

  /** What the handler of a job of this life tells of its progress. */
  progressOf(held: HeldJob): ProgressReport {
    const { client, session } = this.#options;
    return new ProgressReport({ store: client.store, keys: this.#keys, session, held });
  }

  /** Rejects with `session-lost`, `invalid-argument` if the queue is of another kind, or what the store answered. */
  async join(): Promise<void> {
    const { session } = this;
    const onLost = () => this.end(session.signal.reason);
    if (session.signal.aborted) onLost();
    else session.signal.addEventListener('abort', onLost, { once: true });
    this.#ended.signal.addEventListener('abort', () => session.signal.removeEventListener('abort', onLost), {
      once: true,
    });
    await this.#open();
    session.assertLive();
    const reply = await this.#putPresence();
    if (!reply.succeeded) {
      // The store has ended the session, though this process has not noticed yet.
      await session.verify().catch(() => false);
      throw new QuorateError('session-lost', 'the session ended before the worker could join');
    }
    this.#create = reply.revision;
    if (!this.signal.aborted) return;
    void this.#deletePresence();
    throw this.signal.reason;
  }

  async #putPresence(): Promise<TxnReply> {
    const { client, session, slots } = this.#options;
    const presence = this.#keys.presence(this.worker);
    const putPresence = put(presence, this.#presence(slots), { lease: session.leaseId });
    const request = txnOf({
      compare: [session.guard(), compare.create(presence, 'equal', 0)],
      success: [ifOfKind(this.#keys, [putPresence])],
    });
    try {
      // Whatever else ends this life meanwhile: a deletion must not overtake what it is to delete.
      const options = { signal: session.signal, timeoutMs: Number.POSITIVE_INFINITY };
      for (;;) {
        const reply = await client.store.txn(request, options);
        if (!reply.succeeded || wasOfKind(this.#keys, reply.replies[0])) return reply;
        await client.store.txn(writeKind(this.#keys), options);
      }
    } catch (error) {
      if (isQuorateError(error, 'invalid-argument')) throw error;
      void leaveBehindNothing(client, session, txnOf({ success: [remove(presence)] }));
      throw error;
    }
  }

  /** Takes no more: what comes from now on is given back. Rejects never; what cannot be told now shows at the end. */
  async stopTaking(): Promise<void> {
    this.#leaving = true;
    this.#takenUpTo = this.#create;
    // To its end: the watch may bring a record long after it was read here, given back and deleted.
    this.#ledger.startReading();
    const presence = this.#keys.presence(this.worker);
    const request = txnOf({
      compare: [compare.create(presence, 'equal', this.#create)],
      success: [put(presence, this.#presence(0), { lease: this.session.leaseId }), this.#records],
    });
    const { store } = this.#options.client;
    const reply = await store.txn(request, { timeoutMs: passingTimeoutMs }).catch(() => undefined);
    if (reply?.succeeded) this.#takeAll(reply, reply.replies[1]);
  }

  /** Gives a job back without counting a failure. */
  async giveBack(job: HeldJob): Promise<void> {
    await job.giveBack(returnOf(job.assigned), {});
  }

  /** Deletes what this life has left in the store, sooner or later. Whoever waits for its jobs gets them then. */
  async leave(): Promise<void> {
    await this.#intake;
    await waitFor(this.#runtime, this.#leave(), { timeoutMs: leaveTimeoutMs }, 'leaving').catch(() => {});
    this.end(new QuorateError('closed', 'the worker has left the queue'));
  }

  end(reason: unknown): void {
    if (this.#ended.signal.aborted) return;
    this.#cleanUp?.cancel();
    // Nobody watches below a name again that was one life's.
    this.#subscription?.close({ lingerMs: 0 });
    this.#ended.abort(reason);
    // The session may live on, and the dispatcher would go on assigning to whom nobody is any more.
    if (this.#create !== 0 && !this.#hasLeft) void this.#deletePresence();
  }

  /** Deletes the presence once all that was assigned to it is given back. */
  async #leave(): Promise<void> {
    const presence = this.#keys.presence(this.worker);
    while (!this.signal.aborted) {
      await Promise.all(this.#returning);
      const records = this.#ledger.takeEmptied();
      const request = txnOf({
        compare: [
          compare.create(presence, 'equal', this.#create),
          compare.create(this.#keys.recordsOf(this.worker), 'less', this.#takenUpTo + 1),
        ],
        success: [remove(presence), ...records.map((record) => remove(record))],
        failure: [get(presence, { keysOnly: true }), this.#records],
      });
      const reply = await this.#options.client.store.txn(request, { timeoutMs: passingTimeoutMs });
      const isGone = !reply.succeeded && firstOf(reply.replies[0])?.createRevision !== this.#create;
      this.#hasLeft = reply.succeeded || isGone;
      if (this.#hasLeft) return;
      this.#ledger.cleaned(records, false);
      this.#takeAll(reply, reply.replies[1]);
    }
  }

  get #records(): RangeOp {
    return { type: 'range', ...this.#keys.recordsOf(this.worker) };
  }

  #takeAll({ revision }: TxnReply, records: OpReply | undefined): void {
    if (records?.type !== 'range') return;
    for (const kv of records.kvs) this.#take(kv);
    this.#takenUpTo = revision;
  }

  #deletePresence(): Promise<void> {
    const { client, session } = this.#options;
    const presence = this.#keys.presence(this.worker);
    const request = txnOf({
      compare: [compare.create(presence, 'equal', this.#create)],
      success: [remove(presence)],
    });
    return leaveBehindNothing(client, session, request);
  }

  #open(): Promise<void> {
    return new Promise((resolve, reject) => {
      // The session may have been lost between its opening and now.
      if (this.signal.aborted) {
        reject(this.signal.reason);
        return;
      }
      this.#ended.signal.addEventListener('abort', () => reject(this.#ended.signal.reason), { once: true });
      let first = true;
      const request = { ...this.#keys.recordsOf(this.worker), without: ['delete'] as const };
      const subscription = this.#options.client.hub.subscribe(request, (item: HubItem) => {
        if (item.type === 'events') for (const event of item.events) this.#take(event.kv);
        else if (item.type === 'failed') {
          reject(item.error);
          this.end(item.error);
        } else if (item.type === 'opened') {
          if (!first) void this.#catchUp(item.revision).catch((error: unknown) => this.end(error));
          first = false;
          resolve();
        }
      });
      this.#subscription = subscription;
      if (this.signal.aborted) subscription.close({ lingerMs: 0 });
    });
  }

  /** Takes what came up to `revision`, where the watch begins to bring the rest. A job taken twice would run twice. */
  async #catchUp(revision: number): Promise<void> {
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
    const backoff = new Backoff(this.#runtime, retryDelay);
    const range = { ...this.#keys.recordsOf(this.worker), maxCreateRevision: revision };
    while (!this.signal.aborted) {
      const stopReading = this.#ledger.startReading();
      try {
        const read = await this.#options.client.store.range(range, { timeoutMs: callTimeoutMs });
        const inOrder = [...read.kvs].sort(
          (a, b) => a.createRevision - b.createRevision || (a.key < b.key ? -1 : 1),
        );
        for (const kv of inOrder) this.#take(kv, cancelled);
        return;
      } catch (error) {
        if (!isPassingRead(error)) throw error;
      } finally {
        stopReading();
      }
      await sleep(this.#runtime, backoff.nextMs(), { signal: this.signal }).catch(() => {});
    }
  }

  #take(record: KeyValue, alreadyCancelled: ReadonlyMap<ItemId, string> = new Map()): void {
    if (this.signal.aborted || this.#ledger.knows(record.key)) return;
    const cancelled = this.#keys.cancelledIn(this.worker, record.key);
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
    if (this.#leaving) {
      for (const job of jobs) if (!job.isSettled) this.#return(job);
      return;
    }
    if (this.#intake === undefined && jobs.every((job) => job.payload !== undefined)) {
      for (const job of jobs) if (!job.isSettled) this.#options.onJob(job);
      return;
    }
    const intake = (this.#intake ?? Promise.resolve())
      .then(() => this.#fill(jobs))
      .finally(() => {
        if (this.#intake === intake) this.#intake = undefined;
      });
    this.#intake = intake;
  }

  #return(job: HeldJob): void {
    const returning = this.giveBack(job)
      .catch((error: unknown) => this.#options.onError(error))
      .finally(() => this.#returning.delete(returning));
    this.#returning.add(returning);
  }

  #cancelled(id: ItemId, notice: KeyValue): void {
    this.#ledger.opened(notice.key, 0);
    this.#deleteEmptiedSoon();
    const reason = textOf(notice.value);
    for (const meanwhile of this.#cancelledMeanwhile) meanwhile.set(id, reason);
    for (const job of this.#held) if (job.assigned.id === id) this.#cancel(job, reason);
  }

  #cancel(job: HeldJob, reason: string): void {
    const { id } = job.assigned;
    const error = new QuorateError('job-cancelled', `job ${id} was cancelled${reason && `: ${reason}`}`, {
      details: { id, reason },
    });
    if (job.cancel(error)) this.#options.onCancelled(job, error, reason);
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
      this.#options.onError(error);
    }
    for (const job of jobs) {
      // Settled, or given back on closing while this was read.
      if (job.custody !== 'held') continue;
      if (job.payload !== undefined) this.#options.onJob(job);
      else if (unreadable.has(job)) this.#options.onUnreadable(job, unreadable.get(job));
      else {
        // Others may read it: they have another connection. That is no failure of the job, but must not spin.
        const later = { ...returnOf(job.assigned), delayMs: unreadableDelayMs };
        job.giveBack(later, {}).catch((error: unknown) => this.#options.onError(error));
      }
    }
  }

  async #readPayloads(jobs: readonly HeldJob[], unreadable: Map<HeldJob, unknown>): Promise<void> {
    const request = txnOf({ success: jobs.map((job) => get(this.#keys.item(job.assigned.id))) });
    const reply = await this.#options.client.store.txn(request, { timeoutMs: callTimeoutMs });
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
    this.#deleteEmptiedSoon();
  }

  #deleteEmptiedSoon(): void {
    if (!this.#ledger.hasEmptied || this.#cleanUp !== undefined || this.signal.aborted) return;
    const flush = () => {
      this.#cleanUp = undefined;
      void this.#deleteEmptied();
    };
    this.#cleanUp = this.#runtime.setTimer(cleanUpDelayMs, flush, { background: true });
  }

  async #deleteEmptied(): Promise<void> {
    while (this.#ledger.hasEmptied && !this.signal.aborted) {
      const records = this.#ledger.takeEmptied();
      const done = await this.#passing(txnOf({ success: records.map((record) => remove(record)) }));
      this.#ledger.cleaned(records, done);
      if (!done) return;
    }
  }

  /** A write whose failure costs only tidiness or time: one attempt. */
  async #passing(request: ReturnType<typeof txnOf>): Promise<boolean> {
    return this.#options.client.store.txn(request, { timeoutMs: passingTimeoutMs }).then(
      () => true,
      () => false,
    );
  }

  #presence(slots: number): Uint8Array {
    const { concurrency, label } = this.#options;
    return encodePresence({ slots, concurrency: Math.min(slots, concurrency), label });
  }
}
