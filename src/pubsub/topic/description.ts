/** What is decided about a topic for all who use it: the value of `t`. */
import { invalidArgument, QuorateError, shown } from '../../errors.js';
import { textOf } from '../../store/index.js';

/** How much of a topic is kept. What exceeds any of these is removed, from the oldest on; each holds for each partition by itself. */
export interface Retention {
  /** Messages of a partition. Its newest so many are always kept; of the frame that crosses the limit all. */
  readonly maxMessages?: number | undefined;
  /** By the clocks of publishers, of which none counts as earlier than one before it. At least 1,000. */
  readonly maxAgeMs?: number | undefined;
  /** Bytes of a partition as it is stored, without the names of keys. The newest frame is kept, however large. */
  readonly maxBytes?: number | undefined;
}

export interface Description {
  readonly partitions: number;
  readonly retention: Retention;
}

export const mostPartitions = 64;
const defaultPartitions = 8;
const shortestAgeMs = 1_000;

export function checkPartitions(partitions: unknown): void {
  if (partitions === undefined) return;
  const isCount = typeof partitions === 'number' && Number.isInteger(partitions);
  if (isCount && partitions >= 1 && partitions <= mostPartitions) return;
  throw invalidArgument(
    `partitions is ${shown(partitions)}`,
    `a whole number from 1 to ${mostPartitions}, or none`,
  );
}

export function checkRetention(retention: unknown): void {
  if (retention === undefined) return;
  if (typeof retention !== 'object' || retention === null) {
    throw invalidArgument('retention is no object', 'maxMessages, maxAgeMs, maxBytes, or none');
  }
  const { maxMessages, maxAgeMs, maxBytes } = retention as Retention;
  checkLimit('maxMessages', maxMessages, 1);
  checkLimit('maxAgeMs', maxAgeMs, shortestAgeMs);
  checkLimit('maxBytes', maxBytes, 1);
}

function checkLimit(name: string, limit: unknown, least: number): void {
  if (limit === undefined || (Number.isSafeInteger(limit) && (limit as number) >= least)) return;
  throw invalidArgument(`${name} is ${shown(limit)}`, `a whole number of at least ${least}, or none`);
}

export function isLimited({ maxMessages, maxAgeMs, maxBytes }: Retention): boolean {
  return maxMessages !== undefined || maxAgeMs !== undefined || maxBytes !== undefined;
}

export function describedAs(wanted: Partial<Description>): Description {
  return { partitions: wanted.partitions ?? defaultPartitions, retention: wanted.retention ?? {} };
}

export function encodeDescription({ partitions, retention }: Description): string {
  const { maxMessages, maxAgeMs, maxBytes } = retention;
  return JSON.stringify({ partitions, retention: { maxMessages, maxAgeMs, maxBytes } });
}

/** Throws `codec`: who cannot read how many partitions there are must not guess. */
export function decodeDescription(value: Uint8Array): Description {
  try {
    const { partitions, retention = {} } = JSON.parse(textOf(value)) as Description;
    checkPartitions(partitions);
    checkRetention(retention);
    if (partitions === undefined) throw new TypeError('no partitions');
    return { partitions, retention };
  } catch (cause) {
    throw new QuorateError('codec', 'malformed description of a topic: was it written by another program?', {
      cause,
    });
  }
}
