import { expect, it } from 'vitest';
import { QuorateError } from '../../../src/errors.js';
import { DelayQueue, FifoQueue, Worker } from '../../../src/queues/index.js';
import { QueueKeys } from '../../../src/queues/keys.js';
import { Client } from '../../../src/session/index.js';
import { inRange, type Op } from '../../../src/store/index.js';
import { testClients } from '../../support/clients.js';
import { hookedStore } from '../../support/hooked-store.js';
import { storeWith } from '../../support/store-with.js';
import { describeStores } from '../../support/stores.js';

describeStores('a bounded queue', (server) => {
  it('QUEUE-28 holds so many items, and QUEUE-29 lets others in as those go, in the order of their calls', async () => {
    const client = await testClients(server).open();
    const queue = new FifoQueue<number>(client, 'q', { maxLength: 3 });
    const entered: number[] = [];
    const calls = Array.from({ length: 10 }, (_, n) => queue.enqueue(n).then(() => entered.push(n)));
    await expect.poll(() => entered).toEqual([0, 1, 2]);
    expect(await queue.size()).toBe(3);
    let most = 0;
    const done: number[] = [];
    await using worker = new Worker(queue, async (job) => {
      most = Math.max(most, await queue.size());
      done.push(job.payload);
    });
    await worker.start();
    await Promise.all(calls);
    await expect.poll(() => done).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(most).toBeLessThanOrEqual(3);
    await queue.close();
    const { accounts } = new QueueKeys(client.keys.prefix('queue', 'q'));
    expect((await client.store.range(accounts)).count).toBe(0);
  });

  it('QUEUE-29 refuses what finds no room, and lets it in when there is some', async () => {
    const client = await testClients(server).open();
    await using queue = new FifoQueue<number>(client, 'q', { maxLength: 2, whenFull: 'refuse' });
    await queue.enqueueMany([0, 1]);
    await expect(queue.enqueue(2)).rejects.toMatchObject({ code: 'over-limit', outcome: 'not-applied' });
    await expect(queue.enqueueMany([2, 3, 4])).rejects.toMatchObject({ code: 'over-limit' });
    expect(await queue.cancel((await queue.peek())?.id ?? '')).toBe(true);
    await queue.enqueue(3);
    expect(await queue.size()).toBe(2);
  });

  it('QUEUE-28 drops the oldest that nobody works on, where that is so decided', async () => {
    const client = await testClients(server).open();
    await using queue = new FifoQueue<number>(client, 'q', { maxLength: 3, whenFull: 'drop-oldest' });
    for (let n = 0; n < 10; n += 1) await queue.enqueue(n);
    expect(await queue.size()).toBe(3);
    const done: number[] = [];
    await using worker = new Worker(queue, (job) => done.push(job.payload));
    await worker.start();
    await expect.poll(() => done).toEqual([7, 8, 9]);
  });

  it('QUEUE-28 drops more than one write can, in several, and everybody goes on', async () => {
    const client = await testClients(server).open();
    await using queue = new FifoQueue<number>(client, 'q', { maxLength: 60, whenFull: 'drop-oldest' });
    const numbers = Array.from({ length: 110 }, (_, n) => n);
    await queue.enqueueMany(numbers.slice(0, 60));
    await queue.enqueueMany(numbers.slice(60));
    expect(await queue.size()).toBe(60);
    const done: number[] = [];
    await using worker = new Worker(queue, (job) => done.push(job.payload));
    await worker.start();
    await expect.poll(() => done.length).toBe(60);
    expect(done).toEqual(numbers.slice(50));
  });

  it('QUEUE-14 what was put before needs no room, and nothing makes room for it', async () => {
    const client = await testClients(server).open();
    for (const whenFull of ['drop-oldest', 'refuse', 'wait'] as const) {
      await using queue = new FifoQueue<string>(client, whenFull, { maxLength: 3, whenFull });
      const [a, b] = await queue.enqueueMany(['a', 'b', 'c'], {
        each: (payload) => ({ idempotencyKey: payload }),
      });
      expect(await queue.enqueue('b', { idempotencyKey: 'b' })).toEqual({ ...b, duplicate: true });
      // As part of a call too, of which the rest needs room.
      if (a !== undefined) await queue.cancel(a.id);
      const again = await queue.enqueueMany(['b', 'd', 'c'], {
        each: (payload) => ({ idempotencyKey: payload }),
      });
      expect(again.map(({ duplicate }) => duplicate)).toEqual([true, false, true]);
      expect(await queue.size()).toBe(3);
      expect((await queue.peek())?.payload).toBe('b');
    }
  });

  it('QUEUE-28 what waits for its delay needs no room before it comes due', async () => {
    const client = await testClients(server).open();
    for (const whenFull of ['drop-oldest', 'refuse'] as const) {
      await using queue = new DelayQueue<string>(client, whenFull, { maxLength: 2, whenFull });
      await queue.enqueue('first', { delayMs: 3_600_000 });
      await queue.enqueueMany(['a', 'b']);
      await queue.enqueue('later', { delayMs: 3_600_000 });
      expect([await queue.delayedSize(), (await queue.peek())?.payload]).toEqual([2, 'a']);
      expect(await queue.size()).toBe(4);
    }
  });

  it('QUEUE-4 a bound that is set between two groups of one object leaves their order as it was', async () => {
    const operatorsClient = await Client.open({ store: await server.connect(), closeStore: true });
    const operator = new FifoQueue<number>(operatorsClient, 'q');
    const keys = new QueueKeys(operatorsClient.keys.prefix('queue', 'q'));
    const puts = (ops: readonly Op[]): boolean =>
      ops.some((op) =>
        op.type === 'txn' ? puts(op.success) : op.type === 'put' && inRange(keys.items, op.key),
      );
    const calls: Promise<unknown>[] = [];
    let isArmed = false;
    let onRead = () => {};
    const whenRead = new Promise<void>((resolve) => {
      onRead = resolve;
    });
    const store = await server.connect();
    const watched = storeWith(store, {
      range: async (request, options) => {
        const read = await store.range(request, options);
        if (!isArmed && calls.length === 6 && request.key === keys.admission.key) onRead();
        return read;
      },
      txn: async (request, options) => {
        if (!isArmed || !puts(request.success)) return store.txn(request, options);
        isArmed = false;
        // The first group is under way: the second is taken, and read for, as soon as it is full.
        for (const from of [1_800, 2_400, 3_000]) enter(from);
        await whenRead;
        await operator.controls.setBound({ maxLength: 1_000, whenFull: 'wait' });
        return store.txn(request, options);
      },
    });
    const client = await Client.open({ store: watched, closeStore: true });
    const queue = new FifoQueue<number>(client, 'q');
    await queue.enqueue(-1);
    const enter = (from: number) => {
      calls.push(queue.enqueueMany(Array.from({ length: 600 }, (_, n) => from + n)));
    };
    isArmed = true;
    for (const from of [0, 600, 1_200]) enter(from);
    await expect.poll(() => operator.size(), { timeout: 10_000 }).toBe(601);
    const firsts: number[] = [];
    const worker = new Worker(
      operator,
      ({ payload }) => {
        if (payload % 600 === 0) firsts.push(payload);
      },
      { concurrency: 1, prefetch: 200 },
    );
    await worker.start();
    await Promise.all(calls);
    await expect.poll(() => operator.size(), { timeout: 20_000 }).toBe(0);
    expect(firsts).toEqual([0, 600, 1_200, 1_800, 2_400, 3_000]);
    await worker.close();
    await client.close();
    await operatorsClient.close();
  });

  it('a producer that cannot dispatch for a reason that does not pass says so, once', async () => {
    const hooked = hookedStore(await server.connect());
    const client = await Client.open({ store: hooked.store, closeStore: true });
    const countsItems = (ops: readonly Op[]): boolean =>
      ops.some((op) => (op.type === 'txn' ? countsItems(op.success) : op.type === 'range' && op.countOnly));
    hooked.hook = (request, send) =>
      countsItems(request.success)
        ? Promise.reject(new QuorateError('permission-denied', 'not for this user'))
        : send();
    const warnings: Error[] = [];
    const onWarning = (warning: Error) => warnings.push(warning);
    process.on('warning', onWarning);
    try {
      const queue = new FifoQueue<number>(client, 'q', { maxLength: 1 });
      const first = queue.enqueue(0).catch((error: unknown) => error);
      await expect.poll(() => warnings.map(({ name }) => name)).toEqual(['QuorateDispatchWarning']);
      hooked.hook = undefined;
      await first;
      await queue.close();
      expect(warnings).toHaveLength(1);
    } finally {
      process.off('warning', onWarning);
      await client.close();
    }
  });

  it('QUEUE-29 what one process holds and does not use is another’s when it is wanted', async () => {
    const clients = testClients(server);
    await using a = new FifoQueue<number>(await clients.open(), 'q', { maxLength: 8 });
    await using b = new FifoQueue<number>(await clients.open(), 'q');
    await a.enqueue(0);
    await b.enqueue(1);
    await Promise.all([2, 3, 4, 5].map((n) => b.enqueue(n)));
    await Promise.all([6, 7].map((n) => a.enqueue(n)));
    expect(await a.size()).toBe(8);
    await expect(b.enqueue(8, { timeoutMs: 60 })).rejects.toMatchObject({
      code: 'timeout',
      outcome: 'not-applied',
    });
    await a.purge();
    // Who has given up waits for nothing any more.
    await a.enqueueMany([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(await b.size()).toBe(8);
  });

  it('QUEUE-29 a bound that is changed or taken away is told to those who wait', async () => {
    const client = await testClients(server).open();
    await using queue = new FifoQueue<number>(client, 'q');
    await queue.controls.setBound({ maxLength: 1, whenFull: 'wait' });
    await queue.enqueue(0);
    const second = queue.enqueue(1);
    const third = queue.enqueue(2);
    await queue.controls.setBound({ maxLength: 2, whenFull: 'wait' });
    await second;
    expect(await queue.size()).toBe(2);
    await queue.controls.setBound(null);
    await third;
    await queue.enqueueMany([3, 4, 5]);
    expect(await queue.size()).toBe(6);
    await queue.controls.setBound({ maxLength: 4, whenFull: 'refuse' });
    await expect(queue.enqueue(6)).rejects.toMatchObject({ code: 'over-limit' });
    expect(await queue.controls.read()).toMatchObject({ bound: { maxLength: 4, whenFull: 'refuse' } });
    await queue.controls.setLimits({ concurrency: 3 });
    expect(await queue.controls.read()).toMatchObject({
      bound: { maxLength: 4 },
      limits: { concurrency: 3 },
    });
  });

  it('an object that names a bound decides it once, and not against an operator', async () => {
    const client = await testClients(server).open();
    const named = () => new FifoQueue<number>(client, 'q', { maxLength: 5, whenFull: 'refuse' });
    await using first = named();
    await first.enqueue(0);
    expect(await first.controls.read()).toMatchObject({ bound: { maxLength: 5, whenFull: 'refuse' } });
    await first.controls.setBound(null);
    await using second = named();
    await second.enqueue(1);
    expect(await first.controls.read()).toMatchObject({ bound: null });
  });

  it('what is longer than the queue is refused at once', async () => {
    const client = await testClients(server).open();
    await using queue = new FifoQueue<number>(client, 'q', { maxLength: 2 });
    await expect(queue.enqueueMany([0, 1, 2])).rejects.toMatchObject({ code: 'over-limit' });
    await queue.enqueueMany([0, 1]);
  });

  it('refuses bad bounds', async () => {
    const client = await testClients(server).open();
    const refused = expect.objectContaining({ code: 'invalid-argument' });
    for (const maxLength of [0, -1, 1.5, Number.NaN, '5', null, Number.POSITIVE_INFINITY]) {
      expect(() => new FifoQueue(client, 'q', { maxLength: maxLength as number })).toThrow(refused);
    }
    expect(() => new FifoQueue(client, 'q', { whenFull: 'wait' })).toThrow(refused);
    expect(() => new FifoQueue(client, 'q', { maxLength: 1, whenFull: 'burst' as 'wait' })).toThrow(refused);
    const { controls } = new FifoQueue(client, 'q');
    for (const bound of [undefined, 5, {}, { maxLength: 5 }, { whenFull: 'wait' }]) {
      await expect(controls.setBound(bound as unknown as null)).rejects.toMatchObject({
        code: 'invalid-argument',
      });
    }
  });
});
