import { inRange, type Key, type KeyRange, type KeyValue } from '../../store/index.js';

/** A key as it was seen; a key that was not there is seen as undefined. */
export interface Seen {
  readonly value: Uint8Array;
  /** Revision that put it. */
  readonly modRevision: number;
}

/** A range of keys as it is asked for: at most `limit` of its first ones, or all. */
export interface RangeQuery extends Required<KeyRange> {
  readonly limit?: number;
}

/** The keys that a range had. */
export interface SeenRange {
  readonly query: RangeQuery;
  readonly keys: readonly Key[];
  /** The limit left keys out: nothing is known of what lies behind the last one. */
  readonly more: boolean;
}

/** What is known of the state of one revision. */
export interface Snapshot {
  readonly revision: number;
  /** It was taken since the call began, so the call may be answered from it without asking again. */
  readonly isFresh: boolean;
  readonly keys: ReadonlyMap<Key, Seen | undefined>;
  /** By {@link identityOf}. */
  readonly ranges: ReadonlyMap<string, SeenRange>;
}

export function seenOf({ value, modRevision }: KeyValue): Seen {
  return { value, modRevision };
}

export function identityOf({ key, rangeEnd, limit = 0 }: RangeQuery): string {
  return JSON.stringify([key, rangeEnd, limit]);
}

/** The part of a range in which all keys were seen. */
export function seenPart({ query, keys, more }: SeenRange): KeyRange {
  const last = keys.at(-1);
  const { key, rangeEnd } = query;
  return more && last !== undefined ? { key, rangeEnd: `${last}\0` } : { key, rangeEnd };
}

/** What a run has read, and in which states. */
export interface ReadSet {
  readonly keys: ReadonlyMap<Key, Seen | undefined>;
  readonly ranges: ReadonlyMap<string, SeenRange>;
  /** Revision of the state in which all was read, or of the oldest of several; undefined if nothing was read. */
  readonly revision: number | undefined;
  /** Everything was read in one state, and that was not before the call: it needs no proof that it is still so. */
  readonly isProved: boolean;
}

/** Undefined stands for a deletion. */
export type WriteSet = ReadonlyMap<Key, Uint8Array | undefined>;

/**
 * What is known after a commit at `revision` at which nothing that was read had changed: what was read is as it was, what was
 * written is as it was written, and a range that was seen whole has the keys that it had, and those that were put.
 */
export function afterCommit(reads: ReadSet, writes: WriteSet, revision: number): Snapshot {
  const keys = new Map(reads.keys);
  for (const [key, value] of writes) {
    keys.set(key, value === undefined ? undefined : { value, modRevision: revision });
  }
  const ranges = new Map<string, SeenRange>();
  for (const [id, seen] of reads.ranges) {
    if (seen.more) continue;
    const present = [...keys].flatMap(([key, one]) =>
      one !== undefined && inRange(seen.query, key) ? [key] : [],
    );
    present.sort();
    const { limit = 0 } = seen.query;
    if (limit > 0 && present.length > limit) continue;
    ranges.set(id, { ...seen, keys: present });
  }
  return { revision, isFresh: false, keys, ranges };
}
