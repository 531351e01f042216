import { expect, it } from 'vitest';
import { QuorateError } from '../../../src/errors.js';
import { MemoryServer } from '../../../src/memory/index.js';
import { FifoQueue, type Job, Worker } from '../../../src/queues/index.js';
import { placeOf, QueueKeys, revisionOf } from '../../../src/queues/keys.js';
import { decodeItem, decodeSchedule, encodeSchedule } from '../../../src/queues/records/index.js';
import { Ticker } from '../../../src/queues/schedules/ticker.js';
import { Client } from '../../../src/session/index.js';
import { inRange, type Op, put, type Store, type TxnRequest, txnOf } from '../../../src/store/index.js';
import { gatedReads } from '../../support/gated-reads.js';
import { hookedStore } from '../../support/hooked-store.js';
import { storeWith } from '../../support/store-with.js';

function puts(request: Pick<TxnRequest, 'success'>): readonly Extract<Op, { type: 'put' }>[] {
  return request.success.flatMap((op) => (op.type === 'txn' ? puts(op) : op.type === 'put' ? [op] : []));
}

it('QUEUE-8 QUEUE-24 a tick that the gate has overtaken is decided anew, with a larger key', async () => {
  const server = new MemoryServer();
  const store = server.connect();
  const hooked = hookedStore(server.connect());
  const client = await Client.open({ store: hooked.store, namespace: 'ns' });
  const queue = new FifoQueue<string>(client, 'q');
  const keys = new QueueKeys(client.keys.prefix('queue', 'q'));
  const seen: Job<string>[] = [];
  const worker = new Worker(queue, (job) => {
    seen.push(job);
  });
  await worker.start();
  let moved = 0;
  hooked.hook = async (request, send) => {
    const written = puts(request);
    const isTick =
      written.some(({ key }) => inRange(keys.items, key)) &&
      written.some(({ key }) => inRange(keys.schedules, key));
    if (isTick && moved === 0) {
      moved = (await store.range({ key: 'x' })).revision + 1;
      await store.txn(txnOf({ success: [put(keys.gate, placeOf(moved))] }));
    }
    return send();
  };
  await queue.schedules.set('s', { everyMs: 1_000, payload: 'tick', missed: { atMost: 50 } });
  await expect.poll(() => seen.length, { timeout: 10_000 }).toBeGreaterThanOrEqual(2);
  await queue.schedules.remove('s');
  await worker.close();
  await client.close();
  await server.close();
  expect(moved).toBeGreaterThan(0);
  expect(seen.every(({ id }) => revisionOf(id) >= moved)).toBe(true);
  const ticks = seen.map(({ tick }) => tick?.atMs ?? 0);
  expect(ticks).toEqual(ticks.map((_, n) => (ticks[0] ?? 0) + n * 1_000));
});

/** A ticker alone, under a term of its own. */
async function tickerOf(
  client: Client,
  keys: QueueKeys,
): Promise<{ errors: string[]; stop: () => Promise<void> }> {
  const { revision } = await client.store.txn(txnOf({ success: [put(keys.candidate('me'), '')] }));
  const errors: string[] = [];
  const onError = ({ code }: { code: string }) => errors.push(code);
  const ticker = new Ticker({ client, keys, term: { candidate: 'me', revision }, onError });
  const over = new AbortController();
  const running = ticker.run(over.signal);
  const stop = () => {
    over.abort();
    return running;
  };
  return { errors, stop };
}

it('QUEUE-24 ticks whose items are too large for one write together are decided in parts', async () => {
  const server = new MemoryServer();
  const client = await Client.open({ store: server.connect(), closeStore: true, namespace: 'ns' });
  const queue = new FifoQueue<string>(client, 'q');
  const keys = new QueueKeys(client.keys.prefix('queue', 'q'));
  await queue.schedules.set('s', {
    everyMs: 1_000,
    payload: 'x'.repeat(200_000),
    missed: { atMost: 50 },
  });
  const { kvs } = await client.store.range({ key: keys.schedule('s') });
  const record = decodeSchedule(kvs[0]?.value ?? new Uint8Array());
  const lastMs = record.lastMs - 100_000;
  await client.store.txn(
    txnOf({ success: [put(keys.schedule('s'), encodeSchedule({ ...record, lastMs }))] }),
  );
  const { errors, stop } = await tickerOf(client, keys);
  await expect.poll(() => queue.size(), { timeout: 10_000 }).toBeGreaterThanOrEqual(50);
  await queue.schedules.remove('s');
  await stop();
  const items = await client.store.range({ ...keys.items });
  const ticks = items.kvs.map(({ value }) => decodeItem(value).traits?.tickMs ?? 0);
  expect(ticks).toEqual(ticks.map((_, n) => (ticks[0] ?? 0) + n * 1_000));
  expect(new Set(items.kvs.map(({ createRevision }) => createRevision)).size).toBeGreaterThan(10);
  expect(errors).toEqual([]);
  await client.close();
  await server.close();
});

it('QUEUE-24 schedules are known again after their watch has failed for good', async () => {
  const server = new MemoryServer();
  const inner = server.connect();
  let watched = '';
  let failed = 0;
  const watch: Store['watch'] = (request) => {
    if (request.key !== watched || failed === 2) return inner.watch(request);
    failed += 1;
    throw new QuorateError('internal', 'failed by the test');
  };
  const client = await Client.open({ store: storeWith(inner, { watch }), namespace: 'ns' });
  const queue = new FifoQueue<string>(client, 'q');
  const keys = new QueueKeys(client.keys.prefix('queue', 'q'));
  watched = keys.schedules.key;
  await queue.schedules.set('s', { everyMs: 1_000, payload: 'x' });
  const { errors, stop } = await tickerOf(client, keys);
  await expect.poll(() => queue.size()).toBeGreaterThanOrEqual(1);
  await stop();
  expect(errors).toEqual(['internal', 'internal']);
  await client.close();
  await server.close();
});

it('QUEUE-24 a schedule that is set while all are read is not forgotten', async () => {
  const server = new MemoryServer();
  const gated = gatedReads(server.connect());
  const client = await Client.open({ store: gated.store, namespace: 'ns' });
  const other = await Client.open({ store: server.connect(), closeStore: true, namespace: 'ns' });
  const queue = new FifoQueue<string>(other, 'q');
  const keys = new QueueKeys(client.keys.prefix('queue', 'q'));
  gated.hold();
  const { errors, stop } = await tickerOf(client, keys);
  await expect.poll(() => gated.kept).toBe(1);
  const told = new Promise<void>((resolve) => {
    const watch = client.hub.subscribe(keys.schedules, (item) => {
      if (item.type !== 'events') return;
      watch.close();
      resolve();
    });
  });
  await queue.schedules.set('s', { everyMs: 1_000, payload: 'x' });
  await told;
  gated.letGo();
  await expect.poll(() => queue.size(), { timeout: 10_000 }).toBeGreaterThanOrEqual(1);
  await stop();
  expect(errors).toEqual([]);
  for (const each of [client, other]) await each.close();
  await server.close();
});

it('QUEUE-24 a schedule that was removed and set again goes on when a decision learns late that it was removed', async () => {
  const server = new MemoryServer();
  const hooked = hookedStore(server.connect());
  const client = await Client.open({ store: hooked.store, namespace: 'ns' });
  const other = await Client.open({ store: server.connect(), closeStore: true, namespace: 'ns' });
  const queue = new FifoQueue<string>(other, 'q');
  const keys = new QueueKeys(client.keys.prefix('queue', 'q'));
  let refused = 0;
  hooked.hook = async (request, send) => {
    const isTick = puts(request).some(({ key }) => inRange(keys.schedules, key));
    if (!isTick || refused > 0) return send();
    refused += 1;
    await queue.schedules.remove('s');
    const reply = await send();
    const told = new Promise<void>((resolve) => {
      const watch = client.hub.subscribe(keys.schedules, (item) => {
        if (item.type !== 'events' || item.events.every(({ type }) => type !== 'put')) return;
        watch.close();
        resolve();
      });
    });
    await queue.schedules.set('s', { everyMs: 1_000, payload: 'again' });
    await told;
    return reply;
  };
  await queue.schedules.set('s', { everyMs: 1_000, payload: 'first' });
  const { errors, stop } = await tickerOf(client, keys);
  await expect.poll(() => queue.size(), { timeout: 10_000 }).toBeGreaterThanOrEqual(1);
  await stop();
  expect(refused).toBe(1);
  expect(errors).toEqual([]);
  for (const each of [client, other]) await each.close();
  await server.close();
});
