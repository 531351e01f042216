import { expect, it } from 'vitest';
import { QuorateError } from '../../src/errors.js';
import { MemoryServer } from '../../src/memory/index.js';
import { LeaderMonitor } from '../../src/queues/dispatch/leader-monitor.js';
import { itemId, QueueKeys } from '../../src/queues/keys.js';
import { createGates } from '../../src/queues/producer/admission.js';
import { encodeBeat } from '../../src/queues/records/index.js';
import { Client } from '../../src/session/index.js';
import { put, type Store, txnOf } from '../../src/store/index.js';
import { hookedStore } from '../support/hooked-store.js';
import { storeWith } from '../support/store-with.js';

it('silence is noticed though what it is measured by could not be read at first', async () => {
  const server = new MemoryServer();
  const inner = server.connect();
  let refused = 0;
  const range: Store['range'] = async (request, options) => {
    if (request.key.endsWith('/beat') && refused < 2) {
      refused += 1;
      throw new QuorateError('unavailable', 'refused by the test', { outcome: 'unknown' });
    }
    return inner.range(request, options);
  };
  const client = await Client.open({ store: storeWith(inner, { range }), namespace: 'ns' });
  const keys = new QueueKeys(client.keys.prefix('queue', 'q'));
  let silences = 0;
  const monitor = new LeaderMonitor({ client, keys, patienceMs: 50, onSilence: () => (silences += 1) });
  await expect.poll(() => silences).toBe(1);
  expect(refused).toBe(2);
  monitor.close();
  await client.close();
  await server.close();
});

it('an item that came before the watch is found though the look for it failed at first', async () => {
  const server = new MemoryServer();
  const hooked = hookedStore(server.connect());
  const client = await Client.open({ store: hooked.store, namespace: 'ns' });
  const keys = new QueueKeys(client.keys.prefix('queue', 'q'));
  const { revision } = await client.store.txn(createGates(keys, 1, ['']));
  const atRest = { timeMs: 0, bases: {}, follows: false, seen: revision };
  await client.store.txn(txnOf({ success: [put(keys.beat, encodeBeat(atRest))] }));
  await client.store.txn(txnOf({ success: [put(keys.item(itemId(revision, 'p', 1)), '')] }));
  let refused = 0;
  hooked.hook = async (request, send) => {
    if (refused === 2 || !request.success.some((op) => op.type === 'range')) return send();
    refused += 1;
    throw new QuorateError('unavailable', 'refused by the test', { outcome: 'unknown' });
  };
  let silences = 0;
  const monitor = new LeaderMonitor({ client, keys, patienceMs: 50, onSilence: () => (silences += 1) });
  await expect.poll(() => silences).toBe(1);
  expect(refused).toBe(2);
  monitor.close();
  await client.close();
  await server.close();
});
