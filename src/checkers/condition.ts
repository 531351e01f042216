/**
 * Whether the waits on a condition lost no notification. A wait is a key among the waiters from the revision that
 * gave the lock up to the one that woke it; a notification moves such a key into the line of the lock. Everything is decided by
 * the history, but for who asked for a notification.
 */
import { type Key, prefixRange } from '../store/index.js';
import { describeLife } from './evidence.js';
import type { History, Life } from './history.js';
import { checkMutex, type Grant, type MutexCounts } from './mutex.js';
import { oldestInTurn, placesOf, proofOf, tenureAt, tenuresOf } from './place-order.js';
import { broken } from './sentences.js';

/** A wait that came back with the lock. */
export interface EndedWait {
  readonly process: string;
  /** The hold that it gave up. */
  readonly before: { readonly place: Key; readonly token: number };
  /** The hold that it came back with. */
  readonly after: { readonly place: Key; readonly token: number };
}

/** A call that was to notify one waiter, under a hold. */
export interface NotifyCall {
  readonly process: string;
  readonly place: Key;
  readonly token: number;
  readonly beganAtMs: number;
  /** True time by which its outcome was known. Absent: nobody knows when it took effect, if it did. */
  readonly endedAtMs?: number;
}

export interface ConditionCheck {
  readonly history: History;
  /** The prefix of the lock's places. */
  readonly line: Key;
  /** The prefix of the keys of those who wait. */
  readonly waiters: Key;
  /** All grants of the lock, those that waits came back with too. */
  readonly grants: readonly Grant[];
  readonly waits: readonly EndedWait[];
  /** All calls that were to notify one. Absent: it is not asked who notified. */
  readonly calls?: readonly NotifyCall[];
  /** Somebody deleted this key, or may have. Default: none. */
  readonly takenAway?: (life: Life) => boolean;
  /** A key that is only written under the lock, with the decimal token of its hold as the value. */
  readonly resource?: Key;
  /** Nobody wants the lock any more, or waits: then no key may be left. Default false. */
  readonly drained?: boolean;
}

export interface ConditionCounts extends MutexCounts {
  /** Waits that began. */
  readonly waits: number;
  /** Waiters that were notified one at a time. */
  readonly notified: number;
  /** Of those, by one who had been notified before and gave up. */
  readonly passedOn: number;
  /** Notifications that were given up while nobody waited. */
  readonly leftOver: number;
  /** Notifications that died with their waiter. */
  readonly died: number;
  /** Those who were notified and then handed the lock by who had it. */
  readonly handed: number;
}

/** A notification as the history shows it. */
interface Moved {
  readonly waiter: Life;
  /** That it was given. */
  readonly place: Life;
  /** What stood for it in the end: the place, or, once it was handed the turn of another, the key of that one from then on. */
  readonly last: Life;
}

/**
 * Throws `InvariantBroken` for
 * - CONDITION-1: a wait that began at a revision which did not give up the lock, of the same session, then held;
 * - CONDITION-2: a notification past an older waiter, or of another session's lease, or, with `calls`, by nobody who held the lock;
 *   and one that was given up while somebody waited who had waited when it was made;
 * - CONDITION-3: a wait that came back with a place that was not the oldest at its proof, or was proved before the wait began;
 * - LOCK-4 if `drained` and a key is left, and all that `checkMutex` throws for.
 */
export function checkCondition(options: ConditionCheck): ConditionCounts {
  const { history, line, waiters, grants, waits, drained = false, resource } = options;
  const places = placesOf(history, line, 'LOCK-1');
  const waiting = history.lives(waiters);
  checkBeginnings(history, line, places, waiting);
  const moved = movesOf(options, places);
  for (const one of moved) checkMove(options, one, waiting, moved);
  const ends = checkEnds(options, moved, waiting);
  checkReturns(history, places, waits);
  const left = waiting.find(({ to }) => to === Number.POSITIVE_INFINITY);
  if (drained && left !== undefined) broken('LOCK-4', `left among the waiters: ${describeLife(left)}`);
  const lock = checkMutex({
    history,
    line,
    grants,
    drained,
    ...(resource === undefined ? {} : { resource }),
  });
  return { ...lock, waits: waiting.length, notified: moved.length, ...ends };
}

/** CONDITION-1. */
function checkBeginnings(
  history: History,
  line: Key,
  places: readonly Life[],
  waiting: readonly Life[],
): void {
  const oldestAt = oldestInTurn(places);
  for (const waiter of waiting) {
    const holder = oldestAt(waiter.from - 1);
    if (holder?.to === waiter.from && holder.lease === waiter.lease) continue;
    const events = history.entryAt(waiter.from)?.events ?? [];
    const gone = events.filter(({ type, kv }) => type === 'delete' && kv.key.startsWith(line));
    const what = gone.length === 0 ? 'no place' : gone.map(({ kv }) => kv.key).join(', ');
    const held =
      holder === undefined ? 'nobody held the lock' : `the lock was that of ${describeLife(holder)}`;
    broken('CONDITION-1', `${describeLife(waiter)} began to wait as ${what} went, and before it ${held}`);
  }
}

function movesOf({ history, line, waiters }: ConditionCheck, places: readonly Life[]): readonly Moved[] {
  const handed = new Map<string, Life>();
  for (const place of places) {
    for (const { tenure, handedTo } of tenuresOf(history, place)) {
      if (handedTo !== undefined) handed.set(`${handedTo} ${tenure.from}`, tenure);
    }
  }
  return places.flatMap((place) => {
    const key = `${waiters}${place.key.slice(line.length)}`;
    const waiter = history.livesOf(key).find(({ to }) => to === place.from);
    return waiter === undefined
      ? []
      : [{ waiter, place, last: handed.get(`${place.key} ${place.to}`) ?? place }];
  });
}

/** CONDITION-2: who was notified, and by whom. */
function checkMove(
  { history, calls }: ConditionCheck,
  { waiter, place }: Moved,
  waiting: readonly Life[],
  moved: readonly Moved[],
): void {
  const revision = place.from;
  // Whoever has the turn by it later may hand that to another.
  if (waiter.lease !== tenureAt(history, place, revision).lease) {
    broken('CONDITION-2', `${describeLife(waiter)} was given ${describeLife(place)}`);
  }
  const older = waiting.find(({ from, to }) => from < waiter.from && to > revision);
  if (older !== undefined) {
    broken('CONDITION-2', `${describeLife(waiter)} was notified past ${describeLife(older)}`);
  }
  if (calls === undefined || moved.some(({ last }) => last.to === revision)) return;
  const atMs = history.timeOf(revision);
  const isBy = (call: NotifyCall) => {
    const life = history.lifeAt(call.place, proofOf(call.token));
    const { beganAtMs, endedAtMs = Number.POSITIVE_INFINITY } = call;
    const inTime = atMs === undefined || (beganAtMs <= atMs && atMs <= endedAtMs);
    return inTime && life !== undefined && life.from < revision && revision <= life.to;
  };
  if (calls.some(isBy)) return;
  broken('CONDITION-2', `${describeLife(waiter)} was notified by nobody who held the lock`);
}

/** CONDITION-2: what became of notifications. */
function checkEnds(
  { history, grants, takenAway = () => false }: ConditionCheck,
  moved: readonly Moved[],
  waiting: readonly Life[],
): Pick<ConditionCounts, 'passedOn' | 'leftOver' | 'died' | 'handed'> {
  const granted = new Set(grants.map(({ place, token }) => history.lifeAt(place, proofOf(token))));
  const isGranted = ({ place, last }: Moved) =>
    last === place
      ? granted.has(place)
      : grants.some(
          ({ place: key, token }) =>
            key === last.key && last.from <= proofOf(token) && proofOf(token) < last.to,
        );
  const starts = new Set(moved.map(({ place }) => place.from));
  const leaseEnds = endsOfLeases(history);
  const counts = { passedOn: 0, leftOver: 0, died: 0, handed: 0 };
  for (const one of moved) {
    const { place, last } = one;
    if (last !== place) counts.handed += 1;
    if (isGranted(one) || !Number.isFinite(last.to) || takenAway(last)) continue;
    if (starts.has(last.to)) counts.passedOn += 1;
    else if ((leaseEnds.get(last.lease) ?? 0) <= last.to) counts.died += 1;
    else {
      const waiter = waiting.find(({ from, to }) => from < place.from && to > last.to);
      if (waiter === undefined) counts.leftOver += 1;
      else {
        broken(
          'CONDITION-2',
          `the notification of ${describeLife(place)} was given up, and ${describeLife(waiter)} waited on`,
        );
      }
    }
  }
  return counts;
}

/** The last revision at which a key of each lease went: a session's own key goes with its lease. */
function endsOfLeases(history: History): ReadonlyMap<string, number> {
  const ends = new Map<string, number>();
  for (const key of history.keysIn(prefixRange(''))) {
    for (const { lease, to } of history.livesOf(key)) ends.set(lease, Math.max(to, ends.get(lease) ?? 0));
  }
  return ends;
}

/** CONDITION-3. */
function checkReturns(history: History, places: readonly Life[], waits: readonly EndedWait[]): void {
  const oldestAt = oldestInTurn(places);
  for (const { process, before, after } of waits.toSorted(
    (one, other) => one.after.token - other.after.token,
  )) {
    const proof = proofOf(after.token);
    const oldest = oldestAt(proof);
    const back = `${process} came back from its wait with token ${after.token} by ${after.place}`;
    if (oldest?.key !== after.place) {
      const whose =
        oldest === undefined ? 'nobody held the lock' : `the lock was that of ${describeLife(oldest)}`;
      broken('CONDITION-3', `${back}, but then ${whose}`);
    }
    const gaveUp = history.lifeAt(before.place, proofOf(before.token));
    if (gaveUp !== undefined && gaveUp.to < proof) continue;
    broken('CONDITION-3', `${back}, which was proved before it gave up ${before.place}`);
  }
}
