import { expect, it } from 'vitest';
import { DelayQueue, Worker } from '../../src/queues/index.js';
import { QueueKeys } from '../../src/queues/keys.js';
import { systemRuntime } from '../../src/runtime/index.js';
import { testClients } from '../support/clients.js';
import { describeStores } from '../support/stores.js';

describeStores('delay queue', (server) => {
  it('QUEUE-22 QUEUE-23 gives out delayed items when their delay is over, once, and others at once', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const queue = new DelayQueue<string>(client, 'later');
    const seen: { payload: string; id: string; atMs: number }[] = [];
    const worker = new Worker(queue, (job) => {
      seen.push({ payload: job.payload, id: job.id, atMs: systemRuntime.monotonicMs() });
    });
    await worker.start();
    const fromMs = systemRuntime.monotonicMs();
    const [late, soon, now] = await Promise.all([
      queue.enqueue('late', { delayMs: 600 }),
      queue.enqueue('soon', { delayMs: 200 }),
      queue.enqueue('now'),
    ]);
    expect(await queue.size()).toBeGreaterThanOrEqual(2);
    expect(await queue.delayedSize()).toBe(2);
    await expect
      .poll(() => seen.map(({ payload }) => payload), { timeout: 10_000 })
      .toEqual(['now', 'soon', 'late']);
    expect(seen.map(({ id }) => id)).toEqual([now.id, soon.id, late.id]);
    const [, second, third] = seen.map(({ atMs }) => atMs - fromMs);
    expect(second).toBeGreaterThanOrEqual(199);
    expect(third).toBeGreaterThanOrEqual(599);
    await expect.poll(() => queue.size()).toBe(0);
    await worker.close();
    const keys = new QueueKeys(client.keys.prefix('queue', 'later'), 'delay');
    for (const range of [keys.delayed, keys.freshDelays, keys.timers, keys.items]) {
      expect((await client.store.range({ ...range, countOnly: true })).count).toBe(0);
    }
  });
});
