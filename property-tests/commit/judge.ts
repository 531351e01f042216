import { differenceOf } from '../../src/checkers/deep-equal.js';
import { type CommitsCounts, checkCommits, type History } from '../../src/checkers/index.js';
import { PastView } from '../../src/checkers/past-view.js';
import { broken } from '../../src/checkers/sentences.js';
import { isQuorateError } from '../../src/errors.js';
import type { Simulation } from '../../src/simulator/index.js';
import {
  evaluateTxn,
  inRange,
  type Key,
  type KeyRange,
  type Op,
  type TxnReply,
  type TxnRequest,
  validateTxn,
} from '../../src/store/index.js';
import type { Attempts } from './attempts.js';
import { type Call, type Calls, isDeclined } from './calls.js';
import { checkReleases } from './releases.js';

export interface JudgedRun {
  readonly calls: Calls;
  readonly history: History;
  readonly attempts: Attempts;
  readonly lanePrefix: Key;
  readonly simulation: Simulation;
  /** Keys that others write. Default: none. */
  readonly isForeign?: (key: Key) => boolean;
}

/** Clocks of processes and timers are not exact. */
const toleranceMs = 0.1;

/** Everything that must hold of calls of commit stores, of whatever run. */
export function judge(run: JudgedRun): CommitsCounts {
  const { calls, history, lanePrefix, isForeign = () => false } = run;
  const counts = checkCommits({ history, observed: calls.observed(), lanePrefix, isForeign });
  for (const call of calls.all) {
    checkUnknown(run, call);
    checkRefusal(run, call);
    if (call.isRead || isDeclined(call)) checkRead(run, call);
    if (isDeclined(call)) checkDeclined(run, call);
  }
  checkReleases(calls.all, history);
  checkLanes(calls.all, history);
  checkRealTime(calls.all);
  return counts;
}

/** Unknown is for who stopped waiting for what was sent, and for history that is lost. */
function checkUnknown({ attempts, simulation }: JudgedRun, call: Call): void {
  const { sentAs, error, isRead } = call;
  if (error === undefined || error.outcome !== 'unknown') return;
  const wasCompacted = simulation.engine.compactRevision > 1;
  const hasReason = error.code === 'compacted' ? wasCompacted : gaveUp(call);
  if (!hasReason) broken('COMMIT-3', `${tell(call)} was told ${error.code}, unknown, without a reason`);
  if (!isRead && !attempts.sent.has(sentAs)) {
    broken('COMMIT-3', `${tell(call)} was told ${error.code}, unknown, though it was never sent`);
  }
}

/** True if the caller ended the wait itself, in the way that the error says. */
function gaveUp({ error, elapsedMs = 0, timeoutMs, isAborted, isClosed }: Call): boolean {
  if (error?.code === 'timeout') return elapsedMs >= timeoutMs - toleranceMs;
  if (error?.code === 'aborted') return isAborted;
  return error?.code === 'closed' && isClosed;
}

/** Who is refused has asked for something that a store refuses. */
function checkRefusal({ simulation }: JudgedRun, call: Call): void {
  const { error, request } = call;
  if (error === undefined || error.outcome === 'unknown') return;
  // It went past the lanes to the store, which tries no longer than it says.
  if (call.passesBy) return;
  const has = (test: (op: Op) => boolean) => opsOf(request).some(test);
  const readsPast = has((op) => op.type === 'range' && (op.revision ?? 0) > 0);
  const reasons: Readonly<Record<string, boolean>> = {
    'no-space': simulation.faultsInjected.has('no space'),
    'lease-not-found': has((op) => op.type === 'put' && op.lease !== undefined),
    'key-not-found': has((op) => op.type === 'put' && (op.ignoreValue === true || op.ignoreLease === true)),
    'future-revision': readsPast,
    compacted: readsPast && simulation.engine.compactRevision > 1,
    'duplicate-key': codeOf(() => validateTxn(request)) === 'duplicate-key',
  };
  if (reasons[error.code] ?? gaveUp(call)) return;
  broken('COMMIT-2', `${tell(call)} was refused as ${error.code}, for which there was no reason`);
}

/**
 * What only reads shows the state of the revision that it names. In a lane, its compares are decided before the lane is moved
 * on, and its ranges after.
 */
function checkRead({ history, lanePrefix }: JudgedRun, call: Call): void {
  const { request, reply, passesBy } = call;
  if (reply === undefined) return;
  const { revision } = reply;
  const after = answerTo(request, { history, stateAt: revision, revision, first: [] });
  const moved = passesBy ? [] : (history.entryAt(revision)?.events ?? []);
  const first = moved.flatMap(({ type, kv }): Op[] =>
    type === 'put' && kv.key.startsWith(lanePrefix) ? [{ ...kv, type: 'put' }] : [],
  );
  const inLane = answerTo(request, { history, stateAt: revision - 1, revision, first });
  const seesLane = first.some((op) =>
    rangesOf(request).some((range) => op.type === 'put' && inRange(range, op.key)),
  );
  const differences = [inLane, after].map((expected) =>
    differenceOf(reply, { revision, ...expected }, 'reply'),
  );
  const [unlikeInLane, unlikeAfter] = differences;
  // One by itself whose compares did not hold leaves its lane where it was; in a group, the lane is moved on.
  if (!reply.succeeded && !passesBy && differences.includes(undefined)) return;
  const difference = passesBy ? unlikeAfter : (unlikeInLane ?? (seesLane ? undefined : unlikeAfter));
  if (difference === undefined) return;
  broken('COMMIT-1', `${tell(call)}, which only reads, was answered otherwise: ${difference}`);
}

/** Who was told that its compares did not hold has written nothing, and never will. */
function checkDeclined({ history }: JudgedRun, call: Call): void {
  const applied = history.eventsOf(call.marker)[0];
  if (applied === undefined) return;
  broken(
    'COMMIT-2',
    `${tell(call)} was told that its compares did not hold, and was applied at revision ${applied.kv.modRevision}`,
  );
}

interface Moment {
  readonly history: History;
  readonly stateAt: number;
  readonly revision: number;
  /** What is done before, in the same revision. */
  readonly first: readonly Op[];
}

function answerTo(request: TxnRequest, { history, stateAt, revision, first }: Moment): Partial<TxnReply> {
  const before = new Map(history.rangeAt({ key: '\0', rangeEnd: '\0' }, stateAt).map((kv) => [kv.key, kv]));
  const success: Op[] = [...first, { type: 'txn', ...request }];
  const view = new PastView({ history, before, revision });
  const reply = evaluateTxn({ compare: [], success, failure: [] }, view).replies.at(-1);
  return reply?.type === 'txn' ? { succeeded: reply.succeeded, replies: reply.replies } : {};
}

/** In a lane of one's own, the order of revisions is the order of the calls. */
function checkLanes(calls: readonly Call[], history: History): void {
  const last = new Map<string, { readonly revision: number; readonly call: Call }>();
  for (const call of calls) {
    if (!call.inOwnLane) continue;
    const revision = history.eventsOf(call.marker)[0]?.kv.modRevision ?? call.reply?.revision;
    if (revision === undefined) continue;
    const before = last.get(call.storeId);
    if (before !== undefined && before.revision > revision) {
      broken(
        'COMMIT-1',
        `${tell(call)} in its lane was applied at revision ${revision}, before ${tell(before.call)}, called earlier, at ${before.revision}`,
      );
    }
    last.set(call.storeId, { revision, call });
  }
}

/** What is called after another call was answered comes after it in the order of revisions too, whoever calls. */
function checkRealTime(calls: readonly Call[]): void {
  const starts = [...calls].sort((left, right) => left.startedAtMs - right.startedAtMs);
  const ends = calls
    .filter(({ reply }) => reply !== undefined)
    .sort((left, right) => (left.settledAtMs ?? 0) - (right.settledAtMs ?? 0));
  let ended = 0;
  let newest: Call | undefined;
  for (const call of starts) {
    for (
      let end = ends[ended];
      end !== undefined && (end.settledAtMs ?? 0) < call.startedAtMs;
      end = ends[ended]
    ) {
      if ((newest?.reply?.revision ?? 0) < (end.reply?.revision ?? 0)) newest = end;
      ended += 1;
    }
    const [revision, earlier] = [call.reply?.revision, newest?.reply?.revision];
    if (revision === undefined || earlier === undefined || newest === undefined) continue;
    const mayWriteNothing = call.isRead || call.isRepeatable || isDeclined(call);
    const isBehind = mayWriteNothing ? revision < earlier : revision <= earlier;
    if (isBehind)
      broken(
        'COMMIT-1',
        `${tell(call)} was answered with revision ${revision}, and called after ${tell(newest)} had been answered with ${earlier}`,
      );
  }
}

function opsOf(request: TxnRequest): readonly Op[] {
  return [...request.success, ...request.failure].flatMap((op) => (op.type === 'txn' ? opsOf(op) : [op]));
}

/** All that it compares and reads, in every branch. */
function rangesOf(request: TxnRequest): readonly KeyRange[] {
  const inner = [...request.success, ...request.failure].flatMap((op) =>
    op.type === 'txn' ? rangesOf(op) : op.type === 'range' ? [op] : [],
  );
  return [...request.compare, ...inner];
}

function codeOf(work: () => void): string | undefined {
  try {
    work();
  } catch (error) {
    if (isQuorateError(error)) return error.code;
    throw error;
  }
  return undefined;
}

function tell({ marker, process, startedAtMs }: Call): string {
  return `the transaction of ${marker} by ${process}, called at ${startedAtMs.toFixed(1)} ms`;
}
