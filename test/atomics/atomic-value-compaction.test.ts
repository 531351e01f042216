import { expect, it } from 'vitest';
import { AtomicValue, type ValueChange } from '../../src/atomics/index.js';
import { Client } from '../../src/session/index.js';
import { put } from '../../src/store/index.js';
import { testClients } from '../support/clients.js';
import { cuttingWatches } from '../support/cut-watches.js';
import { describeStores } from '../support/stores.js';

/** Each on a server of its own, as compaction is of everything. */
describeStores(
  'AtomicValue, when history is compacted',
  (server) => {
    it('tells its history as far as it is there, and then that it was compacted', async () => {
      const client = await testClients(server).open();
      const value = new AtomicValue<string>(client, 'v');
      await value.set('a');
      const revision = await value.set('b');
      await client.store.txn({ compare: [], success: [put('elsewhere', '')], failure: [] });
      await value.set('c');
      await client.store.compact(revision);
      const read: string[] = [];
      for await (const version of value.history({ limit: 2 })) read.push(version.value);
      expect(read).toEqual(['c', 'b']);
      const all = async () => {
        for await (const version of value.history()) read.push(version.value);
      };
      await expect(all()).rejects.toMatchObject({ code: 'compacted' });
      expect(read).toEqual(['c', 'b', 'c', 'b']);
    });

    it('VALUE-5 a reader that comes back is told what is missing, how it was then, and all that followed', async () => {
      const client = await testClients(server).open();
      const value = new AtomicValue<string>(client, 'v');
      const a = await value.set('a');
      await value.set('b');
      const c = await value.set('c');
      const d = await value.set('d');
      await client.store.compact(c);
      const changes: ValueChange<string>[] = [];
      for await (const change of value.changes({ after: a })) {
        changes.push(change);
        if (change.type === 'set') break;
      }
      expect(changes).toEqual([
        { type: 'gap', fromRevision: a + 1, toRevision: c },
        { type: 'state', revision: c, state: { value: 'c', revision: c, version: 3 } },
        { type: 'set', value: 'd', revision: d, version: 4 },
      ]);
    });

    it('VALUE-5 and VALUE-4 over a cut in which history is compacted', async () => {
      const clients = testClients(server);
      const writer = new AtomicValue<string>(await clients.open(), 'v');
      const { store, cut } = cuttingWatches(await server.connect());
      const client = await Client.open({ store, namespace: clients.namespace, closeStore: true });
      const value = new AtomicValue<string>(client, 'v');
      const a = await writer.set('a');
      const views = value.watch();
      const changes = value.changes();
      expect((await views.next()).value).toMatchObject({ status: 'present', value: 'a' });
      expect((await changes.next()).value).toMatchObject({ type: 'state', state: { value: 'a' } });
      const mend = cut();
      expect((await views.next()).value).toEqual({ status: 'unknown' });
      await writer.set('b');
      const c = await writer.set('c');
      await client.store.compact(c);
      mend();
      expect((await views.next()).value).toMatchObject({ status: 'present', value: 'c' });
      expect((await changes.next()).value).toEqual({
        type: 'gap',
        fromRevision: expect.any(Number),
        toRevision: c,
      });
      expect((await changes.next()).value).toMatchObject({
        type: 'state',
        revision: c,
        state: { value: 'c' },
      });
      const d = await writer.set('d');
      expect((await views.next()).value).toMatchObject({ value: 'd', revision: d });
      expect((await changes.next()).value).toMatchObject({ type: 'set', value: 'd', revision: d });
      expect(d).toBeGreaterThan(a);
      await Promise.all([views.return?.(), changes.return?.()]);
      await client.close();
    });
  },
  ['memory', 'embedded'],
);
