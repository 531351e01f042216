import type { DeadLetterCause } from '../records/index.js';
import { malformed, parsed } from '../records/parsing.js';

/** How a job ended whose result was asked for. */
export type ResultRecord =
  /** Acknowledged. `value` is what its handler returned, encoded; absent if that was nothing. */
  | { readonly status: 'completed'; readonly value?: Uint8Array | undefined }
  /** It is in the dead letters. */
  | { readonly status: 'dead'; readonly cause: DeadLetterCause; readonly reason: string }
  | { readonly status: 'cancelled'; readonly reason: string };

/** A length of four bytes, what is known in JSON, and the value. */
export function encodeResult(record: ResultRecord): Uint8Array {
  const isValued = record.status === 'completed' && record.value !== undefined;
  const known = record.status === 'completed' ? { status: record.status, isValued } : record;
  const head = Buffer.from(JSON.stringify(known));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(head.length);
  return Buffer.concat([length, head, ...(isValued && record.value ? [record.value] : [])]);
}

interface KnownResult {
  readonly status: string;
  readonly isValued: boolean;
  readonly cause: string;
  readonly reason: string;
}

export function decodeResult(bytes: Uint8Array): ResultRecord {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.length < 4) throw malformed('result');
  const end = 4 + buffer.readUInt32BE(0);
  const known = parsed('result', () => JSON.parse(buffer.toString('utf8', 4, end)) as Partial<KnownResult>);
  const reason = String(known.reason ?? '');
  switch (known.status) {
    case 'completed':
      return known.isValued
        ? { status: 'completed', value: bytes.subarray(end) }
        : { status: 'completed', value: undefined };
    case 'dead': {
      const cause = known.cause === 'workers-lost' || known.cause === 'rejected' ? known.cause : 'failed';
      return { status: 'dead', cause, reason };
    }
    case 'cancelled':
      return { status: 'cancelled', reason };
    default:
      throw malformed('result');
  }
}
