import { expect, it } from 'vitest';
import { Channel, type ChannelItem, ChannelPattern, type ChannelPlace } from '../../src/pubsub/index.js';
import { Client } from '../../src/session/index.js';
import { put, remove } from '../../src/store/index.js';
import { testClients } from '../support/clients.js';
import { cuttingWatches } from '../support/cut-watches.js';
import { describeStores, type TestServer } from '../support/stores.js';
import { payloadsOf, take } from './take.js';

/** A publisher, and a client whose watches are cut when it is asked for. */
async function scene(server: TestServer) {
  const clients = testClients(server);
  const publisher = await clients.open();
  const { store, cut } = cuttingWatches(await server.connect());
  const client = await Client.open({ store, namespace: clients.namespace, closeStore: true });
  const elsewhere = async () => {
    const { revision } = await publisher.store.txn({
      ...{ compare: [], failure: [] },
      success: [put(`${clients.namespace}/elsewhere`, '')],
    });
    return revision;
  };
  return { publisher, client, cut: () => cut(), elsewhere };
}

function gap(fromRevision: number, toRevision: number, channel: string | undefined): ChannelItem<string> {
  return {
    ...{ type: 'gap', reason: 'compacted', fromRevision, toRevision, revision: toRevision },
    ...{ index: undefined, messages: undefined, channel },
  };
}

/** On servers of their own, as compaction is of everything. */
describeStores(
  'Channel, when history is compacted',
  (server) => {
    it('CHANNEL-3 a quiet channel misses nothing, however far back its position lies', async () => {
      const { publisher, client, cut, elsewhere } = await scene(server);
      const channel = new Channel<string>(publisher, 'quiet');
      const subscription = await new Channel<string>(client, 'quiet').subscribe();
      await channel.publish('before');
      expect(payloadsOf(await take(subscription, 1))).toEqual(['before']);
      const mend = cut();
      await elsewhere();
      await publisher.store.compact(await elsewhere());
      await channel.publish('after');
      mend();
      expect(payloadsOf(await take(subscription, 1))).toEqual(['after']);
      const place = subscription.position;
      await publisher.store.compact(await elsewhere());
      const again = await new Channel<string>(client, 'quiet').subscribe({ after: place });
      await channel.publish('at last');
      expect(payloadsOf(await take(again, 1))).toEqual(['at last']);
    });

    it('CHANNEL-3 what compaction has left is told, if it is all that was missing', async () => {
      const { publisher, client, cut, elsewhere } = await scene(server);
      const channel = new Channel<string>(publisher, 'slow');
      const subscription = await new Channel<string>(client, 'slow').subscribe();
      await channel.publish('one');
      await take(subscription, 1);
      const mend = cut();
      await channel.publishAll(['two', 'three']);
      await publisher.store.compact(await elsewhere());
      await channel.publish('four');
      mend();
      expect(payloadsOf(await take(subscription, 3))).toEqual(['two', 'three', 'four']);
    });

    it('CHANNEL-4 else the gap is told, as far as it reaches, and then the last that is left', async () => {
      const { publisher, client, cut, elsewhere } = await scene(server);
      const channel = new Channel<string>(publisher, 'busy');
      const reader = new Channel<string>(client, 'busy');
      const subscription = await reader.subscribe();
      const one = await channel.publish('one');
      await take(subscription, 1);
      const mend = cut();
      await channel.publish('two');
      const three = await channel.publish('three');
      await publisher.store.compact(await elsewhere());
      await channel.publish('four');
      mend();
      const missing = gap(one.revision + 1, three.revision - 1, 'busy');
      expect(payloadsOf(await take(subscription, 3))).toEqual([missing, 'three', 'four']);
      const late = await reader.subscribe({ after: one });
      // Nobody knows whether that was the last of its revision.
      expect(payloadsOf(await take(late, 3))).toEqual([
        gap(one.revision, three.revision - 1, 'busy'),
        'three',
        'four',
      ]);
      const first = await reader.subscribe({ after: 0 });
      expect(payloadsOf(await take(first, 3))).toEqual([gap(1, three.revision - 1, 'busy'), 'three', 'four']);
    });

    it('CHANNEL-4 within a frame too: what is left of it is told, or the gap begins with it', async () => {
      const { publisher, client, elsewhere } = await scene(server);
      const channel = new Channel<string>(publisher, 'frames');
      const reader = new Channel<string>(client, 'frames');
      const [one] = await channel.publishAll(['one', 'two']);
      await publisher.store.compact(await elsewhere());
      const rest = await reader.subscribe({ after: one });
      expect(payloadsOf(await take(rest, 1))).toEqual(['two']);
      const three = await channel.publish('three');
      await publisher.store.compact(await elsewhere());
      const late = await reader.subscribe({ after: one });
      const from = (one as ChannelPlace).revision;
      expect(payloadsOf(await take(late, 2))).toEqual([gap(from, three.revision - 1, 'frames'), 'three']);
    });

    it('CHANNEL-4 a deletion by hand is no gap while it is seen, and one where it is not', async () => {
      const { publisher, client, cut, elsewhere } = await scene(server);
      const channel = new Channel<string>(publisher, 'deleted');
      const subscription = await new Channel<string>(client, 'deleted').subscribe();
      const erase = { compare: [], success: [remove(channel.key)], failure: [] };
      await channel.publish('one');
      await publisher.store.txn(erase);
      const two = await channel.publish('two');
      expect(payloadsOf(await take(subscription, 2))).toEqual(['one', 'two']);
      const mend = cut();
      await channel.publish('three');
      await publisher.store.txn(erase);
      const revision = await elsewhere();
      await publisher.store.compact(revision);
      await channel.publish('four');
      mend();
      expect(payloadsOf(await take(subscription, 2))).toEqual([
        gap(two.revision + 1, revision, 'deleted'),
        'four',
      ]);
    });

    it('CHANNEL-4 a pattern is told all that is left, or one gap for all channels', async () => {
      const { publisher, client, cut, elsewhere } = await scene(server);
      const [a, b] = ['p/a', 'p/b'].map((name) => new Channel<string>(publisher, name));
      const pattern = new ChannelPattern<string>(client, 'p/');
      const subscription = await pattern.subscribe();
      await a?.publish('a1');
      await b?.publish('b1');
      await take(subscription, 2);
      let mend = cut();
      await b?.publish('b2');
      const last = await a?.publish('a2');
      await publisher.store.compact(await elsewhere());
      const three = await a?.publish('a3');
      mend();
      expect(payloadsOf(await take(subscription, 3))).toEqual(['b2', 'a2', 'a3']);
      mend = cut();
      await b?.publish('b3');
      await b?.publish('b4');
      const revision = await elsewhere();
      await publisher.store.compact(revision);
      await a?.publish('a4');
      mend();
      const missing = gap((three?.revision ?? 0) + 1, revision, undefined);
      expect(payloadsOf(await take(subscription, 2))).toEqual([missing, 'a4']);
      const again = await pattern.subscribe({ after: last?.revision ?? 0 });
      expect((await take(again, 2)).map(({ type }) => type)).toEqual(['gap', 'message']);
    });
  },
  ['memory', 'embedded'],
);
