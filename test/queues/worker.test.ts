import { expect, it } from 'vitest';
import type { QuorateError } from '../../src/errors.js';
import { FifoQueue, type Job, Worker, type WorkerEvent } from '../../src/queues/index.js';
import { compare, get, put, textOf, txnOf } from '../../src/store/index.js';
import { testClients } from '../support/clients.js';
import { fastRuntime } from '../support/fast-runtime.js';
import { describeStores } from '../support/stores.js';

function collect<T>(worker: Worker<T>): WorkerEvent<T>[] {
  const events: WorkerEvent<T>[] = [];
  worker.on((event) => events.push(event));
  return events;
}

function gate(): { opened: Promise<void>; open: () => void } {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}

describeStores('Worker', (server) => {
  it('QUEUE-5 applies the effects of complete() with the acknowledgement, and answers what they answered', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const key = `${clients.namespace}/effect`;
    const queue = new FifoQueue<string>(client, 'q');
    await using worker = new Worker(queue, async (job) => {
      const reply = await job.complete({
        txn: { compare: [compare.create(key, 'equal', 0)], success: [put(key, job.payload), get(key)] },
      });
      expect(reply).toMatchObject({
        succeeded: true,
        replies: [{ type: 'put' }, { type: 'range', count: 1 }],
      });
      expect(job.isCompleted).toBe(true);
    });
    const events = collect(worker);
    await worker.start();
    const { id } = await queue.enqueue('done');
    await expect
      .poll(() => events.find((event) => event.type === 'completed'))
      .toMatchObject({ job: { id } });
    const read = await client.store.txn(txnOf({ success: [get(key)] }));
    const [effect] = read.replies[0]?.type === 'range' ? read.replies[0].kvs : [];
    expect(effect && textOf(effect.value)).toBe('done');
    expect(await queue.size()).toBe(0);
  });

  it('QUEUE-5 a job whose effects were refused by their own compares is not acknowledged', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const key = `${clients.namespace}/effect`;
    const queue = new FifoQueue<string>(client, 'q');
    const attempts: number[] = [];
    const worker = new Worker(
      queue,
      async (job) => {
        attempts.push(job.attempt);
        if (attempts.length > 1) return;
        const txn = {
          compare: [compare.create(key, 'greater', 0)],
          success: [put(key, 'x')],
          failure: [get(key)],
        };
        expect(await job.complete({ txn })).toMatchObject({ succeeded: false, replies: [{ count: 0 }] });
      },
      { retryDelay: { firstMs: 10, longestMs: 10 } },
    );
    const events = collect(worker);
    await worker.start();
    await queue.enqueue('job');
    await expect.poll(() => queue.size()).toBe(0);
    expect(attempts).toEqual([1, 2]);
    expect(events.filter((event) => event.type === 'failed')).toHaveLength(1);
    await worker.close();
  });

  it('gives a failed job out again, with its attempts, and lets later ones pass', async () => {
    const client = await testClients(server).open();
    const queue = new FifoQueue<string>(client, 'q');
    const seen: string[] = [];
    const worker = new Worker(
      queue,
      (job) => {
        seen.push(`${job.payload}${job.attempt}.${job.generation}`);
        if (job.payload === 'a' && job.attempt < 3) throw new Error('not yet');
      },
      { retryDelay: { firstMs: 100, longestMs: 200 } },
    );
    await queue.enqueueMany(['a', 'b']);
    await worker.start();
    await expect.poll(() => queue.size()).toBe(0);
    expect(seen).toEqual(['a1.0', 'b1.0', 'a2.1', 'a3.2']);
    await worker.close();
  });

  it('QUEUE-6 refuses the acknowledgement of a job that was taken back, with its effects', async () => {
    const clients = testClients(server);
    const [client, admin] = [await clients.open(), await clients.open()];
    const key = `${clients.namespace}/effect`;
    const queue = new FifoQueue<string>(client, 'q');
    const started = gate();
    const resume = gate();
    const worker = new Worker(
      queue,
      async (job) => {
        if (job.generation > 0) return;
        started.open();
        await resume.opened;
        await expect(job.complete({ txn: { success: [put(key, 'stale')] } })).rejects.toMatchObject({
          code: 'fenced',
          outcome: 'not-applied',
        });
      },
      { concurrency: 2 },
    );
    const events = collect(worker);
    await worker.start();
    const { id } = await queue.enqueue('job');
    await started.opened;
    await admin.store.txn(
      txnOf({
        success: [put(`${admin.keys.prefix('queue', 'q')}g/${id}`, '{"failures":0,"reason":"returned"}')],
      }),
    );
    await expect.poll(() => queue.size()).toBe(0);
    resume.open();
    await expect.poll(() => events.some((event) => event.type === 'fenced')).toBe(true);
    expect((await admin.store.range({ key })).count).toBe(0);
    await worker.close();
  });

  it('close() waits for handlers, gives back what did not start, and fires signals after the grace', async () => {
    const client = await testClients(server).open();
    const queue = new FifoQueue<number>(client, 'q');
    const started = gate();
    const stopped: unknown[] = [];
    const worker = new Worker(
      queue,
      (_job, { signal }) => {
        started.open();
        return new Promise((_, reject) => {
          signal.addEventListener('abort', () => {
            stopped.push(signal.reason);
            reject(signal.reason);
          });
        });
      },
      { concurrency: 1, prefetch: 5 },
    );
    const events = collect(worker);
    await worker.start();
    await queue.enqueueMany([1, 2, 3]);
    await started.opened;
    await worker.close({ graceMs: 50 });
    expect(stopped).toEqual([expect.objectContaining({ code: 'closed' })]);
    expect(events.filter((event) => event.type === 'failed')).toEqual([]);
    expect(await queue.size()).toBe(3);
    const attempts: number[] = [];
    await using next = new Worker(queue, (job: Job<number>) => {
      attempts.push(job.attempt);
    });
    await next.start();
    await expect.poll(() => queue.size()).toBe(0);
    expect(attempts).toEqual([1, 1, 1]);
    await expect(worker.start()).rejects.toMatchObject({ code: 'closed' });
  });

  it('carries payloads that are too long for a record, in order', async () => {
    const client = await testClients(server).open();
    const queue = new FifoQueue<string>(client, 'q');
    const payloads = Array.from({ length: 12 }, (_, n) => `${n}:${'x'.repeat(n % 3 === 0 ? 50_000 : 10)}`);
    await queue.enqueueMany(payloads);
    const seen: string[] = [];
    await using worker = new Worker(queue, (job) => {
      seen.push(job.payload);
    });
    await worker.start();
    await expect.poll(() => queue.size()).toBe(0);
    expect(seen).toEqual(payloads);
  });

  it('idle workers send nothing for jobs that others take, and a job alone costs its dispatcher two requests', async () => {
    const clients = testClients(server);
    // What is sent every so often is another cost, of a slow machine: by this clock it comes ten times as seldom.
    const runtime = fastRuntime(0.1);
    const [taking, idle] = [await clients.openCounted({ runtime }), await clients.openCounted({ runtime })];
    const queue = new FifoQueue<number>(await clients.open(), 'q');
    let done = 0;
    await using first = new Worker(
      new FifoQueue<number>(taking.client, 'q'),
      () => {
        done += 1;
      },
      { concurrency: 50 },
    );
    await first.start();
    await queue.enqueue(0);
    await expect.poll(() => done).toBe(1);
    // Takes one job and stays busy with it: no slot, so everything else goes to the first.
    const resume = gate();
    await using second = new Worker(new FifoQueue<number>(idle.client, 'q'), () => resume.opened, {
      prefetch: 0,
    });
    await second.start();
    // More at once than the first has slots for, until the dispatcher has heard of the second.
    for (let n = 0; second.running === 0 && n < 100; n += 1) {
      await queue.enqueueMany(Array.from({ length: 200 }, (_, job) => job));
    }
    expect(second.running).toBe(1);
    await expect.poll(() => queue.size()).toBe(1);
    const before = done;
    idle.counts.reset();
    taking.counts.reset();
    for (let n = 0; n < 20; n += 1) {
      await queue.enqueue(n);
      await expect.poll(() => done, { interval: 5 }).toBe(before + n + 1);
    }
    await expect.poll(() => queue.size()).toBe(1);
    // The next candidate looks twice at most whether an item was put between a beat and its watch.
    expect(idle.counts.calls.txn + idle.counts.calls.range).toBeLessThanOrEqual(4);
    expect(taking.counts.calls.txn / 20).toBeLessThanOrEqual(2.5);
    resume.open();
  });

  it('outlives a listener that throws and a handler that throws nothing in particular', async () => {
    const client = await testClients(server).open();
    const queue = new FifoQueue<number>(client, 'q');
    const worker = new Worker(queue, (job) => (job.attempt === 1 ? Promise.reject(undefined) : 1), {
      retryDelay: { firstMs: 5, longestMs: 5 },
    });
    const warned = new Promise((resolve) => process.once('warning', resolve));
    worker.on((event) => {
      if (event.type === 'started') throw new Error('listener');
    });
    await queue.enqueue(1);
    await worker.start();
    await expect.poll(() => queue.size()).toBe(0);
    expect(await warned).toMatchObject({ message: 'listener' });
    await worker.close();
  });

  it('run() works until its signal fires', async () => {
    const client = await testClients(server).open();
    const queue = new FifoQueue<number>(client, 'q');
    const stop = new AbortController();
    const worker = new Worker(queue, () => stop.abort());
    await queue.enqueue(1);
    await worker.run({ signal: stop.signal });
    expect(await queue.size()).toBe(0);
    await expect(new Worker(queue, () => {}).run({ signal: stop.signal })).rejects.toMatchObject({
      code: 'aborted',
    });
  });

  it('refuses options that make no sense', async () => {
    const client = await testClients(server).open();
    const queue = new FifoQueue<number>(client, 'q');
    const handler = () => {};
    for (const options of [
      { concurrency: 0 },
      { concurrency: 1.5 },
      { prefetch: -1 },
      { retryDelay: { firstMs: 10, longestMs: 5 } },
      { mirror: 1 },
    ]) {
      expect(() => new Worker(queue, handler, options)).toThrow(
        expect.objectContaining({ code: 'invalid-argument' }) as QuorateError,
      );
    }
  });
});
