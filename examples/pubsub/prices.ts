import { Channel, Client } from 'quorate';
import { startEmbedded } from 'quorate/embedded';
import { openEtcd3Store } from 'quorate/etcd3';

const server = await startEmbedded();
const open = async () =>
  Client.open({ store: await openEtcd3Store({ hosts: server.endpoint }), closeStore: true });
const [shop, till] = [await open(), await open()]; // As in two processes.
const prices = new Channel<{ item: string; cents: number }>(shop, 'prices');
const subscription = await new Channel<{ item: string; cents: number }>(till, 'prices').subscribe();

await prices.publish({ item: 'tea', cents: 300 });
await prices.publishAll([
  { item: 'milk', cents: 120 },
  { item: 'tea', cents: 290 },
]); // At one revision.
await prices.publish({ item: 'closing time', cents: 0 });

for await (const item of subscription) {
  if (item.type !== 'message') console.log(`${item.type} at revision ${item.revision}: read all prices anew`);
  else if (item.payload.cents > 0) console.log(`${item.payload.item} is ${item.payload.cents}`);
  else break;
}
await Promise.all([shop.close(), till.close()]);
await server.close();
