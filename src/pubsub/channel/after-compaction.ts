import type { Client } from '../../session/index.js';
import type { KeyRange } from '../../store/index.js';
import type { Continuity } from './continuity.js';
import { type Batch, type FrameReader, gapOf } from './frame-reader.js';
import { readSurvivors } from './store-reads.js';

/** Whose history was compacted. */
export interface Compacted<T> {
  readonly client: Client;
  readonly range: KeyRange;
  /** The channel, if it is one. */
  readonly channel: string | undefined;
  readonly reader: FrameReader<T>;
  readonly continuity: Continuity;
}

/**
 * What is told in place of the events from `fromRevision` to `toRevision`, which compaction took before they were delivered.
 *
 * The last put of each key is still there, as it was at `toRevision`, and its version tells whether it is the only one. So a
 * quiet channel, whose position lies far back, loses nothing; nor does one to which little was published. Of one channel the
 * last frame is told in any case, after the gap. Undefined if that revision was compacted meanwhile too: then a watch says
 * up to where. Rejects once the signal has fired.
 *
 * Which put was the last before these revisions is known by those who were told of it, and by who asked while it was the newest.
 * Who knows it not (one who reads history, or follows a pattern) cannot tell one put from several, and is told a gap.
 */
export async function afterCompaction<T>(
  { client, range, channel, reader, continuity }: Compacted<T>,
  taken: { readonly fromRevision: number; readonly toRevision: number },
  signal: AbortSignal,
): Promise<Batch<T> | undefined> {
  const { fromRevision } = taken;
  const survivors = await readSurvivors(client, range, taken, signal);
  if (survivors === undefined) return undefined;
  const { kvs } = survivors;
  const wasDeleted = survivors.isEmpty && continuity.knows(range.key);
  const isWhole = survivors.isOrdered && !wasDeleted && kvs.every((kv) => continuity.isNext(kv));
  const events = kvs.map((kv) => ({ type: 'put', kv }) as const);
  if (isWhole) return reader.read(events, continuity);
  continuity.forget();
  const last = channel === undefined ? undefined : kvs[0];
  if (last === undefined) return { items: [gapOf('compacted', taken, channel)], weights: [0] };
  const read = await reader.read(events, continuity);
  if (last.modRevision === fromRevision) return read;
  const missing = { fromRevision, toRevision: last.modRevision - 1 };
  return { items: [gapOf('compacted', missing, channel), ...read.items], weights: [0, ...read.weights] };
}
