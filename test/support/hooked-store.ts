import type { Store, TxnReply, TxnRequest } from '../../src/store/index.js';
import { storeWith } from './store-with.js';

/** How a transaction goes on its way to the store, told by a test: it may send it, or not, and answer what it likes. */
export type TxnHook = (request: TxnRequest, send: () => Promise<TxnReply>) => Promise<TxnReply>;

/** A store whose transactions pass through a hook while there is one. */
export function hookedStore(store: Store): { readonly store: Store; hook: TxnHook | undefined } {
  const hooked: { readonly store: Store; hook: TxnHook | undefined } = {
    hook: undefined,
    store: storeWith(store, {
      txn: (request, options) => {
        const send = () => store.txn(request, options);
        return hooked.hook === undefined ? send() : hooked.hook(request, send);
      },
    }),
  };
  return hooked;
}
