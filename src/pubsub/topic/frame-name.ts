import type { Key, KeyValue } from '../../store/index.js';
import type { TopicKeys } from './keys.js';

/**
 * What the last segments of a frame's key say: whose it is, and enough of what is in it that lag, retention and replays from a
 * time read keys and no values. All numbers are hexadecimal.
 */
export interface FrameName {
  readonly publisher: string;
  /** Counts up in the publisher. */
  readonly number: number;
  readonly messages: number;
  readonly bytes: number;
  /** By the publisher's clock. */
  readonly publishedAtMs: number;
}

/** A frame that is there, without what it says. */
export interface ListedFrame extends FrameName {
  readonly key: Key;
  readonly revision: number;
}

export function frameKey(keys: TopicKeys, partition: number, segment: number, name: FrameName): Key {
  const { publisher, number, messages, bytes, publishedAtMs } = name;
  const atMs = Math.max(0, Math.floor(publishedAtMs));
  const numbers = [number, messages, bytes, atMs].map((one) => one.toString(16));
  return `${keys.framesOf(partition, segment).key}${[publisher, ...numbers].join('.')}`;
}

/** Undefined for a key that is no frame's: somebody else's, which is left alone. */
export function listedFrame({ key, createRevision }: KeyValue): ListedFrame | undefined {
  const [publisher = '', ...rest] = key.slice(key.lastIndexOf('/') + 1).split('.');
  if (rest.length !== 4 || publisher === '') return undefined;
  const numbers = rest.map((text) => (/^[0-9a-f]+$/.test(text) ? Number.parseInt(text, 16) : Number.NaN));
  if (!numbers.every((one) => Number.isSafeInteger(one))) return undefined;
  const [number, messages, bytes, publishedAtMs] = numbers as [number, number, number, number];
  return { key, revision: createRevision, publisher, number, messages, bytes, publishedAtMs };
}

/** Those of the keys that are frames, in the order of the log. A publisher puts one into a partition a revision. */
export function listedFrames(kvs: readonly KeyValue[]): ListedFrame[] {
  return kvs
    .flatMap((kv) => listedFrame(kv) ?? [])
    .sort((one, other) => one.revision - other.revision || (one.key < other.key ? -1 : 1));
}
