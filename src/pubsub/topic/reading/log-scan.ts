import type { Client } from '../../../session/index.js';
import { type RangeOp, txnOf } from '../../../store/index.js';
import { type ListedFrame, listedFrames } from '../frame-name.js';
import type { TopicKeys } from '../keys.js';
import { keysIn } from '../replies.js';

/** Partitions whose names are listed in one request. */
const partitionsPerRead = 8;
const readTimeoutMs = 10_000;

export interface LogScan {
  readonly client: Client;
  readonly keys: TopicKeys;
  readonly partitions: readonly number[];
  /** All is read as of this revision. */
  readonly revision: number;
  /** What was put before need not be shown, though it may be. */
  readonly since: number;
  readonly signal: AbortSignal;
}

/**
 * Shows the names of all frames that are in the log, those of each partition in order, segment by segment; no values. Rejects with
 * `compacted` if the history of that revision goes meanwhile: begin again at a newer one. Cost: a request for each segment and
 * eight partitions.
 */
export async function scanLog(
  { client, keys, partitions, revision, since, signal }: LogScan,
  show: (partition: number, frames: readonly ListedFrame[]) => void,
): Promise<void> {
  const options = { timeoutMs: readTimeoutMs, signal };
  const { kvs } = await client.store.range({ ...keys.segments, revision, keysOnly: true }, options);
  const first = kvs.findLastIndex(({ createRevision }) => createRevision <= since);
  for (const { key } of kvs.slice(Math.max(0, first))) {
    const segment = keys.segmentOf(key);
    if (segment === undefined) continue;
    for (let from = 0; from < partitions.length; from += partitionsPerRead) {
      const some = partitions.slice(from, from + partitionsPerRead);
      const success = some.map((partition): RangeOp => {
        return { type: 'range', ...keys.framesOf(partition, segment), revision, keysOnly: true };
      });
      const { replies } = await client.store.txn(txnOf({ success }), options);
      for (const [index, partition] of some.entries()) {
        const frames = listedFrames(keysIn(replies[index]));
        if (frames.length > 0) show(partition, frames);
      }
    }
  }
}
