/**
 * A job that this process was given, and the ways it parts with it. Each is `IF create(i/X) = c, version(g/X) = k THEN … ELSE get
 * i/X, get g/X`: c names the item's life and k how often it was taken back, so a worker from whom it was taken is refused, with
 * all its effects, and nobody can end a job twice: after the first there is no item.
 *
 * - **Acknowledge** `… THEN {IF user compares THEN {IF gates of the follow-ups THEN delete i/X, delete g/X, delete P/X, [put R/X on a
 *   lease], [put q/task/<its task>], [put follow-ups], user ops ELSE get h} ELSE user ops}`. Refused by a gate, nothing was applied: again, with larger
 *   keys (producer/follow-up.ts).
 * - **Dead letter** read `i/X`, then `… THEN delete i/X, delete g/X, delete P/X, put D/X, [put R/X on a lease]`. The letter holds the
 *   item's whole value. What was read is what is deleted: an item is never written twice, and c names it.
 * - **Give back** `… THEN put g/X, delete P/X`: raises the generation.
 *
 * A record whose jobs are all settled is deleted by the acknowledgement of its last one, or along with a later write; by itself,
 * where what the caller adds leaves no room for it.
 *
 * - *Reply lost*: the exactly-once store finds out. If even that cannot tell, the same transaction is sent again: applied
 *   twice it cannot be, nor can two that differ in the keys of their follow-ups. Refused then, with the item gone, it is not known
 *   whose end that was (`unknown`).
 * - *Lease of the result gone*: the request was refused as a whole. Again with another lease.
 * - *Session lost*: the transactions do not depend on it. As long as the job has not been taken back nobody else has it, and the
 *   acknowledgement of a worker that was thought dead is as good as any.
 * - *Cancelled from outside*: the item is gone, so all of these are refused; told of it, none is sent.
 */
import { isQuorateError, QuorateError } from '../../errors.js';
import { type Runtime, type WaitOptions, waitFor } from '../../runtime/index.js';
import {
  type CallOptions,
  compare,
  type LeaseId,
  type Op,
  put,
  remove,
  type Store,
  type TxnReply,
} from '../../store/index.js';
import type { TaskFacts } from '../conditions/task-facts.js';
import type { ExpiringLeases } from '../expiring-leases.js';
import type { QueueKeys } from '../keys.js';
import type { Admission, FollowUps } from '../producer/follow-up.js';
import { firstOf } from '../reading/first-of.js';
import {
  type AssignedJob,
  type DeadLetterRecord,
  encodeDeadLetter,
  encodeTakeBack,
  type TakeBack,
} from '../records/index.js';
import { shortened } from '../results/reasons.js';
import { encodeResult, type ResultRecord } from '../results/result-record.js';
import {
  type Acknowledged,
  type Acknowledgement,
  acknowledging,
  answerOf,
  custodyAfter,
  partsOf,
  withoutReplies,
} from './acknowledgement.js';
import {
  type Attempt,
  type Attempting,
  type Custody,
  sendUntilDecided,
  type Undecided,
} from './parting-attempt.js';
import type { RecordLedger } from './record-ledger.js';

/** For a dead letter that has no room for more: in JSON, a byte may take six. */
const shortReasonBytes = 64;

export interface HeldJobContext {
  readonly store: Store;
  readonly runtime: Runtime;
  readonly keys: QueueKeys;
  /** Ends the repeating of what failed for the moment: after it, one attempt. */
  readonly signal: AbortSignal;
  readonly ledger: RecordLedger;
  readonly leases: ExpiringLeases;
  readonly facts: TaskFacts;
  readonly followUps: FollowUps;
  readonly onSettled: (job: HeldJob) => void;
}

/** Why a job is given up for good. */
export type Verdict = Pick<DeadLetterRecord, 'cause' | 'reason' | 'failures'>;

export class HeldJob implements Undecided {
  readonly assigned: AssignedJob;
  readonly record: string;
  /** Absent until it was read, for a long one. */
  payload: Uint8Array | undefined;
  /** This holder may have put `P/X`. */
  hasProgress = false;
  isUncertain = false;
  readonly #context: HeldJobContext;
  /** Called once, when this worker is rid of it. */
  onSettled: (() => void) | undefined;
  #custody: Custody = 'held';
  #settling: Promise<unknown> | undefined;
  #cancelled: QuorateError | undefined;

  constructor(assigned: AssignedJob, record: string, context: HeldJobContext) {
    this.assigned = assigned;
    this.record = record;
    this.payload = assigned.payload;
    this.#context = context;
  }

  get custody(): Custody {
    return this.#custody;
  }

  get isSettled(): boolean {
    return this.#custody !== 'held' && this.#custody !== 'settling';
  }

  /** Resolves when no transaction that parts with it is under way. */
  async decided(): Promise<void> {
    while (this.#custody === 'settling') await Promise.allSettled([this.#settling]);
  }

  /** Whether somebody wants to know how it ends. */
  get isResultWanted(): boolean {
    return this.assigned.traits?.resultMs !== undefined;
  }

  /** The items to be put with its acknowledgement. Throws as {@link FollowUps.prepare}. */
  get followUps(): FollowUps {
    return this.#context.followUps;
  }

  /** The reply to `user`, whose `succeeded` false leaves the job held; or `fenced`, or what the store answered. */
  acknowledge(acknowledgement: Acknowledgement, options: CallOptions): Promise<Acknowledged> {
    const { user, followUps } = acknowledgement;
    const isAlone = user === undefined && followUps === undefined && !this.isResultWanted;
    return isAlone
      ? this.acknowledgeAlone(options).then(withoutReplies)
      : this.#acknowledgeWith(acknowledgement, options);
  }

  /**
   * As most jobs end: with nothing else in the revision, and nobody to whom a result matters. What all that is in hand holds in
   * memory until it is answered is the larger part of a worker's work, so this does without all that it can.
   */
  acknowledgeAlone(options: CallOptions): Promise<TxnReply> {
    return this.#settle(options, (cleanUp) => ({
      success: [...this.#ended(), ...this.#context.facts.putWith(this.assigned), ...cleanUp],
      custodyAfter: asAcknowledged,
    }));
  }

  async #acknowledgeWith(
    { user, followUps, result }: Acknowledgement,
    options: CallOptions,
  ): Promise<Acknowledged> {
    let admission: Admission | undefined;
    const hasUser = user !== undefined;
    const attempt = (cleanUp: readonly Op[], resultPuts: readonly Op[]): Attempt => {
      const success = [
        ...this.#ended(),
        ...this.#context.facts.putWith(this.assigned),
        ...cleanUp,
        ...resultPuts,
        ...(admission?.puts ?? []),
        ...(user?.success ?? []),
      ];
      return {
        success: acknowledging(success, admission, user),
        custodyAfter: (applied) => custodyAfter(partsOf(applied, hasUser, admission !== undefined)),
      };
    };
    const reply = await this.#settle(options, async (cleanUp, limits) => {
      admission = followUps && (await this.#context.followUps.admit(followUps, limits));
      return attempt(cleanUp, await this.#resultOf({ status: 'completed', value: result }, limits));
    });
    return answerOf(reply, admission, user);
  }

  /**
   * Puts it into the dead letters, if need be with a shorter reason. Rejects as `acknowledge`, and with `request-too-large` if it
   * does not fit there even so.
   */
  async deadLetter(verdict: Verdict, options: CallOptions): Promise<void> {
    try {
      await this.#bury(verdict, options);
    } catch (error) {
      const reason = shortened(verdict.reason, shortReasonBytes);
      if (!isQuorateError(error, 'request-too-large') || reason === verdict.reason) throw error;
      await this.#bury({ ...verdict, reason }, options);
    }
  }

  async #bury(verdict: Verdict, options: CallOptions): Promise<void> {
    const { keys, runtime, store } = this.#context;
    const { id, losses } = this.assigned;
    const { cause, reason, failures } = verdict;
    let item: Uint8Array | undefined;
    // An item of 1.5 MiB leaves room for little else.
    await this.#settle(options, async (_cleanUp, limits) => {
      if (item === undefined) {
        const { kvs } = await store.range({ key: keys.item(id) }, limits);
        // If it is gone the guards refuse what follows.
        item = kvs[0]?.value ?? new Uint8Array();
      }
      const letter = { cause, reason, failures, losses, atMs: runtime.wallMs(), item };
      return {
        success: [
          ...this.#ended(),
          put(keys.deadLetter(id), encodeDeadLetter(letter)),
          ...(await this.#resultOf({ status: 'dead', cause, reason }, limits)),
        ],
        custodyAfter: () => 'dead',
      };
    });
  }

  /** Rejects as `acknowledge`. */
  async giveBack(takeBack: TakeBack, options: CallOptions): Promise<void> {
    const { keys } = this.#context;
    const { id } = this.assigned;
    await this.#settle(options, async (cleanUp) => ({
      success: [
        put(keys.generation(id), encodeTakeBack(takeBack)),
        ...(this.hasProgress ? [remove(keys.progressOf(id))] : []),
        ...cleanUp,
      ],
      custodyAfter: () => 'given-back',
    }));
  }

  /** Its item was found to be gone. A transaction under way finds that too. */
  drop(): void {
    if (this.#custody === 'held') this.#become('superseded');
  }

  /** It was cancelled: the item is gone. False if this worker had parted with it before. */
  cancel(reason: QuorateError): boolean {
    if (this.isSettled) return false;
    this.#cancelled = reason;
    if (this.#custody === 'held') this.#become('cancelled');
    return true;
  }

  /** The guards of whatever is written for this holder alone. */
  get guards() {
    const { keys } = this.#context;
    const { id, create, generation } = this.assigned;
    return [
      compare.create(keys.item(id), 'equal', create),
      compare.version(keys.generation(id), 'equal', generation),
    ];
  }

  /** What told this worker that the job is not its own any more. */
  fenced(): QuorateError {
    const { id, generation } = this.assigned;
    const details = { id, generation };
    if (this.#cancelled !== undefined) {
      return new QuorateError('job-cancelled', this.#cancelled.message, { details });
    }
    return new QuorateError(
      'fenced',
      `job ${id} was taken back or deleted: generation ${generation} has passed`,
      { details },
    );
  }

  #become(custody: Custody): void {
    this.#custody = custody;
    if (custody === 'acknowledged') this.#context.facts.acknowledged(this.assigned);
    if (!this.isSettled) return;
    this.#context.onSettled(this);
    this.onSettled?.();
  }

  /** The item and what belongs to it. */
  #ended(): Op[] {
    const { keys } = this.#context;
    const { id, generation } = this.assigned;
    const ops: Op[] = [remove(keys.item(id))];
    if (generation > 0) ops.push(remove(keys.generation(id)));
    // A holder before this one may have left some.
    if (generation > 0 || this.hasProgress) ops.push(remove(keys.progressOf(id)));
    return ops;
  }

  async #resultOf(record: ResultRecord, options: WaitOptions): Promise<Op[]> {
    const { id, traits } = this.assigned;
    const { keys, leases, runtime } = this.#context;
    if (traits?.resultMs === undefined) return [];
    const granting: Promise<LeaseId> = leases.leaseFor(traits.resultMs);
    const lease = await waitFor(runtime, granting, options, `ending job ${id}`);
    return [put(keys.result(id), encodeResult(record), { lease })];
  }

  #settle(options: CallOptions, attempt: Attempting): Promise<TxnReply> {
    if (this.#custody === 'superseded' || this.#custody === 'cancelled') return Promise.reject(this.fenced());
    if (this.#custody !== 'held') {
      const { id } = this.assigned;
      return Promise.reject(new QuorateError('closed', `job ${id} is ${this.#custody} already`));
    }
    this.#custody = 'settling';
    const settling = this.#part(options, attempt);
    this.#settling = settling;
    return settling;
  }

  async #part(options: CallOptions, attempt: Attempting): Promise<TxnReply> {
    const { ledger } = this.#context;
    let cleanUp = ledger.cleanUpWith(this.record);
    let settled: { reply: TxnReply; custody: Custody } | undefined;
    try {
      try {
        settled = await sendUntilDecided(this, this.#context, options, attempt, cleanUp);
      } catch (error) {
        if (cleanUp.length === 0 || !isTooMuch(error)) throw error;
        ledger.cleaned(cleanUp, false);
        cleanUp = [];
        settled = await sendUntilDecided(this, this.#context, options, attempt, cleanUp);
      }
    } finally {
      const custody = settled?.custody ?? 'held';
      ledger.cleaned(cleanUp, custody === 'acknowledged' || custody === 'given-back');
      const isOver = custody === 'held' || custody === 'superseded';
      this.#become(isOver && this.#cancelled !== undefined ? 'cancelled' : custody);
    }
    const { reply } = settled;
    if (reply.succeeded) return reply;
    const isGone = firstOf(reply.replies[0]) === undefined;
    const isKnown = this.#cancelled !== undefined || !isGone;
    throw this.isUncertain && !isKnown ? this.#unknown() : this.fenced();
  }

  #unknown(): QuorateError {
    return new QuorateError(
      'unavailable',
      `job ${this.assigned.id} is done, but whether by this worker or another cannot be told`,
      { outcome: 'unknown' },
    );
  }
}

const asAcknowledged = (): Custody => 'acknowledged';

/** A request that may fit with less in it. */
function isTooMuch(error: unknown): boolean {
  return isQuorateError(error, 'too-many-operations') || isQuorateError(error, 'request-too-large');
}
