/**
 * What a range has said since a position, for one reader who goes through it at its own pace: from a watch of its own, from that
 * position on. What compaction takes meanwhile is told as a gap.
 *
 * Who reads is told up to where it has come, so that it can go on elsewhere; so the store is asked at the beginning what the newest
 * put is: past that, all has been told up to the revision of this answer, though no event says so.
 */
import { isQuorateError } from '../../errors.js';
import { sleep } from '../../runtime/index.js';
import { afterCompaction, type Compacted } from './after-compaction.js';
import { Continuity } from './continuity.js';
import { after, type Batch } from './frame-reader.js';
import { type Newest, readNewest, watchEnded } from './store-reads.js';
import type { ChannelPosition } from './types.js';

/** Before a watch is opened again at a revision that was compacted twice. */
const againMs = 10;

export interface Stretch<T> {
  readonly items: Batch<T>['items'];
  /** With them, all up to this revision has been told. */
  readonly revision: number;
}

export interface HistoryOptions<T> extends Omit<Compacted<T>, 'continuity'> {
  readonly position: ChannelPosition;
  /** What is known of the store by a read that was sent after the position was reached. */
  readonly newest?: Newest | undefined;
  readonly signal: AbortSignal;
}

/** Ends when the signal fires; throws what the watch, or a read, can never recover from. */
export async function* historyOf<T>(options: HistoryOptions<T>): AsyncGenerator<Stretch<T>, void, void> {
  try {
    yield* stretchesOf(options);
  } catch (error) {
    if (!options.signal.aborted || !isQuorateError(error)) throw error;
  }
}

async function* stretchesOf<T>(options: HistoryOptions<T>): AsyncGenerator<Stretch<T>, void, void> {
  const { position, newest, signal, ...parts } = options;
  const { client, range, reader } = parts;
  const continuity = new Continuity();
  const known = newest ?? (await readNewest(client, range, signal));
  const { revision: askedAt, put: newestPut } = known;
  // A revision of which not all is done is read again.
  let told = position.index === undefined ? position.revision : position.revision - 1;
  // What comes next is the one after that.
  if (known.kv !== undefined && newestPut <= told) continuity.accept(known.kv);
  const upTo = () => (told >= newestPut ? Math.max(told, askedAt) : told);
  if (told >= newestPut) yield { items: [], revision: upTo() };
  while (!signal.aborted) {
    const watch = client.store.watch({ ...range, fromRevision: told + 1 });
    const close = () => watch.close();
    signal.addEventListener('abort', close, { once: true });
    try {
      if (signal.aborted) return;
      let isCompacted = false;
      for await (const item of watch) {
        let batch: Batch<T> | undefined;
        if (item.type === 'events') batch = await reader.read(item.events, continuity);
        else if (item.type === 'compacted') {
          const taken = { fromRevision: told + 1, toRevision: item.compactRevision };
          isCompacted = true;
          batch = await afterCompaction({ ...parts, continuity }, taken, signal);
          if (batch === undefined) {
            await sleep(client.runtime, againMs, { signal });
            continue;
          }
        } else continue;
        told = item.type === 'events' ? item.revision : Math.max(told, item.compactRevision);
        yield { items: after(position, batch).items, revision: upTo() };
      }
      if (!isCompacted && !signal.aborted) throw watchEnded();
    } finally {
      signal.removeEventListener('abort', close);
      watch.close();
    }
  }
}
