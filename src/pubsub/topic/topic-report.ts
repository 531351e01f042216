import type { Client } from '../../session/index.js';
import { get, type RangeOp, textOf, txnOf } from '../../store/index.js';
import { decodeDescription, type Retention } from './description.js';
import type { TopicKeys } from './keys.js';
import { headIn } from './opening.js';
import { scanLog } from './reading/log-scan.js';
import { removalIn } from './reading/removal.js';
import { keyIn, keysIn } from './replies.js';
import { retrying } from './retrying.js';

const readTimeoutMs = 10_000;

export interface TopicPartition {
  readonly partition: number;
  readonly messages: number;
  readonly bytes: number;
  /** The revisions of the oldest and the newest message that are there; undefined if none is. */
  readonly oldest: number | undefined;
  readonly newest: number | undefined;
  /** How many retention has removed, and up to which revision. */
  readonly removed: { readonly messages: number; readonly upTo: number };
}

/** A topic as of one revision. */
export interface TopicReport {
  readonly revision: number;
  readonly retention: Retention;
  /** The segment that is open, and how many there are. */
  readonly segment: number;
  readonly segments: number;
  /** What removes messages at present: its name, unique to an object of the topic; undefined if nothing does. */
  readonly keeper: string | undefined;
  readonly partitions: readonly TopicPartition[];
}

/** Cost: one read, and the names of all that is there. */
export function describeTopic(client: Client, keys: TopicKeys, signal: AbortSignal): Promise<TopicReport> {
  return retrying(client, signal, async () => {
    const success: RangeOp[] = [
      get(keys.description),
      get(keys.head),
      get(keys.keeper),
      { type: 'range', ...keys.removals },
      { type: 'range', ...keys.segments, countOnly: true },
    ];
    const { replies, revision } = await client.store.txn(txnOf({ success }), {
      timeoutMs: readTimeoutMs,
      signal,
    });
    const { partitions: count, retention } = decodeDescription(keyIn(replies[0])?.value ?? new Uint8Array());
    const keeper = keyIn(replies[2]);
    const segments = replies[4];
    const partitions = Array.from({ length: count }, (_, partition) => {
      const removal = removalIn(keysIn(replies[3]).find(({ key }) => key === keys.removal(partition)));
      const nothing = { messages: 0, bytes: 0, oldest: undefined as number | undefined };
      return { partition, ...nothing, newest: undefined as number | undefined, removed: removal };
    });
    const all = partitions.map(({ partition }) => partition);
    await scanLog({ client, keys, partitions: all, revision, since: 0, signal }, (partition, frames) => {
      const of = partitions[partition];
      if (of === undefined) return;
      of.oldest ??= frames[0]?.revision;
      of.newest = frames.at(-1)?.revision;
      for (const { messages, bytes } of frames) {
        of.messages += messages;
        of.bytes += bytes;
      }
    });
    return {
      ...{ revision, retention, partitions, segment: headIn(keyIn(replies[1])).segment },
      segments: segments?.type === 'range' ? segments.count : 0,
      keeper: keeper && textOf(keeper.value),
    };
  });
}
