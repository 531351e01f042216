import { inRange, type Key, type KeyRange, type KeyValue, type PutOp, type TxnView } from '../store/index.js';
import type { History } from './history.js';

/** A state of the past and what a transaction makes of it, without a copy of the state. */
export class PastView implements TxnView {
  /** What was put, and as undefined what was deleted. */
  readonly changed = new Map<Key, KeyValue | undefined>();
  readonly #history: History;
  readonly #before: ReadonlyMap<Key, KeyValue>;
  readonly #revision: number;

  constructor(options: {
    readonly history: History;
    /** The state before `revision`. */
    readonly before: ReadonlyMap<Key, KeyValue>;
    readonly revision: number;
  }) {
    this.#history = options.history;
    this.#before = options.before;
    this.#revision = options.revision;
  }

  read(range: KeyRange): readonly KeyValue[] {
    if (range.rangeEnd === undefined || range.rangeEnd === '') {
      const kv = this.#get(range.key);
      return kv === undefined ? [] : [kv];
    }
    const keys = new Set(this.#history.keysIn(range));
    for (const key of this.changed.keys()) if (inRange(range, key)) keys.add(key);
    return [...keys].sort().flatMap((key) => this.#get(key) ?? []);
  }

  readAt(range: KeyRange, revision: number): readonly KeyValue[] {
    return this.#history.rangeAt(range, revision);
  }

  put(op: PutOp): KeyValue | undefined {
    const before = this.#get(op.key);
    this.changed.set(op.key, {
      key: op.key,
      value: op.ignoreValue && before ? before.value : op.value,
      createRevision: before?.createRevision ?? this.#revision,
      modRevision: this.#revision,
      version: (before?.version ?? 0) + 1,
      lease: op.ignoreLease && before ? before.lease : (op.lease ?? '0'),
    });
    return before;
  }

  delete(range: KeyRange): readonly KeyValue[] {
    const deleted = this.read(range);
    for (const { key } of deleted) this.changed.set(key, undefined);
    return deleted;
  }

  #get(key: Key): KeyValue | undefined {
    return this.changed.has(key) ? this.changed.get(key) : this.#before.get(key);
  }
}
