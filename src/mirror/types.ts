import type { QuorateError } from '../errors.js';
import type { Runtime } from '../runtime/index.js';
import type { CallOptions, Key, KeyValue, Store } from '../store/index.js';

export interface ProofAnswer {
  /** A mirror that stands there, or beyond, shows everything that had been committed before the request was sent. */
  readonly revision: number;
  /** Where the store stood when it answered. One that stands below what was seen of it was put back. */
  readonly storeRevision: number;
}

/**
 * What shows how far a mirror must be. One linearizable request, sent when it is called. It may reject; what passes is tried again.
 * One that answers less than the one before it proves nothing.
 *
 * - {@link readStamp} of a key that every change puts in its own transaction. Read-only, one key.
 * - {@link putStamp}: whoever wants the proof puts the key. It holds whatever others write, and however.
 *
 * The stamp must lie in the mirrored prefix, so that it comes by the same watch as the changes.
 *
 * **Wrong:** the newest revision among the keys that are there, which misses deletions; a put outside the prefix, which another
 * watch tells of; the revision in the header of some reply, which the mirror never reaches as long as others write elsewhere; a
 * request for the progress of the watch, which before etcd 3.4.25 and 3.5.8 is answered ahead of events.
 */
export type FreshnessProof = (options: CallOptions) => Promise<ProofAnswer>;

export interface PrefixMirrorOptions<Entry> {
  readonly store: Pick<Store, 'range' | 'watch'>;
  readonly runtime: Runtime;
  /** All keys that begin so, as bytes: what `Keyspace` and `keyOf` make. Of two mirrors one's prefix may begin the other's. */
  readonly prefix: Key;
  /**
   * What is kept of a key, made once, when a write of it arrives; by default the KeyValue itself. `before` is what is kept of it
   * so far. Where it takes its time, the whole revision waits for it, and those behind; the keys of a revision, and of a page that is
   * read, at the same time. Nobody waits for it once `ended` has fired. Must not throw or reject.
   */
  readonly entryOf?: (kv: KeyValue, before: Entry | undefined, ended: AbortSignal) => Entry | Promise<Entry>;
  /** More keys than so many are not taken in. Default 100,000. */
  readonly maxEntries?: number | undefined;
  /** A key of the prefix that does not count among them: the stamp that the proof reads or puts. */
  readonly uncounted?: Key | undefined;
  /** Nor more bytes of keys and values, as the store has them. Default 256 MiB. */
  readonly maxBytes?: number | undefined;
  /** What it is of, in messages: `the replicated map "rates"`. */
  readonly owner?: string | undefined;
  /** Ends the mirror with its reason, a `QuorateError`, as `close` does: for whoever has the store. */
  readonly closed?: AbortSignal | undefined;
  /** Called with the answer of each proof that proves something, before it counts. */
  readonly onProof?: ((answer: ProofAnswer) => void) | undefined;
  /** Without it `sync` rejects, and the staleness counts from the last time that the whole prefix was read. */
  readonly proof?: FreshnessProof | undefined;
  /** The pause between a proof and the next, in ms, a quarter more or less. Default 1,000; `Infinity`: only those for `sync`. */
  readonly proveEveryMs?: number | undefined;
}

export type MirrorState =
  /** The prefix has not been read yet. `error`: what the last attempt failed with. */
  | { readonly status: 'loading'; readonly error?: QuorateError }
  /** The watch stands. */
  | { readonly status: 'live' }
  /**
   * The watch is cut, or the prefix is being read again. What is in memory is the state as of `revision`, and stays readable.
   * Goes on by itself. `error.code` `over-limit`: the prefix has outgrown the limits, and is taken in again once it has shrunk.
   */
  | { readonly status: 'behind'; readonly error: QuorateError }
  /** It never goes on: closed, its store was closed (`closed`), or it could not be loaded for a reason that stays. */
  | { readonly status: 'ended'; readonly error: QuorateError };

/** One key, between the state before a batch and the state after it. */
export interface MirrorChange<Entry> {
  readonly key: Key;
  /** Undefined: it was not there. */
  readonly previous: Entry | undefined;
  /** Undefined: it is not there any more. */
  readonly current: Entry | undefined;
}

/** What has changed in memory, all at once, before anybody could look. */
export interface MirrorBatch<Entry> {
  /**
   * - `revision`: what one revision changed in the prefix; the batches of this type miss none.
   * - `reset`: the difference between what was in memory and the state as of `revision`, read anew: the first load, from
   *   nothing, and after history was compacted, or the limits were exceeded, before it was seen. What came and went
   *   meanwhile is not told. It may be empty. After the store was put back all that is there is told, also what is as it was.
   */
  readonly type: 'revision' | 'reset';
  readonly revision: number;
  /** Never two of one key. In no particular order. */
  readonly changes: readonly MirrorChange<Entry>[];
}
