import type { Client } from '../../../session/index.js';
import { compare, get, type KeyValue, put, txnOf } from '../../../store/index.js';
import { decodeDescription, encodeDescription, type Retention } from '../description.js';
import type { TopicKeys } from '../keys.js';
import { keyIn } from '../replies.js';

/** Changes what is retained, and nothing else that is decided about the topic. */
export async function decideRetention(
  { store }: Client,
  { description: key }: TopicKeys,
  retention: Retention,
  signal: AbortSignal,
): Promise<void> {
  const wait = { timeoutMs: Number.POSITIVE_INFINITY, signal };
  let known: KeyValue | undefined = (await store.range({ key }, wait)).kvs[0];
  for (;;) {
    const { partitions } = decodeDescription(known?.value ?? new Uint8Array());
    const request = txnOf({
      compare: [compare.mod(key, 'equal', known?.modRevision ?? 0)],
      success: [put(key, encodeDescription({ partitions, retention }))],
      failure: [get(key)],
    });
    const { succeeded, replies } = await store.txn(request, wait);
    if (succeeded) return;
    known = keyIn(replies[0]);
  }
}
