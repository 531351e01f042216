import { expect, it } from 'vitest';
import { DelayQueue, FifoQueue, type Job, PriorityQueue, Worker } from '../../../src/queues/index.js';
import { QueueKeys } from '../../../src/queues/keys.js';
import { decodeBeat } from '../../../src/queues/records/beat.js';
import { systemRuntime } from '../../../src/runtime/index.js';
import { testClients } from '../../support/clients.js';
import { describeStores } from '../../support/stores.js';

describeStores('schedules of a queue', (server) => {
  it('QUEUE-24 put one item for each tick, however many workers there are', async () => {
    const clients = testClients(server);
    const [one, other] = [await clients.open(), await clients.open()];
    const queue = new FifoQueue<string>(one, 'q');
    const seen: Job<string>[] = [];
    const workers = [one, other].map(
      (client) =>
        new Worker(new FifoQueue<string>(client, 'q'), (job) => {
          seen.push(job);
        }),
    );
    await Promise.all(workers.map((worker) => worker.start()));
    const fromMs = systemRuntime.wallMs();
    const set = await queue.schedules.set('each second', {
      everyMs: 1_000,
      missed: { atMost: 50 },
      payload: 'tick',
      item: { group: 'g' },
    });
    expect(set).toMatchObject({
      name: 'each second',
      rule: { everyMs: 1_000 },
      missed: { atMost: 50 },
      payload: 'tick',
      traits: { group: 'g' },
    });
    expect(set.nextMs - fromMs).toBeLessThanOrEqual(1_001);
    await expect.poll(() => seen.length, { timeout: 10_000 }).toBeGreaterThanOrEqual(2);
    expect(await queue.schedules.remove('each second')).toBe(true);
    expect(await queue.schedules.remove('each second')).toBe(false);
    await Promise.all(workers.map((worker) => worker.close()));
    const ticks = seen.map(({ tick }) => tick?.atMs ?? 0);
    expect(ticks).toEqual(ticks.map((_, n) => (ticks[0] ?? 0) + n * 1_000));
    expect(ticks[0]).toBe(set.nextMs);
    expect(seen.map(({ payload, tick }) => [payload, tick?.schedule])).toEqual(
      ticks.map(() => ['tick', 'each second']),
    );
  });

  it('QUEUE-24 have the dispatcher show that it lives, as long as there are some', async () => {
    const client = await testClients(server).open();
    const queue = new FifoQueue<number>(client, 'q');
    const keys = new QueueKeys(client.keys.prefix('queue', 'q'));
    const pulse = async () => {
      const { kvs } = await client.store.range({ key: keys.beat });
      return kvs[0] && decodeBeat(kvs[0].value).pulseMs;
    };
    const worker = new Worker(queue, () => {});
    await worker.start();
    await queue.schedules.set('s', { everyMs: 365 * 24 * 3_600_000, payload: 1 });
    await expect.poll(pulse, { timeout: 10_000 }).toBeGreaterThanOrEqual(2_000);
    await worker.close();
  });

  it('QUEUE-24 go on from where they were if they are set again to the same, and from now if not', async () => {
    const client = await testClients(server).open();
    const { schedules } = new FifoQueue<number>(client, 'q');
    const first = await schedules.set('s', { everyMs: 3_600_000, payload: 1 });
    const again = await schedules.set('s', { everyMs: 3_600_000, payload: 2, missed: { atMost: 3 } });
    expect(again).toMatchObject({ lastMs: first.lastMs, payload: 2, missed: { atMost: 3 } });
    const changed = await schedules.set('s', { cron: '0 3 * * *', timezone: 'Europe/Berlin', payload: 2 });
    expect(changed.lastMs).toBeGreaterThanOrEqual(first.lastMs);
    expect(changed.rule).toEqual({ cron: '0 3 * * *', timezone: 'Europe/Berlin' });
    await schedules.set('other', { everyMs: 5_000, payload: 3 });
    expect((await schedules.list()).map(({ name }) => name)).toEqual(['other', 's']);
    expect((await schedules.get('s'))?.revision).toBe(changed.revision);
    expect(await schedules.get('none')).toBeUndefined();
  });

  it('QUEUE-24 put items with a delay and a priority where those are offered, and wait for a closed queue', async () => {
    const client = await testClients(server).open();
    const later = new DelayQueue<string>(client, 'later');
    const urgent = new PriorityQueue<string>(client, 'urgent');
    await later.schedules.set('s', { everyMs: 1_000, payload: 'x', item: { delayMs: 300_000 } });
    await urgent.schedules.set('s', { everyMs: 1_000, payload: 'y', item: { priority: 2 } });
    await urgent.controls.close();
    const priorities: (number | undefined)[] = [];
    const workers = [
      new Worker(later, () => {}),
      new Worker(urgent, (job) => {
        priorities.push(job.priority);
      }),
    ];
    await Promise.all(workers.map((worker) => worker.start()));
    await expect.poll(() => later.delayedSize(), { timeout: 10_000 }).toBeGreaterThan(0);
    expect(priorities).toEqual([]);
    await urgent.controls.reopen();
    await expect.poll(() => priorities[0], { timeout: 10_000 }).toBe(2);
    await Promise.all(workers.map((worker) => worker.close()));
  });

  it('refuse what is no schedule', async () => {
    const client = await testClients(server).open();
    const queue = new FifoQueue<string>(client, 'q');
    const { schedules } = queue;
    const set = (name: unknown, options: unknown) => schedules.set(name as string, options as never);
    for (const [name, options] of [
      ['', { everyMs: 1_000, payload: 'x' }],
      [null, { everyMs: 1_000, payload: 'x' }],
      ['n'.repeat(300), { everyMs: 1_000, payload: 'x' }],
      ['s', null],
      ['s', { payload: 'x' }],
      ['s', { everyMs: 1_000, payload: 'x', missed: 'all' }],
      ['s', { everyMs: 1_000, payload: 'x', item: null }],
      ['s', { everyMs: 1_000, payload: 'x', item: { delayMs: 5 } }],
      ['s', { everyMs: 1_000, payload: 'x', item: { idempotencyKey: 'k' } }],
      ['s', { everyMs: 1_000, payload: 'x', timeoutMs: -1 }],
    ]) {
      await expect(set(name, options)).rejects.toMatchObject({ code: 'invalid-argument' });
    }
    await expect(set('s', { everyMs: 1_000, payload: 'x'.repeat(300_000) })).rejects.toMatchObject({
      code: 'request-too-large',
    });
    expect(await schedules.list()).toEqual([]);
    await queue.enqueue('x');
    const other = new DelayQueue<string>(client, 'q');
    await expect(other.schedules.set('s', { everyMs: 1_000, payload: 'x' })).rejects.toMatchObject({
      code: 'invalid-argument',
    });
  });
});
