import { decodeHeaded, encodeHeaded } from './headed.js';
import { wholeNumber } from './parsing.js';

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

export function encodeDeadLetter({ item, ...known }: DeadLetterRecord): Uint8Array {
  return encodeHeaded(known, item);
}

export function decodeDeadLetter(bytes: Uint8Array): DeadLetterRecord {
  const { head, rest: item } = decodeHeaded<Partial<DeadLetterRecord>>('dead letter', bytes);
  const { cause } = head;
  return {
    cause: cause === 'workers-lost' || cause === 'rejected' ? cause : 'failed',
    reason: String(head.reason ?? ''),
    failures: wholeNumber(head.failures),
    losses: wholeNumber(head.losses),
    atMs: Number(head.atMs) || 0,
    item,
  };
}
