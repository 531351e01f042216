import { expect, it } from 'vitest';
import { FifoQueue, followUp, PriorityQueue, Worker } from '../../src/queues/index.js';
import { QueueKeys } from '../../src/queues/keys.js';
import { testClients } from '../support/clients.js';
import { describeStores } from '../support/stores.js';

describeStores('priority queue', (server) => {
  async function setUp() {
    const clients = testClients(server);
    const client = await clients.open();
    const queue = new PriorityQueue<string>(client, 'q');
    return { client, queue, keys: new QueueKeys(client.keys.prefix('queue', 'q'), 'priority') };
  }

  async function workedOff(queue: PriorityQueue<string>): Promise<string[]> {
    const seen: string[] = [];
    const worker = new Worker(queue, (job) => {
      seen.push(`${job.payload}:${job.priority}`);
    });
    await worker.start();
    await expect.poll(() => queue.size(), { timeout: 10_000 }).toBe(0);
    await worker.close();
    return seen;
  }

  it('QUEUE-20 QUEUE-21 gives out the most urgent first, and those of one priority in the order of the calls', async () => {
    const { queue } = await setUp();
    await queue.enqueue('a');
    await queue.enqueueMany(['b', 'c', 'd', 'e'], {
      each: (payload) => ({ priority: { b: 31, c: 0, d: 15, e: 0 }[payload] }),
    });
    await queue.enqueue('f', { priority: 0 });
    await queue.enqueue('g');
    expect(await queue.peek()).toMatchObject({ payload: 'c', priority: 0 });
    expect(await workedOff(queue)).toEqual(['c:0', 'e:0', 'f:0', 'd:15', 'a:16', 'g:16', 'b:31']);
  });

  it('takes full groups of all priorities at once, with idempotency keys', async () => {
    const { queue } = await setUp();
    const payloads = Array.from({ length: 600 }, (_, n) => String(n));
    const each = (payload: string) => ({
      priority: Math.floor(Number(payload)) % 32,
      idempotencyKey: payload,
    });
    const others = payloads.map((payload) => `${payload}.5`);
    const batches = [payloads, others, payloads];
    const groups = await Promise.all(batches.map((batch) => queue.enqueueMany(batch, { each })));
    expect(new Set(groups.flat().map(({ id }) => id)).size).toBe(1_200);
    expect(await queue.size()).toBe(1_200);
  });

  it('puts follow-ups where they belong, and none where that is no priority', async () => {
    const { client, queue } = await setUp();
    const source = new FifoQueue<string>(client, 'source');
    await source.enqueue('x');
    await queue.enqueue('a', { priority: 3 });
    const refused: unknown[] = [];
    const worker = new Worker(source, async (job) => {
      for (const [to, priority] of [[queue, 32] as const, [source, 1] as const]) {
        const wrong = job.complete({ enqueue: [followUp(to, 'y', { priority })] });
        refused.push(await wrong.catch((error: unknown) => error));
      }
      const urgent = followUp(queue, 'b', { priority: 0 });
      await job.complete({ enqueue: [followUp(queue, 'd'), followUp(queue, 'c', { priority: 3 }), urgent] });
    });
    await worker.start();
    await expect.poll(() => source.size()).toBe(0);
    await worker.close();
    expect(refused).toMatchObject([{ code: 'invalid-argument' }, { code: 'invalid-argument' }]);
    expect(await workedOff(queue)).toEqual(['b:0', 'a:3', 'c:3', 'd:16']);
  });

  it('takes as many follow-ups as there may be, of all priorities, in one revision', async () => {
    const { client, queue } = await setUp();
    const source = new FifoQueue<string>(client, 'source');
    await source.enqueue('x');
    const revisions = new Set<number>();
    const worker = new Worker(source, async (job) => {
      const enqueue = Array.from({ length: 60 }, (_, n) => followUp(queue, `${n}`, { priority: n % 32 }));
      const { enqueued } = await job.complete({ enqueue });
      for (const { revision } of enqueued) revisions.add(revision);
    });
    await worker.start();
    await expect.poll(() => source.size()).toBe(0);
    await worker.close();
    expect(revisions.size).toBe(1);
    expect(await queue.size()).toBe(60);
  });

  it('brings a dead letter back with its priority', async () => {
    const { queue } = await setUp();
    await queue.enqueue('a', { priority: 2 });
    const worker = new Worker(queue, (job) => job.reject('it cannot be done'));
    await worker.start();
    await expect.poll(() => queue.size()).toBe(0);
    await worker.close();
    await queue.enqueue('b', { priority: 3 });
    await queue.deadLetters.redrive('all');
    expect(await queue.peek()).toMatchObject({ payload: 'a', priority: 2 });
  });

  it('is emptied of all priorities, and closed', async () => {
    const { queue } = await setUp();
    expect(await queue.peek()).toBeUndefined();
    expect(await queue.purge()).toMatchObject({ removed: 0 });
    const each = (payload: string) => ({ priority: Number(payload) % 7 });
    const payloads = Array.from({ length: 40 }, (_, n) => String(n));
    await queue.enqueueMany(payloads, { each });
    expect(await queue.oldestAgeMs()).toBeLessThan(60_000);
    expect(await queue.purge()).toMatchObject({ removed: 40 });
    expect(await queue.size()).toBe(0);
    await queue.enqueueMany(payloads, { each });
    const drained = queue.drain();
    expect(await workedOff(queue)).toHaveLength(40);
    await drained;
    await expect(queue.enqueue('x')).rejects.toMatchObject({ code: 'queue-closed' });
  });

  it('is dispatched on by a successor, where the one before left it', async () => {
    const { queue, keys, client } = await setUp();
    for (let round = 0; round < 3; round += 1) {
      await queue.enqueueMany(['a', 'b', 'c'], { each: (p) => ({ priority: 20 - (p.charCodeAt(0) % 3) }) });
      expect(await workedOff(queue)).toEqual(
        ['b:18', 'a:19', 'c:20'].sort((x, y) => x.slice(2).localeCompare(y.slice(2))),
      );
    }
    const gates = await client.store.range(keys.levelGates);
    expect(gates.kvs.map(({ key }) => keys.levelOfGate(key))).toEqual(['12/', '13/', '14/']);
  });

  it.each([-1, 32, 1.5, Number.NaN, '3', null, {}])('refuses %s for a priority', async (priority) => {
    const { queue } = await setUp();
    const wrong = { priority: priority as never };
    await expect(queue.enqueue('a', wrong)).rejects.toMatchObject({ code: 'invalid-argument' });
    expect(() => queue.encodeItem('a', wrong)).toThrow('a whole number from 0, the most urgent, to 31');
  });

  it('is refused by a queue of another kind', async () => {
    const { client, queue } = await setUp();
    const other = new FifoQueue<string>(client, 'other');
    await expect(other.enqueue('a', { priority: 1 })).rejects.toMatchObject({ code: 'invalid-argument' });
    await queue.enqueue('a');
    const fifo = new FifoQueue<string>(client, 'q');
    const refusal = { code: 'invalid-argument', message: expect.stringContaining('"priority", not "fifo"') };
    await expect(fifo.enqueue('b')).rejects.toMatchObject(refusal);
    await expect(fifo.peek()).rejects.toMatchObject(refusal);
    await expect(fifo.oldestAgeMs()).rejects.toMatchObject(refusal);
    await expect(fifo.purge()).rejects.toMatchObject(refusal);
    expect(await queue.size()).toBe(1);
  });
});
