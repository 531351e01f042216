import { bytesOf, type Key, type Store, txnOf } from '../store/index.js';
import type { FreshnessProof } from './types.js';

/** Where every change puts the stamp in its own transaction: one read of one key. A stamp that was never put is revision 0. */
export function readStamp(store: Pick<Store, 'range'>, key: Key): FreshnessProof {
  return async (options) => {
    const { kvs } = await store.range({ key }, options);
    return kvs[0]?.modRevision ?? 0;
  };
}

/**
 * Puts the stamp, and so holds for whatever others write, and however. One transaction, and one event for each mirror of the
 * prefix. It needs nothing of exactly once: a put that is repeated, or applied late, is one more revision and no other state.
 */
export function putStamp(store: Pick<Store, 'txn'>, key: Key): FreshnessProof {
  const request = txnOf({ success: [{ type: 'put', key, value: bytesOf('') }] });
  return async (options) => (await store.txn(request, options)).revision;
}
