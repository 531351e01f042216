import { onTestFinished } from 'vitest';
import { MemoryServer } from '../../src/memory/index.js';
import { Client } from '../../src/session/index.js';
import type { Store, Watch, WatchItem, WatchRequest } from '../../src/store/index.js';
import { storeWith } from './store-with.js';

export interface PutBack {
  /** Of the cluster before it was put back, and of the one that it is after. */
  readonly before: Client;
  readonly after: Client;
  /** What a reader is connected to: first the one, then the other. */
  readonly store: Store;
  /** The watches of the reader go on there from the revision after the last that they brought. */
  readonly putBack: () => void;
}

/** A cluster that is put back to an older state, under readers who notice nothing but what it answers. */
export async function clusterToPutBack(): Promise<PutBack> {
  const [before, after] = await Promise.all([openClient(), openClient()]);
  let isBack = false;
  const cuts = new Set<() => void>();
  const current = () => (isBack ? after.store : before.store);
  const store = storeWith(before.store, {
    range: (request, options) => current().range(request, options),
    txn: (request, options) => current().txn(request, options),
    watch: (request) => (isBack ? after.store.watch(request) : goingOn(request)),
  });

  function goingOn(request: WatchRequest): Watch {
    let watch = before.store.watch(request);
    let isClosed = false;
    const close = () => {
      isClosed = true;
      watch.close();
    };
    async function* items(): AsyncGenerator<WatchItem> {
      let fromRevision = request.fromRevision as number;
      let cut = () => {};
      const isCut = new Promise<undefined>((resolve) => {
        cut = () => resolve(undefined);
      });
      cuts.add(cut);
      const reading = watch[Symbol.asyncIterator]();
      for (;;) {
        const next = await Promise.race([reading.next(), isCut]);
        if (next === undefined) break;
        if (next.done) return;
        if (next.value.type === 'events')
          fromRevision = (next.value.events.at(-1)?.kv.modRevision as number) + 1;
        yield next.value;
      }
      watch.close();
      watch = after.store.watch({ ...request, fromRevision });
      if (isClosed) watch.close();
      yield* watch;
    }
    return { close, [Symbol.asyncIterator]: items };
  }

  const putBack = () => {
    isBack = true;
    for (const cut of cuts) cut();
  };
  return { before, after, store, putBack };
}

async function openClient(): Promise<Client> {
  const server = new MemoryServer();
  const client = await Client.open({ store: server.connect(), closeStore: true, namespace: 'n' });
  onTestFinished(() => client.close());
  return client;
}
