import { expect, it, onTestFinished } from 'vitest';
import { type MapBatch, ReplicatedMap } from '../../../src/config/index.js';
import { ChangeBuffer } from '../../../src/config/replicated-map/change-buffer.js';
import { QuorateError } from '../../../src/errors.js';
import { put } from '../../../src/store/index.js';
import { testClients } from '../../support/clients.js';
import { describeStores } from '../../support/stores.js';

describeStores('ReplicatedMap and what cannot be read', (server) => {
  async function mapWith() {
    const clients = testClients(server);
    const client = await clients.open();
    const map = await ReplicatedMap.open<string, number>(client, 'm');
    onTestFinished(() => map.close());
    const putBad = async () => {
      const { namespace } = clients;
      const success = [put(`${namespace}/map/m/e/bad`, '{'), put(`${namespace}/map/m/s`, '')];
      await client.store.txn({ compare: [], success, failure: [] });
      await map.sync();
    };
    return { map, putBad };
  }

  it('REPLICA-2 tells listeners that it is gone, though it could never be read', async () => {
    const { map, putBad } = await mapWith();
    const told: MapBatch<string, number>[] = [];
    map.onChange((batch) => told.push(batch));
    await putBad();
    await map.delete('bad');
    expect(map.unreadable.size).toBe(0);
    expect(told.map(({ changes }) => changes)).toEqual([
      [{ key: 'bad', previous: undefined, current: undefined, unreadable: expect.anything() }],
      [{ key: 'bad', previous: undefined, current: undefined }],
    ]);
  });

  it('REPLICA-2 tells a slow reader what is so in the end: that it is gone, if he was told of it', async () => {
    const { map, putBad } = await mapWith();
    const batches = map.changes({ maxBuffered: 1 });
    const next = async () => ((await batches.next()).value as MapBatch<string, number>).changes;
    await next();
    await putBad();
    await map.set('a', 1);
    await map.delete('bad');
    expect((await next()).map(({ key }) => key)).toEqual(['a']);
    await putBad();
    expect((await next()).map(({ unreadable }) => unreadable?.error.code)).toEqual(['codec']);
    await map.set('bad', 1);
    await map.set('a', 2);
    await map.delete('bad');
    const gone = { key: 'bad', previous: undefined, current: undefined };
    expect((await next()).filter(({ key }) => key === 'bad')).toEqual([gone]);
    await batches.return?.();
  });
});

it('a reader who has stopped reading costs what there was and is, whatever is told', () => {
  const buffer = new ChangeBuffer<string, number>(10);
  const error = new QuorateError('codec', 'no');
  for (let revision = 1; revision <= 1_000; revision += 1) {
    buffer.push({ type: 'reset', revision, changes: [] });
    const bad = { previous: undefined, current: undefined };
    const key = `k${revision}`;
    buffer.push({ type: 'revision', revision, changes: [{ key, ...bad, unreadable: { revision, error } }] });
    buffer.push({ type: 'revision', revision, changes: [{ key, ...bad }] });
  }
  expect(buffer.take()).toEqual({ type: 'reset', revision: 1_000, changes: [] });
  expect(buffer.take()).toBeUndefined();
  for (let revision = 1; revision <= 1_000; revision += 1) {
    buffer.push({ type: 'reset', revision, changes: [] });
  }
  let batches = 0;
  while (buffer.take() !== undefined) batches += 1;
  expect(batches).toBe(1);
});
