/**
 * Who waits for whom in the lines of all locks, and who waits in a circle.
 *
 * A place waits until every older place of its line that conflicts with it has gone: in an exclusive line every older
 * one; in a read-write line a read place for the older write places, a write place for all. An owner is one line of
 * execution that goes on only when all its places have had their turn, and gives its places up only when it goes on. So
 * an owner waits for the owners of those older places, and a circle of owners waits for ever. One that waits for an
 * older place of its own is a circle too: no lock is reentrant. Places without an owner end the path: nobody knows
 * what they wait for. The places of a multi-lock are ordinary exclusive places with one revision.
 *
 * **Which circle, and whose place is to give way.** A line only ever grows by younger places, which nobody older waits
 * for. So a circle arises with the place that closes it, which is its youngest, and that is the victim. Going through
 * the places by age, the first that closes a circle is found, whatever stands behind it: two processes that looked at
 * different moments find the same victim as long as the circle stands. Of the circles that it closes, the shortest.
 *
 * Plain search over owners, breadth first, from each place whose owner stood somewhere before (no other can close a
 * circle). One search walks a line twice at most, so all takes the number of places times the number of such owners.
 */
import type { Key } from '../../store/index.js';

export type PlaceMode = 'exclusive' | 'read' | 'write';

/** A place as it was seen in the store. All places given together are of one revision of the store. */
export interface SeenPlace {
  /** Type and name of the lock: `lock/stock`, `rwlock/stock`. */
  readonly lock: string;
  readonly key: Key;
  /** Its rank: the create revision. Places of one lock with one revision do not wait for each other. */
  readonly revision: number;
  /** Undefined: the place stands for callers that nobody named. */
  readonly owner: string | undefined;
  readonly mode: PlaceMode;
}

/** One owner in a circle, as plain data. */
export interface DeadlockMember {
  readonly owner: string;
  /** Locks of this circle that it holds: no older place conflicts with its own there. */
  readonly holds: readonly string[];
  readonly waitsFor: string;
}

export interface Cycle {
  /**
   * The places that wait, the victim first: each for an older place of the next one's owner, the last for one of the
   * victim's owner.
   */
  readonly places: readonly SeenPlace[];
  /** The youngest of them: the one that closed the circle. */
  readonly victim: SeenPlace;
  /** Who waits, in the order of `places`. */
  readonly members: readonly DeadlockMember[];
  /** The same for people. */
  readonly sentence: string;
}

/** The circle that arose first, or undefined if nobody waits in one. */
export function findCycle(places: readonly SeenPlace[]): Cycle | undefined {
  const [first] = circles(places);
  return first;
}

/** The circle that arose first; the first of those that are left once its victim has gone; and so on: none is left then. */
export function findCycles(places: readonly SeenPlace[]): readonly Cycle[] {
  return [...circles(places)];
}

interface Step {
  readonly place: SeenPlace;
  readonly before: Step | undefined;
}

/** The places seen so far, none of which is a victim, by lock and by owner, oldest first. */
interface Seen {
  readonly lines: Map<string, SeenPlace[]>;
  readonly owned: Map<string, SeenPlace[]>;
}

function* circles(places: readonly SeenPlace[]): Generator<Cycle> {
  const seen: Seen = { lines: new Map(), owned: new Map() };
  for (const place of [...places].sort(byAge)) {
    const stoodBefore = place.owner !== undefined && seen.owned.has(place.owner);
    const circle = stoodBefore ? pathBack(place, seen) : undefined;
    if (circle !== undefined) {
      yield describe(circle, seen);
      continue;
    }
    addTo(seen.lines, place.lock, place);
    if (place.owner !== undefined) addTo(seen.owned, place.owner, place);
  }
}

/** The places on the shortest way from the owner of `victim`, through what `victim` waits for, back to that owner. */
function pathBack(victim: SeenPlace, seen: Seen): readonly SeenPlace[] | undefined {
  const reached = new Set<string>();
  const walked = new Map<string, { all: number; writes: number }>();
  const steps: Step[] = [{ place: victim, before: undefined }];
  // Grows as it is walked.
  for (const step of steps) {
    for (const owner of blockersOf(step.place, seen, walked)) {
      if (owner === victim.owner) return unwind(step);
      if (reached.has(owner)) continue;
      reached.add(owner);
      for (const place of seen.owned.get(owner) ?? []) steps.push({ place, before: step });
    }
  }
  return undefined;
}

/** Owners of the older places that the place waits for, but for those that this search has met in the line already. */
function* blockersOf(
  place: SeenPlace,
  seen: Seen,
  walked: Map<string, { all: number; writes: number }>,
): Generator<string> {
  const line = seen.lines.get(place.lock) ?? [];
  const met = walked.get(place.lock) ?? { all: 0, writes: 0 };
  walked.set(place.lock, met);
  const reads = place.mode === 'read';
  for (let index = reads ? Math.max(met.all, met.writes) : met.all; index < line.length; index += 1) {
    const older = line[index];
    if (older === undefined || older.revision >= place.revision) return;
    if (reads) met.writes = index + 1;
    else met.all = index + 1;
    if (older.owner !== undefined && conflict(older, place)) yield older.owner;
  }
}

function describe(places: readonly SeenPlace[], seen: Seen): Cycle {
  const [victim] = places as readonly [SeenPlace];
  const locks = [...new Set(places.map(({ lock }) => lock))].sort();
  const members = places.map(({ owner = '', lock }) => ({
    owner,
    holds: locks.filter((name) =>
      (seen.owned.get(owner) ?? []).some((own) => own.lock === name && isHeld(own, seen)),
    ),
    waitsFor: lock,
  }));
  return {
    places,
    victim,
    members,
    sentence: members.map((member, index) => clause(member, places[index])).join('; '),
  };
}

function clause({ owner, holds, waitsFor }: DeadlockMember, place: SeenPlace | undefined): string {
  const held = holds.length === 0 ? '' : `holds ${holds.join(', ')} and `;
  const doing = place === undefined || place.mode === 'exclusive' ? '' : `, to ${place.mode}`;
  return `${JSON.stringify(owner)} ${held}waits for ${waitsFor}${doing}`;
}

function isHeld(place: SeenPlace, seen: Seen): boolean {
  const line = seen.lines.get(place.lock) ?? [];
  return !line.some((other) => other.revision < place.revision && conflict(other, place));
}

function conflict(one: SeenPlace, other: SeenPlace): boolean {
  return one.mode !== 'read' || other.mode !== 'read';
}

function unwind(last: Step): readonly SeenPlace[] {
  const places: SeenPlace[] = [];
  for (let step: Step | undefined = last; step !== undefined; step = step.before) places.unshift(step.place);
  return places;
}

/** By rank; places of one revision stand in different lines, so any order that does not hang on the input will do. */
function byAge(one: SeenPlace, other: SeenPlace): number {
  if (one.revision !== other.revision) return one.revision - other.revision;
  if (one.key === other.key) return 0;
  return one.key < other.key ? -1 : 1;
}

function addTo(groups: Map<string, SeenPlace[]>, name: string, place: SeenPlace): void {
  const group = groups.get(name);
  if (group === undefined) groups.set(name, [place]);
  else group.push(place);
}
