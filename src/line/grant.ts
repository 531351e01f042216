/**
 * Direct grants: how a holder wakes the next in line, and nobody else.
 *
 * Where many processes wait, a watch of the whole line tells all of them of every release, of whom one is next: at ten
 * processes that took three quarters of all processor time. So a holder that knows who is behind it names the next one:
 *
 *     IF mod(k) = m & mod(next) = n  THEN delete k, put g/{next's line object} (on its lease), put s (on its lease)  ELSE range line
 *
 * - `g/{id}` is the mailbox of one `Line` object: which place has the turn, and who stood behind it when that was looked
 *   up. A waiter watches its own mailbox. The list is of one revision, in order, and places are only ever added behind it;
 *   so the first of it that still stands, which the compare shows, is the oldest once the holder is gone: the put is its
 *   proof, as good as the deletion itself. Refused, the next one has gone, and the range shows who is there.
 * - `s`, the sentinel, goes with whoever has the turn. Waiters watch for its deletion, which nothing but the end of a holder
 *   that named nobody brings about: its death, its leaving with nobody known behind it, or that it finds its own place deleted
 *   by somebody. Then they look at the line.
 *
 * **When.** A place that is taken while there is a sentinel waits so; else it watches the whole line. The next place of the
 * same object then asks for the sentinel and for the number of places, and not for the places: see look.ts. Who had to wait for
 * two or more looks, while it holds, who is behind; so the sentinel comes with the third contender, and goes with it. Two
 * contenders hand over by the deletion alone. A line of which some places are not of such lines (those of a multi-lock) hands
 * those their turn by the deletion too, and takes the sentinel away.
 */
import { type Key, type KeyValue, type LeaseId, textOf } from '../store/index.js';

/** The stems of lines that take grants begin so, which no identifier does. */
const mark = 'm';

/** Who is told in one grant: more are looked up when they are gone. */
export const mostBehind = 16;

/** One who stood behind a holder. */
export interface Follower {
  readonly key: Key;
  /** Revision that created its key. */
  readonly created: number;
  readonly lease: LeaseId;
}

export interface Grant {
  /** The place that has the turn, and the revision that created it. */
  readonly place: Key;
  readonly created: number;
  /** It was handed another key, which the line shows. */
  readonly isHandOver: boolean;
  readonly behind: readonly Follower[];
}

/** A stem of a line that takes grants. */
export function grantedStem(id: string, count: number): string {
  return `${mark}${id}.${count}`;
}

/** Where the sentinel of a line stands. */
export function sentinelOf(prefix: Key): Key {
  return `${prefix}s`;
}

export function mailboxOf(prefix: Key, id: string): Key {
  return `${prefix}g/${id}`;
}

/** The mailbox of whoever has this place, or undefined if it takes no grants. `stem`: its key without the prefix of the line. */
export function mailboxOfStem(prefix: Key, stem: string): Key | undefined {
  const end = stem.lastIndexOf('.');
  return stem.startsWith(mark) && end > 1 ? mailboxOf(prefix, stem.slice(mark.length, end)) : undefined;
}

export function encodeGrant({ place, created, isHandOver, behind }: Grant): string {
  const list = behind.map((one) => [one.key, one.created, one.lease]);
  return JSON.stringify({ place, created, ...(isHandOver ? { isHandOver } : {}), behind: list });
}

/** Undefined for what no holder writes. */
export function decodeGrant(kv: Pick<KeyValue, 'value'>): Grant | undefined {
  try {
    const { place, created, isHandOver = false, behind } = JSON.parse(textOf(kv.value));
    if (typeof place !== 'string' || !Number.isSafeInteger(created) || !Array.isArray(behind))
      return undefined;
    return { place, created, isHandOver: isHandOver === true, behind: behind.flatMap(followerOf) };
  } catch {
    return undefined;
  }
}

function followerOf(entry: unknown): readonly Follower[] {
  if (!Array.isArray(entry)) return [];
  const [key, created, lease] = entry as unknown[];
  if (typeof key !== 'string' || typeof created !== 'number' || typeof lease !== 'string') return [];
  return [{ key, created, lease }];
}

/**
 * Who stands behind the place that was created at `created`, in order; `kvs` is the whole line. Only as far as nobody else
 * wrote a key anew: what is told to that one would be refused, for ever.
 */
export function followersOf(kvs: readonly KeyValue[], created: number): readonly Follower[] {
  const behind = kvs
    .filter((kv) => kv.createRevision > created)
    .sort((one, other) => one.createRevision - other.createRevision)
    .slice(0, mostBehind);
  const altered = behind.findIndex((kv) => kv.modRevision !== kv.createRevision);
  return behind
    .slice(0, altered < 0 ? mostBehind : altered)
    .map(({ key, createRevision, lease }) => ({ key, created: createRevision, lease }));
}
