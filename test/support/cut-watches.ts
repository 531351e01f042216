import { setTimeout as delay } from 'node:timers/promises';
import { QuorateError } from '../../src/errors.js';
import type { Store, Watch, WatchItem, WatchRequest } from '../../src/store/index.js';
import { storeWith } from './store-with.js';

/**
 * A store whose watches can be cut all at once. They come back, as a store's watches do, after `downMs`, or when they are
 * mended: what must happen before that is then done by then, however long it takes.
 */
export function cuttingWatches(store: Store): { store: Store; cut(downMs?: number): () => void } {
  const open = new Set<(down: Promise<unknown>) => void>();
  const watch = (request: WatchRequest): Watch => {
    let inner = store.watch(request);
    let closed = false;
    let mended: Promise<unknown> | undefined;
    let giveUp = () => {};
    const givenUp = new Promise<void>((resolve) => {
      giveUp = resolve;
    });
    let next = request.fromRevision;
    const cut = (down: Promise<unknown>) => {
      mended ??= down;
      inner.close();
    };
    open.add(cut);
    const close = () => {
      closed = true;
      open.delete(cut);
      giveUp();
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
          if (closed || mended === undefined) return;
          yield { type: 'interrupted', error: new QuorateError('unavailable', 'cut by the test') };
          await Promise.race([mended, givenUp]);
          mended = undefined;
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
      let mend = () => {};
      const mended = new Promise<void>((resolve) => {
        mend = resolve;
      });
      const down = downMs === undefined ? mended : Promise.race([mended, delay(downMs)]);
      for (const each of [...open]) each(down);
      return mend;
    },
  };
}
