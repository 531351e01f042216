import { bytesOf, type Key, type Store, txnOf } from '../store/index.js';
import type { FreshnessProof } from './types.js';

/** Where every change puts the stamp in its own transaction: one read of one key. A stamp that was never put is revision 0. */
export function readStamp(store: Pick<Store, 'range'>, key: Key): FreshnessProof {
  return async (options) => {
    const { kvs, revision: storeRevision } = await store.range({ key }, options);
    return { revision: kvs[0]?.modRevision ?? 0, storeRevision };
  };
}

/**
 * Puts the stamp, and so holds for whatever others write, and however. One transaction, and one event for each mirror of the
 * prefix. It needs nothing of exactly once: a put that is repeated, or applied late, is one more revision and no other state.
 */
export function putStamp(store: Pick<Store, 'txn'>, key: Key): FreshnessProof {
  const request = txnOf({ success: [{ type: 'put', key, value: bytesOf('') }] });
  return async (options) => {
    const { revision } = await store.txn(request, options);
    return { revision, storeRevision: revision };
  };
}
