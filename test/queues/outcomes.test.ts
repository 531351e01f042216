import { expect, it } from 'vitest';
import type { QuorateError } from '../../src/errors.js';
import {
  FifoQueue,
  followUp,
  type ItemTraits,
  type Job,
  JobRejected,
  Worker,
  type WorkerEvent,
} from '../../src/queues/index.js';
import { QueueKeys } from '../../src/queues/keys.js';
import {
  decodeDeadLetter,
  encodeControl,
  encodeTakeBack,
  openControl,
} from '../../src/queues/records/index.js';
import type { Client } from '../../src/session/index.js';
import { get, put, textOf, txnOf } from '../../src/store/index.js';
import { testClients } from '../support/clients.js';
import { describeStores } from '../support/stores.js';

const quickly = { retryDelay: { firstMs: 5, longestMs: 5 } };

function keysOf(client: Client, name = 'q'): QueueKeys {
  return new QueueKeys(client.keys.prefix('queue', name));
}

/** One item with traits. */
async function enqueue<T>(queue: FifoQueue<T>, payload: T, traits: ItemTraits): Promise<string> {
  return (await queue.enqueue(payload, traits)).id;
}

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

async function letterOf(client: Client, id: string) {
  const { kvs } = await client.store.range({ key: keysOf(client).deadLetter(id) });
  return kvs[0] && decodeDeadLetter(kvs[0].value);
}

describeStores('what becomes of a job', (server) => {
  it('QUEUE-17 puts a job into the dead letters after its attempts, whole, and tells who waits for it', async () => {
    const client = await testClients(server).open();
    const queue = new FifoQueue<string>(client, 'q');
    const long = 'x'.repeat(40_000);
    let tries = 0;
    await using worker = new Worker(
      queue,
      () => {
        tries += 1;
        throw new Error(`no ${tries}`);
      },
      { ...quickly, attempts: 9 },
    );
    const events = collect(worker);
    const id = await enqueue(queue, long, { attempts: 2, resultMs: 60_000 });
    const waiting = expect(queue.waitForResult(id)).rejects.toMatchObject({
      code: 'dead-lettered',
      details: { cause: 'failed', reason: 'no 2' },
    });
    await worker.start();
    await expect.poll(() => queue.size()).toBe(0);
    await waiting;
    await expect
      .poll(() => events.find(({ type }) => type === 'dead'))
      .toMatchObject({ id, cause: 'failed', reason: 'no 2', job: { id } });
    expect(tries).toBe(2);
    const letter = await letterOf(client, id);
    expect(letter).toMatchObject({ cause: 'failed', reason: 'no 2', failures: 2, losses: 0 });
    expect(Buffer.from(letter?.item ?? []).toString()).toContain(long);
    expect((await client.store.range(keysOf(client).generations)).count).toBe(0);
    expect(await queue.result(id)).toEqual({ status: 'dead', cause: 'failed', reason: 'no 2' });
    expect(worker.health().counts).toMatchObject({ started: 2, failed: 1, dead: 1, completed: 0 });
  });

  it('QUEUE-17 a job that its handler rejects has no second attempt', async () => {
    const client = await testClients(server).open();
    const queue = new FifoQueue<string>(client, 'q');
    const seen: string[] = [];
    await using worker = new Worker(
      queue,
      async (job) => {
        seen.push(job.payload);
        if (job.payload === 'thrown') throw new JobRejected('makes no sense');
        await job.reject('in so many words');
        await expect(job.complete()).rejects.toMatchObject({ code: 'closed' });
      },
      quickly,
    );
    const events = collect(worker);
    await worker.start();
    const [thrown, told] = await queue.enqueueMany(['thrown', 'told']);
    await expect.poll(() => events.filter(({ type }) => type === 'dead').length).toBe(2);
    expect(seen).toEqual(['thrown', 'told']);
    expect(await letterOf(client, thrown?.id ?? '')).toMatchObject({
      ...{ cause: 'rejected', reason: 'makes no sense', failures: 0 },
    });
    expect(await letterOf(client, told?.id ?? '')).toMatchObject({ reason: 'in so many words' });
    expect(events.filter(({ type }) => type === 'error')).toEqual([]);
  });

  it('QUEUE-17 a job that was lost with too many workers is given up before its handler runs', async () => {
    const client = await testClients(server).open();
    const queue = new FifoQueue<string>(client, 'q');
    const seen: string[] = [];
    const { id } = await queue.enqueue('poison');
    const lost = encodeTakeBack({ failures: 1, losses: 3, reason: 'worker-lost', delayMs: 0 });
    await client.store.txn(txnOf({ success: [put(keysOf(client).generation(id), lost)] }));
    await using worker = new Worker(queue, (job) => seen.push(job.payload), { maxLosses: 3 });
    const events = collect(worker);
    await worker.start();
    await queue.enqueue('harmless');
    await expect.poll(() => queue.size()).toBe(0);
    expect(seen).toEqual(['harmless']);
    expect(await letterOf(client, id)).toMatchObject({ cause: 'workers-lost', losses: 3, failures: 1 });
    await expect.poll(() => events.find(({ type }) => type === 'dead')).toMatchObject({ id, job: undefined });
  });

  it('QUEUE-17 the largest item there can be has room in the dead letters, with a long reason', async () => {
    const client = await testClients(server).open();
    const queue = new FifoQueue<string>(client, 'q');
    const fill = (length: number) =>
      enqueue(queue, 'x'.repeat(length), { key: 'k'.repeat(1_000), resultMs: 60_000 });
    let length = 1_572_864;
    let id: string | undefined;
    while (id === undefined) {
      length -= 500;
      id = await fill(length).catch((error: QuorateError) => {
        expect(error.code).toBe('request-too-large');
        return undefined;
      });
    }
    await using worker = new Worker(queue, () => {
      throw new JobRejected('because '.repeat(1_000));
    });
    const events = collect(worker);
    await worker.start();
    await expect.poll(() => queue.size(), { timeout: 10_000 }).toBe(0);
    expect(events.filter(({ type }) => type === 'error')).toEqual([]);
    const letter = await letterOf(client, id);
    expect(letter?.item.length).toBeGreaterThan(length);
    expect(letter?.reason.length).toBeGreaterThan(1_000);
  });

  it('QUEUE-17 what cannot be decoded fails like any other, and is kept as it was', async () => {
    const clients = testClients(server);
    const [client, other] = [await clients.open(), await clients.open()];
    const queue = new FifoQueue<string>(client, 'q', {
      codec: {
        encode: (text) => Buffer.from(text),
        decode: () => {
          throw new Error('gibberish');
        },
      },
    });
    const { id } = await queue.enqueue('payload');
    await using worker = new Worker(queue, () => {}, { ...quickly, attempts: 2 });
    await worker.start();
    await expect.poll(() => queue.size()).toBe(0);
    expect(await letterOf(other, id)).toMatchObject({ cause: 'failed', failures: 2 });
  });

  it('QUEUE-18 keeps what a handler returns for those who wait, before and after', async () => {
    const clients = testClients(server);
    const [client, other] = [await clients.open(), await clients.open()];
    const queue = new FifoQueue<number>(client, 'q');
    const remote = new FifoQueue<number>(other, 'q');
    const resume = gate();
    await using worker = new Worker(
      queue,
      async (job) => {
        await resume.opened;
        if (job.payload === 0) return undefined;
        if (job.payload === 1) return { twice: 2 };
        await job.complete({ result: 'told' });
        return 'returned';
      },
      { concurrency: 3 },
    );
    await worker.start();
    const ids: string[] = [];
    for (const n of [0, 1, 2]) ids.push(await enqueue(queue, n, { resultMs: 60_000 }));
    const unasked = await queue.enqueue(1);
    const early = Promise.all(ids.map((id) => remote.waitForResult(id)));
    const none = expect(remote.waitForResult(unasked.id)).rejects.toMatchObject({ code: 'no-result' });
    expect(await queue.result(ids[1] ?? '')).toEqual({ status: 'pending' });
    resume.open();
    expect(await early).toEqual([undefined, { twice: 2 }, 'told']);
    await none;
    expect(await remote.waitForResult(ids[1] ?? '')).toEqual({ twice: 2 });
    expect(await remote.result(ids[2] ?? '')).toEqual({ status: 'completed', value: 'told' });
    expect(await remote.result(unasked.id)).toEqual({ status: 'gone' });
    const { kvs } = await client.store.range(keysOf(client).results);
    expect(kvs.map(({ lease }) => lease !== '0')).toEqual([true, true, true]);
    await expect(remote.waitForResult('nothing')).rejects.toMatchObject({ code: 'no-result' });
  });

  it('QUEUE-18 a result that cannot be kept is a failure of the job, not its end', async () => {
    const client = await testClients(server).open();
    const queue = new FifoQueue<string>(client, 'q');
    await using worker = new Worker(
      queue,
      async (job) => {
        if (job.attempt === 1) return 1n;
        if (job.attempt === 2) return 'x'.repeat(1_100_000);
        await expect(job.complete({ result: 1n })).rejects.toMatchObject({ code: 'codec' });
        return 'fits';
      },
      quickly,
    );
    const events = collect(worker);
    await worker.start();
    const id = await enqueue(queue, 'job', { resultMs: 60_000 });
    expect(await queue.waitForResult(id)).toBe('fits');
    const failures = events.flatMap((event) => (event.type === 'failed' ? [event.error] : []));
    expect(failures).toMatchObject([{ code: 'codec' }, { code: 'request-too-large' }]);
    // Nobody has asked for this one.
    const done = await queue.enqueue('unasked');
    await expect.poll(() => queue.result(done.id)).toEqual({ status: 'gone' });
  });

  it('QUEUE-18 a lease that is gone when the result is written is replaced', async () => {
    const client = await testClients(server).open();
    const queue = new FifoQueue<string>(client, 'q');
    await using worker = new Worker(queue, (job) => job.payload);
    await worker.start();
    const first = await enqueue(queue, 'a', { resultMs: 60_000 });
    expect(await queue.waitForResult(first)).toBe('a');
    const { kvs } = await client.store.range({ key: keysOf(client).result(first) });
    await client.store.leaseRevoke(kvs[0]?.lease ?? '');
    const second = await enqueue(queue, 'b', { resultMs: 60_000 });
    expect(await queue.waitForResult(second)).toBe('b');
    await expect(queue.waitForResult(first)).rejects.toMatchObject({ code: 'no-result' });
  });

  it('tells progress, the latest at each time, until the job ends', async () => {
    const client = await testClients(server).open();
    const queue = new FifoQueue<string>(client, 'q');
    const resume = gate();
    await using worker = new Worker(queue, async (job) => {
      const told = [1, 2, 3].map((percent) => job.progress({ percent }));
      await expect(job.progress(undefined)).rejects.toMatchObject({ code: 'codec' });
      await Promise.all(told);
      await resume.opened;
      await job.complete();
      await expect(job.progress('late')).rejects.toMatchObject({ code: 'fenced' });
    });
    await worker.start();
    const id = await enqueue(queue, 'job', { resultMs: 60_000 });
    const seen: unknown[] = [];
    const waiting = queue.waitForResult(id, { onProgress: (progress) => seen.push(progress) });
    await expect.poll(() => queue.progress(id)).toEqual({ percent: 3 });
    await expect.poll(() => seen.at(-1)).toEqual({ percent: 3 });
    resume.open();
    await waiting;
    expect(await queue.progress(id)).toBeUndefined();
    expect(seen.length).toBeLessThanOrEqual(3);
  });

  it('counts a handler as failed whose result throws when it is asked whether it is a promise', async () => {
    const client = await testClients(server).open();
    const queue = new FifoQueue<string>(client, 'q');
    const { proxy: spoilt, revoke } = Proxy.revocable({}, {});
    revoke();
    const worker = new Worker(queue, (job) => (job.attempt === 1 ? spoilt : undefined), quickly);
    const events = collect(worker);
    await worker.start();
    await queue.enqueue('job');
    await expect.poll(() => queue.size()).toBe(0);
    expect(worker.running).toBe(0);
    await worker.close();
    const told = events.map(({ type }) => type).filter((type) => type === 'failed' || type === 'completed');
    expect(told).toEqual(['failed', 'completed']);
  });

  it('cancels a job that waits, and one that nobody has, and no other', async () => {
    const client = await testClients(server).open();
    const queue = new FifoQueue<string>(client, 'q');
    const { id } = await queue.enqueue('waiting');
    const asked = await enqueue(queue, 'asked', { resultMs: 60_000 });
    const told = expect(queue.waitForResult(asked)).rejects.toMatchObject({
      code: 'job-cancelled',
      details: { reason: 'not wanted' },
    });
    expect(await queue.cancel(id)).toBe(true);
    expect(await queue.cancel(id)).toBe(false);
    expect(await queue.cancel(asked, { reason: 'not wanted' })).toBe(true);
    await told;
    expect(await queue.result(asked)).toEqual({ status: 'cancelled', reason: 'not wanted' });
    expect(await queue.size()).toBe(0);
    expect((await client.store.range(keysOf(client).generations)).count).toBe(0);
  });

  it('a worker that is told of a cancellation fires the signal, and refuses what comes too late', async () => {
    const client = await testClients(server).open();
    const queue = new FifoQueue<string>(client, 'q');
    const started = gate();
    const ended: unknown[] = [];
    await using worker = new Worker(
      queue,
      async (job, { signal }) => {
        if (job.payload === 'next') return;
        started.open();
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
        ended.push(signal.reason);
        await job.complete().catch((error: unknown) => ended.push(error));
      },
      { prefetch: 2 },
    );
    const events = collect(worker);
    await worker.start();
    const [running, waiting] = await queue.enqueueMany(['running', 'waiting']);
    await started.opened;
    await expect.poll(() => worker.health()).toMatchObject({ running: 1, waiting: 1, isJoined: true });
    for (const { id } of [waiting, running].filter((item) => item !== undefined)) {
      expect(await queue.cancel(id, { reason: 'stop' })).toBe(true);
    }
    await expect.poll(() => ended.length).toBe(2);
    expect(ended).toMatchObject([
      { code: 'job-cancelled', details: { reason: 'stop' } },
      { code: 'job-cancelled', outcome: 'not-applied' },
    ]);
    expect(events.filter((event) => event.type === 'cancelled')).toMatchObject([
      { id: waiting?.id, wasRunning: false, reason: 'stop' },
      { id: running?.id, wasRunning: true, reason: 'stop' },
    ]);
    const { records, cancellations } = keysOf(client);
    await expect.poll(async () => (await client.store.range(records)).count).toBe(0);
    expect((await client.store.range(cancellations)).count).toBe(0);
    expect(worker.health()).toMatchObject({ running: 0, waiting: 0, counts: { cancelled: 2, failed: 0 } });
    // It goes on with what comes after.
    await queue.enqueue('next');
    await expect.poll(() => events.some(({ type }) => type === 'completed')).toBe(true);
  });

  it('QUEUE-19 puts follow-ups into their queues with the acknowledgement, or neither', async () => {
    const client = await testClients(server).open();
    const queue = new FifoQueue<string>(client, 'q');
    const second = new FifoQueue<{ of: string }>(client, 'second');
    const keys = keysOf(client, 'second');
    const effect = `${keys.prefix}effect`;
    const closed = encodeControl({ ...openControl, closed: true });
    await client.store.txn(txnOf({ success: [put(keys.control, closed)] }));
    const done: unknown[] = [];
    await using worker = new Worker(
      queue,
      async (job: Job<string>) => {
        if (job.payload !== 'first') return;
        const options = {
          enqueue: [followUp(queue, 'again', { attempts: 3 }), followUp(second, { of: job.id })],
          txn: { success: [put(effect, 'done'), get(effect)] },
        };
        await expect(job.complete(options)).rejects.toMatchObject({
          ...{ code: 'queue-closed', outcome: 'not-applied' },
        });
        expect(job.isCompleted).toBe(false);
        expect((await client.store.range({ key: effect })).count).toBe(0);
        await client.store.txn(txnOf({ success: [put(keys.control, encodeControl(openControl))] }));
        done.push(await job.complete(options));
      },
      { ...quickly, attempts: 1 },
    );
    const events = collect(worker);
    await worker.start();
    const { id } = await queue.enqueue('first');
    await expect.poll(() => queue.size()).toBe(0);
    await expect.poll(() => done).toHaveLength(1);
    const item = await second.peek();
    expect(done).toMatchObject([
      {
        succeeded: true,
        replies: [{ type: 'put' }, { type: 'range', count: 1 }],
        enqueued: [{}, { id: item?.id, revision: item?.revision }],
      },
    ]);
    expect(item?.payload).toEqual({ of: id });
    expect(await second.size()).toBe(1);
    const read = await client.store.range({ key: effect });
    expect(read.kvs.map(({ value, modRevision }) => [textOf(value), modRevision])).toEqual([
      ['done', item?.revision],
    ]);
    await expect.poll(() => events.filter(({ type }) => type === 'completed').length).toBe(2);
  });

  it('QUEUE-19 compares of the caller that do not hold keep the follow-ups out', async () => {
    const client = await testClients(server).open();
    const queue = new FifoQueue<string>(client, 'q');
    const key = `${keysOf(client).prefix}fact`;
    const replies: unknown[] = [];
    await using worker = new Worker(queue, async (job) => {
      if (job.payload !== 'first') return;
      const never = { key, target: 'version', result: 'greater', operand: 0 } as const;
      const txn = { compare: [never], failure: [get(key)] };
      replies.push(await job.complete({ txn, enqueue: [followUp(queue, 'no')] }));
      replies.push(await job.complete());
    });
    const events = collect(worker);
    await worker.start();
    await queue.enqueue('first');
    await expect.poll(() => events.some(({ type }) => type === 'completed')).toBe(true);
    expect(replies).toMatchObject([
      { succeeded: false, replies: [{ count: 0 }], enqueued: [] },
      { succeeded: true, enqueued: [] },
    ]);
    expect(await queue.size()).toBe(0);
  });

  it('tells of a handler that runs without a sign of life', async () => {
    const client = await testClients(server).open();
    const queue = new FifoQueue<string>(client, 'q');
    const resume = gate();
    await using worker = new Worker(queue, () => resume.opened, { stallMs: 30 });
    const events = collect(worker);
    await worker.start();
    await queue.enqueue('job');
    await expect.poll(() => events.filter(({ type }) => type === 'stalled').length).toBeGreaterThan(1);
    const health = worker.health();
    expect(health).toMatchObject({ stalled: 1, running: 1, lastCompletedAgoMs: undefined });
    expect(health.oldestRunningMs).toBeGreaterThanOrEqual(30);
    resume.open();
    await expect.poll(() => worker.health().running).toBe(0);
    await expect.poll(() => worker.health().lastCompletedAgoMs).toBeGreaterThanOrEqual(0);
  });

  it('refuses what makes no sense', async () => {
    const client = await testClients(server).open();
    const queue = new FifoQueue<number>(client, 'q');
    for (const options of [{ attempts: 0 }, { maxLosses: 1.5 }, { stallMs: -1 }]) {
      expect(() => new Worker(queue, () => {}, options)).toThrow(
        expect.objectContaining({ code: 'invalid-argument' }),
      );
    }
    const foreign = await testClients(server).open();
    const refusals: unknown[] = [];
    await using worker = new Worker(queue, async (job) => {
      const elsewhere = followUp(new FifoQueue<number>(foreign, 'q'), 1);
      await job.complete({ enqueue: [elsewhere] }).catch((error: unknown) => refusals.push(error));
    });
    await worker.start();
    await queue.enqueue(1);
    await expect.poll(() => refusals).toMatchObject([{ code: 'invalid-argument' }]);
    expect(() => queue.cancel('')).toThrow(expect.objectContaining({ code: 'invalid-argument' }));
  });
});
