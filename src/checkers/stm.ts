/**
 * Whether transactions saw and did what their level of isolation promises. Each is told by what its function has read and
 * wanted written, and where it was committed; all else is decided by the history.
 */
import { type Key, type KeyEvent, type KeyRange, textOf } from '../store/index.js';
import { atTime } from './evidence.js';
import type { History } from './history.js';
import { broken } from './sentences.js';
import { describeRun, differsAt, isSeenIn, type SeenRun } from './stm-reads.js';
import { claimsOf, type UnsettledTransaction } from './stm-writes.js';

/** A transaction that was committed, as its caller saw it. */
export interface SeenTransaction extends SeenRun {
  readonly revision: number;
  /** What the run that was committed wrote, as text; undefined stands for a deletion. */
  readonly writes: ReadonlyMap<Key, string | undefined>;
  /** True time of the call, and of its end. */
  readonly beganAtMs: number;
  readonly endedAtMs: number;
  /** True time at which the first read of the run that was committed was answered. */
  readonly firstReadAtMs?: number | undefined;
  /** Keys that guarded it, with the revisions that created them. */
  readonly guardedBy?: readonly { readonly key: Key; readonly created: number }[];
}

export interface StmCheck {
  readonly history: History;
  /** Keys that nothing but transactions writes. */
  readonly data: KeyRange;
  readonly committed: readonly SeenTransaction[];
  /** All runs of functions, those that came to nothing too, as far as they got. */
  readonly runs?: readonly SeenRun[];
  /** Transactions of which nobody knows whether they were committed. */
  readonly unsettled?: readonly UnsettledTransaction[];
  /** The prefix of what lines of hot keys keep. */
  readonly lines?: Key;
  /** Nobody wants anything any more: then no place may be left. Default false. */
  readonly drained?: boolean;
}

export interface StmCounts {
  readonly committed: number;
  readonly readOnly: number;
  /** Revisions at which several were committed. */
  readonly shared: number;
  /** Unsettled ones that were committed. */
  readonly unsettledApplied: number;
  /** Places that were taken in lines of hot keys. */
  readonly places: number;
  /** Of these, those that went with a commit. */
  readonly leftWithCommit: number;
}

/**
 * Throws `InvariantBroken` for
 * - STM-1: a serializable transaction that read something else than the state just before its commit, or committed at a moment
 *   outside of its call; if it wrote nothing: something else than one state of the time of its call;
 * - STM-2: writes that are not in the history as they were told, or that nobody told of, or only some of them;
 * - STM-3: a run at a serializable level that saw what no state of the store was;
 * - STM-4: a commit at the level of a serializable snapshot over a put that came after its first read;
 * - STM-5: at weaker levels, a read that the level does not allow;
 * - STM-6: a commit whose guard did not stand;
 * - LOCK-4 if `drained` and a place is left.
 */
export function checkStm(options: StmCheck): StmCounts {
  const { history, committed, runs = [], lines, drained = false } = options;
  for (const one of committed) {
    checkReads(history, one);
    checkTime(history, one);
    checkOverwritten(history, one);
    checkGuards(history, one);
  }
  for (const run of runs) {
    if (!isSerializable(run)) continue;
    if (!isSeenIn(history, run))
      broken('STM-3', `${describeRun(run)}, and no state of the store was like that`);
  }
  const unsettledApplied = claimsOf(options);
  const places = lines === undefined ? [] : history.lives(lines).filter(({ key }) => key.includes('/l/'));
  const left = places.find(({ to }) => to === Number.POSITIVE_INFINITY);
  if (drained && left !== undefined) broken('LOCK-4', `left in the line of a hot key: ${left.key}`);
  const revisions = committed.filter(({ writes }) => writes.size > 0).map(({ revision }) => revision);
  const at = new Set(revisions);
  return {
    committed: committed.length,
    readOnly: committed.length - revisions.length,
    shared: revisions.length - at.size,
    unsettledApplied,
    places: places.length,
    leftWithCommit: places.filter(({ to }) => at.has(to)).length,
  };
}

function isSerializable({ isolation }: SeenRun): boolean {
  return isolation === 'serializable-snapshot' || isolation === 'serializable';
}

/** The state that it is to have read: just before it wrote, or where it stands in the order of all. */
function stateOf({ revision, writes }: SeenTransaction): number {
  return writes.size > 0 ? revision - 1 : revision;
}

/** STM-1 and STM-5. */
function checkReads(history: History, one: SeenTransaction): void {
  if (one.isolation === 'read-committed') {
    for (const read of [...one.reads, ...one.ranges.flatMap(({ entries }) => entries)]) {
      if (wasCurrent(history, one, read.key, read.value)) continue;
      const what = `${describeRun(one)}: ${read.key} was never that while it ran`;
      broken('STM-5', what);
    }
    return;
  }
  const difference = differsAt(history, one, stateOf(one), isSerializable(one));
  if (difference === undefined) return;
  const when =
    one.writes.size > 0 ? `committed at revision ${one.revision}` : `placed at revision ${one.revision}`;
  broken(
    isSerializable(one) ? 'STM-1' : 'STM-5',
    `${describeRun(one)}, ${when}, but before it ${difference}`,
  );
}

/** Whether the key had the value in a state that was the newest at a moment of the call. */
function wasCurrent(
  history: History,
  { beganAtMs, endedAtMs }: SeenTransaction,
  key: Key,
  value: string | undefined,
): boolean {
  const events = history.eventsOf(key);
  const timeOf = (event: KeyEvent | undefined, otherwise: number) =>
    (event && history.timeOf(event.kv.modRevision)) ?? otherwise;
  return [undefined, ...events].some((event, index) => {
    const had = event?.type === 'put' ? textOf(event.kv.value) : undefined;
    const fromMs = timeOf(event, Number.NEGATIVE_INFINITY);
    const toMs = timeOf(events[index], Number.POSITIVE_INFINITY);
    return had === value && fromMs <= endedAtMs && toMs >= beganAtMs;
  });
}

/** STM-1: it took effect at a moment within its call. */
function checkTime(history: History, one: SeenTransaction): void {
  if (!isSerializable(one) || one.reads.length + one.ranges.length + one.writes.size === 0) return;
  const { revision, beganAtMs, endedAtMs } = one;
  const fromMs = history.timeOf(revision) ?? Number.NEGATIVE_INFINITY;
  if (one.writes.size > 0 && !Number.isFinite(fromMs)) return;
  const toMs = one.writes.size > 0 ? fromMs : (history.timeOf(revision + 1) ?? Number.POSITIVE_INFINITY);
  if (fromMs <= endedAtMs && toMs >= beganAtMs) return;
  const call = `its call was from ${beganAtMs} to ${endedAtMs} ms`;
  broken('STM-1', `${describeRun(one)}, at revision ${revision}${atTime(fromMs)}, and ${call}`);
}

/** STM-4. */
function checkOverwritten(history: History, one: SeenTransaction): void {
  const { isolation, firstReadAtMs, revision, writes } = one;
  if (isolation !== 'serializable-snapshot' || firstReadAtMs === undefined) return;
  for (const key of writes.keys()) {
    const between = history.eventsOf(key).find(({ type, kv }) => {
      const atMs = history.timeOf(kv.modRevision);
      return type === 'put' && kv.modRevision < revision && atMs !== undefined && atMs > firstReadAtMs;
    });
    // What was deleted since leaves no trace that could be compared.
    if (between === undefined || history.valueAt(key, revision - 1) === undefined) continue;
    const what = `${key} was put at revision ${between.kv.modRevision}, after its first read`;
    broken('STM-4', `${describeRun(one)}, committed at revision ${revision}, and ${what}`);
  }
}

/** STM-6. */
function checkGuards(history: History, one: SeenTransaction): void {
  for (const { key, created } of one.guardedBy ?? []) {
    if (history.lifeAt(key, stateOf(one))?.from === created) continue;
    broken(
      'STM-6',
      `${describeRun(one)}, committed at revision ${one.revision}, when its guard ${key} had gone`,
    );
  }
}
