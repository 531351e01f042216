/** A process that waits at Quorate's `Barrier`: see wait-loop.ts. */
import { Barrier, Client } from 'quorate';
import { openEtcd3Store } from 'quorate/etcd3';
import { waitInRounds } from './wait-loop.js';

await waitInRounds(async (endpoint) => {
  const store = await openEtcd3Store({ hosts: endpoint });
  const client = await Client.open({ store, closeStore: true, namespace: 'bench' });
  return { at: (gate) => new Barrier(client, gate), close: () => client.close() };
});
