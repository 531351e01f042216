import type { StandardSchemaV1 } from '@standard-schema/spec';
import { invalidArgument, shown } from '../../errors.js';
import type { WaitOptions } from '../../runtime/index.js';
import type { Codec } from '../../store/index.js';
import type { Retention } from './description.js';
import type { From } from './reading/starting.js';

export interface TopicOptions<T> {
  /**
   * How many partitions the topic has, from 1 to 64. Decided by whoever uses it first, and never changed: by another number it is not
   * opened (`invalid-argument`). Default: what it has; 8 for a new one.
   */
  partitions?: number | undefined;
  /** How much a new topic keeps; see `setRetention`. Default: everything. */
  retention?: Retention | undefined;
  /** Default: JSON. */
  codec?: Codec<T> | undefined;
  /**
   * What messages must be, in any library of standardschema.dev. Validated when they are published, and stored as they were
   * given; and again when they are handed out, where what the schema makes of them is handed on.
   */
  schema?: StandardSchemaV1<unknown, T> | undefined;
  /** How often an object that has published or consumed looks whether there is something to be removed. Default 5,000. */
  retentionCheckMs?: number | undefined;
  /** Frames that a publisher puts into a segment, or finds there, before it opens the next. Default 256. */
  segmentFrames?: number | undefined;
  /**
   * Frames that a reader or a member which is behind reads in one request, from 1 to 100, and no more of them than 1 MiB. It holds
   * so many of each partition. Default 32.
   */
  framesPerPage?: number | undefined;
}

export interface PublishOptions extends WaitOptions {
  /** Messages of one key are in one partition, in their order. Without a key: in any, in no order. At most 1,024 bytes. */
  key?: string | undefined;
  /** The partition itself, for who has one of his own. Not together with `key`. */
  partition?: number | undefined;
}

export interface PublishAllOptions<T> extends WaitOptions {
  /** The key of each message; undefined: none. */
  key?: ((value: T, index: number) => string | undefined) | undefined;
}

export interface ReadOptions {
  /** Default `'start'`. */
  from?: From | undefined;
  /** Default: all. */
  partition?: number | undefined;
  /** Default true: it waits for what is published. False: it ends when it has told everything that was there. */
  follow?: boolean | undefined;
  /** Ends it. */
  signal?: AbortSignal | undefined;
}

const longestKeyBytes = 1_024;

export function checkObject(name: string, given: unknown): void {
  if (typeof given === 'object' && given !== null) return;
  throw invalidArgument(`${name} is ${shown(given)}`, 'an object, or none');
}

export function checkKey(key: unknown): void {
  if (key === undefined) return;
  const isString = typeof key === 'string';
  if (isString && /\p{Cs}/u.test(key)) {
    // In UTF-8 two such keys would be one.
    throw invalidArgument(`key ${JSON.stringify(key)} has a lone surrogate`, 'well-formed text, or none');
  }
  if (isString && Buffer.byteLength(key) <= longestKeyBytes) return;
  throw invalidArgument(
    isString ? `key is ${Buffer.byteLength(key)} bytes long` : `key is of type ${typeof key}`,
    `a string of at most ${longestKeyBytes} bytes, or none`,
  );
}

export function checkPartition(partition: unknown, partitions: number): void {
  if (Number.isInteger(partition) && (partition as number) >= 0 && (partition as number) < partitions) return;
  throw invalidArgument(
    `partition is ${shown(partition)}`,
    `a whole number from 0 to ${partitions - 1}, or none`,
  );
}

export function checkAtLeast(
  name: string,
  value: unknown,
  least: number,
  most = Number.MAX_SAFE_INTEGER,
): void {
  const isWhole = Number.isSafeInteger(value);
  if (value === undefined || (isWhole && (value as number) >= least && (value as number) <= most)) return;
  const limit = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`;
  throw invalidArgument(`${name} is ${shown(value)}`, `a whole number ${limit}, or none`);
}
