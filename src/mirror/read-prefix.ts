import { isPermanent, isQuorateError, QuorateError } from '../errors.js';
import { type AgeClock, Backoff, type Instant, type Runtime, sleep } from '../runtime/index.js';
import type { Key, KeyRange, KeyValue, RangeRequest, RangeResult, Store } from '../store/index.js';
import type { PageLimit } from './page-limit.js';

export interface ReadPrefixOptions {
  readonly store: Pick<Store, 'range'>;
  readonly runtime: Runtime;
  readonly clock: AgeClock;
  readonly range: Required<KeyRange>;
  readonly limit: PageLimit;
  /** The state that is read must not be older than this. */
  readonly notBefore: number;
  readonly signal: AbortSignal;
  /**
   * Of each page; in the order of the keys. `count`: how many keys there are in all; `revision`: as of which. What it throws ends
   * the reading.
   */
  readonly take: (kvs: readonly KeyValue[], count: number, revision: number) => void | Promise<void>;
  /** What it is read from has failed in a way that passes, and is asked again. */
  readonly troubled: (error: QuorateError) => void;
}

/** What the pages show: the state as of `revision`, which holds all that had been committed at `sentAt`. */
export interface PrefixRead {
  readonly revision: number;
  readonly sentAt: Instant;
}

const retryDelay = { firstMs: 20, longestMs: 1_000 };
/**
 * A store turns to another member where one does not answer in time, so that should be soon; on a slow connection the next attempt has
 * twice as long, up to the last, and asks for less.
 */
const attemptMs = { first: 2_000, longest: 16_000 };

/**
 * Reads a prefix in pages, all as of the revision of the first, which is a linearizable read. Rejects with `compacted` if that
 * revision is compacted meanwhile, and for what trying again does not mend. Each page makes etcd walk over the keys, deleted ones
 * that are not compacted included, from its first to the end of the prefix; what it sends is bounded by a number of keys.
 */
export async function readPrefix(options: ReadPrefixOptions): Promise<PrefixRead> {
  const { clock, range, limit, notBefore, take } = options;
  let sentAt = clock.now();
  const first = await ask(options, () => {
    sentAt = clock.now();
    return { ...range, limit: limit.keys };
  });
  const { revision } = first;
  if (revision < notBefore) {
    const message = `the store answered as of revision ${revision}, and has been seen at ${notBefore}`;
    throw new QuorateError('unavailable', message, { details: { revision, notBefore } });
  }
  for (let page = first; ; ) {
    limit.learn(page.kvs.length, bytesIn(page.kvs), page.tookMs);
    await take(page.kvs, first.count, revision);
    const last = page.kvs.at(-1);
    if (!page.more || last === undefined) return { revision, sentAt };
    const key = keyAfter(last.key);
    page = await ask(options, () => ({ ...range, key, limit: limit.keys, revision }));
  }
}

/** Asked until it is answered, for a smaller page each time that one does not come. `tookMs`: the attempt that was answered. */
async function ask(
  { store, runtime, limit, signal, troubled }: ReadPrefixOptions,
  request: () => RangeRequest,
): Promise<RangeResult & { readonly tookMs: number }> {
  const backoff = new Backoff(runtime, retryDelay);
  let timeoutMs = attemptMs.first;
  for (;;) {
    const beganMs = runtime.monotonicMs();
    try {
      const page = await store.range(request(), { signal, timeoutMs });
      signal.throwIfAborted();
      return { ...page, tookMs: runtime.monotonicMs() - beganMs };
    } catch (error) {
      if (signal.aborted || isPermanent(error) || isQuorateError(error, 'compacted')) throw error;
      if (isQuorateError(error)) troubled(error);
      if (isQuorateError(error, 'timeout')) {
        timeoutMs = Math.min(2 * timeoutMs, attemptMs.longest);
        limit.shrink();
      }
      await sleep(runtime, backoff.nextMs(), { signal });
    }
  }
}

/** The smallest key above this one. */
function keyAfter(key: Key): Key {
  return `${key}\0`;
}

function bytesIn(kvs: readonly KeyValue[]): number {
  let bytes = 0;
  for (const { key, value } of kvs) bytes += key.length + value.length;
  return bytes;
}
