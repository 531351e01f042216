import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { QuorateError } from '../../errors.js';
import type { TransactionGuard } from '../../guard/index.js';
import type { WaitOptions } from '../../runtime/index.js';
import type { Codec } from '../../store/index.js';

export interface AtomicValueOptions<T> {
  /** Default: JSON. */
  codec?: Codec<T> | undefined;
  /**
   * What values must be, in any library of standardschema.dev (Zod, Valibot, ArkType…). They are validated when they are
   * written, and stored as they were given; and again when they are read, where what the schema makes of them is handed on.
   * It may be asynchronous.
   */
  schema?: StandardSchemaV1<unknown, T> | undefined;
}

/** A value, and which write put it there. */
export interface Versioned<T> {
  readonly value: T;
  /** The revision of that write: `compareAndSet` takes it. */
  readonly revision: number;
  /** Writes since the value was last absent, from 1. */
  readonly version: number;
}

/** What an update wrote, and at which revision. */
export type Updated<T> = Pick<Versioned<T>, 'value' | 'revision'>;

/** What a value is to be if a write is to happen. */
export type Expected<T> =
  /** What `get` told: that very write, or, undefined, none. */
  | Versioned<T>
  | undefined
  /** The write of this revision; 0 for none. */
  | { readonly revision: number }
  /** Any write of these bytes: compared as the codec encodes them, so objects with their fields in the same order. */
  | { readonly value: T };

export interface WriteOptions extends WaitOptions {
  /** The store refuses the write with `fenced` once this has ended. */
  guard?: TransactionGuard | undefined;
}

export type Swapped<T> =
  | { readonly succeeded: true; readonly revision: number }
  /** `found`: what stood there instead; undefined: nothing. */
  | { readonly succeeded: false; readonly found: Versioned<T> | undefined };

export interface HistoryOptions extends WaitOptions {
  /** At most so many versions. Default: all that there are. */
  limit?: number | undefined;
}

/** What a watcher knows. `unknown` is said at once where the watch is cut: silence is not "still the same". */
export type ValueView<T> =
  | ({ readonly status: 'present' } & Versioned<T>)
  /** `revision`: at which it was known to be absent. */
  | { readonly status: 'absent'; readonly revision: number }
  /** Something stands there that the codec or the schema refuses. */
  | { readonly status: 'unreadable'; readonly revision: number; readonly error: QuorateError }
  | { readonly status: 'unknown' };

export interface ChangesOptions {
  /** Tells what came after this revision, and nothing of how it was then. Default: begins with the state of now. */
  after?: number | undefined;
  /** Ends the changes, without an error. */
  signal?: AbortSignal | undefined;
}

/** One item of `changes()`, in the order of revisions. */
export type ValueChange<T> =
  /** How it is as of `revision`: the first item, and the one after a gap. */
  | { readonly type: 'state'; readonly revision: number; readonly state: Versioned<T> | undefined }
  | ({ readonly type: 'set' } & Versioned<T>)
  | { readonly type: 'deleted'; readonly revision: number }
  /** A change, or a state, that the codec or the schema refuses. */
  | { readonly type: 'unreadable'; readonly revision: number; readonly error: QuorateError }
  /** Whatever happened from the one revision to the other, both included, was compacted and is not told. */
  | { readonly type: 'gap'; readonly fromRevision: number; readonly toRevision: number };
