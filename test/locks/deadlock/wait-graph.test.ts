import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  findCycle,
  findCycles,
  type PlaceMode,
  type SeenPlace,
} from '../../../src/locks/deadlock/wait-graph.js';
import { propertyRuns } from '../../support/property-runs.js';

function seen(lock: string, revision: number, owner?: string, mode: PlaceMode = 'exclusive'): SeenPlace {
  return { lock, key: `${lock}/l/${revision}.${owner}`, revision, owner, mode };
}

/** The rules as they are told, one by one: what `place` waits for. */
function blockers(place: SeenPlace, places: readonly SeenPlace[]): SeenPlace[] {
  return places.filter((older) => {
    if (older.lock !== place.lock || older.revision >= place.revision) return false;
    return place.mode === 'read' ? older.mode !== 'read' : true;
  });
}

/** How many owners there are on the shortest way round from each owner to itself, by trying them all. */
function roundTrips(places: readonly SeenPlace[]): Map<string, number> {
  const owners = [...new Set(places.map(({ owner }) => owner))].filter((owner) => owner !== undefined);
  const next = new Map(
    owners.map((owner) => {
      const own = places.filter((place) => place.owner === owner);
      return [owner, new Set(own.flatMap((place) => blockers(place, places).map((older) => older.owner)))];
    }),
  );
  const trips = new Map<string, number>();
  for (const start of owners) {
    let reached = new Set<string | undefined>([start]);
    for (let length = 1; length <= owners.length && !trips.has(start); length += 1) {
      reached = new Set([...reached].flatMap((owner) => [...(next.get(owner ?? '') ?? [])]));
      if (reached.has(start)) trips.set(start, length);
    }
  }
  return trips;
}

const byAge = (one: SeenPlace, other: SeenPlace) =>
  one.revision - other.revision || Number(one.key > other.key) - Number(one.key < other.key);

/** Lines of exclusive and of read-write locks; some places without an owner; now and then two lines in one revision. */
const lines = fc
  .array(
    fc.record({
      lock: fc.constantFrom('lock/a', 'lock/b', 'lock/c', 'rwlock/d', 'rwlock/e'),
      owner: fc.option(fc.constantFrom('p', 'q', 'r', 's', 't'), { nil: undefined, freq: 6 }),
      reads: fc.boolean(),
      sameRevision: fc.integer({ min: 0, max: 4 }),
    }),
    { maxLength: 14 },
  )
  .map((entries) => {
    let revision = 10;
    const taken = new Set<string>();
    return entries.map(({ lock, owner, reads, sameRevision }) => {
      if (sameRevision > 0 || taken.has(`${lock} ${revision}`)) revision += 1;
      taken.add(`${lock} ${revision}`);
      const mode = lock.startsWith('rw') ? (reads ? 'read' : 'write') : 'exclusive';
      return seen(lock, revision, owner, mode);
    });
  });

describe('findCycle', () => {
  it('finds two that took two locks in opposite order; the place that closed the circle is the victim', () => {
    const places = [
      seen('lock/a', 1, 'one'),
      seen('lock/b', 2, 'two'),
      seen('lock/b', 3, 'one'),
      seen('lock/a', 4, 'two'),
    ];
    const cycle = findCycle(places);
    expect(cycle?.victim).toBe(places[3]);
    expect(cycle?.places).toEqual([places[3], places[2]]);
    expect(cycle?.members).toEqual([
      { owner: 'two', holds: ['lock/b'], waitsFor: 'lock/a' },
      { owner: 'one', holds: ['lock/a'], waitsFor: 'lock/b' },
    ]);
    expect(cycle?.sentence).toBe(
      '"two" holds lock/b and waits for lock/a; "one" holds lock/a and waits for lock/b',
    );
  });

  it('finds an owner that waits for itself, since no lock is reentrant', () => {
    const cycle = findCycle([seen('lock/a', 1, 'one'), seen('lock/a', 2, 'other'), seen('lock/a', 3, 'one')]);
    expect(cycle?.victim.revision).toBe(3);
    expect(cycle?.members).toEqual([{ owner: 'one', holds: ['lock/a'], waitsFor: 'lock/a' }]);
  });

  it('finds an owner that wants to write what it reads', () => {
    const cycle = findCycle([seen('rwlock/a', 1, 'one', 'read'), seen('rwlock/a', 2, 'one', 'write')]);
    expect(cycle?.sentence).toBe('"one" holds rwlock/a and waits for rwlock/a, to write');
    expect(
      findCycle([seen('rwlock/a', 1, 'one', 'read'), seen('rwlock/a', 2, 'one', 'read')]),
    ).toBeUndefined();
  });

  it('takes two keys of one revision in a line for one place, which does not wait for itself', () => {
    const keys = ['rwlock/a/r/7', 'rwlock/a/w/7'];
    const places = keys.map((key): SeenPlace => ({ ...seen('rwlock/a', 1, 'one', 'write'), key }));
    expect(findCycle(places)).toBeUndefined();
    expect(findCycle([...places, seen('rwlock/a', 2, 'one', 'read')])?.victim.revision).toBe(2);
  });

  it('goes through a writer that only waits itself: a reader behind it waits for the readers before it', () => {
    const cycle = findCycle([
      seen('rwlock/d', 1, 'early', 'read'),
      seen('lock/a', 2, 'late'),
      seen('rwlock/d', 3, 'writer', 'write'),
      seen('rwlock/d', 4, 'late', 'read'),
      seen('lock/a', 5, 'early'),
    ]);
    expect(cycle?.members).toEqual([
      { owner: 'early', holds: ['rwlock/d'], waitsFor: 'lock/a' },
      { owner: 'late', holds: ['lock/a'], waitsFor: 'rwlock/d' },
      { owner: 'writer', holds: [], waitsFor: 'rwlock/d' },
    ]);
  });

  it('knows nothing of what places without an owner wait for', () => {
    const places = [seen('lock/a', 1), seen('lock/b', 2, 'two'), seen('lock/b', 3), seen('lock/a', 4, 'two')];
    expect(findCycle(places)).toBeUndefined();
    expect(findCycle([])).toBeUndefined();
  });

  it('finds a circle exactly where the rules make one, and only places that wait for each other', () => {
    fc.assert(
      fc.property(lines, (places) => {
        const cycle = findCycle(places);
        expect(cycle !== undefined).toBe(roundTrips(places).size > 0);
        for (const [index, place] of (cycle?.places ?? []).entries()) {
          const next = cycle?.places[(index + 1) % cycle.places.length];
          expect(blockers(place, places).map(({ owner }) => owner)).toContain(next?.owner);
        }
      }),
      propertyRuns(1_000),
    );
  });

  it('takes for the victim the place that closed the first circle, and the shortest circle that it closed', () => {
    fc.assert(
      fc.property(lines, (places) => {
        const ordered = [...places].sort(byAge);
        const count = ordered.findIndex((_, index) => roundTrips(ordered.slice(0, index + 1)).size > 0) + 1;
        const cycle = findCycle(places);
        expect(cycle?.victim).toBe(count === 0 ? undefined : ordered[count - 1]);
        if (cycle === undefined) return;
        expect(cycle.places[0]).toBe(cycle.victim);
        expect([...cycle.places].sort(byAge).at(-1)).toBe(cycle.victim);
        const trips = roundTrips(ordered.slice(0, count));
        expect(cycle.places.length).toBe(trips.get(cycle.victim.owner ?? ''));
      }),
      propertyRuns(1_000),
    );
  });

  it('finds the same, in whatever order the places come, and whoever came later or gave up meanwhile', () => {
    const scene = lines.chain((places) =>
      fc.record({
        places: fc.constant(places),
        shuffled: fc.shuffledSubarray([...places], { minLength: places.length }),
        gone: fc.subarray([...places]),
      }),
    );
    fc.assert(
      fc.property(scene, ({ places, shuffled, gone }) => {
        const cycle = findCycle(places);
        expect(findCycle(shuffled)).toEqual(cycle);
        if (cycle === undefined) return;
        const { victim } = cycle;
        const before = places.filter((place) => byAge(place, victim) <= 0);
        expect(findCycle(before)).toEqual(cycle);
        const left = places.filter((place) => !gone.includes(place) || needed(cycle.places, place));
        expect(findCycle(left)?.victim).toBe(victim);
      }),
      propertyRuns(1_000),
    );
  });

  it('multi-locks alone never wait in a circle', () => {
    const claims = fc.array(fc.subarray(['lock/a', 'lock/b', 'lock/c', 'lock/d']), { maxLength: 8 });
    fc.assert(
      fc.property(claims, (names) => {
        const places = names.flatMap((locks, index) =>
          locks.map((lock) => seen(lock, index + 1, `owner ${index}`)),
        );
        expect(findCycle(places)).toBeUndefined();
      }),
      propertyRuns(300),
    );
  });

  it('is quick in a line of thousands, which a search walks no more often than it must', () => {
    const places: SeenPlace[] = [];
    for (let index = 0; index < 5_000; index += 1) places.push(seen('lock/a', index + 1, `owner ${index}`));
    for (let index = 4_900; index < 5_000; index += 1)
      places.push(seen('lock/b', index + 200, `owner ${index}`));
    expect(findCycle(places)).toBeUndefined();
    places.push(seen('lock/b', 6_000, 'owner 0'));
    expect(findCycle(places)?.places.map(({ owner }) => owner)).toEqual(['owner 0', 'owner 4900']);
  });
});

/** Whether the circle needs the place: it is in it, or is the older one that a place in it waits for. */
function needed(circle: readonly SeenPlace[], place: SeenPlace): boolean {
  return circle.some(({ owner }) => owner === place.owner);
}

describe('findCycles', () => {
  it('names one victim a circle: without them none waits in one, and none of them was needless', () => {
    let several = 0;
    fc.assert(
      fc.property(lines, (places) => {
        const victims = findCycles(places).map(({ victim }) => victim);
        if (victims.length > 1) several += 1;
        const left = places.filter((place) => !victims.includes(place));
        expect(roundTrips(left).size).toBe(0);
        for (const victim of victims) {
          expect(
            roundTrips([...left, victim].filter((place) => byAge(place, victim) <= 0)).size,
          ).toBeGreaterThan(0);
        }
        expect(findCycles(places)[0]).toEqual(findCycle(places));
      }),
      propertyRuns(1_000),
    );
    expect(several).toBeGreaterThan(10);
  });
});
