import { invalidArgument } from '../errors.js';
import { bytesOf, type Key, type KeyValue, textOf } from '../store/index.js';

/** What the `leader` key says. */
export interface LeaderRecord {
  /** The leader's place in the line of candidates. */
  readonly place: Key;
  /** The client's label, for people. */
  readonly label: string;
  /** Absent in the write that won, whose own revision is the term. */
  readonly term?: number;
}

/** A line of JSON, then the leader's own bytes as they are. */
export function encodeLeader(record: LeaderRecord, value: Uint8Array): Uint8Array {
  return Buffer.concat([bytesOf(`${JSON.stringify(record)}\n`), value]);
}

export function decodeLeader(kv: KeyValue): { record: LeaderRecord; value: Uint8Array } | undefined {
  const end = kv.value.indexOf(0x0a);
  if (end < 0) return undefined;
  try {
    const record: unknown = JSON.parse(textOf(kv.value.subarray(0, end)));
    return isRecord(record) ? { record, value: kv.value.subarray(end + 1) } : undefined;
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is LeaderRecord {
  if (typeof value !== 'object' || value === null) return false;
  const { place, label, term } = value as Partial<Record<keyof LeaderRecord, unknown>>;
  const hasTerm = term === undefined || typeof term === 'number';
  return typeof place === 'string' && typeof label === 'string' && hasTerm;
}

/** The bytes of what a leader says. */
export function saidBytes(value: unknown): Uint8Array {
  if (typeof value === 'string' || value instanceof Uint8Array) return bytesOf(value);
  throw invalidArgument(`value is of type ${value === null ? 'null' : typeof value}`, 'a string or bytes');
}
