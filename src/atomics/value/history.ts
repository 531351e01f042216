import { invalidArgument, shown } from '../../errors.js';
import type { WaitOptions } from '../../runtime/index.js';
import type { Client } from '../../session/index.js';
import type { Key, KeyValue } from '../../store/index.js';

/** Undefined: all. */
export function checkLimit(limit: unknown): number {
  if (limit === undefined) return Number.POSITIVE_INFINITY;
  if (typeof limit === 'number' && Number.isInteger(limit) && limit >= 1) return limit;
  throw invalidArgument(`limit is ${shown(limit)}`, 'a whole number from 1, or none');
}

/**
 * What stood under a key, the newest first: what stands there now, then what stood there in the revision before that was
 * written, and so on to the write that created it. Each is one read, made when it is asked for; where history has been
 * compacted, the read rejects with `compacted`.
 */
export async function* versionsOf(
  client: Client,
  key: Key,
  limit: number,
  options: WaitOptions,
): AsyncGenerator<KeyValue, void, void> {
  let revision = 0;
  for (let count = 0; count < limit; count += 1) {
    const { kvs } = await client.store.range({ key, revision }, options);
    const [kv] = kvs;
    if (kv === undefined) return;
    yield kv;
    if (kv.version === 1) return;
    revision = kv.modRevision - 1;
  }
}
