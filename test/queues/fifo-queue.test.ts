import { expect, it } from 'vitest';
import { FifoQueue, Worker } from '../../src/queues/index.js';
import { testClients } from '../support/clients.js';
import { describeStores } from '../support/stores.js';

describeStores('FIFO queue', (server) => {
  it('QUEUE-1 QUEUE-4 gives every item to a worker, in the order of the calls', async () => {
    const clients = testClients(server);
    const [producer, consumer] = [await clients.open(), await clients.open()];
    const queue = new FifoQueue<number>(producer, 'jobs');
    const calls = Array.from({ length: 200 }, (_, n) => queue.enqueue(n));
    const enqueued = await Promise.all(calls);
    expect(new Set(enqueued.map((item) => item.id)).size).toBe(200);
    expect(await queue.size()).toBe(200);
    expect((await queue.peek())?.payload).toBe(0);

    const seen: number[] = [];
    const worker = new Worker(new FifoQueue<number>(consumer, 'jobs'), (job) => {
      seen.push(job.payload);
    });
    await worker.start();
    await expect.poll(() => queue.size(), { timeout: 10_000 }).toBe(0);
    await worker.close();
    expect(seen).toEqual(Array.from({ length: 200 }, (_, n) => n));
    await queue.close();
  });
});
