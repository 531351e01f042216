import { runInNewContext } from 'node:vm';
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { describe, expect, it } from 'vitest';
import { MemoryServer } from '../../src/memory/index.js';
import { FifoQueue, Worker } from '../../src/queues/index.js';
import { sleep, systemRuntime } from '../../src/runtime/index.js';
import { Client } from '../../src/session/index.js';
import { countingStore } from '../support/counting-store.js';

type Checked<T> = StandardSchemaV1.Result<T>;

function schemaOf<T>(
  validate: (value: unknown) => Checked<T> | Promise<Checked<T>>,
): StandardSchemaV1<unknown, T> {
  return { '~standard': { version: 1, vendor: 'test', validate } };
}

function evenOnly(value: unknown): Checked<number> {
  if (typeof value === 'number' && value % 2 === 0) return { value };
  return { issues: [{ message: 'is not even', path: ['order', { key: 'amount' }, 0] }] };
}

async function setUp() {
  const server = new MemoryServer();
  const { store, counts } = countingStore(server.connect());
  const client = await Client.open({ store, namespace: 'ns', closeStore: true });
  counts.reset();
  const close = async () => {
    await client.close();
    await server.close();
  };
  return { client, counts, close };
}

describe('a schema', () => {
  it('refuses a payload with its issues before anything is sent', async () => {
    const { client, close, counts } = await setUp();
    const queue = new FifoQueue<number>(client, 'q', { schema: schemaOf(evenOnly) });
    const refusal = {
      code: 'invalid-argument',
      outcome: 'not-applied',
      message: expect.stringContaining('order.amount.0: is not even'),
      details: { issues: [{ path: 'order.amount.0', message: 'is not even' }] },
    };
    await expect(queue.enqueue(1)).rejects.toMatchObject(refusal);
    await expect(queue.enqueueMany([2, 3, 4])).rejects.toMatchObject(refusal);
    expect(counts.total()).toBe(0);
    await queue.enqueueMany([2, 4]);
    expect(await queue.size()).toBe(2);
    const thrower = schemaOf<number>(() => {
      throw new Error('out of order');
    });
    const broken = new FifoQueue<number>(client, 'q', { schema: thrower });
    await expect(broken.enqueue(2)).rejects.toMatchObject({
      code: 'invalid-argument',
      message: expect.stringContaining('out of order'),
    });
    await close();
  });

  it('lets nothing pass where it answers with a promise of another realm, or with no result', async () => {
    const { client, close } = await setUp();
    const answers: [unknown, string][] = [
      [runInNewContext("Promise.resolve({ issues: [{ message: 'is not even' }] })"), 'is not even'],
      [runInNewContext("Promise.resolve().then(() => { throw new Error('gone'); })"), 'gone'],
      [undefined, 'no result'],
      [true, 'no result'],
      [{}, 'no result'],
    ];
    for (const [answer, message] of answers) {
      const schema = schemaOf<number>(() => answer as Checked<number>);
      await expect(new FifoQueue<number>(client, 'q', { schema }).enqueue(1)).rejects.toMatchObject({
        code: 'invalid-argument',
        message: expect.stringContaining(message),
      });
    }
    await close();
  });

  it('refuses what was in the queue already, and hands on what it makes of a payload', async () => {
    const { client, close } = await setUp();
    const plain = new FifoQueue<unknown>(client, 'q');
    await plain.enqueue('7');
    const asNumber = schemaOf<number>((value) =>
      Number.isFinite(Number(value)) ? { value: Number(value) } : { issues: [{ message: 'is no number' }] },
    );
    const slow = schemaOf<number>(async (value) => {
      await sleep(systemRuntime, 2);
      return asNumber['~standard'].validate(value);
    });
    for (const schema of [asNumber, slow]) {
      const queue = new FifoQueue<number>(client, 'q', { schema });
      expect((await queue.peek())?.payload).toBe(7);
      const seen: number[] = [];
      const worker = new Worker(queue, (job) => void seen.push(job.payload));
      await worker.start();
      await expect.poll(() => seen).toEqual([7]);
      await worker.close();
      await plain.enqueue('7');
    }
    await plain.purge();
    await plain.enqueue('seven');
    const queue = new FifoQueue<number>(client, 'q', { schema: asNumber });
    await expect(queue.peek()).rejects.toMatchObject({
      code: 'codec',
      details: { issues: [{ path: '', message: 'is no number' }] },
    });
    await close();
  });

  it('QUEUE-4 that takes its time does not change the order of the calls', async () => {
    const { client, close } = await setUp();
    const slowFirst = schemaOf<number>(async (value) => {
      await sleep(systemRuntime, 40 - 10 * Number(value));
      return Number(value) === 2 ? { issues: [{ message: 'is two' }] } : { value: Number(value) };
    });
    const mixed = schemaOf<number>((value) =>
      Number(value) === 9 ? { value: 9 } : slowFirst['~standard'].validate(value),
    );
    const queue = new FifoQueue<number>(client, 'q', { schema: mixed });
    const given = new AbortController();
    const calls = [
      queue.enqueue(1),
      queue.enqueue(0, { signal: given.signal }),
      queue.enqueue(2),
      queue.enqueue(9),
      queue.enqueueMany([3, 9]),
    ];
    given.abort();
    const settled = await Promise.allSettled(calls);
    expect(settled.map(({ status }) => status)).toEqual([
      ...['fulfilled', 'rejected', 'rejected', 'fulfilled', 'fulfilled'],
    ]);
    const { kvs } = await client.store.range({ key: 'ns/queue/q/i/', rangeEnd: 'ns/queue/q/i0' });
    const payloads = await Promise.all(kvs.map(({ value }) => queue.decode(value.subarray(7))));
    expect(payloads).toEqual([1, 9, 3, 9]);
    await close();
  });

  it('that never answers holds up nobody beyond the patience of its caller', async () => {
    const { client, close } = await setUp();
    let isStuck = true;
    const stuck = schemaOf<number>((value) =>
      isStuck ? new Promise<never>(() => {}) : { value: Number(value) },
    );
    const queue = new FifoQueue<number>(client, 'q', { schema: stuck });
    const first = queue.enqueue(1, { timeoutMs: 60 });
    isStuck = false;
    const second = queue.enqueue(2);
    await expect(first).rejects.toMatchObject({ code: 'timeout', outcome: 'not-applied' });
    await second;
    await queue.enqueue(3);
    expect(await queue.size()).toBe(2);
    await close();
  });

  it('must be one', async () => {
    const { client, close } = await setUp();
    for (const schema of [7, null, {}, { '~standard': { version: 2, validate: () => ({}) } }]) {
      const options = { schema: schema as unknown as StandardSchemaV1<unknown, number> };
      expect(() => new FifoQueue<number>(client, 'q', options)).toThrow(
        expect.objectContaining({ code: 'invalid-argument' }),
      );
    }
    await close();
  });
});
