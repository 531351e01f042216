import { setTimeout as delay } from 'node:timers/promises';
import { QuorateError } from '../../src/errors.js';
import type { Store, Watch, WatchItem, WatchRequest } from '../../src/store/index.js';
import { storeWith } from './store-with.js';

/** A store whose watches can be cut all at once; they come back after `downMs` as a store's watches do. */
export function cuttingWatches(store: Store): { store: Store; cut(downMs: number): void } {
  const open = new Set<(downMs: number) => void>();
  const watch = (request: WatchRequest): Watch => {
    let inner = store.watch(request);
    let closed = false;
    let cutFor: number | undefined;
    let next = request.fromRevision;
    const cut = (downMs: number) => {
      cutFor ??= downMs;
      inner.close();
    };
    open.add(cut);
    const close = () => {
      closed = true;
      open.delete(cut);
      inner.close();
    };
    async function* items(): AsyncGenerator<WatchItem> {
      try {
        while (!closed) {
          for await (const item of inner) {
            if (item.type === 'events') next = item.revision + 1;
            else if (item.type === 'opened') next ??= item.revision + 1;
            yield item;
          }
          if (closed || cutFor === undefined) return;
          yield { type: 'interrupted', error: new QuorateError('unavailable', 'cut by the test') };
          await delay(cutFor);
          cutFor = undefined;
          if (closed) return;
          const fromRevision = request.resume === 'now' ? undefined : next;
          if (request.resume === 'now') next = undefined;
          inner = store.watch({ ...request, ...(fromRevision === undefined ? {} : { fromRevision }) });
        }
      } finally {
        close();
      }
    }
    return { [Symbol.asyncIterator]: items, close };
  };
  return {
    store: storeWith(store, { watch }),
    cut: (downMs) => {
      for (const each of [...open]) each(downMs);
    },
  };
}
