import type { WaitOptions } from '../../runtime/index.js';
import { get, type KeyValue, type Op, type Store, txnOf } from '../../store/index.js';
import type { ItemId, QueueKeys } from '../keys.js';
import { firstOf } from './first-of.js';

/** Where the item is: in the queue, or delayed. Undefined if it has ended, or never was. */
export async function findItem(
  store: Store,
  keys: QueueKeys,
  id: ItemId,
  options: WaitOptions,
): Promise<KeyValue | undefined> {
  const success: Op[] = placesOf(keys, id).map((key) => get(key));
  const { replies } = await store.txn(txnOf({ success }), options);
  return replies.map(firstOf).find((kv) => kv !== undefined);
}

/** The keys that an item may have, one at a time. It moves from the later one to the first. */
export function placesOf(keys: QueueKeys, id: ItemId): readonly string[] {
  return keys.kind === 'delay' ? [keys.item(id), keys.delayedItem(id)] : [keys.item(id)];
}
