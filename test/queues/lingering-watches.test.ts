import { expect, it, onTestFinished } from 'vitest';
import { MemoryServer } from '../../src/memory/index.js';
import { FifoQueue, Worker } from '../../src/queues/index.js';
import { Client } from '../../src/session/index.js';
import { storeWith } from '../support/store-with.js';

it('no watch stays open below a name that was one life’s', async () => {
  const inner = new MemoryServer().connect();
  const open: string[] = [];
  const watched = new Set<string>();
  const store = storeWith(inner, {
    watch: (request) => {
      const watch = inner.watch(request);
      open.push(request.key);
      watched.add(request.key);
      return {
        close: () => {
          if (open.includes(request.key)) open.splice(open.indexOf(request.key), 1);
          watch.close();
        },
        [Symbol.asyncIterator]: () => watch[Symbol.asyncIterator](),
      };
    },
  });
  const client = await Client.open({ store, namespace: 'n' });
  onTestFinished(() => client.close());
  const queue = new FifoQueue<number>(client, 'q', { maxLength: 2 });
  await queue.enqueue(1);
  const worker = new Worker(queue, () => {});
  await worker.start();
  await worker.close();
  await queue.close();
  const ofOneLife = (key: string) => /\/(a|j)\/[^/]+\//.test(key);
  expect([...watched].filter(ofOneLife)).toHaveLength(2);
  await expect.poll(() => open.filter(ofOneLife), { timeout: 4_000 }).toEqual([]);
});
