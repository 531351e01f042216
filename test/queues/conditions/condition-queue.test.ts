import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MemoryServer } from '../../../src/memory/index.js';
import {
  all,
  any,
  atLeast,
  ConditionQueue,
  type ConditionQueueOptions,
  DeadLetters,
  done,
  equals,
  FifoQueue,
  followUp,
  gate,
  present,
  type QueueCondition,
  size,
  Worker,
  type WorkerOptions,
} from '../../../src/queues/index.js';
import { Client } from '../../../src/session/index.js';

let client: Client;
let server: MemoryServer;
let workers: Worker<string>[] = [];
/** What was given to handlers, in the order in which it was. */
let handled: string[] = [];

beforeEach(async () => {
  server = new MemoryServer();
  client = await Client.open({ store: server.connect(), namespace: 'ns', closeStore: true });
  handled = [];
});

afterEach(async () => {
  for (const worker of workers) await worker.close();
  workers = [];
  await client.close();
});

function queueOf(options: ConditionQueueOptions<string> = {}): ConditionQueue<string> {
  return new ConditionQueue<string>(client, 'q', options);
}

async function work(options: WorkerOptions = {}): Promise<Worker<string>> {
  const worker = new Worker(
    queueOf(),
    (job) => {
      handled.push(job.payload);
    },
    { concurrency: 1, ...options },
  );
  workers.push(worker);
  await worker.start();
  return worker;
}

/** Long enough for whatever would come to have come: a dispatcher reads and writes without a timer. */
async function calm(queue: ConditionQueue<string>): Promise<void> {
  for (let round = 0; round < 20; round += 1) await queue.size();
}

describe('size', () => {
  it('QUEUE-25 gives out nothing before the n-th item, then exactly n, in order', async () => {
    const queue = queueOf({ when: size(3) });
    await work();
    await queue.enqueueMany(['a', 'b']);
    await calm(queue);
    expect(handled).toEqual([]);
    await queue.enqueueMany(['c', 'd']);
    await expect.poll(() => handled).toEqual(['a', 'b', 'c']);
    await calm(queue);
    expect(handled).toEqual(['a', 'b', 'c']);
    expect(await queue.size()).toBe(1);
    await queue.enqueueMany(['e', 'f']);
    await expect.poll(() => handled).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
  });

  it('QUEUE-26 counts what had gathered before there was a worker, far beyond what its dispatcher holds', async () => {
    const queue = queueOf({ when: size(2_500) });
    const payloads = Array.from({ length: 2_600 }, (_, index) => String(index));
    await queue.enqueueMany(payloads.slice(0, 2_499));
    await work({ concurrency: 100, mirror: 16 });
    await calm(queue);
    expect(handled).toEqual([]);
    await queue.enqueueMany(payloads.slice(2_499));
    await expect.poll(() => handled.length, { timeout: 20_000 }).toBe(2_500);
    await calm(queue);
    expect(handled).toEqual(payloads.slice(0, 2_500));
  });

  it('QUEUE-26 does not count what was cancelled or purged', async () => {
    const queue = queueOf({ when: size(3) });
    await work();
    const [, b] = await queue.enqueueMany(['a', 'b']);
    await queue.cancel(b?.id ?? '');
    await queue.enqueue('c');
    await calm(queue);
    expect(handled).toEqual([]);
    expect((await queue.purge()).removed).toBe(2);
    await queue.enqueueMany(['d', 'e']);
    await calm(queue);
    expect(handled).toEqual([]);
    await queue.enqueue('f');
    await expect.poll(() => handled).toEqual(['d', 'e', 'f']);
  });

  it('once reached lets everything pass, if it is latched', async () => {
    const queue = queueOf({ when: size(2), release: 'latched' });
    await work();
    await queue.enqueue('a');
    await calm(queue);
    expect(handled).toEqual([]);
    await queue.enqueue('b');
    await expect.poll(() => handled).toEqual(['a', 'b']);
    await queue.enqueue('c');
    await expect.poll(() => handled).toEqual(['a', 'b', 'c']);
    expect(await queue.status()).toMatchObject({ isOpen: true, releases: 1, gathered: 0 });
  });
});

describe('tasks that are present', () => {
  it('release up to the item that made them complete', async () => {
    const queue = queueOf({ when: present('a', 'b') });
    await queue.enqueue('b1', { task: 'b' });
    await queue.enqueue('x');
    await work();
    await calm(queue);
    expect(handled).toEqual([]);
    await queue.enqueueMany(['a1', 'a2'], { task: 'a' });
    await expect.poll(() => handled).toEqual(['b1', 'x', 'a1']);
    await calm(queue);
    expect(handled).toEqual(['b1', 'x', 'a1']);
    await queue.enqueue('b2', { task: 'b' });
    await expect.poll(() => handled).toEqual(['b1', 'x', 'a1', 'a2', 'b2']);
  });
});

describe('a gate', () => {
  it('lets all go that is there while it is open', async () => {
    const queue = queueOf({ when: gate('stock', atLeast(5)) });
    await queue.enqueueMany(['a', 'b']);
    await work();
    await queue.setGate('stock', 4);
    await calm(queue);
    expect(handled).toEqual([]);
    await queue.setGate('stock', 5);
    await expect.poll(() => handled).toEqual(['a', 'b']);
    await queue.enqueue('c');
    await expect.poll(() => handled).toEqual(['a', 'b', 'c']);
    await queue.setGate('stock', 0);
    await queue.enqueue('d');
    await calm(queue);
    expect(handled).toEqual(['a', 'b', 'c']);
  });

  it('goes together with sizes and with tasks that were done', async () => {
    const queue = queueOf({ when: any(all(size(2), gate('open', equals(true))), done('flush')) });
    await work();
    await queue.enqueueMany(['a', 'b', 'c']);
    await calm(queue);
    expect(handled).toEqual([]);
    await queue.setGate('open', true);
    await expect.poll(() => handled).toEqual(['a', 'b']);
    await calm(queue);
    expect(handled).toEqual(['a', 'b']);
    await queue.markDone('flush');
    await expect.poll(() => handled).toEqual(['a', 'b', 'c']);
  });
});

describe('tasks that wait for others', () => {
  it('QUEUE-27 are given out when all their predecessors were completed, whatever the order in the queue', async () => {
    const queue = queueOf({ tasks: { test: ['build'], deploy: ['test', 'approve'] } });
    for (const task of ['deploy', 'test', 'build']) await queue.enqueue(task, { task });
    await queue.enqueue('other');
    await work();
    await expect.poll(() => handled).toEqual(['build', 'other', 'test']);
    await calm(queue);
    expect(handled).toEqual(['build', 'other', 'test']);
    await queue.enqueue('approve', { task: 'approve' });
    await expect.poll(() => handled).toEqual(['build', 'other', 'test', 'approve', 'deploy']);
  });

  it('QUEUE-27 wait on while a predecessor fails, and when it is a dead letter until that is redriven', async () => {
    const queue = queueOf({ tasks: { b: ['a'] } });
    let isBroken = true;
    await queue.enqueueMany(['a', 'b'], { each: (task) => ({ task, attempts: 2 }) });
    const worker = new Worker(
      queue,
      (job) => {
        handled.push(job.task ?? '');
        if (isBroken) throw new Error('broken');
      },
      { retryDelay: { firstMs: 1, longestMs: 1 } },
    );
    workers.push(worker);
    await worker.start();
    await expect.poll(async () => (await queue.deadLetters.list()).length).toBe(1);
    expect(handled).toEqual(['a', 'a']);
    expect((await queue.status()).tasks).toEqual([
      { task: 'a', isDone: false, waitsFor: [] },
      { task: 'b', isDone: false, waitsFor: ['a'] },
    ]);
    isBroken = false;
    await queue.deadLetters.redrive('all');
    await expect.poll(() => handled).toEqual(['a', 'a', 'a', 'b']);
    expect(queue.deadLetters).toBeInstanceOf(DeadLetters);
  });

  it('hold nothing up behind them that shares their ordering key, and take their place in it when they are let go', async () => {
    const queue = queueOf({ tasks: { pack: ['pick'] } });
    const key = 'order';
    await queue.enqueue('pack', { task: 'pack', key });
    await queue.enqueue('pick', { task: 'pick', key });
    await queue.enqueue('bill', { key });
    await work({ concurrency: 3 });
    await expect.poll(() => handled).toEqual(['pick', 'pack', 'bill']);
  });

  it('are released first, where there is a condition too', async () => {
    const queue = queueOf({ when: size(2), tasks: { b: ['a'] } });
    await work();
    await queue.enqueue('b', { task: 'b' });
    await queue.markDone('a');
    await calm(queue);
    expect(handled).toEqual([]);
    await queue.enqueue('x');
    await expect.poll(() => handled).toEqual(['b', 'x']);
  });
});

describe('a definition', () => {
  it('is that of the first object, and others are told', async () => {
    const first = queueOf({ when: size(2) });
    await first.enqueue('a');
    await expect(queueOf({ when: size(3) }).enqueue('b')).rejects.toMatchObject({
      code: 'invalid-argument',
      message: expect.stringContaining('another definition, of version 1'),
    });
    await queueOf().enqueue('b');
    await work();
    await expect.poll(() => handled).toEqual(['a', 'b']);
  });

  it('is missed by an object that has none, if it is the first', async () => {
    await expect(queueOf().enqueue('a')).rejects.toMatchObject({ code: 'invalid-argument' });
    await work();
    await expect(queueOf().enqueue('a')).rejects.toMatchObject({ code: 'invalid-argument' });
    await queueOf({ when: size(1) }).enqueue('a');
    await expect.poll(() => handled).toEqual(['a']);
  });

  it('may be changed for all, and what has gathered is judged by the new one', async () => {
    const queue = queueOf({ when: size(10), tasks: { c: ['b'] } });
    await work();
    await queue.enqueueMany(['a', 'b', 'c'], { each: (task) => ({ task: task === 'a' ? undefined : task }) });
    await calm(queue);
    const other = queueOf({ when: size(10), tasks: { c: ['b'] } });
    expect(await other.define({ when: size(3), tasks: { b: ['c'] } })).toBe(2);
    await expect.poll(() => handled).toEqual(['a', 'c', 'b']);
    await expect(queue.enqueue('d')).rejects.toMatchObject({ code: 'invalid-argument' });
    await other.enqueue('d');
    expect(await other.define({ when: size(3), tasks: { b: ['c'] } })).toBe(2);
  });

  it('does not close again what is open for good', async () => {
    const queue = queueOf({ tasks: { b: ['a'] } });
    await queue.enqueue('a', { task: 'a' });
    await work();
    await expect.poll(() => handled).toEqual(['a']);
    await expect(queue.define({ when: size(2) })).rejects.toMatchObject({ code: 'invalid-argument' });
    expect(await queue.define({ tasks: { c: ['a'] } })).toBe(2);
  });

  it('may be the first use of a queue, and opens one that waits', async () => {
    const queue = queueOf();
    expect(await queue.define({ when: gate('g', equals('x')) })).toBe(1);
    await queue.enqueue('a');
    await work();
    await calm(queue);
    expect(handled).toEqual([]);
    expect(await queue.define({})).toBe(2);
    await expect.poll(() => handled).toEqual(['a']);
  });
});

describe('status', () => {
  it('says what is missing', async () => {
    const queue = queueOf({
      when: any(all(size(3), present('a', 'b')), all(done('c'), gate('g', atLeast(2)))),
      tasks: { b: ['a'] },
    });
    await queue.enqueue('a', { task: 'a' });
    await queue.setGate('g', 1);
    const status = await queue.status();
    expect(status).toMatchObject({ version: 1, releases: 0, isOpen: false, gathered: 1, gates: { g: 1 } });
    expect(status.condition).toMatchObject({
      holds: false,
      missing:
        '((2 more items) and (items of "b")) or (("c" completed) and (gate "g" is 1, not {"atLeast":2}))',
    });
    expect(status.tasks).toEqual([
      { task: 'a', isDone: false, waitsFor: [] },
      { task: 'b', isDone: false, waitsFor: ['a'] },
      { task: 'c', isDone: false, waitsFor: [] },
    ]);
  });
});

const manyNames = Array.from({ length: 2_000 }, (_, index) => `name-${index}`);

/** A small object, and 4^15 of it as it is walked. */
function manyfold(part: (...of: QueueCondition[]) => QueueCondition, of: QueueCondition): QueueCondition {
  let whole = of;
  for (let level = 0; level < 15; level += 1) whole = part(whole, whole, whole, whole);
  return whole;
}

describe('what is refused', () => {
  it.each([
    ['a size of 0', { when: size(0) }],
    ['a size that is no number', { when: size(Number.NaN) }],
    ['no condition', { when: 7 as never }],
    ['a function for a predicate', { when: gate('g', (() => true) as never) }],
    ['nothing to be present', { when: present() }],
    ['nothing of all', { when: all() }],
    ['another way of release', { when: size(1), release: 'once' as never }],
    ['tasks that wait for each other', { tasks: { a: ['b'], b: ['c'], c: ['a'] } }],
    ['a task that waits for itself', { tasks: { a: ['a'] } }],
    ['tasks as a list', { tasks: ['a'] as never }],
    ['a task without a list', { tasks: { a: 'b' as never } }],
    ['tasks that are null', { tasks: null as never }],
    ['a size without a text', { when: size(Object.create(null) as never) }],
    ['a way of release without a text', { release: Object.create(null) as never }],
    ['a predicate without a text', { when: gate('g', atLeast(Object.create(null) as never)) }],
    ['a value without a text', { when: gate('g', equals(Object.create(null) as never)) }],
    ['a condition of a type without a text', { when: { type: Object.create(null) } as never }],
    ['one condition in many places', { when: manyfold(any, size(1)) }],
    ['tasks in many places', { when: manyfold(all, present(...manyNames)) }],
    ['values in many places', { when: manyfold(all, gate('g', { oneOf: manyNames })) }],
  ])('as a definition: %s', async (_, options) => {
    expect(() => queueOf(options)).toThrow(expect.objectContaining({ code: 'invalid-argument' }));
    await expect(queueOf().define(options)).rejects.toMatchObject({ code: 'invalid-argument' });
  });

  it('names that nobody waits for, and values that no gate has', async () => {
    const queue = queueOf({ when: gate('g', equals(1)), tasks: { b: ['a'] } });
    const refused = { code: 'invalid-argument' };
    await expect(queue.enqueue('x', { task: 'z' })).rejects.toMatchObject(refused);
    await expect(queue.enqueue('x', { task: 7 as never })).rejects.toMatchObject(refused);
    await expect(queue.setGate('h', 1)).rejects.toMatchObject(refused);
    await expect(queue.setGate('g', Number.NaN)).rejects.toMatchObject(refused);
    await expect(queue.setGate('g', {} as never)).rejects.toMatchObject(refused);
    await expect(queue.markDone('z')).rejects.toMatchObject(refused);
    await expect(queue.define(null as never)).rejects.toMatchObject(refused);
    await expect(new FifoQueue<string>(client, 'f').enqueue('x', { task: 'a' })).rejects.toMatchObject(
      refused,
    );
    await new FifoQueue<string>(client, 'q').enqueue('x');
    await expect(queue.setGate('g', 1)).rejects.toMatchObject(refused);
    await expect(queue.define({ when: size(1) })).rejects.toMatchObject(refused);
  });

  it('a task that the stored definition does not know, of an object that has none; and what else enters with it does', async () => {
    const queue = queueOf({ tasks: { b: ['a'] } });
    await queue.enqueue('0', { task: 'a' });
    const other = queueOf();
    const refused = { code: 'invalid-argument', message: expect.stringContaining('"z"') };
    const [known, mistyped, plain] = await Promise.allSettled([
      other.enqueue('1', { task: 'b' }),
      other.enqueueMany(['2', '3'], { each: (payload) => ({ task: payload === '2' ? 'a' : 'z' }) }),
      other.enqueue('4'),
    ]);
    expect([known.status, plain.status]).toEqual(['fulfilled', 'fulfilled']);
    expect(mistyped).toMatchObject({ status: 'rejected', reason: refused });
    expect(await queue.size()).toBe(3);
    const codes: unknown[] = [];
    const worker = new Worker(other, async (job) => {
      handled.push(job.payload);
      if (job.payload !== '4') return;
      const follow = followUp(queueOf(), '5', { task: 'z' });
      codes.push(await job.complete({ enqueue: [follow] }).catch((error: { code: string }) => error.code));
    });
    workers.push(worker);
    await worker.start();
    await expect.poll(() => handled.length).toBe(3);
    await expect.poll(() => queue.size()).toBe(0);
    expect(codes).toEqual(['invalid-argument']);
    // What another definition knows is let in by it.
    await queue.define({ tasks: { z: ['a'] } });
    await other.enqueue('6', { task: 'z' });
    await expect.poll(() => handled.at(-1)).toBe('6');
  });

  it('a follow-up without the definition or with another, and the job is still held', async () => {
    const queue = queueOf({ when: size(1) });
    await queue.enqueue('a');
    const codes: unknown[] = [];
    const worker = new Worker(queue, async (job) => {
      const follow = followUp(queueOf({ when: size(2) }), 'b');
      codes.push(await job.complete({ enqueue: [follow] }).catch((error: { code: string }) => error.code));
      await job.complete({ enqueue: job.payload === 'a' ? [followUp(queue, 'c')] : [] });
      handled.push(job.payload);
    });
    workers.push(worker);
    await worker.start();
    await expect.poll(() => handled).toEqual(['a', 'c']);
    expect(codes).toEqual(['invalid-argument', 'invalid-argument']);
  });
});
