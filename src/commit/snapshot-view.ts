import { invariant } from '../runtime/index.js';
import {
  inRange,
  type Key,
  type KeyRange,
  type KeyValue,
  noLease,
  type PutOp,
  type TxnView,
} from '../store/index.js';

const noBytes = new Uint8Array(0);

/** A range as a text that only the same range has. */
export function rangeId(range: KeyRange): string {
  return range.rangeEnd ? `${range.key.length}:${range.key}${range.rangeEnd}` : range.key;
}

/**
 * The keys as they stood before a revision, as far as they have been loaded, and what one transaction that was
 * applied at that revision writes over them. What it is asked for and does not have it notes as missing, and
 * answers as if there was nothing: the answers count only if nothing was missing at the end.
 */
export class SnapshotView implements TxnView {
  readonly missing = new Map<string, KeyRange>();
  readonly #loaded: ReadonlyMap<string, readonly KeyValue[]>;
  readonly #before: ReadonlyMap<Key, KeyValue>;
  readonly #revision: number;
  /** The keys written so far; undefined for a deleted one. */
  readonly #written = new Map<Key, KeyValue | undefined>();

  /** `loaded`: per {@link rangeId} the keys of that range; `before`: every key among them. */
  constructor(
    loaded: ReadonlyMap<string, readonly KeyValue[]>,
    before: ReadonlyMap<Key, KeyValue>,
    revision: number,
  ) {
    this.#loaded = loaded;
    this.#before = before;
    this.#revision = revision;
  }

  read(range: KeyRange): readonly KeyValue[] {
    const loaded = this.#require(range);
    if (this.#written.size === 0) return loaded;
    const result = loaded.filter((kv) => !this.#written.has(kv.key));
    for (const [key, kv] of this.#written) if (kv !== undefined && inRange(range, key)) result.push(kv);
    return result.sort((left, right) => (left.key < right.key ? -1 : left.key > right.key ? 1 : 0));
  }

  readAt(): readonly KeyValue[] {
    invariant(false, 'ranges of the past are asked from the store, not from a snapshot');
  }

  put(op: PutOp): KeyValue | undefined {
    const { key } = op;
    // A put that does not look at the key needs it only for what a range of the same transaction shows of it,
    // and then that range brings it.
    if (op.prevKv || op.ignoreValue || op.ignoreLease) this.#require({ key });
    const previous = this.#written.has(key) ? this.#written.get(key) : this.#before.get(key);
    this.#written.set(key, {
      key,
      value: op.ignoreValue ? (previous?.value ?? noBytes) : op.value,
      createRevision: previous?.createRevision ?? this.#revision,
      modRevision: this.#revision,
      version: (previous?.version ?? 0) + 1,
      lease: op.ignoreLease ? (previous?.lease ?? noLease) : (op.lease ?? noLease),
    });
    return previous;
  }

  delete(range: KeyRange): readonly KeyValue[] {
    const deleted = this.read(range);
    for (const { key } of deleted) this.#written.set(key, undefined);
    return deleted;
  }

  #require(range: KeyRange): readonly KeyValue[] {
    const id = rangeId(range);
    const loaded = this.#loaded.get(id);
    if (loaded !== undefined) return loaded;
    this.missing.set(id, range);
    return [];
  }
}
