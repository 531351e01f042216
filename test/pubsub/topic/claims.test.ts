import { expect, it } from 'vitest';
import { claim, disclaim, reread } from '../../../src/pubsub/topic/group/claims.js';
import { TopicKeys } from '../../../src/pubsub/topic/keys.js';
import { put, textOf, txnOf } from '../../../src/store/index.js';
import { testClients } from '../../support/clients.js';
import { hookedStore } from '../../support/hooked-store.js';
import { describeStores } from '../../support/stores.js';

describeStores('claims of partitions', (server) => {
  it('TOPIC-6 TOPIC-7 read the cursor in the revision of the claim, from nobody who still owns it', async () => {
    const clients = testClients(server);
    const plain = await server.connect();
    const hooked = hookedStore(await server.connect());
    const client = await clients.open({ store: hooked.store, closeStore: false });
    const group = new TopicKeys(client.keys.prefix('topic', 't')).group('g');
    const session = await client.session();
    const write = async (key: string, value: string) =>
      (await plain.txn(txnOf({ success: [put(key, value)] }))).revision;
    const create = await write(group.member('me'), '');
    const me = { id: 'me', create, session };
    await write(group.cursor(0), 'before');

    // Whatever is written to the cursor before the claim, and as soon as it is applied.
    hooked.hook = async (_request, send) => {
      await write(group.cursor(0), 'last of the owner before');
      const reply = await send();
      await write(group.cursor(0), 'sought');
      return reply;
    };
    const claimed = await claim(client, group, 0, me);
    hooked.hook = undefined;
    expect(claimed?.cursor && textOf(claimed.cursor.value)).toBe('last of the owner before');
    expect(claimed?.asOf).toBe(claimed?.term);
    expect(claimed?.cursor?.modRevision).toBeLessThan(claimed?.asOf ?? 0);

    expect(await claim(client, group, 0, me)).toBeUndefined();
    expect(await claim(client, group, 1, { ...me, create: create + 1 })).toBeUndefined();
    const term = claimed?.term ?? 0;
    const again = await reread(client, group, 0, term, session.signal);
    expect(again?.cursor && textOf(again.cursor.value)).toBe('sought');
    expect(await reread(client, group, 0, term + 1, session.signal)).toBeUndefined();
    await disclaim(client, group, 0, term + 1, session.signal);
    expect(await reread(client, group, 0, term, session.signal)).toBeDefined();
    await disclaim(client, group, 0, term, session.signal);
    expect(await reread(client, group, 0, term, session.signal)).toBeUndefined();
  });
});
