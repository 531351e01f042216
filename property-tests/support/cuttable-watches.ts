import { QuorateError } from '../../src/errors.js';
import type { Store, Watch, WatchItem, WatchRequest } from '../../src/store/index.js';

/** Watches that a property can cut, for as long as it likes, where no fault happens any more. They begin anew when they are mended. */
export class CuttableWatches {
  readonly #open = new Set<Watch>();
  #mended: Promise<void> | undefined;
  #mend: () => void = () => {};

  /** A process's store, with such watches. */
  of(store: Store): Store {
    return {
      range: (request, options) => store.range(request, options),
      txn: (request, options) => store.txn(request, options),
      watch: (request) => this.#watch(store, request),
      leaseGrant: (request, options) => store.leaseGrant(request, options),
      leaseKeepAlive: (id, options) => store.leaseKeepAlive(id, options),
      leaseRevoke: (id, options) => store.leaseRevoke(id, options),
      leaseTimeToLive: (id, options) => store.leaseTimeToLive(id, options),
      compact: (revision, options) => store.compact(revision, options),
      status: (options) => store.status(options),
      close: () => store.close(),
    };
  }

  cut(): void {
    this.#mended ??= new Promise((resolve) => {
      this.#mend = resolve;
    });
    for (const inner of [...this.#open]) inner.close();
  }

  mend(): void {
    this.#mended = undefined;
    this.#mend();
  }

  #watch(store: Store, request: WatchRequest): Watch {
    let isClosed = false;
    let inner: Watch | undefined;
    const next = () => {
      inner = store.watch(request);
      this.#open.add(inner);
      return inner;
    };
    const close = () => {
      isClosed = true;
      inner?.close();
      if (inner !== undefined) this.#open.delete(inner);
    };
    const mended = () => this.#mended;
    async function* items(): AsyncGenerator<WatchItem> {
      try {
        for (;;) {
          await mended();
          if (isClosed) return;
          yield* next();
          if (isClosed || mended() === undefined) return;
          yield { type: 'interrupted', error: new QuorateError('unavailable', 'cut by the property') };
        }
      } finally {
        close();
      }
    }
    return { [Symbol.asyncIterator]: items, close };
  }
}
