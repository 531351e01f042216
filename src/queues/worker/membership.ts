/**
 * One life of a worker: from its presence to the end of its session, or until it leaves. A worker that lost its session
 * begins another life under another name; nothing of the old one is taken over.
 *
 * - **Join**: watch `a/<W>/`, then `IF create(anchor) = a, create(w/W) = 0 THEN {IF the queue is of this kind THEN put w/W leased}`
 *   (producer/admission.ts). The name is new and the watch stands before anything can be assigned to it, so nothing is read and
 *   nothing is missed. A queue of another kind refuses: whoever did its jobs would not write what that kind rests on.
 * - **Take**: what appears below `a/<W>/` is jobs, and news of cancelled ones: see intake.ts.
 * - **Leave**: presence with no slots, and `a/<W>/` is read in that revision; what waits and what still arrives is given back; then `IF
 *   every create(a/<W>/…) < v+1 THEN delete w/W ELSE get a/<W>/`, v being the revision up to which it was read: what was assigned at the
 *   last moment is given back too, so that no polite close counts as the loss of a worker. If the store is away, the
 *   deletion is repeated in the background, and what is left is taken back as from one that was lost: the session may live on
 *   without this worker, and the presence with it.
 *
 * - *Watch cut*: when it stands again, `a/<W>/` is read, up to where it begins.
 * - *Session lost*: handlers' signals fire and nothing more is taken. The dispatcher sees the presence go, and takes
 *   each job back. A handler that ends before that may still acknowledge.
 * - *Process paused*: as a lost session, seen from outside first. Late acknowledgements name a generation that has passed.
 * - *Reply to the join lost*: the exactly-once store finds out, and is waited for as long as the session lives, so that no
 *   join is applied once it was given up. If even that cannot tell, this life ends, and deletes what it may have put.
 */
import { isQuorateError, QuorateError } from '../../errors.js';
import { type Runtime, sharedController, waitFor } from '../../runtime/index.js';
import type { Client, Session } from '../../session/index.js';
import {
  compare,
  get,
  type OpReply,
  put,
  type RangeOp,
  remove,
  type TxnReply,
  txnOf,
} from '../../store/index.js';
import type { HubItem, Subscription } from '../../watch/index.js';
import type { ExpiringLeases } from '../expiring-leases.js';
import type { QueueKeys } from '../keys.js';
import { leaveBehindNothing } from '../leave-behind-nothing.js';
import { ifOfKind, wasOfKind, writeKind } from '../producer/admission.js';
import type { FollowUps } from '../producer/follow-up.js';
import { firstOf } from '../reading/first-of.js';
import { encodePresence } from '../records/index.js';
import type { HeldJob } from './held-job.js';
import { Intake, type IntakeListener } from './intake.js';
import { ProgressReport } from './progress-report.js';
import { RecordCleaner } from './record-cleaner.js';
import { RecordLedger } from './record-ledger.js';

/** Of a write whose failure costs only time. */
const passingTimeoutMs = 2_000;
/** What is not deleted by then is deleted in the background. */
const leaveTimeoutMs = 2_000;

export interface MembershipOptions extends IntakeListener {
  readonly client: Client;
  readonly keys: QueueKeys;
  readonly session: Session;
  readonly slots: number;
  /** How many jobs run at a time. */
  readonly concurrency: number;
  readonly label: string;
  readonly leases: ExpiringLeases;
  readonly followUps: FollowUps;
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
  readonly #cleaner: RecordCleaner;
  readonly #intake: Intake;
  #subscription: Subscription | undefined;
  #create = 0;
  #hasLeft = false;
  /** The revision up to which all records of this life were taken, once it is leaving. */
  #takenUpTo = 0;

  constructor(options: MembershipOptions) {
    this.#options = options;
    this.#runtime = options.client.runtime;
    this.#keys = options.keys;
    this.session = options.session;
    this.worker = this.#runtime.newId();
    const { client, keys, leases, followUps } = options;
    const life = { client, keys, worker: this.worker, signal: this.signal, ledger: this.#ledger };
    this.#cleaner = new RecordCleaner(life);
    this.#intake = new Intake({ ...life, leases, followUps, cleaner: this.#cleaner, listener: options });
  }

  /** Aborted when this life is over: the session was lost, or the worker has left. */
  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  /** Not settled yet, in the order in which they came. */
  get held(): readonly HeldJob[] {
    return this.#intake.held;
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
    this.#intake.stop();
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
  giveBack(job: HeldJob): Promise<void> {
    return this.#intake.giveBack(job);
  }

  /** Deletes what this life has left in the store, sooner or later. Whoever waits for its jobs gets them then. */
  async leave(): Promise<void> {
    await this.#intake.filling;
    await waitFor(this.#runtime, this.#leave(), { timeoutMs: leaveTimeoutMs }, 'leaving').catch(() => {});
    this.end(new QuorateError('closed', 'the worker has left the queue'));
  }

  end(reason: unknown): void {
    if (this.#ended.signal.aborted) return;
    this.#cleaner.stop();
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
      await Promise.all(this.#intake.returning);
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
    for (const kv of records.kvs) this.#intake.take(kv);
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
        if (item.type === 'events') for (const event of item.events) this.#intake.take(event.kv);
        else if (item.type === 'failed') {
          reject(item.error);
          this.end(item.error);
        } else if (item.type === 'opened') {
          if (!first) void this.#intake.catchUp(item.revision).catch((error: unknown) => this.end(error));
          first = false;
          resolve();
        }
      });
      this.#subscription = subscription;
      if (this.signal.aborted) subscription.close({ lingerMs: 0 });
    });
  }

  #presence(slots: number): Uint8Array {
    const { concurrency, label } = this.#options;
    return encodePresence({ slots, concurrency: Math.min(slots, concurrency), label });
  }
}
