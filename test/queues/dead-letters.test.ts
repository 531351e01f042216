import { describe, expect, it } from 'vitest';
import { MemoryServer } from '../../src/memory/index.js';
import { FifoQueue } from '../../src/queues/index.js';
import { itemId, QueueKeys } from '../../src/queues/keys.js';
import { type DeadLetterRecord, encodeDeadLetter, encodeItem } from '../../src/queues/records/index.js';
import { Client } from '../../src/session/index.js';
import { bytesOf, txnOf } from '../../src/store/index.js';
import { testClients } from '../support/clients.js';
import { faultyStore } from '../support/faulty-store.js';
import { storeWith } from '../support/store-with.js';
import { describeStores } from '../support/stores.js';

const traits = { key: 'k', attempts: 2 };

function letter(payload: string): DeadLetterRecord {
  return {
    ...{ cause: 'failed', reason: `cannot do ${payload}`, failures: 2, losses: 1, atMs: 9_000 },
    item: encodeItem(bytesOf(payload), 5_000, traits),
  };
}

/** Puts letters there as workers do, and answers their ids. */
async function bury(client: Client, payloads: readonly string[], from = 0): Promise<string[]> {
  const keys = new QueueKeys(client.keys.prefix('queue', 'q'));
  const ids = payloads.map((_, n) => itemId(5, 'p', from + n));
  for (let at = 0; at < payloads.length; at += 100) {
    const puts = payloads.slice(at, at + 100).map((payload, n) => {
      const key = keys.deadLetter(ids[at + n] ?? '');
      return { type: 'put', key, value: encodeDeadLetter(letter(payload)) } as const;
    });
    await client.store.txn(txnOf({ success: puts }));
  }
  return ids;
}

describeStores('dead letters', (server) => {
  it('are listed in order, read, and removed', async () => {
    const client = await testClients(server).open();
    const queue = new FifoQueue<string>(client, 'q');
    const ids = await bury(client, ['"a"', '"b"', 'no JSON', '"d"']);
    const all = await queue.deadLetters.list();
    expect(all.map(({ id }) => id)).toEqual(ids);
    expect(all[0]).toMatchObject({
      ...{ payload: 'a', cause: 'failed', reason: 'cannot do "a"', failures: 2, losses: 1, atMs: 9_000 },
      ...{ enqueuedAtMs: 5_000, traits },
    });
    expect(all[2]).toMatchObject({ payload: undefined, unreadable: { code: 'codec' } });
    const page = await queue.deadLetters.list({ after: ids[0], limit: 2 });
    expect(page.map(({ id }) => id)).toEqual(ids.slice(1, 3));
    expect(await queue.deadLetters.get(ids[3] ?? '')).toMatchObject({ payload: 'd' });
    expect(await queue.deadLetters.remove(ids[3] ?? '')).toBe(true);
    expect(await queue.deadLetters.remove(ids[3] ?? '')).toBe(false);
    expect(await queue.deadLetters.get(ids[3] ?? '')).toBeUndefined();
    const refused = { code: 'invalid-argument' };
    await expect(queue.deadLetters.list({ limit: 0 })).rejects.toMatchObject(refused);
    await expect(queue.deadLetters.get('')).rejects.toMatchObject(refused);
  });

  it('QUEUE-16 come back at the tail, once, with payload and traits', async () => {
    const clients = testClients(server);
    const [client, beside] = [await clients.open(), await clients.open()];
    const queue = new FifoQueue<string>(client, 'q');
    const other = new FifoQueue<string>(beside, 'q');
    const [first = '', second = ''] = await bury(client, ['"a"', '"b"']);
    await queue.enqueue('before');
    const both = await Promise.all([
      queue.deadLetters.redrive(first),
      queue.deadLetters.redrive(first),
      other.deadLetters.redrive(first),
      other.deadLetters.redrive('all'),
    ]);
    expect(both.flat()).toHaveLength(2);
    expect(await queue.deadLetters.list()).toEqual([]);
    expect(await queue.deadLetters.redrive(second)).toEqual([]);
    expect(await queue.size()).toBe(3);
    expect((await queue.peek())?.payload).toBe('before');
    const keys = new QueueKeys(client.keys.prefix('queue', 'q'));
    const { kvs } = await client.store.range(keys.items);
    await client.store.txn(txnOf({ success: [{ type: 'delete', key: kvs[0]?.key ?? '' }] }));
    const head = await queue.peek();
    expect(head?.traits).toEqual(traits);
    expect(head?.enqueuedAtMs).toBeGreaterThan(5_000);
  });

  it('QUEUE-15 QUEUE-16 stay where they are while the queue is closed', async () => {
    const client = await testClients(server).open();
    const queue = new FifoQueue<string>(client, 'q');
    const [id = ''] = await bury(client, ['"a"']);
    await queue.drain();
    await expect(queue.deadLetters.redrive(id)).rejects.toMatchObject({ code: 'queue-closed' });
    await expect(queue.deadLetters.redrive('all')).rejects.toMatchObject({ code: 'queue-closed' });
    expect(await queue.deadLetters.get(id)).toBeDefined();
    expect(await queue.size()).toBe(0);
  });

  it('QUEUE-16 come back one by one as there is room, where there is room for few', async () => {
    const client = await testClients(server).open();
    const numbers = Array.from({ length: 12 }, (_, n) => `"${n}"`);
    await using queue = new FifoQueue<string>(client, 'q', { maxLength: 10, whenFull: 'refuse' });
    await queue.enqueue('first');
    await bury(client, numbers);
    await expect(queue.deadLetters.redrive('all')).rejects.toMatchObject({ code: 'over-limit' });
    expect([await queue.size(), (await queue.deadLetters.list()).length]).toEqual([10, 3]);
    await queue.purge();
    expect(await queue.deadLetters.redrive('all')).toHaveLength(3);
    await queue.controls.setBound({ maxLength: 10, whenFull: 'wait' });
    await bury(client, numbers, 12);
    const back = queue.deadLetters.redrive('all');
    await expect.poll(() => queue.size()).toBe(10);
    await queue.purge();
    expect(await back).toHaveLength(12);
    expect(await queue.deadLetters.list()).toEqual([]);
  });

  it('QUEUE-16 come back by the hundred', async () => {
    const { client, counts } = await testClients(server).openCounted();
    const queue = new FifoQueue<string>(client, 'q');
    await queue.enqueue('first');
    await bury(
      client,
      Array.from({ length: 250 }, (_, n) => `"${n}"`),
    );
    counts.reset();
    const back = await queue.deadLetters.redrive('all');
    expect(counts.calls).toMatchObject({ range: 6, txn: 3 });
    expect(back.map(({ id }) => id)).toEqual([...back.map(({ id }) => id)].sort());
    expect(await queue.size()).toBe(251);
  });
});

describe('dead letters', () => {
  it('stay where they are if the queue object is closed while they are read', async () => {
    const server = new MemoryServer();
    const inner = server.connect();
    let read = () => {};
    let isHeld = false;
    const store = storeWith(inner, {
      range: async (request, options) => {
        if (isHeld) await new Promise<void>((resolve) => (read = resolve));
        return inner.range(request, options);
      },
    });
    const client = await Client.open({ store, namespace: 'ns' });
    const queue = new FifoQueue<string>(client, 'q');
    const [id = ''] = await bury(client, ['"a"']);
    isHeld = true;
    const back = queue.deadLetters.redrive(id);
    await queue.close();
    isHeld = false;
    read();
    await expect(back).rejects.toMatchObject({ code: 'closed', outcome: 'not-applied' });
    expect(await queue.size()).toBe(0);
    await client.close();
    await server.close();
  });

  it('QUEUE-16 come back once through every kind of lost request and reply', async () => {
    const server = new MemoryServer();
    const network = faultyStore(server.connect(), {
      seed: 8,
      rates: { 'lose-reply': 0.2, 'lose-request': 0.15, refuse: 0.1, late: 0.1 },
    });
    const client = await Client.open({ store: network, namespace: 'ns', closeStore: true });
    const queue = new FifoQueue<string>(client, 'q');
    const ids = await bury(
      client,
      Array.from({ length: 40 }, (_, n) => `"${n}"`),
    );
    for (const id of ids) {
      const tries = [0, 1].map(() =>
        queue.deadLetters.redrive(id).catch((error: unknown) => {
          expect(error).toMatchObject({ code: 'unavailable' });
          return [];
        }),
      );
      await Promise.all(tries);
    }
    network.heal();
    await network.releaseHeld();
    await queue.deadLetters.redrive('all');
    expect(await queue.deadLetters.list()).toEqual([]);
    expect(await queue.size()).toBe(40);
    await client.close();
    await server.close();
  });
});
