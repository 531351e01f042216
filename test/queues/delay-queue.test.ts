import { expect, it } from 'vitest';
import { DelayQueue, FifoQueue, followUp, PriorityQueue, Worker } from '../../src/queues/index.js';
import { QueueKeys } from '../../src/queues/keys.js';
import { decodeBeat } from '../../src/queues/records/beat.js';
import { systemRuntime } from '../../src/runtime/index.js';
import { testClients } from '../support/clients.js';
import { describeStores } from '../support/stores.js';

describeStores('delay queue', (server) => {
  it('is purged however long its name is', async () => {
    const client = await testClients(server).open();
    for (const name of ['n'.repeat(1_024), 'é'.repeat(512)]) {
      const queue = new DelayQueue<number>(client, name);
      const numbers = (count: number) => Array.from({ length: count }, (_, n) => n);
      for (let n = 0; n < 6; n += 1)
        await queue.enqueueMany(numbers(50), { each: () => ({ delayMs: 1_000_000 }) });
      await queue.enqueueMany(numbers(20));
      expect(await queue.purge()).toMatchObject({ removed: 320 });
      expect(await queue.size()).toBe(0);
    }
  });

  it('QUEUE-23 keeps the time that a dispatcher has counted until it leaves', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const queue = new DelayQueue<string>(client, 'later');
    const keys = new QueueKeys(client.keys.prefix('queue', 'later'), 'delay');
    await queue.enqueue('far', { delayMs: 100_000 });
    const beat = async () => {
      const { kvs } = await client.store.range({ key: keys.beat });
      return kvs.map((kv) => ({ ...decodeBeat(kv.value), mod: kv.modRevision }))[0];
    };
    const left: number[] = [];
    const watch = client.hub.subscribe({ ...keys.candidates, without: ['put'] }, (item) => {
      if (item.type === 'events') left.push(...item.events.map(({ kv }) => kv.modRevision));
    });
    const worker = new Worker(new DelayQueue<string>(await clients.open(), 'later'), () => {});
    await worker.start();
    // The next one is not due for three seconds.
    await expect.poll(async () => (await beat())?.pulseMs ?? 0, { timeout: 10_000 }).toBeGreaterThan(3_000);
    const before = await beat();
    await worker.close();
    const after = await beat();
    await expect.poll(() => left).toEqual([after?.mod]);
    watch.close();
    expect(after).toEqual({ ...before, mod: after?.mod, timeMs: after?.timeMs });
    expect(after?.timeMs).toBeGreaterThan(before?.timeMs ?? 0);
  });

  it('QUEUE-22 QUEUE-23 gives out delayed items when their delay is over, once, and others at once', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const queue = new DelayQueue<string>(client, 'later');
    const seen: { payload: string; id: string; atMs: number }[] = [];
    const worker = new Worker(queue, (job) => {
      seen.push({ payload: job.payload, id: job.id, atMs: systemRuntime.monotonicMs() });
    });
    await worker.start();
    const fromMs = systemRuntime.monotonicMs();
    const [late, soon, now] = await Promise.all([
      queue.enqueue('late', { delayMs: 600 }),
      queue.enqueue('soon', { delayMs: 200 }),
      queue.enqueue('now'),
    ]);
    expect(await queue.size()).toBeGreaterThanOrEqual(2);
    expect(await queue.delayedSize()).toBe(2);
    await expect
      .poll(() => seen.map(({ payload }) => payload), { timeout: 10_000 })
      .toEqual(['now', 'soon', 'late']);
    expect(seen.map(({ id }) => id)).toEqual([now.id, soon.id, late.id]);
    const [, second, third] = seen.map(({ atMs }) => atMs - fromMs);
    expect(second).toBeGreaterThanOrEqual(199);
    expect(third).toBeGreaterThanOrEqual(599);
    await expect.poll(() => queue.size()).toBe(0);
    await worker.close();
    const keys = new QueueKeys(client.keys.prefix('queue', 'later'), 'delay');
    for (const range of [keys.delayed, keys.freshDelays, keys.timers, keys.items]) {
      expect((await client.store.range({ ...range, countOnly: true })).count).toBe(0);
    }
  });

  it('QUEUE-17 QUEUE-18 cancels delayed items, stamped or not, and tells who waits for them', async () => {
    const client = await testClients(server).open();
    const queue = new DelayQueue<string>(client, 'later');
    const keys = new QueueKeys(client.keys.prefix('queue', 'later'), 'delay');
    const [fresh, stamped, kept] = await queue.enqueueMany(['fresh', 'stamped', 'kept'], {
      delayMs: 300_000,
      resultMs: 60_000,
    });
    if (!fresh || !stamped || !kept) throw new Error('three items');
    expect(await queue.result(fresh.id)).toEqual({ status: 'pending' });
    expect(await queue.cancel(fresh.id, { reason: 'no more' })).toBe(true);
    expect(await queue.cancel(fresh.id)).toBe(false);
    expect(await queue.result(fresh.id)).toEqual({ status: 'cancelled', reason: 'no more' });
    const worker = new Worker(queue, () => {});
    await worker.start();
    await expect
      .poll(async () => (await client.store.range({ ...keys.timers, countOnly: true })).count)
      .toBe(2);
    const told = queue.waitForResult(stamped.id).catch((error: unknown) => error);
    expect(await queue.cancel(stamped.id)).toBe(true);
    expect(await told).toMatchObject({ code: 'job-cancelled' });
    await expect
      .poll(async () => (await client.store.range({ ...keys.timers, countOnly: true })).count)
      .toBe(1);
    expect(await queue.delayedSize()).toBe(1);
    expect(await queue.peek()).toBeUndefined();
    await worker.close();
  });

  it('QUEUE-18 a wait without a result ends when its delayed item is cancelled, and not when it fires', async () => {
    const client = await testClients(server).open();
    const queue = new DelayQueue<string>(client, 'later');
    const [cancelled, fired] = await queue.enqueueMany(['cancelled', 'fired'], {
      each: (payload) => ({
        delayMs: payload === 'fired' ? 200 : 300_000,
        resultMs: payload === 'fired' ? 60_000 : undefined,
      }),
    });
    if (!cancelled || !fired) throw new Error('two items');
    const none = queue.waitForResult(cancelled.id).catch((error: unknown) => error);
    const result = queue.waitForResult(fired.id);
    const worker = new Worker(queue, (job) => `${job.payload} and done`);
    await worker.start();
    expect(await result).toBe('fired and done');
    await queue.cancel(cancelled.id);
    expect(await none).toMatchObject({ code: 'no-result' });
    await worker.close();
  });

  it('QUEUE-23 is purged with its delayed items, stamped or not, and nothing is left of them', async () => {
    const client = await testClients(server).open();
    const queue = new DelayQueue<number>(client, 'later');
    const keys = new QueueKeys(client.keys.prefix('queue', 'later'), 'delay');
    await queue.enqueueMany([1, 2, 3], { delayMs: 300_000 });
    const worker = new Worker(queue, () => {});
    await worker.start();
    await expect
      .poll(async () => (await client.store.range({ ...keys.timers, countOnly: true })).count)
      .toBe(3);
    await worker.close();
    await queue.enqueueMany([4, 5], { delayMs: 300_000 });
    await queue.enqueue(6);
    expect((await queue.purge()).removed).toBe(6);
    for (const range of [keys.delayed, keys.freshDelays, keys.timers, keys.items]) {
      expect((await client.store.range({ ...range, countOnly: true })).count).toBe(0);
    }
  });

  it('is drained of its delayed items, and lets in what it had taken', async () => {
    const client = await testClients(server).open();
    const queue = new DelayQueue<string>(client, 'later');
    const seen: string[] = [];
    await queue.enqueueMany(['a', 'b'], { each: (payload) => ({ delayMs: payload === 'a' ? 400 : 0 }) });
    const worker = new Worker(queue, (job) => {
      seen.push(job.payload);
    });
    await worker.start();
    await queue.drain({ timeoutMs: 10_000 });
    expect(seen).toEqual(['b', 'a']);
    await expect(queue.enqueue('c', { delayMs: 5 })).rejects.toMatchObject({ code: 'queue-closed' });
    await worker.close();
  });

  it('QUEUE-14 QUEUE-19 takes idempotency keys and follow-ups with a delay', async () => {
    const client = await testClients(server).open();
    const first = new FifoQueue<string>(client, 'first');
    const queue = new DelayQueue<string>(client, 'later');
    const one = await queue.enqueue('x', { delayMs: 300_000, idempotencyKey: 'k' });
    const again = await queue.enqueue('y', { delayMs: 5, idempotencyKey: 'k' });
    expect(again).toMatchObject({ id: one.id, duplicate: true });
    expect(await queue.delayedSize()).toBe(1);
    await first.enqueue('job');
    const worker = new Worker(first, async (job) => {
      await job.complete({
        enqueue: [followUp(queue, 'then', { delayMs: 300_000 }), followUp(queue, 'now')],
      });
    });
    await worker.start();
    await expect.poll(() => queue.size()).toBe(3);
    expect(await queue.delayedSize()).toBe(2);
    expect((await queue.peek())?.payload).toBe('now');
    await worker.close();
  });

  it('refuses delays that are none, and other queues all', async () => {
    const client = await testClients(server).open();
    const queue = new DelayQueue<string>(client, 'later');
    for (const delayMs of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, '5', null, 4e11]) {
      await expect(queue.enqueue('x', { delayMs: delayMs as number })).rejects.toMatchObject({
        code: 'invalid-argument',
      });
    }
    for (const other of [new FifoQueue<string>(client, 'f'), new PriorityQueue<string>(client, 'p')]) {
      await expect(other.enqueue('x', { delayMs: 5 })).rejects.toMatchObject({ code: 'invalid-argument' });
    }
    expect(await queue.size()).toBe(0);
  });
});
