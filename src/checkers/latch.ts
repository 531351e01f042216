/** Whether a latch counted its arrivals once each, and opened with the last. Decided by the history of its keys. */
import { decodeOpen, latchKeys } from '../barriers/latch/latch-state.js';
import { type Key, segmentOf } from '../store/index.js';
import type { SeenWait } from './barrier.js';
import { milliseconds } from './evidence.js';
import type { History } from './history.js';
import { broken } from './sentences.js';

/** A call that counts down, by true time. */
export interface SeenArrival {
  readonly process: string;
  readonly id: string;
  readonly calledAtMs: number;
  /** What it was told, and when. Absent: it was told nothing. */
  readonly told?: { readonly counted: boolean; readonly remaining: number; readonly atMs: number };
}

export interface LatchCheck {
  readonly history: History;
  /** The prefix of all its keys. */
  readonly prefix: Key;
  readonly count: number;
  readonly arrivals: readonly SeenArrival[];
  readonly waits: readonly SeenWait[];
  /** Replies may have been lost with the history: then an arrival that was counted may have been told otherwise. Default false. */
  readonly mayBeUntold?: boolean;
}

export interface LatchCounts {
  /** Arrivals in the history. */
  readonly arrived: number;
  readonly isOpen: boolean;
  /** Calls that said what another had said. */
  readonly again: number;
}

interface Opening {
  readonly revision: number;
  readonly atMs: number;
  readonly by: string | undefined;
}

/**
 * Throws `InvariantBroken` for
 * - LATCH-1: an opening with fewer or more arrivals than it takes, or by one that had been counted; as many arrivals as it takes, and
 *   no opening in that revision; keys that it left behind; a counter that says something else than the arrivals;
 * - LATCH-2: a wait that returned before;
 * - LATCH-3: one arrival told twice that it was counted; one that was told so, and is not there; another number of those missing
 *   than there was between call and reply.
 */
export function checkLatch(options: LatchCheck): LatchCounts {
  const { history, waits, arrivals } = options;
  const { opening, arrivedAt } = replay(options);
  for (const { process, returnedAtMs } of waits) {
    if (opening !== undefined && opening.atMs <= returnedAtMs) continue;
    const when = opening === undefined ? 'it never opened' : `it opened at ${milliseconds(opening.atMs)}`;
    broken('LATCH-2', `${process} returned at ${milliseconds(returnedAtMs)}, and ${when}`);
  }
  checkTold(options, arrivedAt, opening);
  const said = new Set(arrivals.map(({ id }) => id));
  return {
    arrived: history.lives(latchKeys(options.prefix).arrivals).length + (opening === undefined ? 0 : 1),
    isOpen: opening !== undefined,
    again: arrivals.length - said.size,
  };
}

/** LATCH-1. Answers the revisions at which arrivals were counted, by key. */
function replay({ history, prefix, count }: LatchCheck) {
  const keys = latchKeys(prefix);
  const arrivedAt = new Map<Key, number>();
  const standing = new Set<Key>();
  let opening: Opening | undefined;
  for (const { revision, events, atMs = 0 } of history.entries) {
    const own = events.filter(({ kv }) => kv.key.startsWith(prefix));
    if (own.length === 0) continue;
    const before = new Set(standing);
    for (const { type, kv } of own) {
      if (!kv.key.startsWith(keys.arrivals)) continue;
      if (type === 'put') arrivedAt.set(kv.key, atMs);
      if (type === 'put') standing.add(kv.key);
      else standing.delete(kv.key);
    }
    const opened = own.find(({ type, kv }) => type === 'put' && kv.key === keys.open);
    if (opened !== undefined) {
      const by = decodeOpen(opened.kv)?.by;
      const what = `the latch of ${count} was opened at revision ${revision} by ${by}`;
      if (opening !== undefined) broken('LATCH-1', `${what}, and had been at revision ${opening.revision}`);
      if (before.size !== count - 1) broken('LATCH-1', `${what}, as ${before.size} had arrived`);
      const key = `${keys.arrivals}${segmentOf(by ?? '-')}`;
      if (by === undefined || before.has(key)) broken('LATCH-1', `${what}, which had been counted`);
      arrivedAt.set(key, atMs);
      opening = { revision, atMs, by };
    } else if (opening !== undefined)
      broken('LATCH-1', `something was counted at revision ${revision}, after it had opened`);
    const counter = history.valueAt(keys.count, revision)?.version ?? 0;
    if (standing.size >= count)
      broken('LATCH-1', `${standing.size} had arrived at revision ${revision}, and it had not opened`);
    if (counter !== standing.size || (opening !== undefined && standing.size > 0)) {
      broken(
        'LATCH-1',
        `at revision ${revision} the counter says ${counter}, and ${standing.size} arrivals stand`,
      );
    }
  }
  return { opening, arrivedAt };
}

/** LATCH-3. */
function checkTold(
  { prefix, count, arrivals, mayBeUntold = false }: LatchCheck,
  arrivedAt: ReadonlyMap<Key, number>,
  opening: Opening | undefined,
): void {
  const keys = latchKeys(prefix);
  const times = [...arrivedAt.values()].sort((one, other) => one - other);
  const missingAt = (ms: number) => count - times.filter((atMs) => atMs <= ms).length;
  const countedBy = new Map<string, SeenArrival>();
  for (const arrival of arrivals) {
    const { process, id, calledAtMs, told } = arrival;
    if (told === undefined) continue;
    const call = `${process} said ${JSON.stringify(id)} at ${milliseconds(calledAtMs)}, and was told at ${milliseconds(told.atMs)}`;
    const atMs = arrivedAt.get(`${keys.arrivals}${segmentOf(id)}`);
    const isThere = atMs !== undefined && atMs <= told.atMs;
    const wasOpen = opening !== undefined && opening.atMs <= told.atMs;
    if (told.counted) {
      const other = countedBy.get(id);
      if (other !== undefined) broken('LATCH-3', `${call} that it was counted, and so was ${other.process}`);
      countedBy.set(id, arrival);
      if (!isThere || atMs < calledAtMs)
        broken('LATCH-3', `${call} that it was counted, and it was not then`);
    } else if (!isThere && !wasOpen) broken('LATCH-3', `${call} that it had been, and it was not`);
    else if (!mayBeUntold && isThere && atMs >= calledAtMs && !countedByAnother(arrivals, arrival)) {
      broken('LATCH-3', `${call} that it had been counted before, and nobody had said so`);
    }
    const [most, least] = [missingAt(calledAtMs), missingAt(told.atMs)];
    if (told.remaining <= most && told.remaining >= least) continue;
    broken('LATCH-3', `${call} that ${told.remaining} were missing, and there were ${most} to ${least}`);
  }
}

/** Whether another call with this id was under way as it was counted, or before. */
function countedByAnother(arrivals: readonly SeenArrival[], arrival: SeenArrival): boolean {
  const untilMs = arrival.told?.atMs ?? Number.POSITIVE_INFINITY;
  return arrivals.some(
    (other) => other !== arrival && other.id === arrival.id && other.calledAtMs <= untilMs,
  );
}
