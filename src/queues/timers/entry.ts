import { nested, type Op, put } from '../../store/index.js';
import type { ItemId, QueueKeys } from '../keys.js';

/** An item as it is enqueued. */
export interface Entry {
  readonly value: Uint8Array;
  /** Milliseconds before it enters the queue; absent or 0: at once. */
  readonly delayMs?: number | undefined;
  /** Of a condition queue: the task that it is. */
  readonly task?: string | undefined;
}

/** Puts an item where it belongs: into the queue, or beside it until its delay is over. One operation, as it counts for etcd. */
export function putEntry(keys: QueueKeys, id: ItemId, { value, delayMs = 0 }: Entry): Op {
  if (delayMs === 0) return { type: 'put', key: keys.item(id), value };
  return nested({
    success: [{ type: 'put', key: keys.delayedItem(id), value }, put(keys.freshDelay(id), String(delayMs))],
  });
}
