import { expect, it, onTestFinished } from 'vitest';
import { MemoryServer } from '../../src/memory/index.js';
import { FifoQueue } from '../../src/queues/index.js';
import { Client } from '../../src/session/index.js';
import type { Store } from '../../src/store/index.js';
import { hookedStore } from '../support/hooked-store.js';
import { storeWith } from '../support/store-with.js';

async function world(instead: (store: Store) => Partial<Store> = () => ({})) {
  const server = new MemoryServer();
  const inner = server.connect();
  const hooked = hookedStore(storeWith(inner, instead(inner)));
  const client = await Client.open({ store: hooked.store, namespace: 'n' });
  onTestFinished(async () => {
    hooked.hook = undefined;
    await client.close();
    await server.close();
  });
  return { hooked, queue: new FifoQueue<string>(client, 'q') };
}

it('a cancellation has one time limit for all of its requests', async () => {
  const { hooked, queue } = await world();
  const { id } = await queue.enqueue('a');
  hooked.hook = async (_request, send) => {
    await new Promise((resolve) => setTimeout(resolve, 300));
    return send();
  };
  await expect(queue.cancel(id, { timeoutMs: 450 })).rejects.toMatchObject({ code: 'timeout' });
});

it('a cancellation obeys its time limit and its signal while the lease of the result is asked for', async () => {
  const hanging: (() => void)[] = [];
  let isAway = false;
  const { queue } = await world((inner) => ({
    leaseGrant: async (request, options) => {
      if (isAway) await new Promise<void>((resolve) => hanging.push(resolve));
      return inner.leaseGrant(request, options);
    },
  }));
  const { id } = await queue.enqueue('a', { resultMs: 60_000 });
  isAway = true;
  await expect(queue.cancel(id, { timeoutMs: 50 })).rejects.toMatchObject({
    ...{ code: 'timeout', outcome: 'not-applied' },
  });
  const controller = new AbortController();
  const cancelled = queue.cancel(id, { signal: controller.signal });
  setTimeout(() => controller.abort(), 50);
  await expect(cancelled).rejects.toMatchObject({ code: 'aborted', outcome: 'not-applied' });
  isAway = false;
  for (const resolve of hanging) resolve();
  expect(await queue.cancel(id)).toBe(true);
});
