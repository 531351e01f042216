import { expect, it } from 'vitest';
import { MemoryServer } from '../../../src/memory/index.js';
import { FifoQueue, type Job, Worker } from '../../../src/queues/index.js';
import { placeOf, QueueKeys, revisionOf } from '../../../src/queues/keys.js';
import { Client } from '../../../src/session/index.js';
import { inRange, type Op, put, type TxnRequest, txnOf } from '../../../src/store/index.js';
import { hookedStore } from '../../support/hooked-store.js';

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
