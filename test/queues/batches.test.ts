import { describe, expect, it } from 'vitest';
import { MemoryServer } from '../../src/memory/index.js';
import { FifoQueue, type Job, JobRejected, Worker, type WorkerEvent } from '../../src/queues/index.js';
import { Gatherer } from '../../src/queues/worker/batches.js';
import { Client } from '../../src/session/index.js';
import { compare } from '../../src/store/index.js';
import { testClients } from '../support/clients.js';
import { ManualRuntime, ManualTime, settle } from '../support/manual-runtime.js';
import { describeStores } from '../support/stores.js';

const quickly = { retryDelay: { firstMs: 5, longestMs: 5 } };

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

const typesOf = (events: readonly WorkerEvent<unknown>[]) =>
  events.map(({ type }) => type).filter((type) => type !== 'joined' && type !== 'dispatching');

describeStores('batches', (server) => {
  it('QUEUE-17 each job ends by itself, and what is left is completed', async () => {
    const client = await testClients(server).open();
    const queue = new FifoQueue<string>(client, 'q');
    await queue.enqueueMany(['own', 'failed', 'rejected', 'left', 'left'], { resultMs: 60_000 });
    const seen: string[][] = [];
    const worker = Worker.inBatches(
      queue,
      async (jobs, { fail }) => {
        seen.push(jobs.map(({ payload, attempt }) => `${payload} ${attempt}`));
        for (const job of jobs) {
          if (job.payload === 'own') await job.complete({ result: 'done' });
          if (job.payload === 'failed' && job.attempt === 1) {
            fail(job, new Error('not yet'));
            fail(job, new Error('told twice'));
          }
          if (job.payload === 'rejected') fail(job, new JobRejected('never'));
        }
        // Nobody's result, though it has no form that could be kept.
        return 1n;
      },
      { batch: { size: 10, lingerMs: 20 }, ...quickly },
    );
    const events = collect(worker);
    await worker.start();
    await expect.poll(() => queue.size()).toBe(0);
    await worker.close();
    expect(seen).toEqual([['own 1', 'failed 1', 'rejected 1', 'left 1', 'left 1'], ['failed 2']]);
    expect(
      typesOf(events)
        .filter((type) => type !== 'started' && type !== 'left')
        .sort(),
    ).toEqual(['completed', 'completed', 'completed', 'completed', 'dead', 'failed'].sort());
    const failed = events.find(({ type }) => type === 'failed');
    expect(failed).toMatchObject({ error: { message: 'not yet' }, job: { payload: 'failed' } });
    expect((await queue.deadLetters.list()).map(({ payload, reason }) => [payload, reason])).toEqual([
      ['rejected', 'never'],
    ]);
  });

  it('QUEUE-17 a handler that throws has failed at what is left, and at nothing else', async () => {
    const client = await testClients(server).open();
    const queue = new FifoQueue<number>(client, 'q');
    await queue.enqueueMany([0, 1, 2, 3]);
    const seen: number[][] = [];
    const worker = Worker.inBatches(
      queue,
      async (jobs) => {
        seen.push(jobs.map(({ payload }) => payload));
        await jobs[0]?.complete();
        if (seen.length === 1) throw new Error('half done');
      },
      { batch: { size: 4 }, ...quickly },
    );
    const events = collect(worker);
    await worker.start();
    await expect.poll(() => queue.size()).toBe(0);
    await worker.close();
    expect(seen[0]).toEqual([0, 1, 2, 3]);
    expect(seen.slice(1).flat().sort()).toEqual([1, 2, 3]);
    expect(events.filter(({ type }) => type === 'failed')).toHaveLength(3);
    expect(events.filter(({ type }) => type === 'completed')).toHaveLength(4);
    expect(events.filter(({ type }) => type === 'error')).toEqual([]);
  });

  it('does no more than `size` jobs in a batch, in order, and `concurrency` batches side by side', async () => {
    const client = await testClients(server).open();
    const queue = new FifoQueue<number>(client, 'q');
    await queue.enqueueMany(Array.from({ length: 30 }, (_, n) => n));
    const sizes: number[] = [];
    const order: number[] = [];
    let most = 0;
    let now = 0;
    const worker = Worker.inBatches(
      queue,
      async (jobs) => {
        now += 1;
        most = Math.max(most, now);
        sizes.push(jobs.length);
        order.push(...jobs.map(({ payload }) => payload));
        await client.store.range({ key: 'x' });
        now -= 1;
      },
      { batch: { size: 5, lingerMs: 5_000 }, concurrency: 2 },
    );
    await worker.start();
    await expect.poll(() => queue.size()).toBe(0);
    await worker.close();
    expect(sizes).toEqual([5, 5, 5, 5, 5, 5]);
    expect(order).toEqual(Array.from({ length: 30 }, (_, n) => n));
    expect(most).toBe(2);
  });

  it('a batch that waits for a place goes on taking jobs', async () => {
    const client = await testClients(server).open();
    const queue = new FifoQueue<number>(client, 'q');
    const first = gate();
    const seen: number[][] = [];
    const worker = Worker.inBatches(
      queue,
      async (jobs) => {
        seen.push(jobs.map(({ payload }) => payload));
        if (seen.length === 1) await first.opened;
      },
      { batch: { size: 3 } },
    );
    await worker.start();
    await queue.enqueue(0);
    await expect.poll(() => seen).toEqual([[0]]);
    for (const payload of [1, 2, 3]) {
      await queue.enqueue(payload);
      await expect.poll(() => worker.health().waiting).toBe(payload);
    }
    first.open();
    await expect.poll(() => seen).toEqual([[0], [1, 2, 3]]);
    await worker.close();
  });

  it('QUEUE-13 a cancelled job fires its own signal, and that of the batch when nothing is left', async () => {
    const client = await testClients(server).open();
    const queue = new FifoQueue<number>(client, 'q');
    const [a, b] = (await queue.enqueueMany([0, 1])).map(({ id }) => id) as [string, string];
    const resume = gate();
    let jobs: readonly Job<number>[] = [];
    let whole: AbortSignal | undefined;
    const worker = Worker.inBatches(
      queue,
      async (given, { signal }) => {
        jobs = given;
        whole = signal;
        await resume.opened;
      },
      { batch: { size: 2 } },
    );
    const events = collect(worker);
    await worker.start();
    await expect.poll(() => jobs.length).toBe(2);
    await queue.cancel(a);
    await expect.poll(() => jobs[0]?.signal.aborted).toBe(true);
    expect([jobs[1]?.signal.aborted, whole?.aborted]).toEqual([false, false]);
    await queue.cancel(b);
    await expect.poll(() => whole?.aborted).toBe(true);
    expect(whole?.reason).toMatchObject({ code: 'job-cancelled' });
    resume.open();
    await worker.close();
    expect(events.filter(({ type }) => type === 'cancelled')).toHaveLength(2);
  });

  it('gives back at once what waits for its batch when it is closed, and fires the signals after the grace', async () => {
    const client = await testClients(server).open();
    const queue = new FifoQueue<number>(client, 'q');
    await queue.enqueueMany([0, 1, 2]);
    const signals: AbortSignal[] = [];
    const worker = Worker.inBatches(
      queue,
      async (jobs, { signal }) => {
        signals.push(signal, ...jobs.map((job) => job.signal));
        await new Promise<void>((_, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason), { once: true });
        });
      },
      { batch: { size: 2, lingerMs: 3_600_000 } },
    );
    const events = collect(worker);
    await worker.start();
    await expect.poll(() => worker.health()).toMatchObject({ running: 2, waiting: 1 });
    await worker.close({ graceMs: 20 });
    expect(signals).toHaveLength(3);
    expect(signals.every(({ aborted }) => aborted)).toBe(true);
    expect(typesOf(events).filter((type) => type === 'returned' || type === 'failed')).toEqual([
      'returned',
      'returned',
      'returned',
    ]);
    expect(await queue.size()).toBe(3);
  });

  it('QUEUE-17 a job that has failed and whose own end is then refused is given out again', async () => {
    const client = await testClients(server).open();
    const queue = new FifoQueue<number>(client, 'q');
    await queue.enqueueMany([0, 1]);
    const ends: unknown[] = [];
    const never = { compare: [compare.create('no such key', 'greater', 0)] };
    const worker = Worker.inBatches(
      queue,
      async (jobs, { fail }) => {
        const job = jobs.find(({ payload, attempt }) => payload === 0 && attempt === 1);
        if (job === undefined) return;
        fail(job, new Error('bad'));
        ends.push((await job.complete({ txn: never })).succeeded);
      },
      { batch: { size: 2 }, ...quickly },
    );
    const events = collect(worker);
    await worker.start();
    await expect.poll(() => queue.size()).toBe(0);
    await worker.close();
    expect(ends).toEqual([false]);
    expect(events.filter(({ type }) => type === 'failed')).toMatchObject([
      { job: { payload: 0 }, error: { message: 'bad' } },
    ]);
  });

  it('QUEUE-17 a job that has failed and that its handler then completes is told to be completed', async () => {
    const client = await testClients(server).open();
    const queue = new FifoQueue<number>(client, 'q');
    await queue.enqueue(0);
    const worker = Worker.inBatches(
      queue,
      async ([job], { fail }) => {
        if (job === undefined) return;
        fail(job, new Error('bad'));
        await job.complete();
      },
      { batch: { size: 2 }, ...quickly },
    );
    const events = collect(worker);
    await worker.start();
    await expect.poll(() => queue.size()).toBe(0);
    await worker.close();
    expect(typesOf(events)).toEqual(['started', 'completed', 'left']);
  });

  it('QUEUE-13 fires the signal of a batch of which one job is cancelled and the rest then ends', async () => {
    const client = await testClients(server).open();
    const queue = new FifoQueue<string>(client, 'q');
    const [a] = await queue.enqueueMany(['a', 'b', 'c']);
    const fired: boolean[] = [];
    const worker = Worker.inBatches(
      queue,
      async ([first, second, third], { signal, fail }) => {
        if (first?.payload !== 'a') return;
        await queue.cancel(a?.id ?? '');
        await expect.poll(() => first.signal.aborted).toBe(true);
        fired.push(signal.aborted);
        await second?.complete();
        fired.push(signal.aborted);
        if (third !== undefined) fail(third, new Error('not now'));
        fired.push(signal.aborted);
      },
      { batch: { size: 3, lingerMs: 20 }, ...quickly },
    );
    await worker.start();
    await expect.poll(() => queue.size()).toBe(0);
    await worker.close();
    expect(fired).toEqual([false, false, true]);
  });

  it('a handler that throws when all its jobs have ended is told of once', async () => {
    const client = await testClients(server).open();
    const queue = new FifoQueue<number>(client, 'q');
    await queue.enqueueMany([0, 1]);
    const thrown = new Error('the handler itself');
    const worker = Worker.inBatches(
      queue,
      async (jobs, { fail }) => {
        const [first, ...others] = jobs.filter(({ attempt }) => attempt === 1);
        if (first === undefined) return;
        fail(first, new Error('job'));
        for (const job of others) await job.complete();
        throw thrown;
      },
      { batch: { size: 2, lingerMs: 20 }, ...quickly },
    );
    const events = collect(worker);
    await worker.start();
    await expect.poll(() => queue.size()).toBe(0);
    await worker.close();
    expect(events.filter(({ type }) => type === 'error')).toMatchObject([
      { error: { code: 'internal', cause: thrown } },
    ]);
    expect(events.filter(({ type }) => type === 'failed')).toMatchObject([{ error: { message: 'job' } }]);
  });

  it('tells of each job that is left where a batch stalls, until one moves', async () => {
    const client = await testClients(server).open();
    const queue = new FifoQueue<number>(client, 'q');
    await queue.enqueueMany([0, 1, 2]);
    const resume = gate();
    let before = Number.POSITIVE_INFINITY;
    const worker = Worker.inBatches(
      queue,
      async ([first]) => {
        await first?.complete();
        // On a slow machine that may have taken so long that all were told of.
        before = events.length;
        await resume.opened;
      },
      { batch: { size: 3 }, stallMs: 40 },
    );
    const events = collect(worker);
    await worker.start();
    const stalled = () =>
      events.slice(before).flatMap((event) => (event.type === 'stalled' ? [event.job.payload] : []));
    await expect.poll(() => stalled().slice(0, 2)).toEqual([1, 2]);
    expect(worker.health()).toMatchObject({ running: 3, stalled: 3 });
    resume.open();
    await expect.poll(() => queue.size()).toBe(0);
    await worker.close();
    expect(stalled()).not.toContain(0);
  });

  it('refuses what makes no sense', async () => {
    const client = await testClients(server).open();
    const queue = new FifoQueue<number>(client, 'q');
    const refused = expect.objectContaining({ code: 'invalid-argument' });
    const sizes: unknown[] = [undefined, null, 3, {}, { size: 0 }, { size: 1.5 }, { size: 10_001 }];
    const lingers: unknown[] = [-1, Number.NaN, Number.POSITIVE_INFINITY, '5', null];
    for (const batch of [...sizes, ...lingers.map((lingerMs) => ({ size: 2, lingerMs }))]) {
      const options = { batch: batch as { size: number } };
      expect(() => Worker.inBatches(queue, () => {}, options)).toThrow(refused);
    }
    const tooMany = { batch: { size: 200 }, concurrency: 51 };
    expect(() => Worker.inBatches(queue, () => {}, tooMany)).toThrow(refused);
    const none = undefined as unknown as { batch: { size: number } };
    expect(() => Worker.inBatches(queue, () => {}, none)).toThrow(refused);
    expect(() => Worker.inBatches(queue, 'no' as unknown as () => void, { batch: { size: 2 } })).toThrow(
      refused,
    );
    expect(() => new Worker(queue, () => {}, null as unknown as object)).toThrow(refused);
    const failures: unknown[] = [];
    const jobs: Job<number>[] = [];
    await using worker = Worker.inBatches(
      queue,
      ([job], { fail }) => {
        const [before] = jobs;
        jobs.push(job as Job<number>);
        try {
          if (before !== undefined) fail(before, new Error('not mine'));
        } catch (error) {
          failures.push(error);
        }
      },
      { batch: { size: 1 } },
    );
    await worker.start();
    await queue.enqueueMany([0, 1]);
    await expect.poll(() => failures).toMatchObject([{ code: 'invalid-argument' }]);
  });
});

describe('a batch that stalls', () => {
  it('is told of only so long after the last of its jobs that failed', async () => {
    const time = new ManualTime();
    const runtime = new ManualRuntime({ time });
    const client = await Client.open({ store: new MemoryServer().connect(), namespace: 'n', runtime });
    const queue = new FifoQueue<number>(client, 'q');
    const steps: (() => void)[] = [];
    const worker = Worker.inBatches(
      queue,
      async (jobs, { fail }) => {
        if (jobs[0]?.attempt !== 1) return;
        for (const job of jobs) {
          await new Promise<void>((resolve) => steps.push(resolve));
          fail(job, new Error('bad'));
        }
        await new Promise<void>((resolve) => steps.push(resolve));
      },
      { batch: { size: 3 }, stallMs: 100, ...quickly },
    );
    const events = collect(worker);
    const stalled = () => events.filter(({ type }) => type === 'stalled');
    const until = async (isSo: () => boolean) => {
      for (let turn = 0; turn < 1_000 && !isSo(); turn += 1) await time.advance(1);
      expect(isSo()).toBe(true);
    };
    const enqueued = queue.enqueueMany([0, 1, 2]);
    await enqueued;
    void worker.start();
    for (let step = 1; step <= 3; step += 1) {
      await until(() => steps.length === step);
      await time.advance(60);
      steps[step - 1]?.();
      await settle();
    }
    await time.advance(90);
    expect(stalled()).toEqual([]);
    await time.advance(20);
    expect(stalled()).toHaveLength(3);
    steps[3]?.();
    const closed = worker.close();
    await until(() => events.some(({ type }) => type === 'left'));
    await closed;
    await client.close();
  });
});

describe('gathering', () => {
  function gatherer(size: number, lingerMs: number) {
    const time = new ManualTime();
    const runtime = new ManualRuntime({ time });
    const due: (() => readonly number[])[] = [];
    return {
      time,
      due,
      gatherer: new Gatherer<number>({ runtime, size, lingerMs, onDue: (take) => due.push(take) }),
    };
  }

  it('makes a batch due when it is full, or so long after its first', async () => {
    const { time, due, gatherer: gathering } = gatherer(3, 100);
    gathering.add(1);
    await time.advance(60);
    gathering.add(2);
    await time.advance(39);
    expect(due).toHaveLength(0);
    await time.advance(1);
    expect(due).toHaveLength(1);
    gathering.add(3);
    gathering.add(4);
    expect(due.map((take) => take())).toEqual([[1, 2, 3]]);
    await time.advance(100);
    expect(due.slice(1).map((take) => take())).toEqual([[4]]);
    for (const entry of [5, 6, 7]) gathering.add(entry);
    expect(due.slice(2).map((take) => take())).toEqual([[5, 6, 7]]);
    await time.advance(1_000);
    expect(due).toHaveLength(3);
  });

  it('lets nothing into a batch that has started', async () => {
    const { time, due, gatherer: gathering } = gatherer(3, 10);
    gathering.add(1);
    await time.advance(10);
    const started = due[0]?.();
    gathering.add(2);
    expect(started).toEqual([1]);
    await time.advance(10);
    expect(due[1]?.()).toEqual([2]);
  });

  it('one by one, each is due at once; without a linger, what comes in one turn', async () => {
    const single = gatherer(1, 0);
    single.gatherer.add(1);
    single.gatherer.add(2);
    expect(single.due.map((take) => take())).toEqual([[1], [2]]);
    const turns = gatherer(10, 0);
    turns.gatherer.add(1);
    turns.gatherer.add(2);
    expect(turns.due).toHaveLength(0);
    await Promise.resolve();
    expect(turns.due.map((take) => take())).toEqual([[1, 2]]);
  });
});
