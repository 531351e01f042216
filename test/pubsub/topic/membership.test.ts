import { getEventListeners } from 'node:events';
import { expect, it } from 'vitest';
import { QuorateError } from '../../../src/errors.js';
import { type ConsumerEvent, Topic } from '../../../src/pubsub/index.js';
import { sleep, systemRuntime } from '../../../src/runtime/index.js';
import { put, txnOf } from '../../../src/store/index.js';
import { testClients } from '../../support/clients.js';
import { hookedStore } from '../../support/hooked-store.js';
import { storeWith } from '../../support/store-with.js';
import { describeStores } from '../../support/stores.js';

const upTo = (count: number) => Array.from({ length: count }, (_, n) => n);
const poll = { timeout: 10_000, interval: 20 };
const pause = (ms: number) => sleep(systemRuntime, ms);

/** Handlers that go on until they are let go, whatever their signals say. */
function endless() {
  const held: (() => void)[] = [];
  return {
    held,
    handler: () => new Promise<void>((resolve) => held.push(resolve)),
    letGo: () => {
      for (const end of held) end();
    },
  };
}

describeStores('membership of a group', (server) => {
  it('TOPIC-7 gives a partition away over the heads of handlers, also one whose cursor was moved under them', async () => {
    const clients = testClients(server);
    const topic = new Topic<number>(await clients.open(), 'fenced', { partitions: 4 });
    for (const partition of upTo(4)) await topic.publish(partition, { partition });
    const { held, handler, letGo } = endless();
    const first = await topic.group('g').consume(handler, { handoverMs: 50 });
    await expect.poll(() => held.length, poll).toBe(4);
    await topic.group('g').seek('start');
    const other = new Topic<number>(await clients.open(), 'fenced');
    const handled: number[] = [];
    const second = await other.group('g').consume((message) => void handled.push(message.partition));
    await expect.poll(() => handled.length, poll).toBe(2);
    const left = first.close({ graceMs: 20 });
    await expect.poll(() => [...handled].sort(), poll).toEqual(upTo(4));
    letGo();
    await left;
    await second.close();
    await Promise.all([topic.close(), other.close()]);
  });

  it('TOPIC-5 leaves nothing behind that nobody works on, if it ends with an error', async () => {
    const clients = testClients(server);
    const store = await server.connect();
    let isRefused = false;
    const refusing = storeWith(store, {
      range: (request, options) => {
        if (!isRefused || !request.key.endsWith('/g/g/')) return store.range(request, options);
        isRefused = false;
        return Promise.reject(new QuorateError('permission-denied', 'revoked'));
      },
    });
    const client = await clients.open({ store: refusing, closeStore: false });
    const topic = new Topic<number>(client, 'denied', { partitions: 4 });
    for (const partition of upTo(4)) await topic.publish(partition, { partition });
    isRefused = true;
    const consumer = await topic.group('g').consume(() => {});
    expect(await consumer.ended).toMatchObject({ code: 'permission-denied' });
    const other = new Topic<number>(await clients.open(), 'denied');
    const handled: number[] = [];
    const second = await other.group('g').consume(({ value }) => void handled.push(value), { from: 'start' });
    await expect
      .poll(async () => (await other.group('g').describe()).partitions.map(({ standing }) => standing), poll)
      .toEqual(upTo(4).map(() => ({ status: 'working' })));
    await second.close();
    await Promise.all([topic.close(), other.close()]);
  });

  it('TOPIC-5 works on its partitions again after somebody has taken it out of the group', async () => {
    const client = await testClients(server).open();
    const topic = new Topic<number>(client, 'put-out', { partitions: 2 });
    const handled: number[] = [];
    const consumer = await topic.group('g').consume(({ value }) => void handled.push(value));
    for (const partition of upTo(2)) await topic.publish(partition, { partition });
    await expect.poll(() => handled.length, poll).toBe(2);
    const key = `${client.keys.prefix('topic', 'put-out')}g/g/m/${consumer.member}`;
    await client.store.txn(txnOf({ success: [{ type: 'delete', key }] }));
    for (const partition of upTo(2)) await topic.publish(2 + partition, { partition });
    await expect.poll(() => [...new Set(handled)].sort(), poll).toEqual(upTo(4));
    await consumer.close();
    await topic.close();
  });

  it('looks slowly again at a cursor that it cannot read', async () => {
    const client = await testClients(server).open();
    const topic = new Topic<number>(client, 'garbled', { partitions: 1 });
    await (await topic.group('g').consume(() => {})).close();
    const cursor = `${client.keys.prefix('topic', 'garbled')}c/g/0000`;
    await client.store.txn(txnOf({ success: [put(cursor, 'of another program')] }));
    const errors: unknown[] = [];
    const consumer = await topic.group('g').consume(() => {}, {
      onEvent: (event) => void (event.type === 'error' && errors.push(event.error)),
    });
    await expect.poll(() => errors.length, poll).toBeGreaterThan(0);
    await pause(600);
    expect(errors.length).toBeLessThan(12);
    await consumer.close();
    await topic.close();
  });

  it('is refused for good where a new group is to begin at a revision that is not there yet', async () => {
    const topic = new Topic<number>(await testClients(server).open(), 'future', { partitions: 1 });
    const joining = topic.group('g').consume(() => {}, { from: { revision: 1e9 } });
    await expect(joining).rejects.toMatchObject({ code: 'future-revision' });
    await topic.close();
  });

  it('does not begin once its topic is closed', async () => {
    const clients = testClients(server);
    const topic = new Topic<number>(await clients.open(), 'closing', { partitions: 1 });
    await topic.publish(1);
    const handled: number[] = [];
    const joining = topic.group('g').consume(({ value }) => void handled.push(value));
    await Promise.all([expect(joining).rejects.toMatchObject({ code: 'closed' }), topic.close()]);
    const other = new Topic<number>(await clients.open(), 'closing');
    await other.publish(2);
    await pause(100);
    expect(handled).toEqual([]);
    await other.close();
  });

  it('leaves no listener behind for messages that were read one by one', async () => {
    const topic = new Topic<number>(await testClients(server).open(), 'listeners', { partitions: 1 });
    await topic.publishAll(upTo(300));
    for await (const { signal, value } of topic.group('g').messages()) {
      expect(getEventListeners(signal, 'abort').length).toBeLessThan(20);
      if (value === 299) break;
    }
    await topic.close();
  });

  it('seeks in one partition, and leaves what others work on alone', async () => {
    const topic = new Topic<number>(await testClients(server).open(), 'one', { partitions: 2 });
    for (const partition of upTo(2)) await topic.publish(partition, { partition });
    const times = [0, 0];
    const { held, handler, letGo } = endless();
    const consumer = await topic.group('g').consume(({ partition }) => {
      times[partition] = (times[partition] ?? 0) + 1;
      return times[partition] === 1 ? handler() : undefined;
    });
    await expect.poll(() => held.length, poll).toBe(2);
    await topic.group('g').seek('start', { partition: 0 });
    letGo();
    await expect.poll(() => times[0], poll).toBe(2);
    await expect
      .poll(async () => (await topic.group('g').lag()).map(({ messages }) => messages), poll)
      .toEqual([0, 0]);
    expect(times).toEqual([2, 1]);
    await consumer.close();
    await topic.close();
  });

  it('ends the reading at its signal, also while the store is away', async () => {
    const hooked = hookedStore(await server.connect());
    const client = await testClients(server).open({ store: hooked.store, closeStore: false });
    hooked.hook = () => Promise.reject(new QuorateError('unavailable', 'away'));
    const topic = new Topic<number>(client, 'away');
    const stop = new AbortController();
    const reading = Promise.all([
      topic.read({ signal: stop.signal }).next(),
      topic.group('g').messages({ signal: stop.signal }).next(),
    ]);
    await pause(50);
    stop.abort();
    expect((await reading).map(({ done }) => done)).toEqual([true, true]);
    await topic.close();
  });
});

const numbers = {
  '~standard': {
    version: 1 as const,
    vendor: 'test',
    validate: (value: unknown) =>
      typeof value === 'number' ? { value } : { issues: [{ message: 'is no number' }] },
  },
};

describeStores('messages of a group that fail', (server) => {
  it('are among the dead letters with what is wrong with them, page by page', async () => {
    const client = await testClients(server).open();
    const raw = new Topic<unknown>(client, 'letters', { partitions: 1 });
    await raw.publishAll(['bad', 7]);
    const topic = new Topic<number>(client, 'letters', { schema: numbers });
    const fail = () => {
      throw new Error('no');
    };
    const consumer = await topic.group('g').consume(fail, { attempts: 1 });
    const { deadLetters } = topic.group('g');
    await expect.poll(async () => (await deadLetters.list()).length, poll).toBe(2);
    const [bad, good] = await deadLetters.list();
    expect(bad).toMatchObject({ value: undefined, error: { code: 'codec' } });
    expect(good).toMatchObject({ value: 7, error: undefined });
    const [next, ...others] = await deadLetters.list({ after: bad });
    expect([next?.index, others]).toEqual([good?.index, []]);
    if (bad !== undefined) expect(await deadLetters.discard(bad)).toBe(true);
    await consumer.close();
    await Promise.all([topic.close(), raw.close()]);
  });

  it('have all their attempts, whatever the handler throws', async () => {
    const topic = new Topic<number>(await testClients(server).open(), 'attempts', { partitions: 1 });
    await topic.publish(1);
    const events: ConsumerEvent['type'][] = [];
    let times = 0;
    const consumer = await topic.group('g').consume(
      () => {
        times += 1;
        if (times === 1) throw new QuorateError('codec', 'of something that was read elsewhere');
      },
      { retryDelay: { firstMs: 1, longestMs: 1 }, onEvent: ({ type }) => void events.push(type) },
    );
    await expect.poll(async () => (await topic.group('g').lag())[0]?.messages, poll).toBe(0);
    expect([times, events.includes('dead-lettered')]).toEqual([2, false]);
    await consumer.close();
    await topic.close();
  });

  it('are not acknowledged any more once they were rejected', async () => {
    const topic = new Topic<number>(await testClients(server).open(), 'both', { partitions: 1 });
    await topic.publish(1);
    const refusals: unknown[] = [];
    const consumer = await topic.group('g').consume(
      async (message) => {
        message.reject('no');
        await message.ack().catch((error: unknown) => refusals.push(error));
      },
      { ack: 'manual' },
    );
    await expect.poll(() => refusals[0], poll).toMatchObject({ code: 'invalid-argument' });
    await consumer.close();
    await topic.close();
  });

  it('stop a partition for good, and leave no watch behind', async () => {
    const clients = testClients(server);
    const raw = new Topic<unknown>(await clients.open(), 'stops', { partitions: 1 });
    await raw.publish('bad');
    const client = await clients.open();
    const topic = new Topic<number>(client, 'stops', { schema: numbers });
    const events: ConsumerEvent['type'][] = [];
    const consumer = await topic.group('g').consume(() => {}, {
      ...{ prefetch: 1, onExhausted: 'stop', onEvent: ({ type }) => void events.push(type) },
    });
    await expect.poll(() => events, poll).toContain('stopped');
    await consumer.close();
    await topic.close();
    // As long as the hub keeps one that nobody needs.
    await expect.poll(() => client.hub.watchCount, poll).toBe(0);
    await raw.close();
  });
});

describeStores('what is gone', (server) => {
  it('TOPIC-9 is counted without what was done, and with all that was not', async () => {
    const topic = new Topic<number>(await testClients(server).open(), 'counted', {
      ...{ partitions: 1, retentionCheckMs: 20 },
    });
    const group = topic.group('g');
    for (const n of upTo(60)) await topic.publish(n);
    const first = await group.consume(
      async (message) => {
        if (message.value >= 1 && message.value <= 25) await message.ack();
      },
      { ack: 'manual', concurrency: 3 },
    );
    await expect.poll(async () => (await group.describe()).partitions[0]?.doneAbove, poll).toBe(25);
    await first.close({ graceMs: 0 });
    const gaps: (number | undefined)[] = [];
    const handled: number[] = [];
    const { held, handler, letGo } = endless();
    const second = await group.consume(
      async ({ value }) => {
        if (value === 26) await handler();
        handled.push(value);
      },
      { prefetch: 1, onEvent: (event) => void (event.type === 'gap' && gaps.push(event.gap.messages)) },
    );
    await expect.poll(() => held.length, poll).toBe(1);
    await topic.setRetention({ maxMessages: 10 });
    await expect.poll(async () => (await topic.describe()).partitions[0]?.messages, poll).toBe(10);
    letGo();
    await expect.poll(() => handled.at(-1), poll).toBe(59);
    const known = new Set([...handled, ...upTo(26).slice(1)]);
    expect(gaps).toEqual([upTo(60).filter((n) => !known.has(n)).length]);
    await second.close();
    await topic.close();
  });

  it('TOPIC-9 is told without a number to who begins at a time of which nothing is left', async () => {
    const topic = new Topic<number>(await testClients(server).open(), 'since', {
      ...{ partitions: 1, retentionCheckMs: 20, retention: { maxMessages: 2 } },
    });
    for (const n of upTo(10)) await topic.publish(n);
    await expect.poll(async () => (await topic.describe()).partitions[0]?.messages, poll).toBe(2);
    const items: unknown[] = [];
    for await (const item of topic.read({ from: { time: 0 }, follow: false })) {
      items.push(item.type === 'gap' ? item.messages : item.type);
    }
    expect(items).toEqual([undefined, 'message', 'message']);
    await topic.close();
  });
});
