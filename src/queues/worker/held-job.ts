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
import { isPassing, isPassingRead, isQuorateError, QuorateError } from '../../errors.js';
import {
  Backoff,
  linkedSignal,
  type Runtime,
  sleep,
  TimeLeft,
  type WaitOptions,
  waitFor,
} from '../../runtime/index.js';
import {
  type CallOptions,
  compare,
  get,
  type Key,
  type LeaseId,
  nested,
  type Op,
  type OpReply,
  put,
  remove,
  type Store,
  type TxnReply,
  type TxnRequest,
  txnOf,
} from '../../store/index.js';
import type { TaskFacts } from '../conditions/task-facts.js';
import type { ExpiringLeases } from '../expiring-leases.js';
import type { ItemId, QueueKeys } from '../keys.js';
import type { Admission, FollowUps, PreparedFollowUps } from '../producer/follow-up.js';
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
import type { RecordLedger } from './record-ledger.js';

const retryDelay = { firstMs: 20, longestMs: 1_000 };
/** Leases found gone one after another, before it is told: the lease may be one of the caller's own operations. */
const mostLeases = 3;
/** For a dead letter that has no room for more: in JSON, a byte may take six. */
const shortReasonBytes = 64;

/** Where a job in hand stands. */
export type Custody =
  | 'held'
  /** A transaction that parts with it is under way. */
  | 'settling'
  | 'acknowledged'
  | 'given-back'
  /** In the dead letters, by this worker. */
  | 'dead'
  /** Somebody cancelled it. */
  | 'cancelled'
  /** It was taken from this worker, or deleted. */
  | 'superseded';

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

/** What happens in the revision of an acknowledgement. */
export interface Acknowledgement {
  readonly user?: Partial<TxnRequest> | undefined;
  readonly followUps?: PreparedFollowUps | undefined;
  /** Encoded; kept if it was asked for. */
  readonly result?: Uint8Array | undefined;
}

export interface Acknowledged extends TxnReply {
  /** Of its follow-ups, in order. */
  readonly ids: readonly ItemId[];
}

/** Why a job is given up for good. */
export type Verdict = Pick<DeadLetterRecord, 'cause' | 'reason' | 'failures'>;

/** What one attempt sends beside the guards, and what its reply means. */
interface Attempt {
  readonly success: readonly Op[];
  /** Undefined: nothing was applied, and another attempt is to be made. */
  readonly custodyAfter: (reply: TxnReply) => Custody | undefined;
}

/** Makes one, after what it needs first. `cleanUp`: deletions that may travel along. */
type Attempting = (cleanUp: readonly Op[], limits: WaitOptions) => Attempt | Promise<Attempt>;

export class HeldJob {
  readonly assigned: AssignedJob;
  readonly record: string;
  /** Absent until it was read, for a long one. */
  payload: Uint8Array | undefined;
  /** This holder may have put `P/X`. */
  hasProgress = false;
  readonly #context: HeldJobContext;
  /** Called once, when this worker is rid of it. */
  onSettled: (() => void) | undefined;
  #custody: Custody = 'held';
  #settling: Promise<unknown> | undefined;
  /** An attempt to part with it may have been applied. */
  #uncertain = false;
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
    const attempt = (cleanUp: readonly Op[], resultPuts: readonly Op[]): Attempt => {
      const success = [
        ...this.#ended(),
        ...this.#context.facts.putWith(this.assigned),
        ...cleanUp,
        ...resultPuts,
        ...(admission?.puts ?? []),
        ...(user?.success ?? []),
      ];
      const admitted =
        admission === undefined
          ? success
          : [nested({ compare: admission.compare, success, failure: admission.failure })];
      return {
        success: user === undefined ? admitted : [nested({ ...user, success: admitted })],
        custodyAfter: (applied) => {
          const parts = this.#partsOf(applied, user !== undefined, admission !== undefined);
          return parts.gate?.succeeded === false ? undefined : parts.user.succeeded ? 'acknowledged' : 'held';
        },
      };
    };
    const reply = await this.#settle(options, async (cleanUp, limits) => {
      admission = followUps && (await this.#context.followUps.admit(followUps, limits));
      return attempt(cleanUp, await this.#resultOf({ status: 'completed', value: result }, limits));
    });
    const { user: own, gate } = this.#partsOf(reply, user !== undefined, admission !== undefined);
    const { replies } = gate ?? own;
    const ownFrom = own.succeeded ? replies.length - (user?.success?.length ?? 0) : 0;
    return {
      ...{ revision: reply.revision, succeeded: own.succeeded, replies: replies.slice(ownFrom) },
      ids: own.succeeded ? (admission?.ids ?? []) : [],
    };
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

  #partsOf(
    reply: TxnReply,
    hasUser: boolean,
    hasGate: boolean,
  ): { user: { succeeded: boolean; replies: readonly OpReply[] }; gate: TxnPart | undefined } {
    const user: TxnPart | TxnReply = hasUser ? partOf(reply.replies[0]) : reply;
    return { user, gate: hasGate && user.succeeded ? partOf(user.replies[0]) : undefined };
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
        settled = await this.#send(options, attempt, cleanUp);
      } catch (error) {
        if (cleanUp.length === 0 || !isTooMuch(error)) throw error;
        ledger.cleaned(cleanUp, false);
        cleanUp = [];
        settled = await this.#send(options, attempt, cleanUp);
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
    throw this.#uncertain && !isKnown ? this.#unknown() : this.fenced();
  }

  /** Repeats it until it is decided, or may not be repeated. */
  async #send(
    options: CallOptions,
    attempt: Attempting,
    cleanUp: readonly Key[],
  ): Promise<{ reply: TxnReply; custody: Custody }> {
    const { keys, store, runtime, leases, signal } = this.#context;
    const { id } = this.assigned;
    const left = new TimeLeft(runtime, options, `ending job ${id}`);
    let backoff: Backoff | undefined;
    let leasesGone = 0;
    for (;;) {
      let isSent = false;
      try {
        const limits = left.forRequest();
        const made = attempt(
          cleanUp.map((record) => remove(record)),
          limits,
        );
        // Most need nothing first.
        const { success, custodyAfter } = made instanceof Promise ? await made : made;
        const request = txnOf({
          compare: this.guards,
          success,
          failure: [get(keys.item(id), { keysOnly: true }), get(keys.generation(id), { keysOnly: true })],
        });
        isSent = true;
        const reply = await store.txn(request, limits);
        const custody = reply.succeeded ? custodyAfter(reply) : 'superseded';
        if (custody !== undefined) return { reply, custody };
        continue;
      } catch (error) {
        const unknown = isSent && isQuorateError(error) && error.outcome === 'unknown';
        this.#uncertain ||= unknown;
        if (isQuorateError(error, 'lease-not-found') && this.isResultWanted && leasesGone < mostLeases) {
          leasesGone += 1;
          leases.forget();
          continue;
        }
        const mayRepeat =
          !signal.aborted && options.signal?.aborted !== true && options.timeoutMs === undefined;
        const isMomentary = unknown || (isSent ? isPassing(error) : mayPass(error));
        if (!mayRepeat || !isMomentary) throw this.#uncertain ? asUnknown(error) : error;
      }
      backoff ??= new Backoff(runtime, retryDelay);
      const until = linkedSignal(signal, options.signal);
      await sleep(runtime, backoff.nextMs(), { signal: until.signal }).catch(() => {});
      until.unlink();
    }
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

const withoutReplies = ({ revision }: TxnReply): Acknowledged => ({
  ...{ revision, succeeded: true, replies: [], ids: [] },
});

/** A request that may fit with less in it. */
function isTooMuch(error: unknown): boolean {
  return isQuorateError(error, 'too-many-operations') || isQuorateError(error, 'request-too-large');
}

type TxnPart = Extract<OpReply, { type: 'txn' }>;

function partOf(reply: OpReply | undefined): TxnPart {
  if (reply?.type === 'txn') return reply;
  throw new QuorateError('internal', 'a reply of another form than its request');
}

/** What an attempt needs first, reads and leases and gates, changes nothing of the job: whether it was applied does not matter. */
function mayPass(error: unknown): boolean {
  return isPassingRead(error) || isQuorateError(error, 'no-space');
}

/** An attempt before this failure may have been applied. */
function asUnknown(error: unknown): unknown {
  if (!isQuorateError(error) || error.outcome === 'unknown') return error;
  return new QuorateError(error.code, error.message, { outcome: 'unknown', cause: error });
}
