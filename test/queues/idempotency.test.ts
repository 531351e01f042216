import { describe, expect, it } from 'vitest';
import { QuorateError } from '../../src/errors.js';
import { MemoryServer } from '../../src/memory/index.js';
import { type Enqueued, FifoQueue } from '../../src/queues/index.js';
import { sleep, systemRuntime } from '../../src/runtime/index.js';
import { Client } from '../../src/session/index.js';
import { type Op, type Store, textOf } from '../../src/store/index.js';
import { testClients } from '../support/clients.js';
import { countingStore } from '../support/counting-store.js';
import { faultyStore } from '../support/faulty-store.js';
import { hookedStore } from '../support/hooked-store.js';
import { storeWith } from '../support/store-with.js';
import { describeStores } from '../support/stores.js';

const used = { key: 'ns/queue/q/U/', rangeEnd: 'ns/queue/q/U0' };

async function setUp(change: (store: Store) => Store = (store) => store) {
  const server = new MemoryServer();
  const inner = server.connect();
  const client = await Client.open({ store: change(inner), namespace: 'ns', closeStore: true });
  const close = async () => {
    await client.close();
    await server.close();
  };
  return { server, inner, client, close, queue: new FifoQueue<string>(client, 'q') };
}

/** What is in the queue, in its order. */
async function payloadsOf(queue: FifoQueue<string>): Promise<string[]> {
  const payloads: string[] = [];
  const range = queue.client.keys.prefix('queue', queue.name);
  const { kvs } = await queue.client.store.range({ key: `${range}i/`, rangeEnd: `${range}i0` });
  for (const { value } of kvs) payloads.push(await queue.decode(value.subarray(7)));
  return payloads;
}

describeStores('idempotency keys', (server) => {
  it('QUEUE-14 put one item in the window, whichever object, payload and burst a call is of', async () => {
    const clients = testClients(server);
    const [one, other] = [await clients.open(), await clients.open()];
    const queue = new FifoQueue<string>(one, 'q');
    const first = await queue.enqueue('first', { idempotencyKey: 'größe 1' });
    expect(first.duplicate).toBe(false);
    const again = await new FifoQueue<string>(other, 'q').enqueue('again', { idempotencyKey: 'größe 1' });
    expect(again).toEqual({ ...first, duplicate: true });
    const burst = await Promise.all([
      queue.enqueue('a', { idempotencyKey: 'k' }),
      queue.enqueue('b'),
      queue.enqueue('c', { idempotencyKey: 'k' }),
      queue.enqueue('d', { idempotencyKey: 'größe 1' }),
      queue.enqueue('e'),
    ]);
    const [a, b, c, d, e] = burst as [Enqueued, Enqueued, Enqueued, Enqueued, Enqueued];
    expect(c).toEqual({ ...a, duplicate: true });
    expect(d).toEqual({ ...first, duplicate: true });
    expect([a, b, e].map(({ duplicate }) => duplicate)).toEqual([false, false, false]);
    expect(new Set([a, b, e].map(({ revision }) => revision)).size).toBe(1);
    expect(await payloadsOf(queue)).toEqual(['first', 'a', 'b', 'e']);
  });

  it('QUEUE-14 hold for a thousand at once, and in enqueueMany', async () => {
    const clients = testClients(server);
    const { client, counts } = await clients.openCounted();
    const queue = new FifoQueue<string>(client, 'q');
    await queue.enqueue('warm', { idempotencyKey: 'warm' });
    counts.reset();
    const payloads = Array.from({ length: 1_000 }, (_, n) => `${n}`);
    const entered = await Promise.all(
      payloads.map((payload, n) => queue.enqueue(payload, { idempotencyKey: `${n % 400}` })),
    );
    expect(counts.calls).toMatchObject({ range: 1, txn: 1 });
    expect(counts.total()).toBe(2);
    expect(entered.filter(({ duplicate }) => !duplicate)).toHaveLength(400);
    entered.forEach(({ id }, n) => {
      expect(id).toBe(entered[n % 400]?.id);
    });
    const many = await queue.enqueueMany(['x', '7', 'y', 'z'], {
      each: (payload) => (payload === 'y' ? {} : { idempotencyKey: payload === 'z' ? 'x' : payload }),
    });
    expect(many.map(({ duplicate }) => duplicate)).toEqual([false, true, false, true]);
    expect(many[1]?.id).toBe(entered[7]?.id);
    expect(many[3]?.id).toBe(many[0]?.id);
    expect(await payloadsOf(queue)).toEqual(['warm', ...payloads.slice(0, 400), 'x', 'y']);
  });

  it('QUEUE-14 send the whole group again, in order, when the lease of the window is gone', async () => {
    const clients = testClients(server);
    const { client, counts } = await clients.openCounted();
    const queue = new FifoQueue<string>(client, 'q');
    await queue.enqueue('first', { idempotencyKey: 'first' });
    const prefix = `${client.keys.prefix('queue', 'q')}U/`;
    const { kvs } = await client.store.range({ key: prefix, rangeEnd: `${prefix}~` });
    await client.plainStore.leaseRevoke(kvs[0]?.lease ?? '0');
    counts.reset();
    const burst = await Promise.all(
      ['a', 'b', 'c', 'd'].map((payload, n) =>
        queue.enqueue(payload, n % 2 === 0 ? {} : { idempotencyKey: n === 1 ? 'first' : payload }),
      ),
    );
    expect(burst.map(({ duplicate }) => duplicate)).toEqual([false, false, false, false]);
    expect(counts.calls).toMatchObject({ range: 2, txn: 2, leaseGrant: 1 });
    expect(await payloadsOf(queue)).toEqual(['first', 'a', 'b', 'c', 'd']);
  });
});

describe('idempotency keys', () => {
  it('cost a lease for many, and nothing more than an enqueue does', async () => {
    const server = new MemoryServer();
    const { store, counts } = countingStore(server.connect());
    const client = await Client.open({ store, namespace: 'ns', closeStore: true });
    const queue = new FifoQueue<string>(client, 'q');
    await queue.enqueue('first');
    counts.reset();
    await queue.enqueue('a', { idempotencyKey: 'a' });
    expect(counts.calls).toMatchObject({ range: 1, txn: 1, leaseGrant: 1 });
    counts.reset();
    for (const key of ['b', 'c', 'a']) await queue.enqueue(key, { idempotencyKey: key });
    expect(counts.calls).toMatchObject({ range: 3, txn: 3 });
    expect(counts.total()).toBe(6);
    await client.close();
    await server.close();
  });

  it('QUEUE-14 QUEUE-2 hold through every kind of lost request and reply', async () => {
    const network: { faulty?: ReturnType<typeof faultyStore> } = {};
    const { client, close, queue, inner } = await setUp((store) => {
      network.faulty = faultyStore(store, {
        seed: 5,
        rates: { 'lose-reply': 0.2, 'lose-request': 0.15, refuse: 0.1, late: 0.1 },
      });
      return network.faulty;
    });
    const other = new FifoQueue<string>(client, 'q');
    const told = new Map<string, string>();
    for (let n = 0; n < 30; n += 1) {
      const key = `${n % 10}`;
      const calls = [queue, other, queue].map((from) => from.enqueue(`${n}`, { idempotencyKey: key }));
      const entered = await Promise.all(calls);
      expect(entered.filter(({ duplicate }) => !duplicate)).toHaveLength(n < 10 ? 1 : 0);
      for (const { id } of entered) {
        expect(id).toBe(told.get(key) ?? id);
        told.set(key, id);
      }
    }
    network.faulty?.heal();
    await network.faulty?.releaseHeld();
    expect(await queue.size()).toBe(10);
    const { kvs } = await inner.range(used);
    expect(new Set(kvs.map(({ value }) => textOf(value)))).toEqual(new Set(told.values()));
    await close();
  });

  it('QUEUE-14 a call whose reply never came is a duplicate of itself when it is made again', async () => {
    const { close, queue } = await setUp((store) => {
      const hooked = hookedStore(store);
      let isHeld = true;
      hooked.hook = async (request, send) => {
        const reply = await send();
        if (!isHeld || !putsUsed(request.success)) return reply;
        isHeld = false;
        await sleep(systemRuntime, 150);
        throw new QuorateError('unavailable', 'the reply was lost', { outcome: 'unknown' });
      };
      return hooked.store;
    });
    const lost = queue.enqueue('it', { idempotencyKey: 'k', timeoutMs: 50 });
    await expect(lost).rejects.toMatchObject({ code: 'timeout', outcome: 'unknown' });
    const again = await queue.enqueue('it', { idempotencyKey: 'k' });
    expect(again.duplicate).toBe(true);
    expect((await queue.peek())?.id).toBe(again.id);
    expect(await queue.size()).toBe(1);
    await close();
  });

  it('QUEUE-14 of two in a burst the second takes the part of a first that is given up before it is sent', async () => {
    const { close, queue } = await setUp();
    const given = new AbortController();
    const first = queue.enqueue('first', { idempotencyKey: 'k', signal: given.signal });
    const second = queue.enqueue('second', { idempotencyKey: 'k' });
    const third = queue.enqueue('third', { idempotencyKey: 'k' });
    given.abort();
    await expect(first).rejects.toMatchObject({ code: 'aborted', outcome: 'not-applied' });
    expect(await second).toMatchObject({ duplicate: false });
    expect(await third).toEqual({ ...(await second), duplicate: true });
    expect(await payloadsOf(queue)).toEqual(['second']);
    await close();
  });

  it('QUEUE-14 are answered right through refusals by the gate', async () => {
    let refusals = 3;
    const { close, queue } = await setUp((store) => {
      const hooked = hookedStore(store);
      hooked.hook = async (request, send) => {
        // The gate moves past what was read, just before the group arrives.
        if (refusals > 0 && putsUsed(request.success)) {
          refusals -= 1;
          const { revision } = await store.range({ key: 'ns/queue/q/h' });
          const value = Buffer.from((revision + 1).toString(16).padStart(16, '0'));
          const put = { type: 'put', key: 'ns/queue/q/h', value } as const;
          await store.txn({ compare: [], success: [put], failure: [] });
        }
        return send();
      };
      return hooked.store;
    });
    const burst = await Promise.all(
      ['a', 'b', 'a', 'c'].map((key, n) => queue.enqueue(`${key}${n}`, { idempotencyKey: key })),
    );
    expect(refusals).toBe(0);
    expect(burst.map(({ duplicate }) => duplicate)).toEqual([false, false, true, false]);
    expect(await payloadsOf(queue)).toEqual(['a0', 'b1', 'c3']);
    await close();
  });

  it('fail by themselves where no lease is granted', async () => {
    let isRefused = false;
    const { close, queue } = await setUp((store) =>
      storeWith(store, {
        leaseGrant: (...call) => {
          if (isRefused) return Promise.reject(new QuorateError('permission-denied', 'no leases here'));
          return store.leaseGrant(...call);
        },
      }),
    );
    await queue.enqueue('first');
    isRefused = true;
    const keyed = queue.enqueue('a', { idempotencyKey: 'a' });
    const plain = queue.enqueue('b');
    await expect(keyed).rejects.toMatchObject({ code: 'permission-denied', outcome: 'not-applied' });
    await plain;
    expect(await payloadsOf(queue)).toEqual(['first', 'b']);
    await close();
  });

  it('are refused where they make no sense', async () => {
    const { client, close, queue } = await setUp();
    const refused = { code: 'invalid-argument', outcome: 'not-applied' };
    await expect(queue.enqueue('a', { idempotencyKey: '' })).rejects.toMatchObject(refused);
    await expect(queue.enqueue('a', { idempotencyKey: 'x'.repeat(1_025) })).rejects.toMatchObject(refused);
    const forAll = { idempotencyKey: 'k' } as object;
    await expect(queue.enqueueMany(['a', 'b'], forAll)).rejects.toMatchObject({
      ...refused,
      message: expect.stringContaining('each'),
    });
    for (const idempotencyWindowMs of [0, 999, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => new FifoQueue(client, 'q', { idempotencyWindowMs })).toThrow(
        expect.objectContaining({ code: 'invalid-argument' }),
      );
    }
    await close();
  });
});

function putsUsed(ops: readonly Op[]): boolean {
  return ops.some((op) => {
    if (op.type === 'txn') return putsUsed(op.success);
    return op.type === 'put' && op.key.startsWith(used.key);
  });
}
