import type { Store } from '../../src/store/index.js';

/** A store that passes everything on to `store`, but for what `instead` does. */
export function storeWith(store: Store, instead: Partial<Store>): Store {
  return {
    range: (request, options) => store.range(request, options),
    txn: (request, options) => store.txn(request, options),
    watch: (request) => store.watch(request),
    leaseGrant: (request, options) => store.leaseGrant(request, options),
    leaseKeepAlive: (id, options) => store.leaseKeepAlive(id, options),
    leaseRevoke: (id, options) => store.leaseRevoke(id, options),
    leaseTimeToLive: (id, options) => store.leaseTimeToLive(id, options),
    compact: (revision, options) => store.compact(revision, options),
    status: (options) => store.status(options),
    close: () => store.close(),
    ...instead,
  };
}
