import { type QuorateError, quorateErrorOf } from '../../errors.js';
import type { Payloads } from '../../payload/index.js';
import type { KeyValue, TxnReply } from '../../store/index.js';
import type { Versioned } from './types.js';

/** Rejects with `codec`. */
export async function versionedOf<T>(payloads: Payloads<T>, kv: KeyValue): Promise<Versioned<T>> {
  return { value: await payloads.decode(kv.value), revision: kv.modRevision, version: kv.version };
}

/** The same, or why it cannot be read: what somebody else wrote ends no watch. */
export async function readableOf<T>(
  payloads: Payloads<T>,
  kv: KeyValue,
): Promise<Versioned<T> | { readonly error: QuorateError; readonly revision: number }> {
  try {
    return await versionedOf(payloads, kv);
  } catch (error) {
    return { error: asQuorateError(error), revision: kv.modRevision };
  }
}

/** What the last read of a transaction found. */
export function keyIn({ replies }: TxnReply): KeyValue | undefined {
  const last = replies.at(-1);
  return last?.type === 'range' ? last.kvs[0] : undefined;
}

export function asQuorateError(error: unknown): QuorateError {
  return quorateErrorOf(error, 'the value could not be read in an unforeseen way');
}
