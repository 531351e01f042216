import { describe, expect, it } from 'vitest';
import { checkedLimits } from '../../src/queues/control/check-limits.js';
import { FifoQueue, type QueueLimits, Worker } from '../../src/queues/index.js';
import { put, txnOf } from '../../src/store/index.js';
import { testClients } from '../support/clients.js';
import { describeStores } from '../support/stores.js';

describeStores('queue controls', (server) => {
  it('QUEUE-9 nothing is given out between pause and resume, and then everything', async () => {
    const clients = testClients(server);
    const queue = new FifoQueue<number>(await clients.open(), 'q');
    const elsewhere = new FifoQueue<number>(await clients.open(), 'q');
    const seen: number[] = [];
    await using worker = new Worker(elsewhere, (job) => void seen.push(job.payload));
    await worker.start();
    await queue.enqueue(0);
    await expect.poll(() => seen).toEqual([0]);
    const paused = await queue.controls.pause();
    expect(paused).toMatchObject({ paused: true, closed: false, limits: {} });
    await queue.enqueueMany([1, 2, 3]);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(seen).toEqual([0]);
    // What is so already is not written again.
    expect(await elsewhere.controls.pause()).toEqual(paused);
    expect(await elsewhere.controls.read()).toEqual(paused);
    await elsewhere.controls.resume();
    await expect.poll(() => seen).toEqual([0, 1, 2, 3]);
  });

  it('QUEUE-15 a closed queue refuses items and hands out those that it has', async () => {
    const clients = testClients(server);
    const queue = new FifoQueue<number>(await clients.open(), 'q');
    await queue.enqueue(1);
    await queue.controls.close();
    await expect(queue.enqueue(2)).rejects.toMatchObject({ code: 'queue-closed', outcome: 'not-applied' });
    await using worker = new Worker(queue, () => {});
    await worker.start();
    await expect.poll(() => queue.size()).toBe(0);
    await queue.controls.reopen();
    await queue.enqueue(3);
  });

  it('changes by several at a time leave each other alone', async () => {
    const clients = testClients(server);
    const [a, b] = [await clients.open(), await clients.open()].map(
      (client) => new FifoQueue(client, 'q').controls,
    );
    if (a === undefined || b === undefined) throw new Error('two were asked for');
    await Promise.all([a.pause(), b.close(), a.setLimits({ concurrency: 7 }), b.read()]);
    expect(await b.read()).toMatchObject({ paused: true, closed: true, limits: { concurrency: 7 } });
  });

  it('QUEUE-9 a document that cannot be read counts as a pause, until somebody resumes', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const queue = new FifoQueue<number>(client, 'q');
    await queue.enqueue(1);
    const key = `${client.keys.prefix('queue', 'q')}h/ctl`;
    await client.store.txn(txnOf({ success: [put(key, 'not json')] }));
    const seen: number[] = [];
    await using worker = new Worker(queue, (job) => void seen.push(job.payload));
    await worker.start();
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(seen).toEqual([]);
    expect(await queue.controls.read()).toMatchObject({ paused: true });
    await queue.controls.resume();
    await expect.poll(() => seen).toEqual([1]);
  });

  it('are followed by observers: what holds first, then each change, the newest if they are slow', async () => {
    const clients = testClients(server);
    const { controls } = new FifoQueue<number>(await clients.open(), 'q');
    const elsewhere = new FifoQueue<number>(await clients.open(), 'q').controls;
    const stop = new AbortController();
    const seen = elsewhere.observe({ signal: stop.signal })[Symbol.asyncIterator]();
    expect(await seen.next()).toMatchObject({ value: { paused: false, revision: 0 } });
    const next = seen.next();
    await controls.pause();
    expect(await next).toMatchObject({ value: { paused: true, closed: false } });
    await controls.close();
    const { revision } = await controls.setLimits({ concurrency: 3 });
    await expect.poll(async () => (await seen.next()).value).toMatchObject({ revision });
    const ended = seen.next();
    stop.abort();
    expect(await ended).toEqual({ value: undefined, done: true });
    for await (const status of controls.observe()) {
      expect(status).toMatchObject({ paused: true, closed: true, limits: { concurrency: 3 } });
      break;
    }
    expect(() => controls.observe({ signal: 1 as never })).toThrow(/signal is not an AbortSignal/);
  });

  it('QUEUE-12 gives out no more than the rate, however many workers there are', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const queue = new FifoQueue<number>(client, 'q');
    await queue.controls.setLimits({ rate: { count: 5, perMs: 100, burst: 2 } });
    const startedAt: number[] = [];
    const workers = [1, 2].map(
      () => new Worker(queue, () => void startedAt.push(performance.now()), { concurrency: 50 }),
    );
    await Promise.all(workers.map((worker) => worker.start()));
    const beganAtMs = performance.now();
    await queue.enqueueMany(Array.from({ length: 30 }, (_, n) => n));
    await expect.poll(() => startedAt.length).toBe(30);
    await Promise.all(workers.map((worker) => worker.close()));
    expect((startedAt.at(-1) ?? 0) - beganAtMs).toBeGreaterThan(450);
  });
});

describe('limits', () => {
  const refused: readonly [unknown, RegExp][] = [
    [undefined, /limits is no object.*concurrency, groupConcurrency, groups, rate/],
    [{ concurrency: -1 }, /limits.concurrency is -1.*whole number from 0/],
    [{ groupConcurrency: 1.5 }, /limits.groupConcurrency is 1.5/],
    [{ groups: { a: '3' } }, /limits.groups of "a" is "3".*whole number from 0/],
    [{ groups: [1] }, /limits.groups is no object/],
    [{ rate: { count: 0, perMs: 5 } }, /limits.rate.count is 0.*from 1/],
    [{ rate: { count: 1 } }, /limits.rate.perMs is undefined.*above 0/],
    [{ rate: { count: 1, perMs: 5, burst: 0 } }, /limits.rate.burst is 0/],
    [{ concurency: 1 }, /limits has a field "concurency"/],
  ];

  it.each(refused)('%j are refused, saying what is accepted', (limits, message) => {
    expect(() => checkedLimits(limits)).toThrow(message);
  });

  it('leave out what is not given', () => {
    const limits: QueueLimits = {
      concurrency: 0,
      groups: { a: 2 },
      rate: { count: 1, perMs: 0.5, burst: 9 },
    };
    expect(checkedLimits(limits)).toEqual(limits);
    expect(checkedLimits({})).toEqual({});
  });
});
