import { malformed, parsed, wholeNumber } from './parsing.js';

/** Why an item went to the dead letters. */
export type DeadLetterCause = 'failed' | 'workers-lost' | 'rejected';

export interface DeadLetterRecord {
  readonly cause: DeadLetterCause;
  /** In words: the message of the last failure. */
  readonly reason: string;
  readonly failures: number;
  readonly losses: number;
  /** By the clock of the worker that had it last. */
  readonly atMs: number;
  /** The item's own value, as it was in the queue. */
  readonly item: Uint8Array;
}

/** A length of four bytes, what is known in JSON, and the item's value. */
export function encodeDeadLetter({ item, ...known }: DeadLetterRecord): Uint8Array {
  const head = Buffer.from(JSON.stringify(known));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(head.length);
  return Buffer.concat([length, head, item]);
}

export function decodeDeadLetter(bytes: Uint8Array): DeadLetterRecord {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.length < 4) throw malformed('dead letter');
  const end = 4 + buffer.readUInt32BE(0);
  const known = parsed(
    'dead letter',
    () => JSON.parse(buffer.toString('utf8', 4, end)) as Partial<DeadLetterRecord>,
  );
  const { cause } = known;
  return {
    cause: cause === 'workers-lost' || cause === 'rejected' ? cause : 'failed',
    reason: String(known.reason ?? ''),
    failures: wholeNumber(known.failures),
    losses: wholeNumber(known.losses),
    atMs: Number(known.atMs) || 0,
    item: bytes.subarray(end),
  };
}
