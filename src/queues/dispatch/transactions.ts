/**
 * The dispatcher's transactions. Every write is `IF create(e/me) = term THEN … ELSE get e/me`: once another candidate has
 * deleted that key, nothing of the old term is applied any more, however late it arrives. Inside, any of:
 *
 * - *Assign* `{IF mod(h/ctl) = as seen, create(w/W) = c_W for each worker, create(i/X) = c_X for each item THEN put
 *   a/W/<sequence>, … ELSE get those keys}`; of a condition queue also mod(h/def). One condition for all, so that no later item is
 *   given out while an earlier one is refused. What operators have decided holds from its revision on, as a definition does: refused,
 *   the dispatcher knows it from the reply, and plans by the new control, or reads all anew, without waiting for the watch.
 * - *Take back* from a lost worker `{IF create(w/W) = 0 THEN {IF create(i/X) = c, version(g/X) = k THEN put g/X ELSE get
 *   i/X, get g/X} for each job, [delete a/W/] ELSE get w/W}`. Its late acknowledgement then names a generation that has passed.
 * - *Tell of a cancellation* `{IF create(w/W) = c_W THEN put a/W/x/<id> with its reason, delete x/<id> ELSE
 *   delete x/<id>}`.
 * - *Stamps and firings* of timers: see timers/timer-plan.ts.
 * - *Gate* `{IF create < v+1 for every item in [gate, to) THEN put h := to}`, or `h/p/<level>` if those are of a level.
 * - *Credit* for the producers of a bounded queue: see bounds/credit-keys.ts.
 * - *Beat* `put beat`, always beside a gate: see records/beat.ts for why the bases must move with it.
 */
import {
  compare,
  get,
  nested,
  type Op,
  type OpReply,
  put,
  remove,
  type TxnOp,
  type TxnReply,
  type TxnRequest,
  txnOf,
} from '../../store/index.js';
import { creditTxn, dropsGone } from '../bounds/credit-keys.js';
import { release } from '../conditions/release.js';
import { type ItemId, levelOf, type QueueKeys } from '../keys.js';
import { firstOf } from '../reading/first-of.js';
import { type Beat, encodeBeat, encodeRecord, encodeTakeBack, lossOf } from '../records/index.js';
import { timerOp, timerOutcome } from '../timers/timer-transactions.js';
import type {
  GateMove,
  PlannedCancellation,
  PlannedWrite,
  TakeBackOfLost,
  TakeBackResult,
  WriteOutcome,
} from './messages.js';
import { controlOf, generationOf } from './reads.js';

export interface Term {
  /** The candidate's name: that of its worker. */
  readonly candidate: string;
  readonly revision: number;
}

export function underTerm(keys: QueueKeys, term: Term, success: readonly Op[]): TxnRequest {
  const mine = keys.candidate(term.candidate);
  return txnOf({
    compare: [compare.create(mine, 'equal', term.revision)],
    success,
    failure: [get(mine, { keysOnly: true })],
  });
}

export function requestOf(
  keys: QueueKeys,
  term: Term,
  write: PlannedWrite,
  nextSequence: () => string,
): TxnRequest {
  const ops: Op[] = [];
  if (write.assignments.length > 0) ops.push(assign(keys, write, nextSequence));
  if (write.takeBack !== undefined) ops.push(takeBack(keys, write.takeBack));
  if (write.timers !== undefined) ops.push(timerOp(keys, write.timers));
  if (write.gate !== undefined) ops.push(moveGate(keys, write.gate));
  if (write.credit !== undefined) ops.push(creditTxn(keys, write.credit));
  if (write.release !== undefined) ops.push(release(keys, write.release));
  if (write.beat !== undefined) ops.push(put(keys.beat, encodeBeat(write.beat)));
  if (write.cancellations.length > 0) {
    ops.push(nested({ success: write.cancellations.map((one) => tell(keys, one)) }));
  }
  return underTerm(keys, term, ops);
}

function assign(
  keys: QueueKeys,
  { assignments, control, definedAt }: Pick<PlannedWrite, 'assignments' | 'control' | 'definedAt'>,
  nextSequence: () => string,
): TxnOp {
  const jobs = assignments.flatMap((assignment) => assignment.jobs);
  return nested({
    compare: [
      compare.mod(keys.control, 'equal', control),
      ...(definedAt === undefined ? [] : [compare.mod(keys.definitionKey, 'equal', definedAt)]),
      ...assignments.map(({ worker, create }) => compare.create(keys.presence(worker), 'equal', create)),
      ...jobs.map(({ id, create }) => compare.create(keys.item(id), 'equal', create)),
    ],
    success: assignments.map((assignment) =>
      put(`${keys.recordsOf(assignment.worker).key}${nextSequence()}`, encodeRecord(assignment.jobs)),
    ),
    failure: [
      get(keys.control),
      ...(definedAt === undefined ? [] : [get(keys.definitionKey, { keysOnly: true })]),
      ...assignments.map(({ worker }) => get(keys.presence(worker), { keysOnly: true })),
      ...jobs.map(({ id }) => get(keys.item(id), { keysOnly: true })),
    ],
  });
}

function takeBack(keys: QueueKeys, { worker, jobs, last }: TakeBackOfLost): TxnOp {
  const taken = jobs.map((job) =>
    nested({
      compare: [
        compare.create(keys.item(job.id), 'equal', job.create),
        compare.version(keys.generation(job.id), 'equal', job.generation),
      ],
      success: [put(keys.generation(job.id), encodeTakeBack(lossOf(job)))],
      failure: [get(keys.item(job.id), { keysOnly: true }), get(keys.generation(job.id))],
    }),
  );
  return nested({
    compare: [compare.create(keys.presence(worker), 'equal', 0)],
    success: last ? [...taken, { type: 'delete', ...keys.recordsOf(worker) }] : taken,
  });
}

function tell(keys: QueueKeys, { id, worker, create, reason }: PlannedCancellation): TxnOp {
  const forget = remove(keys.cancellation(id));
  if (worker === undefined) return nested({ success: [forget] });
  return nested({
    compare: [compare.create(keys.presence(worker), 'equal', create)],
    success: [put(keys.cancellationFor(worker, id), reason), forget],
    failure: [forget],
  });
}

function moveGate(keys: QueueKeys, { from, to, revision }: GateMove): TxnOp {
  return nested({
    compare: [compare.create(keys.itemsBetween(from, to), 'less', revision + 1)],
    success: [put(keys.gateOf(levelOf(to)), to)],
  });
}

/** What became of each part. Only for a reply whose term held. */
export function outcomeOf(keys: QueueKeys, write: PlannedWrite, reply: TxnReply): WriteOutcome {
  const replies = [...reply.replies];
  const assigned = write.assignments.length > 0 ? replies.shift() : undefined;
  const taken = write.takeBack !== undefined ? replies.shift() : undefined;
  const timers = write.timers !== undefined ? replies.shift() : undefined;
  const gate = write.gate !== undefined ? replies.shift() : undefined;
  const credit = write.credit !== undefined ? replies.shift() : undefined;
  const released = write.release !== undefined ? replies.shift() : undefined;
  return {
    revision: reply.revision,
    assignment: assignmentOutcome(keys, write, assigned),
    takenBack: takeBackResults(write.takeBack, taken),
    timers: write.timers && timerOutcome(keys, write.timers, timers, reply.revision),
    gateMoved: gate?.type === 'txn' && gate.succeeded,
    creditGiven: credit?.type === 'txn' && credit.succeeded,
    dropsGone: write.credit && dropsGone(keys, write.credit, credit),
    released: released?.type === 'txn' && released.succeeded,
  };
}

function assignmentOutcome(
  keys: QueueKeys,
  write: PlannedWrite,
  reply: OpReply | undefined,
): WriteOutcome['assignment'] {
  if (reply?.type !== 'txn' || reply.succeeded) return { accepted: true };
  const [controlRead, ...others] = reply.replies.map(firstOf);
  const found = new Map(others.map((kv) => [kv?.key, kv?.createRevision]));
  const workersGone: string[] = [];
  const itemsGone: ItemId[] = [];
  for (const { worker, create, jobs } of write.assignments) {
    if (found.get(keys.presence(worker)) !== create) workersGone.push(worker);
    for (const job of jobs) if (found.get(keys.item(job.id)) !== job.create) itemsGone.push(job.id);
  }
  const control = controlOf(controlRead);
  const definition = others.find((kv) => kv?.key === keys.definitionKey);
  const isDefinedAnew = write.definedAt !== undefined && (definition?.modRevision ?? 0) !== write.definedAt;
  return {
    ...{ accepted: false, workersGone, itemsGone, isDefinedAnew },
    ...(control.mod === write.control ? {} : { control }),
  };
}

function takeBackResults(write: TakeBackOfLost | undefined, reply: OpReply | undefined): TakeBackResult[] {
  if (write === undefined || reply?.type !== 'txn') return [];
  return write.jobs.map((_, index) => {
    const part = reply.replies[index];
    if (part?.type !== 'txn') return { type: 'gone' };
    if (part.succeeded) return { type: 'taken' };
    const [item, generation] = part.replies.map(firstOf);
    if (item === undefined || generation === undefined) return { type: 'gone' };
    return { type: 'returned', ...generationOf(generation) };
  });
}

/** Leaving the line of candidates. `beat`: that of the term, brought up to date, so that a successor goes on from its queue time. */
export function resignation(keys: QueueKeys, term: Term, beat?: Beat): TxnRequest {
  const mine = keys.candidate(term.candidate);
  const told = beat === undefined ? [] : [put(keys.beat, encodeBeat(beat))];
  return txnOf({ compare: [compare.create(mine, 'equal', term.revision)], success: [remove(mine), ...told] });
}
