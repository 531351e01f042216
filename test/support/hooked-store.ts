import type { Store, TxnReply, TxnRequest } from '../../src/store/index.js';

/** How a transaction goes on its way to the store, told by a test: it may send it, or not, and answer what it likes. */
export type TxnHook = (request: TxnRequest, send: () => Promise<TxnReply>) => Promise<TxnReply>;

/** A store whose transactions pass through a hook while there is one. */
export function hookedStore(store: Store): { readonly store: Store; hook: TxnHook | undefined } {
  const hooked: { readonly store: Store; hook: TxnHook | undefined } = {
    hook: undefined,
    store: {
      range: (request, options) => store.range(request, options),
      txn: (request, options) => {
        const send = () => store.txn(request, options);
        return hooked.hook === undefined ? send() : hooked.hook(request, send);
      },
      watch: (request) => store.watch(request),
      leaseGrant: (request, options) => store.leaseGrant(request, options),
      leaseKeepAlive: (id, options) => store.leaseKeepAlive(id, options),
      leaseRevoke: (id, options) => store.leaseRevoke(id, options),
      leaseTimeToLive: (id, options) => store.leaseTimeToLive(id, options),
      compact: (revision, options) => store.compact(revision, options),
      status: (options) => store.status(options),
      close: () => store.close(),
    },
  };
  return hooked;
}
