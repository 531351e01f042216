import { QuorateError } from '../../errors.js';
import {
  type Compare,
  compare,
  type Key,
  type NestedTxnReply,
  type Op,
  type RangeOp,
  type TxnOp,
} from '../../store/index.js';
import type { IsolationRules } from './isolation.js';
import { foundIn } from './read-all.js';
import {
  afterCommit,
  identityOf,
  type ReadSet,
  type Seen,
  type SeenRange,
  type Snapshot,
  seenOf,
  seenPart,
  type WriteSet,
} from './snapshot.js';

export interface CommitParts {
  readonly rules: IsolationRules;
  readonly reads: ReadSet;
  readonly writes: WriteSet;
}

/** The transaction that commits what a run has read and written, and what its replies mean. */
export class CommitRequest {
  readonly #parts: CommitParts;
  /** Keys that were read, and not found by a range. */
  readonly #points: readonly Key[];
  readonly #ranges: readonly SeenRange[];
  /** Keys that are written without having been read, where those are compared. */
  readonly #blind: readonly Key[];

  constructor(parts: CommitParts) {
    const { rules, reads, writes } = parts;
    this.#parts = parts;
    this.#ranges = [...reads.ranges.values()];
    const found = new Set(this.#ranges.flatMap(({ keys }) => keys));
    this.#points = [...reads.keys.keys()].filter((key) => !found.has(key));
    const checksBlind = rules.keepsWrites && reads.revision !== undefined;
    this.#blind = checksBlind ? [...writes.keys()].filter((key) => !reads.keys.has(key)) : [];
  }

  /** All that must be as it was. */
  get compares(): readonly Compare[] {
    const { rules, reads } = this.#parts;
    const { revision = 0 } = reads;
    return [
      ...(rules.keepsReads ? [...reads.keys].map(([key, seen]) => unchanged(key, seen)) : []),
      ...(rules.keepsRanges ? this.#ranges.map((range) => noNewer(range, revision)) : []),
      ...this.#blind.map((key) => compare.mod({ key }, 'less', revision + 1)),
    ];
  }

  get writes(): readonly Op[] {
    return [...this.#parts.writes].map(
      ([key, value]): Op => (value === undefined ? { type: 'delete', key } : { type: 'put', key, value }),
    );
  }

  /** Reads again what was read, and looks at what was written without that. */
  get reading(): readonly RangeOp[] {
    if (!this.#parts.rules.keepsReads) return [];
    return [
      ...this.#points.map((key): RangeOp => ({ type: 'range', key })),
      ...this.#ranges.map(({ query }): RangeOp => ({ type: 'range', ...query })),
      ...this.#blind.map((key): RangeOp => ({ type: 'range', key, keysOnly: true })),
    ];
  }

  /** Operations that it takes, as etcd counts them. */
  get size(): number {
    return Math.max(this.compares.length, this.#parts.writes.size, this.reading.length);
  }

  /** What its caller is told where that is too many. */
  tooLarge(cause: unknown): QuorateError {
    const { reads, writes } = this.#parts;
    const [keys, ranges] = [reads.keys.size, reads.ranges.size];
    const what = `the transaction has read ${keys} keys and ${ranges} ranges and writes ${writes.size} keys`;
    return new QuorateError('too-many-operations', `${what}: more than one request can compare and write`, {
      details: { keysRead: keys, rangesRead: ranges, keysWritten: writes.size },
      cause,
    });
  }

  /** `IF nothing has changed THEN the writes, and what is to be done alongside ELSE read it again`. */
  txn(alongside: readonly Op[] = []): TxnOp {
    return {
      type: 'txn',
      compare: this.compares,
      success: [...this.writes, ...alongside],
      failure: this.reading,
    };
  }

  /** What {@link reading} found at this revision. */
  seenIn(revision: number, reply: Pick<NestedTxnReply, 'replies'>): Snapshot {
    const found = foundIn(reply);
    const keys = new Map<Key, Seen | undefined>();
    const ranges = new Map<string, SeenRange>();
    for (const [index, key] of this.#points.entries()) {
      const [kv] = found[index]?.kvs ?? [];
      keys.set(key, kv && seenOf(kv));
    }
    for (const [index, { query }] of this.#ranges.entries()) {
      const { kvs = [], more = false } = found[this.#points.length + index] ?? {};
      for (const kv of kvs) keys.set(kv.key, seenOf(kv));
      ranges.set(identityOf(query), { query, keys: kvs.map(({ key }) => key), more });
    }
    return { revision, isFresh: true, keys, ranges };
  }

  /** By which keys others were first; a range stands by the key that it begins with. `seen`: what is there now. */
  overtakenAt(seen: Snapshot, reply: Pick<NestedTxnReply, 'replies'>): readonly Key[] {
    const { reads } = this.#parts;
    const changed = this.#points.filter((key) => !isSame(reads.keys.get(key), seen.keys.get(key)));
    for (const range of this.#ranges) {
      const now = seen.ranges.get(identityOf(range.query))?.keys ?? [];
      const isAsBefore =
        now.length === range.keys.length &&
        now.every((key, at) => key === range.keys[at] && isSame(reads.keys.get(key), seen.keys.get(key)));
      if (!isAsBefore) changed.push(range.query.key);
    }
    const looked = foundIn(reply).slice(this.#points.length + this.#ranges.length);
    for (const [index, key] of this.#blind.entries()) {
      const [kv] = looked[index]?.kvs ?? [];
      if (kv !== undefined && kv.modRevision > (reads.revision ?? 0)) changed.push(key);
    }
    return changed;
  }

  /** What is known once it was applied at this revision. */
  known(revision: number): Snapshot {
    const { reads, writes, rules } = this.#parts;
    return afterCommit(rules.keepsRanges ? reads : { ...reads, ranges: new Map() }, writes, revision);
  }

  /** The keys by which others could be first, or be overtaken. */
  get keys(): readonly Key[] {
    return [...this.#points, ...this.#ranges.map(({ query }) => query.key), ...this.#blind];
  }
}

/** A key that was not there must not be there: its revision compares as 0. */
function unchanged(key: Key, seen: Seen | undefined): Compare {
  return compare.mod({ key }, 'equal', seen?.modRevision ?? 0);
}

/** What came since the range was read is newer than that state; what went is missing among the keys, each of which is compared. */
function noNewer(range: SeenRange, revision: number): Compare {
  return compare.mod(seenPart(range), 'less', revision + 1);
}

function isSame(before: Seen | undefined, now: Seen | undefined): boolean {
  return before?.modRevision === now?.modRevision;
}
