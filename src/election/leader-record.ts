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
    const record = JSON.parse(textOf(kv.value.subarray(0, end))) as LeaderRecord;
    return { record, value: kv.value.subarray(end + 1) };
  } catch {
    return undefined;
  }
}
