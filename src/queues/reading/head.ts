import type { WaitOptions } from '../../runtime/index.js';
import { type KeyValue, type RangeOp, type Store, txnOf } from '../../store/index.js';
import type { QueueKeys } from '../keys.js';
import { readStarts } from './starts.js';

/** The first item of each level that is not acknowledged yet, in queue order, at one revision. Two requests. */
export async function readHeads(
  store: Store,
  keys: QueueKeys,
  options: WaitOptions,
): Promise<readonly KeyValue[]> {
  const { levels } = await readStarts(store, keys, options);
  if (levels.length === 0) return [];
  const reads = levels.map(
    ({ start }): RangeOp => ({ type: 'range', ...keys.itemsBetween(start, undefined), limit: 1 }),
  );
  const { replies } = await store.txn(txnOf({ success: reads }), options);
  return replies.flatMap((reply) => (reply.type === 'range' ? reply.kvs : []));
}
