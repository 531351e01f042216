/** Whom a semaphore admits at which revision, as its history alone tells. */
import type { History, Life } from '../../src/checkers/index.js';
import { type Key, textOf } from '../../src/store/index.js';

/** What was there, over a whole history. */
export interface Admissions {
  /** The revision from which on each place held, if it ever did. */
  readonly admittedAt: ReadonlyMap<Life, number>;
  /** The most places of one object and one lease that waited at a time, with the revision. */
  readonly mostWaiting: readonly {
    readonly object: string;
    readonly count: number;
    readonly revision: number;
  }[];
  readonly counts: {
    readonly heldBack: number;
    readonly shrunkBelowHeld: number;
    readonly admittedByLimit: number;
    readonly takenTogether: number;
    readonly limitDeleted: number;
    readonly limitSpoilt: number;
  };
}

export function weightOf({ key }: Life): number {
  return Number(key.slice(key.lastIndexOf('.') + 1));
}

/** The names of an object's places begin so. */
export function objectOf({ key }: Life): string {
  return key.slice(0, key.lastIndexOf('.', key.lastIndexOf('.') - 1));
}

/** Goes through the history, revision by revision. */
export function admissionsOf(history: History, prefix: Key): Admissions {
  const places = [...history.lives(`${prefix}l/`)].sort(
    (left, right) => left.from - right.from || (left.key < right.key ? -1 : 1),
  );
  const limitKey = `${prefix}cfg`;
  const admittedAt = new Map<Life, number>();
  const most = new Map<string, { object: string; count: number; revision: number }>();
  const counts = {
    ...{ heldBack: 0, shrunkBelowHeld: 0, admittedByLimit: 0 },
    ...{ takenTogether: 0, limitDeleted: 0, limitSpoilt: 0 },
  };
  let standing: Life[] = [];
  let next = 0;
  for (const { revision, events } of history.entries) {
    if (!events.some(({ kv }) => kv.key.startsWith(prefix))) continue;
    const before = next;
    while (places[next]?.from === revision) next += 1;
    const come = places.slice(before, next);
    standing = [...standing, ...come].filter(({ to }) => to > revision);
    const kv = history.valueAt(limitKey, revision);
    const limit = kv === undefined ? undefined : numberIn(textOf(kv.value));
    const held = sumOf(standing.filter((place) => admittedAt.has(place)));
    const admitted = admit(standing, limit ?? -1).filter((place) => !admittedAt.has(place));
    for (const place of admitted) admittedAt.set(place, revision);
    const waiting = standing.filter((place) => !admittedAt.has(place));
    noteMost(most, waiting, revision);
    const isResized = events.some((event) => event.kv.key === limitKey);
    if (isResized && limit !== undefined && held > limit) counts.shrunkBelowHeld += 1;
    if (isResized && admitted.some(({ from }) => from < revision)) counts.admittedByLimit += 1;
    if (isResized && waiting.length > 0 && kv === undefined) counts.limitDeleted += 1;
    if (isResized && waiting.length > 0 && kv !== undefined && limit === undefined) counts.limitSpoilt += 1;
    if (come.length > 1) counts.takenTogether += 1;
    const left = (limit ?? 0) - sumOf(standing.filter((place) => admittedAt.has(place)));
    if (waiting.slice(1).some((place) => weightOf(place) <= left)) counts.heldBack += 1;
  }
  return { admittedAt, mostWaiting: [...most.values()], counts };
}

function numberIn(text: string): number | undefined {
  return /^\d+$/.test(text) ? Number(text) : undefined;
}

function sumOf(places: readonly Life[]): number {
  return places.reduce((sum, place) => sum + weightOf(place), 0);
}

/** The oldest ones, as many as there is room for. */
function admit(standing: readonly Life[], limit: number): readonly Life[] {
  let left = limit;
  const end = standing.findIndex((place) => {
    left -= weightOf(place);
    return left < 0;
  });
  return end < 0 ? standing : standing.slice(0, end);
}

function noteMost(
  most: Map<string, { object: string; count: number; revision: number }>,
  waiting: readonly Life[],
  revision: number,
): void {
  const now = new Map<string, number>();
  for (const place of waiting) {
    const name = `${objectOf(place)} ${place.lease}`;
    now.set(name, (now.get(name) ?? 0) + 1);
  }
  for (const [name, count] of now) {
    const object = name.slice(0, name.lastIndexOf(' '));
    if (count > (most.get(name)?.count ?? 0)) most.set(name, { object, count, revision });
  }
}
