import type { Client } from '../../../session/index.js';
import { type RangeOp, txnOf } from '../../../store/index.js';
import { type ListedFrame, listedFrames } from '../frame-name.js';
import type { TopicKeys } from '../keys.js';
import { keysIn } from '../replies.js';

/** Partitions whose names are listed in one request. */
const partitionsPerRead = 8;
const timeoutMs = 10_000;

/** What a segment has of a partition. */
export interface SegmentSize {
  messages: number;
  bytes: number;
  /** Of its first frame, by the clock of its publisher. */
  oldestMs: number;
}

/**
 * How much there is, by segment and partition, as one keeper knows it. A closed segment is listed once, since only keepers change
 * it from then on; the open one each time.
 */
export class LogSizes {
  readonly #client: Client;
  readonly #keys: TopicKeys;
  readonly #partitions: number;
  /** By segment, in order; of each partition. */
  readonly #sizes = new Map<number, SegmentSize[]>();
  #open = 0;

  constructor(client: Client, keys: TopicKeys, partitions: number) {
    this.#client = client;
    this.#keys = keys;
    this.#partitions = partitions;
  }

  async refresh(signal: AbortSignal): Promise<void> {
    const request = { ...this.#keys.segments, keysOnly: true };
    const { kvs } = await this.#client.store.range(request, { timeoutMs, signal });
    const segments = kvs.flatMap(({ key }) => this.#keys.segmentOf(key) ?? []);
    for (const segment of segments) {
      // The one that was open before may have got more.
      if (segment < this.#open && this.#sizes.has(segment)) continue;
      this.#sizes.set(segment, await this.#sizesOf(segment, signal));
    }
    this.#open = segments.at(-1) ?? 0;
  }

  totalOf(partition: number): { messages: number; bytes: number } {
    const total = { messages: 0, bytes: 0 };
    for (const sizes of this.#sizes.values()) {
      total.messages += sizes[partition]?.messages ?? 0;
      total.bytes += sizes[partition]?.bytes ?? 0;
    }
    return total;
  }

  /** Segments that have something of the partition, the oldest first. */
  segmentsOf(partition: number): readonly { segment: number; size: SegmentSize }[] {
    return [...this.#sizes].flatMap(([segment, sizes]) => {
      const size = sizes[partition];
      return size === undefined || size.messages === 0 ? [] : [{ segment, size }];
    });
  }

  /** Closed ones that have nothing. */
  get empty(): readonly number[] {
    const isEmpty = (sizes: readonly SegmentSize[]) => sizes.every(({ messages }) => messages === 0);
    return [...this.#sizes].flatMap(([segment, sizes]) =>
      segment < this.#open && isEmpty(sizes) ? [segment] : [],
    );
  }

  forget(segment: number): void {
    this.#sizes.delete(segment);
  }

  async list(partition: number, segment: number, signal: AbortSignal): Promise<ListedFrame[]> {
    const request = { ...this.#keys.framesOf(partition, segment), keysOnly: true };
    return listedFrames((await this.#client.store.range(request, { timeoutMs, signal })).kvs);
  }

  async #sizesOf(segment: number, signal: AbortSignal): Promise<SegmentSize[]> {
    const sizes: SegmentSize[] = [];
    for (let from = 0; from < this.#partitions; from += partitionsPerRead) {
      const count = Math.min(partitionsPerRead, this.#partitions - from);
      const success = Array.from({ length: count }, (_, index): RangeOp => {
        return { type: 'range', ...this.#keys.framesOf(from + index, segment), keysOnly: true };
      });
      const { replies } = await this.#client.store.txn(txnOf({ success }), { timeoutMs, signal });
      for (const reply of replies) sizes.push(sizeOf(listedFrames(keysIn(reply))));
    }
    return sizes;
  }
}

export function sizeOf(frames: readonly ListedFrame[]): SegmentSize {
  return {
    messages: frames.reduce((sum, { messages }) => sum + messages, 0),
    bytes: frames.reduce((sum, { bytes }) => sum + bytes, 0),
    oldestMs: frames[0]?.publishedAtMs ?? 0,
  };
}
