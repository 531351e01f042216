/** Quorate's `Mutex` as a contender: see loop.ts. */
import { Client, Mutex } from 'quorate';
import { openEtcd3Store } from 'quorate/etcd3';
import { contend } from './loop.js';

await contend(async ({ endpoint, name }) => {
  const store = await openEtcd3Store({ hosts: endpoint });
  const client = await Client.open({ store, closeStore: true, namespace: 'bench' });
  const mutex = new Mutex(client, name);
  await client.session();
  return {
    acquire: async () => {
      const hold = await mutex.acquire();
      return () => hold.release();
    },
    close: () => client.close(),
  };
});
