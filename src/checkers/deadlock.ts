/**
 * Whether those who were told `deadlock` had closed a circle, and whether a circle was left to itself. Judged by the keys of
 * exclusive lines alone, owner by owner, without anything of how the library looks for circles.
 *
 * A place waits for every older one of its line. An owner waits for the owners of those, by each of its places. A circle
 * of owners is closed by its youngest place.
 */
import { invalidArgument } from '../errors.js';
import { decodePlace } from '../line/place-record.js';
import { type Key, prefixRange } from '../store/index.js';
import { milliseconds } from './evidence.js';
import type { History } from './history.js';
import { broken } from './sentences.js';

/** A wait that failed with `deadlock`, as who waited saw it. */
export interface ToldDeadlock {
  readonly process: string;
  readonly owner: string;
  /** The prefix of the places of the lock that it waited for. */
  readonly line: Key;
  /** True time at which it asked for the lock. */
  readonly askedAtMs: number;
  /** True time at which it was told. */
  readonly toldAtMs: number;
}

export interface DeadlockCheck {
  /** With times. */
  readonly history: History;
  /** The prefixes of the places of all locks that the owners use. */
  readonly lines: readonly Key[];
  readonly told: readonly ToldDeadlock[];
  /** For how long, in true time, a circle must have stood before anybody is told of it. Default 0. */
  readonly stoodMs?: number;
  /** The history ends here, and no circle may have stood for longer than `longestMs` then. Default: that is not asked. */
  readonly end?: { readonly atMs: number; readonly longestMs: number };
}

export interface DeadlockCounts {
  /** How many owners the circle had, of each that was told. */
  readonly sizes: readonly number[];
}

/** A place for as long as it says the same: it may be handed over. */
export interface OwnedPlace {
  readonly line: Key;
  readonly key: Key;
  /** The revision that created the key. */
  readonly rank: number;
  readonly owner: string;
  /** Of its client. */
  readonly label: string;
  readonly fromMs: number;
  /** Infinity: it still stands. */
  readonly toMs: number;
}

/**
 * Throws `InvariantBroken` for
 * - DEADLOCK-1: who was told had no place, between asking and being told, that closed a circle which then stood for `stoodMs`;
 * - DEADLOCK-2: at the end a circle has stood for longer than it may.
 *
 * Errors: `invalid-argument` for a history without times.
 */
export function checkDeadlocks(options: DeadlockCheck): DeadlockCounts {
  const { history, lines, told, stoodMs = 0, end } = options;
  const places = lines.flatMap((line) => ownedPlaces(history, line));
  const sizes = told.map((one) => sizeOfCircle(places, one, stoodMs));
  if (end !== undefined) checkEnd(places, end);
  return { sizes };
}

/** All places that ever stood in a line for an owner. */
export function ownedPlaces(history: History, line: Key): readonly OwnedPlace[] {
  const timeOf = (revision: number): number => {
    const atMs = history.timeOf(revision);
    if (atMs === undefined) throw invalidArgument(`revision ${revision} has no time`, 'a history with times');
    return atMs;
  };
  return history.keysIn(prefixRange(line)).flatMap((key) => {
    const events = history.eventsOf(key);
    return events.flatMap(({ type, kv }, index) => {
      const { owner, label = '' } = decodePlace(kv)?.record ?? {};
      if (type === 'delete' || owner === undefined) return [];
      const next = events[index + 1];
      const toMs = next === undefined ? Number.POSITIVE_INFINITY : timeOf(next.kv.modRevision);
      return [{ line, key, rank: kv.createRevision, owner, label, fromMs: timeOf(kv.modRevision), toMs }];
    });
  });
}

/** Those that stood all the time from one moment to the other. */
export function standing(
  places: readonly OwnedPlace[],
  fromMs: number,
  untilMs: number,
): readonly OwnedPlace[] {
  return places.filter((place) => place.fromMs <= fromMs && place.toMs > untilMs);
}

/** How many owners the shortest circle has that `closing` closes as the youngest place of it; undefined if there is none. */
export function circleClosedBy(closing: OwnedPlace, places: readonly OwnedPlace[]): number | undefined {
  const blockers = (waiting: OwnedPlace) =>
    places.filter(({ line, rank }) => line === waiting.line && rank < waiting.rank).map(({ owner }) => owner);
  let reached = new Set(blockers(closing));
  for (let size = 1; size <= places.length; size += 1) {
    if (reached.has(closing.owner)) return size;
    const through = places.filter(({ owner, rank }) => reached.has(owner) && rank <= closing.rank);
    reached = new Set(through.flatMap(blockers));
  }
  return undefined;
}

function sizeOfCircle(places: readonly OwnedPlace[], told: ToldDeadlock, stoodMs: number): number {
  const { process, owner, line, askedAtMs, toldAtMs } = told;
  const own = places.filter((place) => {
    const asked = place.fromMs >= askedAtMs && place.fromMs <= toldAtMs;
    return place.owner === owner && place.line === line && asked;
  });
  for (const closing of own) {
    const latestMs = Math.min(toldAtMs, closing.toMs) - stoodMs;
    const beginnings = places
      .map(({ fromMs }) => fromMs)
      .filter((fromMs) => closing.fromMs <= fromMs && fromMs <= latestMs);
    for (const fromMs of beginnings) {
      const size = circleClosedBy(closing, standing(places, fromMs, fromMs + stoodMs));
      if (size !== undefined) return size;
    }
  }
  const stood = own.map(({ key, rank, fromMs, toMs }) => {
    return `${key} (revision ${rank}, ${milliseconds(fromMs)} to ${milliseconds(toMs)})`;
  });
  broken(
    'DEADLOCK-1',
    `${process} was told at ${milliseconds(toldAtMs)} that ${owner} had closed a circle, by ${stood.join(', ') || 'no place'}, but there was none that stood for ${milliseconds(stoodMs)}`,
  );
}

function checkEnd(
  places: readonly OwnedPlace[],
  { atMs, longestMs }: { readonly atMs: number; readonly longestMs: number },
): void {
  const left = standing(places, atMs - longestMs, atMs);
  const closing = left.find((place) => circleClosedBy(place, left) !== undefined);
  if (closing === undefined) return;
  broken(
    'DEADLOCK-2',
    `${closing.owner} closed a circle by ${closing.key}, which stands for ${milliseconds(atMs - closing.fromMs)}`,
  );
}
