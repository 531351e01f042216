/**
 * What did the store answer? For groups that were applied at revision r by an attempt whose reply was lost.
 *
 * etcd decides every compare against the state at r - 1, and that state is still there as history. Members of a
 * group look at nothing that another writes, so each member's reply depends on the state at r - 1, the put of the
 * lane and the member alone: it is evaluated over a snapshot that loads what the evaluation asks for.
 *
 * - Compares, deletes, puts that look at their key, and ranges that meet the member's own writes need the keys of
 *   their range at r - 1. They are loaded in pages, whatever limit the range has, since its filters and limit
 *   apply to what it sees, its own writes included.
 * - Every other range is asked from the store again as it was, with the revision r - 1 put in (or its own, if it
 *   read the past): the store's own answer, at the cost it had.
 *
 * Which ranges those are is found by evaluating: what is missing is loaded and the evaluation run again, until
 * nothing is. Only members somebody still waits for are worked out, and the search ends with the last of their
 * deadlines; the lane does not wait for it.
 *
 * History up to r compacted meanwhile: a member is answered if its evaluation asks for nothing that is lost (no
 * compares, puts that do not look back); else its outcome is `unknown`.
 */
import { QuorateError } from '../errors.js';
import { Backoff, type Runtime } from '../runtime/index.js';
import {
  evaluateTxn,
  type KeyRange,
  type NestedTxnReply,
  type Op,
  type OpReply,
  type PutOp,
  type RangeOp,
  type RangeReply,
  type Store,
  type TxnOp,
  type TxnRequest,
} from '../store/index.js';
import { kindOf } from './failures.js';
import { bounds, KeySet } from './key-set.js';
import type { Member } from './member.js';
import { PastState, type Question } from './past-state.js';
import { rangeId, SnapshotView } from './snapshot-view.js';
import type { Stopper } from './stopper.js';

/** Begins no key of any store. With a number it stands in an evaluation for a range that the store answers. */
const placeholder = '\uffff';

export interface RecoveryContext {
  readonly store: Store;
  readonly runtime: Runtime;
  readonly attemptTimeoutMs: number;
}

export interface AppliedGroup {
  readonly members: readonly Member[];
  readonly revision: number;
  /** The group's first write. */
  readonly lanePut: PutOp;
}

/** Gives every member its answer; those whose callers give up meanwhile have had theirs. */
export async function recoverReplies(
  context: RecoveryContext,
  stopper: Stopper,
  group: AppliedGroup,
): Promise<void> {
  const past = new PastState(context.store, stopper, group.revision - 1, context.attemptTimeoutMs);
  const backoff = new Backoff(context.runtime, { firstMs: 10, longestMs: 2_000 });
  const recoveries = group.members.map((member, index) => new Recovery(member, group, index));
  let questions = new Map(recoveries.flatMap((recovery) => recovery.compared()));
  for (;;) {
    try {
      await past.load(questions.values());
    } catch (error) {
      for (const { member } of recoveries) member.trouble = error;
      if (stopper.isStopped || kindOf(error) === 'closed') {
        for (const { member } of recoveries) member.abandon();
        return;
      }
      await stopper.pause(backoff.nextMs());
    }
    questions = new Map();
    for (const recovery of recoveries) {
      if (recovery.member.isLive)
        for (const [id, question] of recovery.advance(past)) questions.set(id, question);
    }
    if (questions.size === 0) return;
  }
}

/** One member on its way to its reply. */
class Recovery {
  readonly member: Member;
  readonly #revision: number;
  readonly #lanePut: PutOp;
  /** The member with placeholders for the ranges that the store answers. */
  readonly #request: TxnOp;
  /** Those ranges, by placeholder. */
  readonly #asked = new Map<string, RangeOp>();

  constructor(member: Member, group: AppliedGroup, index: number) {
    this.member = member;
    this.#revision = group.revision;
    this.#lanePut = group.lanePut;
    const written = new KeySet();
    written.addPoint(group.lanePut.key);
    const { writtenPoints, writtenRanges } = member.footprint;
    for (const key of writtenPoints) written.addPoint(key);
    for (let at = 0; at < writtenRanges.length; at += 2) {
      written.addRange(writtenRanges[at] as string, writtenRanges[at + 1] as string);
    }
    this.#request = {
      type: 'txn',
      ...this.#withPlaceholders(member.request, written, `${placeholder}${index}.`),
    };
  }

  /** The ranges compared at all depths: which branches were taken depends on them. */
  compared(): [string, Question][] {
    return rangesCompared(this.#request).map((range) => keysOf(range));
  }

  /** Settles the member if what is known is enough; else says what is missing. */
  advance(past: PastState): [string, Question][] {
    const view = new SnapshotView(past.ranges, past.keys, this.#revision);
    const request: TxnRequest = { compare: [], success: [this.#lanePut, this.#request], failure: [] };
    const reply = evaluateTxn(request, view).replies[1];
    for (const id of view.missing.keys()) {
      if (past.lost.has(id)) {
        this.member.reject(lostReply(this.#revision, past.lost.get(id)));
        return [];
      }
    }
    if (view.missing.size > 0) return [...view.missing.values()].map((range) => this.#questionOf(range));
    if (reply?.type === 'txn') {
      const { succeeded, replies } = withAnswers(this.#request, reply, past.answers);
      this.member.resolve({ revision: this.#revision, succeeded, replies });
    }
    return [];
  }

  #questionOf(range: KeyRange): [string, Question] {
    const op = this.#asked.get(range.key);
    return op === undefined ? keysOf(range) : [range.key, { id: range.key, type: 'answer', op }];
  }

  #withPlaceholders(request: TxnRequest, written: KeySet, prefix: string): TxnRequest {
    const rewrite = (op: Op): Op => {
      if (op.type === 'txn') return { type: 'txn', ...this.#withPlaceholders(op, written, prefix) };
      if (op.type !== 'range' || (!op.revision && meets(written, op))) return op;
      const key = `${prefix}${this.#asked.size}`;
      this.#asked.set(key, op);
      return { type: 'range', key };
    };
    return {
      compare: request.compare,
      success: request.success.map(rewrite),
      failure: request.failure.map(rewrite),
    };
  }
}

function keysOf({ key, rangeEnd }: KeyRange): [string, Question] {
  const range = rangeEnd ? { key, rangeEnd } : { key };
  const id = rangeId(range);
  return [id, { id, type: 'keys', range }];
}

function rangesCompared(request: TxnRequest): KeyRange[] {
  const nested = [...request.success, ...request.failure].flatMap((op) =>
    op.type === 'txn' ? rangesCompared(op) : [],
  );
  return [...request.compare, ...nested];
}

function meets(written: KeySet, range: KeyRange): boolean {
  const between = bounds(range);
  return between === undefined
    ? written.meetsPoint(range.key)
    : written.meetsRange(between.start, between.end);
}

/** The reply with the store's answers in the place of the placeholders'. */
function withAnswers(
  request: TxnRequest,
  reply: NestedTxnReply,
  answers: ReadonlyMap<string, RangeReply>,
): NestedTxnReply {
  const ops = reply.succeeded ? request.success : request.failure;
  const replies = reply.replies.map((inner, index): OpReply => {
    const op = ops[index];
    if (op?.type === 'txn' && inner.type === 'txn') return withAnswers(op, inner, answers);
    return (op?.type === 'range' && answers.get(op.key)) || inner;
  });
  return { ...reply, replies };
}

function lostReply(revision: number, cause: unknown): QuorateError {
  return new QuorateError('compacted', 'applied, but the reply was lost and cannot be worked out any more', {
    outcome: 'unknown',
    cause,
    details: { appliedAtRevision: revision },
  });
}
