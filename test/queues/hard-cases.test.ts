/** What is rare, and was once wrong. */
import { expect, it, onTestFinished } from 'vitest';
import { MemoryServer } from '../../src/memory/index.js';
import { FifoQueue, Worker, type WorkerEvent } from '../../src/queues/index.js';
import { QueueKeys } from '../../src/queues/keys.js';
import { Client } from '../../src/session/index.js';
import { compare, put, type Store, txnOf } from '../../src/store/index.js';
import { hookedStore } from '../support/hooked-store.js';

async function setUp(store: Store = new MemoryServer().connect(), name = 'q') {
  const client = await Client.open({ store, namespace: 'production', closeStore: true });
  onTestFinished(() => client.close());
  const queue = new FifoQueue<string>(client, name);
  return { client, queue, keys: new QueueKeys(client.keys.prefix('queue', name)) };
}

async function startWorker(
  queue: FifoQueue<string>,
  ...rest: WorkerArguments
): Promise<WorkerEvent<string>[]> {
  const worker = new Worker(queue, ...rest);
  onTestFinished(() => worker.close({ graceMs: 0 }));
  const events: WorkerEvent<string>[] = [];
  worker.on((event) => events.push(event));
  await worker.start();
  return events;
}
type WorkerArguments =
  ConstructorParameters<typeof Worker<string>> extends [unknown, ...infer Rest] ? Rest : never;

const never = compare.version('nothing', 'greater', 0);
const promptly = { retryDelay: { firstMs: 1, longestMs: 1 } };

it.each([64, 250, 1_000])(
  'a burst with idempotency keys of %i bytes enters, and so does who has none',
  async (length) => {
    const { queue } = await setUp();
    const keyed = Array.from({ length: 900 }, (_, n) => `${n}-`.padEnd(length, 'k'));
    const calls = [
      ...keyed.map((idempotencyKey) => queue.enqueue('x'.repeat(100), { idempotencyKey })),
      queue.enqueue('neighbour'),
      queue.enqueueMany(keyed.slice(0, 600), { each: (key) => ({ idempotencyKey: `many-${key}` }) }),
    ];
    await Promise.all(calls);
    expect(await queue.size()).toBe(1_501);
  },
);

it('a burst enters a queue with a long name', async () => {
  const { queue } = await setUp(undefined, 'n'.repeat(900));
  await Promise.all(Array.from({ length: 1_800 }, (_, n) => queue.enqueue(String(n))));
  expect(await queue.size()).toBe(1_800);
});

it('enqueueMany takes what the array held when it was called, and what is missing there for undefined', async () => {
  const { client, queue } = await setUp();
  const validate = async (value: unknown) => ({ value: String(value) });
  const schema = { '~standard': { version: 1 as const, vendor: 'test', validate } };
  const checked = new FifoQueue<string>(client, 'q', { schema });
  const batch = ['a', 'b', 'c'];
  const entering = checked.enqueueMany(batch);
  batch.length = 0;
  expect(await entering).toHaveLength(3);
  await expect(queue.enqueueMany(new Array(3), { timeoutMs: 5_000 })).rejects.toMatchObject({
    code: 'codec',
  });
});

it('a job whose ends overlap is given out again if the last of them is refused', async () => {
  const { queue } = await setUp();
  const attempts: number[] = [];
  const handler: WorkerArguments[0] = async (job) => {
    attempts.push(job.attempt);
    if (job.attempt > 1) return;
    job.complete({ txn: { compare: [never], success: [put('effect', 'x')] } }).catch(() => {});
    // Refused, since the other is under way; which is then refused by its own compares.
    await job.complete();
  };
  await startWorker(queue, handler, promptly);
  await queue.enqueue('x');
  await expect.poll(() => queue.size()).toBe(0);
  expect(attempts).toEqual([1, 2]);
});

it('does not say that a job was refused with its effects when they were applied, and only the reply was late', async () => {
  const hooked = hookedStore(new MemoryServer().connect());
  const { client, queue } = await setUp(hooked.store);
  hooked.hook = async (request, send) => {
    const reply = await send();
    if (JSON.stringify(request.success).includes('"effect"')) {
      hooked.hook = undefined;
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    return reply;
  };
  const outcomes: unknown[] = [];
  const handler: WorkerArguments[0] = async (job) => {
    const txn = { success: [put('effect', 'x')] };
    await job.complete({ txn, timeoutMs: 50 }).catch(({ outcome }) => outcomes.push(outcome));
    await job.complete({ txn }).catch((error) => {
      outcomes.push(error.outcome);
      throw error;
    });
  };
  const events = await startWorker(queue, handler);
  await queue.enqueue('x');
  await expect.poll(() => events.some(({ type }) => type === 'error')).toBe(true);
  expect(outcomes).toEqual(['unknown', 'unknown']);
  expect(events.some(({ type }) => type === 'fenced')).toBe(false);
  expect((await client.store.range({ key: 'effect' })).count).toBe(1);
});

it.each([
  ['an error whose message is no text', () => Object.assign(new Error('x'), { message: { code: 5 } })],
  ['an object without any text', () => Object.create(null)],
])('counts the failure of a handler that throws %s', async (_what, thrown) => {
  const { queue } = await setUp();
  let tries = 0;
  const handler: WorkerArguments[0] = () => {
    tries += 1;
    throw thrown();
  };
  await startWorker(queue, handler, { ...promptly, attempts: 1 });
  await queue.enqueue('x');
  await expect.poll(async () => (await queue.deadLetters.list()).length).toBe(1);
  expect(tries).toBe(1);
});

it('refuses a grace that is no number before it works', async () => {
  const { queue } = await setUp();
  const worker = new Worker(queue, () => {});
  await expect(worker.run({ graceMs: Number.NaN })).rejects.toMatchObject({ code: 'invalid-argument' });
});

it('an asynchronous listener that fails harms nobody', async () => {
  const { queue } = await setUp();
  const unhandled: unknown[] = [];
  const note = (error: unknown) => unhandled.push(error);
  process.on('unhandledRejection', note);
  onTestFinished(() => void process.off('unhandledRejection', note));
  const worker = new Worker(queue, () => {});
  onTestFinished(() => worker.close());
  worker.on(async () => {
    throw new Error('listener');
  });
  await worker.start();
  await queue.enqueue('x');
  await expect.poll(() => queue.size()).toBe(0);
  expect(unhandled).toEqual([]);
});

it('lists and redrives dead letters beside one that nobody can read', async () => {
  const { client, queue, keys } = await setUp();
  const handler: WorkerArguments[0] = (job) => job.reject('no');
  await startWorker(queue, handler, { attempts: 1 });
  const { id } = await queue.enqueue('good');
  await client.store.txn(txnOf({ success: [put(keys.item(`${id}x`), 'gibberish')] }));
  await expect.poll(() => queue.size()).toBe(0);
  const letters = await queue.deadLetters.list();
  expect(letters.map(({ unreadable }) => unreadable?.code)).toEqual([undefined, 'codec']);
  await queue.controls.pause();
  expect(await queue.deadLetters.redrive('all')).toHaveLength(1);
});

it('a drain fails if the queue was opened again, be it empty by then', async () => {
  const { queue } = await setUp();
  await queue.enqueue('x');
  const draining = queue.drain();
  draining.catch(() => {});
  await expect.poll(async () => (await queue.controls.read()).closed).toBe(true);
  await queue.controls.reopen();
  await queue.purge();
  await expect(draining).rejects.toMatchObject({ code: 'aborted' });
});

it.each([
  '[]',
  '{"paused":"true"}',
  '{"limits":{"concurrency":"5"}}',
  '{"limits":{"groups":{"a":-1}}}',
  '{"limits":{"rate":{"count":1}}}',
])('takes the control %s, which nobody can read, for a pause', async (text) => {
  const { client, queue, keys } = await setUp();
  await client.store.txn(txnOf({ success: [put(keys.control, text)] }));
  expect(await queue.controls.read()).toMatchObject({ paused: true });
});
