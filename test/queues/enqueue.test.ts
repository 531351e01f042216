import { describe, expect, it } from 'vitest';
import { MemoryServer } from '../../src/memory/index.js';
import { FifoQueue } from '../../src/queues/index.js';
import { placeOf } from '../../src/queues/keys.js';
import { decodeItem } from '../../src/queues/records/index.js';
import { Client } from '../../src/session/index.js';
import { put, type Store, textOf, txnOf } from '../../src/store/index.js';
import { countingStore } from '../support/counting-store.js';
import { faultyStore } from '../support/faulty-store.js';

async function open(store: Store): Promise<Client> {
  return Client.open({ store, namespace: 'ns', closeStore: true });
}

/** A store on which, after each of the first reads of the gate, a dispatcher moves the gate past what was read. */
function gateRunsAhead(inner: Store, times: number): Store {
  let left = times;
  return {
    ...inner,
    range: async (request, options) => {
      const reply = await inner.range(request, options);
      if (request.key === 'ns/queue/q/h' && reply.kvs.length > 0 && left > 0) {
        left -= 1;
        const { revision } = await inner.txn(txnOf({ success: [put('other', 'x')] }));
        await inner.txn(txnOf({ success: [put('ns/queue/q/h', placeOf(revision))] }));
      }
      return reply;
    },
    watch: (request) => inner.watch(request),
    close: () => inner.close(),
  };
}

function forwarding(store: Store): Store {
  return {
    range: (...call) => store.range(...call),
    txn: (...call) => store.txn(...call),
    watch: (...call) => store.watch(...call),
    leaseGrant: (...call) => store.leaseGrant(...call),
    leaseKeepAlive: (...call) => store.leaseKeepAlive(...call),
    leaseRevoke: (...call) => store.leaseRevoke(...call),
    leaseTimeToLive: (...call) => store.leaseTimeToLive(...call),
    compact: (...call) => store.compact(...call),
    status: (...call) => store.status(...call),
    close: () => store.close(),
  };
}

describe('enqueueing', () => {
  it('QUEUE-4 keeps the order of the calls through refusals by the gate, group after group', async () => {
    const server = new MemoryServer();
    const client = await open(gateRunsAhead(forwarding(server.connect()), 5));
    const queue = new FifoQueue<number>(client, 'q');
    await queue.enqueue(-1);
    const enqueued = await Promise.all(Array.from({ length: 6_000 }, (_, n) => queue.enqueue(n)));
    const ids = enqueued.map((item) => item.id);
    expect([...ids].sort()).toEqual(ids);
    expect(new Set(enqueued.map((item) => item.revision)).size).toBeGreaterThan(2);
    expect(await queue.size()).toBe(6_001);
    await client.close();
    await server.close();
  });

  it('shares one read and one commit among the calls of a moment', async () => {
    const server = new MemoryServer();
    const { store, counts } = countingStore(server.connect());
    const client = await open(store);
    const queue = new FifoQueue<number>(client, 'q');
    await queue.enqueue(0);
    counts.reset();
    await Promise.all(Array.from({ length: 1_000 }, (_, n) => queue.enqueue(n)));
    expect(counts.calls).toMatchObject({ range: 1, txn: 1 });
    counts.reset();
    await queue.enqueue(1);
    expect(counts.calls).toMatchObject({ range: 1, txn: 1 });
    await client.close();
    await server.close();
  });

  it('QUEUE-1 QUEUE-2 enters once through every kind of lost request and reply', async () => {
    const server = new MemoryServer();
    const network = faultyStore(server.connect(), {
      seed: 3,
      rates: { 'lose-reply': 0.15, 'lose-request': 0.15, refuse: 0.1, late: 0.1 },
    });
    const client = await open(network);
    const queue = new FifoQueue<number>(client, 'q');
    const ids: string[] = [];
    for (let n = 0; n < 60; n += 1) ids.push((await queue.enqueue(n)).id);
    network.heal();
    await network.releaseHeld();
    expect(await queue.size()).toBe(60);
    expect([...ids].sort()).toEqual(ids);
    await client.close();
    await server.close();
  });

  it('refuses what cannot be encoded or carried, before anything is sent', async () => {
    const server = new MemoryServer();
    const { store, counts } = countingStore(server.connect());
    const client = await open(store);
    const queue = new FifoQueue<unknown>(client, 'q');
    counts.reset();
    const loop: { self?: unknown } = {};
    loop.self = loop;
    await expect(queue.enqueueMany(['fine', loop])).rejects.toMatchObject({
      code: 'codec',
      outcome: 'not-applied',
      cause: expect.any(TypeError),
    });
    await expect(queue.enqueue('x'.repeat(1_600_000))).rejects.toMatchObject({ code: 'request-too-large' });
    await expect(queue.enqueue(1, { timeoutMs: -1 })).rejects.toMatchObject({ code: 'invalid-argument' });
    await expect(queue.enqueue(1, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'aborted',
    });
    expect(counts.total()).toBe(0);
    expect(() => new FifoQueue(client, '')).toThrow(expect.objectContaining({ code: 'invalid-argument' }));
    await queue.enqueue('x'.repeat(1_500_000));
    expect(await queue.size()).toBe(1);
    await client.close();
    await server.close();
  });

  it('a call given up before it was sent leaves nothing; one given up later says that it does not know', async () => {
    const server = new MemoryServer();
    const inner = server.connect();
    let held: 'range' | 'txn' | undefined;
    let release = () => {};
    const released = () => new Promise<void>((resolve) => (release = resolve));
    const client = await open({
      ...forwarding(inner),
      range: async (...call) => {
        if (held === 'range') await released();
        return inner.range(...call);
      },
      txn: async (...call) => {
        const reply = await inner.txn(...call);
        if (held === 'txn') await released();
        return reply;
      },
    });
    const queue = new FifoQueue<number>(client, 'q');
    await queue.enqueue(0);
    held = 'range';
    await expect(queue.enqueue(1, { timeoutMs: 30 })).rejects.toMatchObject({
      code: 'timeout',
      outcome: 'not-applied',
    });
    held = 'txn';
    release();
    await expect(queue.enqueue(2, { timeoutMs: 50 })).rejects.toMatchObject({
      code: 'timeout',
      outcome: 'unknown',
    });
    held = undefined;
    release();
    await queue.enqueue(3);
    const items = await inner.range({ key: 'ns/queue/q/i/', rangeEnd: 'ns/queue/q/i0' });
    expect(items.kvs.map((kv) => textOf(decodeItem(kv.value).payload))).toEqual(['0', '2', '3']);
    await client.close();
    await server.close();
  });

  it('refuses after close()', async () => {
    const server = new MemoryServer();
    const client = await open(server.connect());
    const queue = new FifoQueue<number>(client, 'q');
    await queue.enqueue(1);
    await queue.close();
    await expect(queue.enqueue(2)).rejects.toMatchObject({ code: 'closed', outcome: 'not-applied' });
    expect(await queue.peek()).toMatchObject({ payload: 1 });
    await client.close();
    await server.close();
  });
});
