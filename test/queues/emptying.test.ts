import { describe, expect, it, onTestFinished } from 'vitest';
import { QuorateError } from '../../src/errors.js';
import { MemoryServer } from '../../src/memory/index.js';
import { FifoQueue, Worker } from '../../src/queues/index.js';
import { QueueKeys } from '../../src/queues/keys.js';
import { sleep, systemRuntime } from '../../src/runtime/index.js';
import { Client } from '../../src/session/index.js';
import { put, remove, type Store, txnOf } from '../../src/store/index.js';
import { testClients } from '../support/clients.js';
import { faultyStore } from '../support/faulty-store.js';
import { hookedStore } from '../support/hooked-store.js';
import { storeWith } from '../support/store-with.js';
import { describeStores, uniqueName } from '../support/stores.js';

describeStores('purging a queue', (server, kind) => {
  it('deletes what was there, in steps, and says how many', async () => {
    const clients = testClients(server);
    const { client, counts } = await clients.openCounted();
    const queue = new FifoQueue<number>(client, 'q');
    await queue.enqueueMany(Array.from({ length: 1_203 }, (_, n) => n));
    counts.reset();
    const { removed, revision } = await queue.purge();
    expect(removed).toBe(1_203);
    // A server that is slow to answer is asked again.
    if (kind === 'memory') expect(counts.calls).toMatchObject({ range: 3, txn: 4 });
    expect(await queue.size()).toBe(0);
    expect((await queue.enqueue(7)).revision).toBeGreaterThan(revision);
    expect(await queue.size()).toBe(1);
  });

  it('QUEUE-1 counts nothing that others finished after it had looked', async () => {
    const inner = await server.connect();
    const done: string[] = [];
    const client = await Client.open({
      namespace: uniqueName('ns'),
      closeStore: true,
      store: storeWith(inner, {
        range: async (request, options) => {
          const reply = await inner.range(request, options);
          const [first] = reply.kvs;
          const isLook = request.keysOnly === true && first?.key.includes('/i/') === true;
          if (first === undefined || !isLook || done.length > 0) return reply;
          done.push(first.key);
          await inner.txn({ compare: [], success: [remove(first.key)], failure: [] });
          return reply;
        },
      }),
    });
    onTestFinished(() => client.close());
    const queue = new FifoQueue<number>(client, 'q');
    await queue.enqueueMany([1, 2, 3]);
    expect(await queue.purge()).toMatchObject({ removed: 2 });
    expect(done).toHaveLength(1);
    expect(await queue.size()).toBe(0);
  });

  it('QUEUE-6 takes jobs that run from their workers, generations too', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const queue = new FifoQueue<string>(client, 'q');
    const keys = new QueueKeys(client.keys.prefix('queue', 'q'));
    const { id } = await queue.enqueue('it', { resultMs: 60_000 });
    const told = queue.waitForResult(id).catch((error: unknown) => error);
    const tries: string[] = [];
    const worker = new Worker(
      queue,
      async (job) => {
        tries.push(job.payload);
        if (tries.length === 1) throw new Error('it fails once');
        await job.progress('half');
        await queue.purge();
        await job.complete({ txn: { success: [put('effect', 'x')] } });
      },
      { retryDelay: { firstMs: 1, longestMs: 1 } },
    );
    const events: string[] = [];
    worker.on(({ type }) => events.push(type));
    await worker.start();
    await expect.poll(() => events).toContain('fenced');
    await worker.close();
    for (const range of [keys.items, keys.generations, keys.progress, keys.results]) {
      expect((await client.store.range(range)).count).toBe(0);
    }
    expect(await told).toMatchObject({ code: 'no-result' });
    expect((await client.store.range({ key: 'effect' })).count).toBe(0);
  });
});

describe('purging a queue', () => {
  it('counts each item once, through lost replies and beside another purge', async () => {
    const server = new MemoryServer();
    const network = faultyStore(server.connect(), {
      seed: 11,
      rates: { 'lose-reply': 0.2, 'lose-request': 0.2, refuse: 0.1 },
    });
    const client = await Client.open({ store: network, namespace: 'ns', closeStore: true });
    const queue = new FifoQueue<number>(client, 'q');
    await queue.enqueueMany(Array.from({ length: 2_000 }, (_, n) => n));
    const both = await Promise.all([queue.purge(), queue.purge()]);
    expect(both[0].removed + both[1].removed).toBe(2_000);
    await client.close();
    await server.close();
  });

  it('ends with the patience of its caller, and says how far it came', async () => {
    const server = new MemoryServer();
    const network = faultyStore(server.connect(), { seed: 1, rates: {} });
    const client = await Client.open({ store: network, namespace: 'ns', closeStore: true });
    const queue = new FifoQueue<number>(client, 'q');
    await queue.enqueue(1);
    const away = storeAway(network);
    const cut = await Client.open({ store: away.store, namespace: 'ns' });
    away.isAway = true;
    const purging = new FifoQueue<number>(cut, 'q').purge({ timeoutMs: 60 });
    await expect(purging).rejects.toMatchObject({ code: 'timeout', details: { removed: 0 } });
    away.isAway = false;
    await cut.close();
    expect((await queue.purge()).removed).toBe(1);
    await client.close();
    await server.close();
  });

  it('leaves what is enqueued after it began, even with a smaller place', async () => {
    const server = new MemoryServer();
    const hooked = hookedStore(server.connect());
    const client = await Client.open({ store: hooked.store, namespace: 'ns', closeStore: true });
    const queue = new FifoQueue<number>(client, 'q');
    const late = new FifoQueue<number>(client, 'q');
    await Promise.all([queue.enqueue(1), late.enqueue(2)]);
    let hold = () => {};
    const held = new Promise<void>((resolve) => (hold = resolve));
    let isHeld = true;
    hooked.hook = async (request, send) => {
      if (isHeld && request.success.some((op) => op.type === 'put' && op.key.includes('/i/'))) await held;
      return send();
    };
    // Its place is known, and its group on its way, before others are in the queue.
    const slow = late.enqueue(3);
    await sleep(systemRuntime, 10);
    isHeld = false;
    await queue.enqueue(4);
    const next = { done: false };
    hooked.hook = async (_request, send) => {
      if (!next.done) {
        next.done = true;
        const reply = await send();
        hold();
        await slow;
        return reply;
      }
      return send();
    };
    expect((await queue.purge()).removed).toBe(3);
    expect((await queue.peek())?.payload).toBe(3);
    await client.close();
    await server.close();
  });
});

describeStores('draining a queue', (server) => {
  it('QUEUE-15 closes it for all, and resolves when it is empty, without polling', async () => {
    const clients = testClients(server);
    const { client, counts } = await clients.openCounted();
    const other = new FifoQueue<number>(await clients.open(), 'q');
    const queue = new FifoQueue<number>(client, 'q');
    await queue.enqueueMany([1, 2, 3]);
    let release = () => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    const worker = new Worker(other, (job) => (job.payload === 2 ? released : undefined), {
      concurrency: 2,
    });
    await worker.start();
    await expect.poll(() => other.size()).toBe(1);
    counts.reset();
    let isDrained = false;
    const draining = queue.drain().then(() => (isDrained = true));
    const closed = { code: 'queue-closed', outcome: 'not-applied' };
    await expect
      .poll(() =>
        other.enqueue(4).then(
          () => 'entered',
          (error: unknown) => error,
        ),
      )
      .toMatchObject(closed);
    await sleep(systemRuntime, 300);
    expect(isDrained).toBe(false);
    const entered = await other.size();
    expect(counts.total()).toBeLessThan(12);
    release();
    await draining;
    expect(entered).toBeGreaterThan(0);
    expect(await queue.size()).toBe(0);
    await expect(queue.enqueue(5)).rejects.toMatchObject(closed);
    await queue.drain();
    await worker.close();
  });

  it('fails if somebody opens the queue again, and ends with the patience of its caller', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const drainer = await clients.openCounted();
    const queue = new FifoQueue<number>(client, 'q');
    const keys = new QueueKeys(client.keys.prefix('queue', 'q'));
    await queue.enqueueMany([1, 2]);
    await expect(queue.drain({ timeoutMs: 50 })).rejects.toMatchObject({ code: 'timeout' });
    drainer.counts.reset();
    const draining = new FifoQueue<number>(drainer.client, 'q').drain();
    // It has closed the queue, and waits for the last item.
    await expect.poll(() => drainer.counts.opened).toBe(1);
    const { kvs } = await client.store.range(keys.items);
    await queue.controls.reopen();
    await client.store.txn(txnOf({ success: [{ type: 'delete', key: kvs[1]?.key ?? '' }] }));
    await expect(draining).rejects.toMatchObject({ code: 'aborted' });
    await queue.enqueue(3);
  });
});

/** A store that is away for as long as a test says. */
function storeAway(inner: Store): { readonly store: Store; isAway: boolean } {
  const refused = () => Promise.reject(new QuorateError('unavailable', 'the store is away'));
  const away: { readonly store: Store; isAway: boolean } = {
    isAway: false,
    store: storeWith(inner, {
      range: (...call) => (away.isAway ? refused() : inner.range(...call)),
      txn: (...call) => (away.isAway ? refused() : inner.txn(...call)),
    }),
  };
  return away;
}
