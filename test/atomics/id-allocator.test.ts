import { expect, it } from 'vitest';
import { IdAllocator } from '../../src/atomics/index.js';
import { put, remove } from '../../src/store/index.js';
import { testClients } from '../support/clients.js';
import { describeStores } from '../support/stores.js';

describeStores('IdAllocator', (server) => {
  it('IDS-1 and IDS-2: unique in all processes, ascending in each', async () => {
    const clients = testClients(server);
    const allocators = await Promise.all(
      Array.from({ length: 3 }, async () => new IdAllocator(await clients.open(), 'i', { blockSize: 8 })),
    );
    const given = await Promise.all(
      allocators.map(async (ids) => {
        const own: number[] = [];
        for (let round = 0; round < 100; round += 1) own.push(await ids.next());
        return own;
      }),
    );
    expect(new Set(given.flat()).size).toBe(300);
    for (const own of given) expect(own).toEqual([...own].sort((a, b) => a - b));
  });

  it('costs a request a block, fetched ahead when half of the last is left', async () => {
    const clients = testClients(server);
    const { client, counts } = await clients.openCounted();
    const ids = new IdAllocator(client, 'i', { blockSize: 100 });
    counts.reset();
    expect(ids.tryNext()).toBeUndefined();
    expect(await ids.next()).toBe(1);
    expect(counts.calls).toMatchObject({ range: 1, txn: 1 });
    for (let id = 2; id < 50; id += 1) expect(ids.tryNext()).toBe(id);
    expect(counts.calls).toMatchObject({ range: 1, txn: 1 });
    expect(await ids.next()).toBe(50);
    await expect.poll(() => counts.calls.txn).toBe(2);
    for (let id = 51; id <= 150; id += 1) expect(await ids.next()).toBe(id);
    await expect.poll(() => counts.calls).toMatchObject({ range: 1, txn: 3 });
  });

  it('serves many who wait at a time by few requests, in the order of their calls', async () => {
    const clients = testClients(server);
    const { client, counts } = await clients.openCounted();
    const ids = new IdAllocator(client, 'i', { first: 0 });
    counts.reset();
    const given = await Promise.all(Array.from({ length: 10_000 }, () => ids.next()));
    expect(given).toEqual(Array.from({ length: 10_000 }, (_none, index) => index));
    expect(counts.total()).toBeLessThan(12);
    expect(await ids.take(5)).toEqual([10_000, 10_001, 10_002, 10_003, 10_004]);
    const [many, one] = await Promise.all([ids.take(200_000), ids.next()]);
    expect(many.length).toBe(200_000);
    expect(one).toBeGreaterThan(many.at(-1) ?? Number.POSITIVE_INFINITY);
  });

  it('a wait that was given up takes no id, and those behind it go on', async () => {
    const clients = testClients(server);
    const ids = new IdAllocator(await clients.open(), 'i', { blockSize: 4 });
    const leave = new AbortController();
    const left = ids.take(3, { signal: leave.signal });
    const behind = ids.take(2);
    leave.abort();
    await expect(left).rejects.toMatchObject({ code: 'aborted', outcome: 'not-applied' });
    expect(await behind).toEqual([1, 2]);
    await expect(ids.next({ signal: leave.signal })).rejects.toMatchObject({ code: 'aborted' });
    expect(await ids.next({ timeoutMs: 1_000 })).toBe(3);
  });

  it('IDS-1 reserves above its own where the key was deleted or set back', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const ids = new IdAllocator(client, 'i', { blockSize: 2 });
    expect(await ids.take(2)).toEqual([1, 2]);
    const given: number[] = [];
    for (const op of [remove(ids.key), put(ids.key, '1'), remove(ids.key)]) {
      await client.store.txn({ compare: [], success: [op], failure: [] });
      given.push(...(await ids.take(8)));
    }
    expect(new Set(given).size).toBe(24);
    expect(Math.min(...given)).toBeGreaterThan(2);
    expect(given).toEqual([...given].sort((a, b) => a - b));
  });

  it('fails where numbers are used up, or the key holds none', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const ids = new IdAllocator(client, 'i', { blockSize: 4 });
    const end = Number.MAX_SAFE_INTEGER;
    await client.store.txn({ compare: [], success: [put(ids.key, String(end - 2))], failure: [] });
    expect(await ids.take(2)).toEqual([end - 2, end - 1]);
    await expect(ids.next()).rejects.toMatchObject({ code: 'over-limit' });
    const spoilt = new IdAllocator(client, 'spoilt');
    await client.store.txn({ compare: [], success: [put(spoilt.key, 'x')], failure: [] });
    await expect(spoilt.next()).rejects.toMatchObject({ code: 'codec' });
    await client.store.txn({ compare: [], success: [remove(spoilt.key)], failure: [] });
    expect(await spoilt.next()).toBe(1);
  });

  it('refuses what makes no sense', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const invalid = expect.objectContaining({ code: 'invalid-argument' });
    for (const options of [
      ...[null, 7, { first: -1 }, { first: 0.5 }, { first: 'x' }, { blockSize: 0 }, { blockSize: 1.5 }],
      ...[{ blockSize: null }, { blockSize: 'x' }, { blockSize: Number.NaN }, { blockSize: { atLeast: 0 } }],
      ...[{ blockSize: { atMost: 1e12 } }, { blockSize: { atLeast: 5, atMost: 4 } }],
    ] as never[]) {
      expect(() => new IdAllocator(client, 'i', options)).toThrow(invalid);
    }
    expect(() => new IdAllocator(client, '')).toThrow(invalid);
    const ids = new IdAllocator(client, 'i');
    for (const count of [0, -1, 1.5, Number.NaN, null, '3', 1_000_001] as never[]) {
      await expect(ids.take(count)).rejects.toEqual(invalid);
    }
    for (const options of [null, 7, { timeoutMs: -1 }, { signal: 7 }] as never[]) {
      await expect(ids.next(options)).rejects.toEqual(invalid);
      await expect(ids.take(1, options)).rejects.toEqual(invalid);
    }
  });
});
