import { expect, it, onTestFinished } from 'vitest';
import { QuorateError } from '../../../src/errors.js';
import { MemoryServer } from '../../../src/memory/index.js';
import { FifoQueue } from '../../../src/queues/index.js';
import { QueueKeys } from '../../../src/queues/keys.js';
import { Client, type ClientOptions } from '../../../src/session/index.js';
import { inRange, type Op } from '../../../src/store/index.js';
import { fastRuntime } from '../../support/fast-runtime.js';
import { hookedStore } from '../../support/hooked-store.js';
import { storeWith } from '../../support/store-with.js';

async function world(options: Partial<ClientOptions> = {}) {
  const server = new MemoryServer();
  const inner = server.connect();
  const state = { refusesLeases: false, refused: 0 };
  const hooked = hookedStore(
    storeWith(inner, {
      leaseGrant: (request, limits) => {
        if (!state.refusesLeases) return inner.leaseGrant(request, limits);
        state.refused += 1;
        return Promise.reject(new QuorateError('unavailable', 'the store is away'));
      },
    }),
  );
  const client = await Client.open({ store: hooked.store, namespace: 'n', ...options });
  onTestFinished(async () => {
    hooked.hook = undefined;
    await client.close();
    await server.close();
  });
  const keys = new QueueKeys(client.keys.prefix('queue', 'q'));
  const putsItem = (ops: readonly Op[]): boolean =>
    ops.some((op) =>
      op.type === 'txn' ? putsItem(op.success) : op.type === 'put' && inRange(keys.items, op.key),
    );
  return { server, hooked, client, keys, putsItem, state };
}

it('QUEUE-29 who waits for room goes on after an outage that cost the session, for as long as it said', async () => {
  const { client, state } = await world({ connectTimeoutMs: 100 });
  await using queue = new FifoQueue<number>(client, 'q', { maxLength: 5 });
  await queue.enqueue(0);
  const session = await client.session();
  state.refusesLeases = true;
  await session.close();
  const second = queue.enqueue(1, { timeoutMs: 60_000 });
  let isOver = false;
  const over = () => {
    isOver = true;
  };
  second.then(over, over);
  await new Promise((resolve) => setTimeout(resolve, 500));
  await expect.poll(() => state.refused).toBeGreaterThan(0);
  expect(isOver).toBe(false);
  state.refusesLeases = false;
  expect(await second).toMatchObject({ duplicate: false });
});

it('the object of a bounded queue closes soon, also while what it has sent is not answered', async () => {
  const runtime = fastRuntime(10);
  const { server, hooked, client, keys, putsItem } = await world({ runtime });
  const queue = new FifoQueue<number>(client, 'q', { maxLength: 5 });
  await queue.enqueue(0);
  let sent = 0;
  hooked.hook = (request, send) => {
    if (!putsItem(request.success)) return send();
    sent += 1;
    return Promise.reject(new QuorateError('unavailable', 'lost', { outcome: 'unknown' }));
  };
  const second = queue.enqueue(1, { timeoutMs: 60_000 }).catch((error: unknown) => error);
  await expect.poll(() => sent).toBeGreaterThan(0);
  const beganMs = runtime.monotonicMs();
  await queue.close();
  expect(runtime.monotonicMs() - beganMs).toBeLessThan(20_000);
  expect(await second).toMatchObject({ outcome: 'unknown' });
  await expect.poll(() => server.engine.range(keys.accounts).count).toBe(0);
});
