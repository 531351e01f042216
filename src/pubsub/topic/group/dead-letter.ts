/** The value of `D/<group>/<partition>/<place>`: a message that the group gave up. */
import { QuorateError } from '../../../errors.js';
import type { LoggedMessage } from '../reading/partition-reader.js';

export interface DeadLetterRecord {
  readonly key: string | undefined;
  readonly publishedAtMs: number;
  readonly attempts: number;
  readonly reason: string;
  readonly payload: Uint8Array;
}

const longestReason = 1_024;

export function shortened(reason: unknown): string {
  let text: string;
  try {
    text = reason instanceof Error ? reason.message : String(reason ?? 'rejected');
  } catch {
    text = `of type ${typeof reason}`;
  }
  return text.slice(0, longestReason);
}

export function encodeDeadLetter(message: LoggedMessage, attempts: number, reason: string): Uint8Array {
  const { key, publishedAtMs, payload } = message;
  const head = Buffer.from(JSON.stringify({ key, publishedAtMs, attempts, reason }));
  const bytes = Buffer.allocUnsafe(4 + head.length + payload.length);
  bytes.writeUInt32BE(head.length, 0);
  head.copy(bytes, 4);
  bytes.set(payload, 4 + head.length);
  return bytes;
}

export function decodeDeadLetter(value: Uint8Array): DeadLetterRecord {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  try {
    const end = 4 + bytes.readUInt32BE(0);
    const head = JSON.parse(bytes.toString('utf8', 4, end)) as Omit<DeadLetterRecord, 'payload'>;
    const { key, publishedAtMs, attempts, reason } = head;
    return { key, publishedAtMs, attempts, reason, payload: value.subarray(end) };
  } catch (cause) {
    throw new QuorateError('codec', 'malformed dead letter: was it written by another program?', { cause });
  }
}
