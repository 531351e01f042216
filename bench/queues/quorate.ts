/** Quorate's `FifoQueue` and `Worker` as a participant: see participant-loop.ts. */
import { Client, FifoQueue, Worker } from 'quorate';
import { openEtcd3Store } from 'quorate/etcd3';
import { participate } from './participant-loop.js';
import { consumerConcurrency, quorateBulk } from './settings.js';

await participate(async (endpoint) => {
  const store = await openEtcd3Store({ hosts: endpoint });
  const client = await Client.open({ store, closeStore: true, namespace: 'bench' });
  return {
    open: async (name) => {
      const queue = new FifoQueue<string>(client, name);
      return {
        put: (payload) => queue.enqueue(payload),
        putMany: (payloads) => queue.enqueueMany(payloads, { timeoutMs: 60_000 }),
        close: () => queue.close(),
      };
    },
    consume: async (name, { started, acknowledged }) => {
      const queue = new FifoQueue<string>(client, name);
      const worker = new Worker<string>(queue, (job) => started(job.payload), {
        concurrency: consumerConcurrency,
      });
      worker.on((event) => {
        if (event.type === 'completed') acknowledged(event.job.payload);
        if (event.type === 'error') console.error(event.error);
      });
      await worker.start();
      return { close: () => worker.close().then(() => queue.close()) };
    },
    left: (name) => new FifoQueue<string>(client, name).size(),
    close: () => client.close(),
  };
}, quorateBulk);
