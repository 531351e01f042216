import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { QuorateError } from '../../errors.js';
import type { TransactionGuard } from '../../guard/index.js';
import type { WaitOptions } from '../../runtime/index.js';
import type { Codec } from '../../store/index.js';

export interface ReplicatedMapOptions<V> {
  /** Default: JSON. */
  codec?: Codec<V> | undefined;
  /**
   * What values must be, in any library of standardschema.dev (Zod, Valibot, ArkType…). They are validated when they are written,
   * and stored as they were given; and again when they come here, where what the schema makes of them is kept. It may be
   * asynchronous: later changes wait for it then, for 5 s at most, after which the entry is unreadable, with code `timeout`.
   */
  schema?: StandardSchemaV1<unknown, V> | undefined;
  /** More entries than so many are not taken in, and none is written beyond them. Default 100,000. */
  maxEntries?: number | undefined;
  /** Nor more bytes of keys and values, as they are stored. Default 256 MiB. */
  maxBytes?: number | undefined;
  /**
   * Who puts the stamp by which a replica knows how fresh it is.
   * - `writers`, the default: each change does, in its transaction. A proof is a read of one key, and needs no right to write.
   *   It covers what was written through `ReplicatedMap`, or by others that put the stamp too.
   * - `readers`: whoever wants a proof puts it. It covers whatever was written, and however; each proof is an event for every
   *   replica, so `proveEveryMs` should be long where there are many.
   */
  stampedBy?: 'writers' | 'readers' | undefined;
  /** The pause between a proof of freshness and the next, in ms. Default 1,000; `Infinity`: only those of `sync` and `getFresh`. */
  proveEveryMs?: number | undefined;
}

/** What stands under a key, and which write put it there. */
export interface MapEntry<V> {
  readonly value: V;
  /** The revision of that write: `compareAndSet` takes it. */
  readonly revision: number;
}

/** Something stands under a key that the codec or the schema refuses. */
export interface UnreadableEntry {
  /** Of the write that put it there. */
  readonly revision: number;
  readonly error: QuorateError;
}

/** What an entry is to be if a write is to happen. */
export type ExpectedEntry<V> =
  /** That very write, or, undefined, none: the key is absent. */
  | MapEntry<V>
  | undefined
  /** The write of this revision; 0 for none. */
  | { readonly revision: number }
  /** Any write of these bytes: compared as the codec encodes them. */
  | { readonly value: V };

export interface MapWriteOptions extends WaitOptions {
  /** The store refuses the write with `fenced` once this has ended. */
  guard?: TransactionGuard | undefined;
}

/** A write that was applied. */
export interface MapWrite {
  /** It was applied at this revision. */
  readonly revision: number;
  /**
   * This replica shows it. False only where the replica had not come so far when the time of the call was up, or it was aborted,
   * or the map closed: applied it was all the same.
   */
  readonly shown: boolean;
}

export type SwappedEntry<V> =
  | ({ readonly succeeded: true } & MapWrite)
  /** `found`: what stood there instead; undefined: nothing. */
  | { readonly succeeded: false; readonly found: MapEntry<V> | undefined };

/** `revision` of an update that wrote nothing: the state that it was decided by. */
export interface UpdatedMap<T> extends MapWrite {
  /** What the function returned. */
  readonly result: T;
}

/** What the function of an update sees and changes. All of it throws `closed` once the function has returned. */
export interface MapDraft<K extends string, V> {
  /** What it is in this update. Throws `codec` where something stands there that cannot be read. */
  get(key: K): V | undefined;
  /** Throws as `get` does. */
  has(key: K): boolean;
  set(key: K, value: V): void;
  delete(key: K): void;
}

/** One key, between the state before a batch and the state after it. */
export interface MapChange<K extends string, V> {
  readonly key: K;
  /** Undefined: it was absent. */
  readonly previous: MapEntry<V> | undefined;
  /** Undefined: it is absent now. */
  readonly current: MapEntry<V> | undefined;
  /** What was written cannot be read: `current` is the last that could, as it was before. */
  readonly unreadable?: UnreadableEntry;
}

/** What has changed, all at once. */
export interface MapBatch<K extends string, V> {
  /**
   * - `revision`: what one revision changed; the batches of this type miss none.
   * - `reset`: the difference between what was told before and the state as of `revision`: where history was compacted before it
   *   was seen, where the limits had been exceeded, and where a reader of `changes()` was slow. What came and went meanwhile is
   *   not told. The first of `changes()`, too, which tells all there is.
   */
  readonly type: 'revision' | 'reset';
  readonly revision: number;
  /** Never two of one key. In no particular order. */
  readonly changes: readonly MapChange<K, V>[];
}

export interface MapChangesOptions extends Pick<WaitOptions, 'signal'> {
  /** So many changes are kept for a slow reader one batch by one; beyond, they are told as one `reset`. Default 1,000. */
  maxBuffered?: number | undefined;
}
