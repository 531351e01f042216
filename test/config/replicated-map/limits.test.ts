import { setTimeout as delay } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { ReplicatedMap, type ReplicatedMapOptions } from '../../../src/config/index.js';
import { MemoryServer } from '../../../src/memory/index.js';
import { Client } from '../../../src/session/index.js';
import { put, type RangeRequest } from '../../../src/store/index.js';
import { testClients } from '../../support/clients.js';
import { storeWith } from '../../support/store-with.js';
import { describeStores } from '../../support/stores.js';

async function mapOf<V = number>(
  client: Client,
  options: ReplicatedMapOptions<V> = {},
): Promise<ReplicatedMap<string, V>> {
  const map = await ReplicatedMap.open<string, V>(client, 'm', options);
  onTestFinished(() => map.close());
  return map;
}

/** A map that others have made too large. */
async function fullMap(options: ReplicatedMapOptions<number>) {
  const server = new MemoryServer();
  const client = await Client.open({ store: await server.connect(), namespace: 'n', closeStore: true });
  onTestFinished(() => client.close());
  const map = await mapOf(client, options);
  const store = await server.connect();
  const success = ['a', 'b', 'c'].map((key) => put(`n/map/m/e/${key}`, '1'));
  await store.txn({ compare: [], success: [...success, put('n/map/m/s', '')], failure: [] });
  await expect.poll(() => map.state.status).toBe('behind');
  return { client, map, store };
}

const refused = { code: 'over-limit', outcome: 'not-applied' };

describeStores('ReplicatedMap and its limits', (server) => {
  it('REPLICA-7 refuses what would make it more bytes than it may be, by whichever call', async () => {
    const map = await mapOf<string>(await testClients(server).open(), { maxBytes: 1_000 });
    await map.set('a', 'x');
    const large = 'y'.repeat(2_000);
    await expect(map.set('b', large)).rejects.toMatchObject(refused);
    await expect(map.set('a', large)).rejects.toMatchObject(refused);
    await expect(map.compareAndSet('b', undefined, large)).rejects.toMatchObject(refused);
    await expect(map.update((draft) => draft.set('b', large))).rejects.toMatchObject(refused);
    expect([map.state.status, [...map]]).toEqual(['live', [['a', 'x']]]);
    // Just as much as there is room for, the stamp included, is no more than it may be.
    const half = 'y'.repeat(400);
    await map.set('b', half);
    await map.update((draft) => {
      draft.delete('b');
      draft.set('c', half);
      draft.set('d', 'y'.repeat(200));
    });
    expect([...map.keys()].sort()).toEqual(['a', 'c', 'd']);
    expect(map.state.status).toBe('live');
  });

  it('REPLICA-7 has room for what takes the place of what is deleted in the same step', async () => {
    const map = await mapOf(await testClients(server).open(), { maxEntries: 2 });
    await map.set('a', 1);
    await map.set('b', 2);
    await map.update((draft) => {
      draft.set('c', draft.get('a') ?? 0);
      draft.delete('a');
    });
    expect([...map.keys()].sort()).toEqual(['b', 'c']);
    const one = map.update((draft) => {
      draft.delete('b');
      for (const key of ['d', 'e']) draft.set(key, 1);
    });
    await expect(one).rejects.toMatchObject(refused);
    // To delete what is not there makes no room.
    const other = map.update((draft) => {
      draft.delete('a');
      draft.set('d', 1);
    });
    await expect(other).rejects.toMatchObject(refused);
  });
});

it('REPLICA-7 a map that is too large goes on soon after its own deletion has made room, and shows it', async () => {
  const { map } = await fullMap({ maxEntries: 2, proveEveryMs: Number.POSITIVE_INFINITY });
  expect(await map.delete('c')).toMatchObject({ deleted: true, shown: true });
  expect([...map.keys()].sort()).toEqual(['a', 'b']);
});

it('REPLICA-7 a map that is too large goes on soon after others have made room', async () => {
  const { map, store } = await fullMap({ maxEntries: 2, proveEveryMs: 50 });
  const success = [put('n/map/m/s', ''), { type: 'delete', key: 'n/map/m/e/c' } as const];
  await store.txn({ compare: [], success, failure: [] });
  await expect.poll(() => map.state.status).toBe('live');
  expect([...map.keys()].sort()).toEqual(['a', 'b']);
});

it('a map that is too large ends with its client, and so do those who follow it', async () => {
  const { client, map } = await fullMap({ maxEntries: 1 });
  const follow = async () => {
    for await (const _batch of map.changes());
    return 'ended';
  };
  const following = follow();
  await client.close();
  expect(await Promise.race([following, delay(500, 'follows still', { ref: false })])).toBe('ended');
  expect(map.state).toMatchObject({ status: 'ended', error: { code: 'closed' } });
  await expect(map.set('a', 1)).rejects.toMatchObject({ code: 'closed' });
});

it('a map of too many bytes is not read again and again', async () => {
  const server = new MemoryServer();
  const inner = await server.connect();
  const reads: RangeRequest[] = [];
  const store = storeWith(inner, {
    range: (request, options) => {
      if (request.rangeEnd !== undefined) reads.push(request);
      return inner.range(request, options);
    },
  });
  const client = await Client.open({ store, namespace: 'n' });
  onTestFinished(() => client.close());
  const map = await mapOf<string>(client, { maxBytes: 2_000_000 });
  for (const key of ['a', 'b', 'c', 'd']) await map.set(key, 'x'.repeat(400_000));
  const tooMuch = put('n/map/m/e/z', JSON.stringify('x'.repeat(500_000)));
  await inner.txn({ compare: [], success: [tooMuch], failure: [] });
  await expect.poll(() => map.state.status).toBe('behind');
  reads.length = 0;
  await delay(2_000);
  expect(reads.length).toBeLessThan(6);
});
