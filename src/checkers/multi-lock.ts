/**
 * Whether sets of locks were held as a whole. Each lock's line is judged as that of a mutex, with the grants of sets among
 * the others; and of each set, whether its places came, held and went together.
 */
import type { Key } from '../store/index.js';
import { describeLife } from './evidence.js';
import type { History, Life } from './history.js';
import { checkMutex, type Grant, type MutexCounts } from './mutex.js';
import { oldestInTurn, placesOf, proofOf } from './place-order.js';
import { broken } from './sentences.js';

/** One of the locks of a set that was granted. */
export interface SetPart {
  /** The prefix of the lock's places. */
  readonly line: Key;
  /** The key of the set's place there. */
  readonly place: Key;
  /** The set's token for this lock. */
  readonly token: number;
}

/** A set of locks as the process that was granted it saw it. */
export interface SetGrant extends Omit<Grant, 'place' | 'token'> {
  readonly parts: readonly SetPart[];
}

/** A lock that sets have in common. */
export interface SharedLock {
  /** The prefix of its places. */
  readonly line: Key;
  /** Grants of mutexes of its name. */
  readonly grants: readonly Grant[];
  /** A key that is only written under the lock, with the decimal token of its hold as the value. */
  readonly resource?: Key;
}

export interface MultiLockCheck {
  readonly history: History;
  readonly locks: readonly SharedLock[];
  readonly sets: readonly SetGrant[];
  /** Somebody deleted this place, or may have: that the rest of its set outlived it is nobody's fault. Default: none. */
  readonly takenAway?: (place: Life) => boolean;
  /** Nobody wants any of the locks any more: then no place may be left. Default false. */
  readonly drained?: boolean;
}

export interface MultiLockCounts {
  readonly sets: number;
  /** Sets that had waited for an older place. */
  readonly waited: number;
  /** Sets whose turns came at different revisions. */
  readonly staggered: number;
  /** Of each lock, in the order in which they were given. */
  readonly locks: readonly MutexCounts[];
}

/**
 * Throws `InvariantBroken` for
 * - MULTI-2: places of a set that were created at different revisions;
 * - MULTI-1: a place of a set that did not stand, or was not the oldest, at its proof; that had gone by the last proof of its
 *   set; or that went at another revision than the rest of it;
 * - all that `checkMutex` throws for, of each lock, with the grants of sets and of mutexes together.
 */
export function checkMultiLock(options: MultiLockCheck): MultiLockCounts {
  const { history, locks, sets, drained = false } = options;
  const lives = new Map(sets.map((set) => [set, set.parts.map((part) => lifeOf(history, set, part))]));
  for (const { line } of locks) checkTurns(history, line, sets);
  for (const [set, places] of lives) checkTogether(set, places, options.takenAway ?? (() => false));
  const counts = locks.map(({ line, grants, resource }) => {
    const all = [...grants, ...sets.flatMap((set) => grantsOf(set, line))];
    return checkMutex({
      history,
      line,
      grants: all,
      drained,
      ...(resource === undefined ? {} : { resource }),
    });
  });
  const waited = sets.filter((set) =>
    set.parts.some(({ token }, index) => proofOf(token) > (lives.get(set)?.[index]?.from ?? 0)),
  );
  const staggered = sets.filter(({ parts }) => new Set(parts.map(({ token }) => proofOf(token))).size > 1);
  return { sets: sets.length, waited: waited.length, staggered: staggered.length, locks: counts };
}

/** The grants of a set, as those of mutexes. */
function grantsOf({ parts, ...grant }: SetGrant, line: Key): readonly Grant[] {
  return parts
    .filter((part) => part.line === line)
    .map(({ place, token }): Grant => ({ ...grant, place, token }));
}

function lifeOf(history: History, set: SetGrant, { place, token }: SetPart): Life {
  const life = history.lifeAt(place, proofOf(token));
  if (life !== undefined) return life;
  const lives = history.livesOf(place).map(describeLife).join(', ') || `no place ${place} ever was`;
  broken('MULTI-1', `${describe(set, token)}, but at that revision its place did not stand: ${lives}`);
}

function checkTurns(history: History, line: Key, sets: readonly SetGrant[]): void {
  const oldestAt = oldestInTurn(placesOf(history, line, 'MULTI-1'));
  const parts = sets.flatMap((set) =>
    set.parts.filter((part) => part.line === line).map((part) => ({ set, ...part })),
  );
  for (const { set, place, token } of parts.sort((one, other) => one.token - other.token)) {
    const oldest = oldestAt(proofOf(token));
    if (oldest === undefined || oldest.key === place) continue;
    const mine = lifeOf(history, set, { line, place, token });
    if (oldest.from === mine.from) continue;
    broken('MULTI-1', `${describe(set, token)} by ${describeLife(mine)}, behind ${describeLife(oldest)}`);
  }
}

function checkTogether(set: SetGrant, places: readonly Life[], takenAway: (place: Life) => boolean): void {
  const [first, ...others] = places;
  if (first === undefined) return;
  // One that was handed over has the rank of who had it before.
  const apart = others.find(({ from, puts }) => from !== first.from && puts === 1 && first.puts === 1);
  if (apart !== undefined) {
    broken('MULTI-2', `${set.process} took ${describeLife(first)} and ${describeLife(apart)} for one set`);
  }
  if (places.some(takenAway)) return;
  const lastProof = Math.max(...set.parts.map(({ token }) => proofOf(token)));
  const early = places.find(({ to }) => to <= lastProof);
  if (early !== undefined) {
    broken(
      'MULTI-1',
      `${set.process} held a set from revision ${lastProof} on without ${describeLife(early)}`,
    );
  }
  const left = others.find(({ to }) => to !== first.to);
  if (left !== undefined) {
    broken('MULTI-1', `${set.process} gave up ${describeLife(first)} without ${describeLife(left)}`);
  }
}

function describe({ process }: SetGrant, token: number): string {
  return `${process} was granted token ${token} (proof revision ${proofOf(token)}) of a set`;
}
