import { expect, it } from 'vitest';
import { Channel, type ChannelPlace } from '../../src/pubsub/index.js';
import { Client } from '../../src/session/index.js';
import { put } from '../../src/store/index.js';
import { testClients } from '../support/clients.js';
import { cuttingWatches } from '../support/cut-watches.js';
import { describeStores, type TestServer } from '../support/stores.js';
import { numbers, payloadsOf, take } from './take.js';

/** A publisher, and a client whose watches are cut when it is asked for. */
async function scene(server: TestServer) {
  const clients = testClients(server);
  const publisher = await clients.open();
  const { store, cut } = cuttingWatches(await server.connect());
  const client = await Client.open({ store, namespace: clients.namespace, closeStore: true });
  const channel = new Channel<number>(publisher, 'quiet');
  const elsewhere = async () => {
    const { revision } = await publisher.store.txn({
      ...{ compare: [], failure: [] },
      success: [put(`${clients.namespace}/elsewhere`, '')],
    });
    return revision;
  };
  const compact = async () => publisher.store.compact(await elsewhere());
  return { channel, reader: new Channel<number>(client, 'quiet'), cut: () => cut(), elsewhere, compact };
}

describeStores(
  'Channel, on which little is published',
  (server) => {
    it('CHANNEL-4 a subscriber that has been told nothing yet is told no gap, where only other keys were compacted', async () => {
      const { channel, reader, cut, elsewhere, compact } = await scene(server);
      for (const n of numbers(1, 3)) await channel.publish(n);
      const subscription = await reader.subscribe();
      // It knows by now which was the last.
      await reader.publish(4);
      await take(subscription, 1);
      await subscription.close();
      const fresh = await reader.subscribe();
      const latest = await reader.subscribe({ after: await elsewhere() });
      const mend = cut();
      await elsewhere();
      await channel.publish(5);
      await compact();
      await channel.publish(6);
      mend();
      expect(payloadsOf(await take(fresh, 2))).toEqual([5, 6]);
      expect(payloadsOf(await take(latest, 2))).toEqual([5, 6]);
    });

    it('CHANNEL-4 who reads history from the newest message on is told no gap either', async () => {
      const { channel, reader, cut, elsewhere, compact } = await scene(server);
      const places: ChannelPlace[] = [];
      for (const n of numbers(1, 3)) places.push(await channel.publish(n));
      const last = places[2]?.revision ?? 0;
      await elsewhere();
      const subscription = await reader.subscribe({ after: last });
      const within = await reader.subscribe({ after: places[1] });
      expect(payloadsOf(await take(within, 1))).toEqual([3]);
      const mend = cut();
      await elsewhere();
      await channel.publish(4);
      await compact();
      mend();
      for (const each of [subscription, within]) expect(payloadsOf(await take(each, 1))).toEqual([4]);
    });

    it('CHANNEL-4 a gap is told where nobody can know that one message was the only one', async () => {
      const { channel, reader, elsewhere, compact } = await scene(server);
      await channel.publish(1);
      const second = await channel.publish(2);
      await elsewhere();
      const third = await channel.publish(3);
      await compact();
      const subscription = await reader.subscribe({ after: second.revision });
      expect(await take(subscription, 2)).toMatchObject([
        { type: 'gap', fromRevision: second.revision + 1, toRevision: third.revision - 1 },
        { payload: 3 },
      ]);
    });
  },
  ['memory', 'embedded'],
);
