import { describe, expect, it, onTestFinished } from 'vitest';
import { QuorateError } from '../../src/errors.js';
import { MemoryServer } from '../../src/memory/index.js';
import { FifoQueue, Worker } from '../../src/queues/index.js';
import { QueueKeys } from '../../src/queues/keys.js';
import { decodeTakeBack, encodeRecord } from '../../src/queues/records/index.js';
import { Client } from '../../src/session/index.js';
import { type Op, put, type Store, txnOf, type Watch, type WatchRequest } from '../../src/store/index.js';
import { hookedStore } from '../support/hooked-store.js';
import { storeWith } from '../support/store-with.js';

describe('a life of a worker', () => {
  it('QUEUE-7 that a failed watch ends leaves no presence behind, though the session lives on', async () => {
    const server = new MemoryServer();
    const inner = server.connect();
    const failures: ((error: Error) => void)[] = [];
    const watch = (request: WatchRequest): Watch => {
      const opened = inner.watch(request);
      const failure = new Promise<never>((_resolve, reject) => {
        if (request.key.includes('/a/')) failures.push(reject);
      });
      failure.catch(() => {});
      async function* items() {
        const reader = opened[Symbol.asyncIterator]();
        for (;;) {
          const { value, done } = await Promise.race([reader.next(), failure]);
          if (done) return;
          yield value;
        }
      }
      return { close: () => opened.close(), [Symbol.asyncIterator]: items };
    };
    const client = await Client.open({ store: storeWith(inner, { watch }), namespace: 'n' });
    onTestFinished(() => client.close());
    const queue = new FifoQueue<number>(client, 'q');
    let done = 0;
    const worker = new Worker(queue, () => {
      done += 1;
    });
    onTestFinished(() => worker.close());
    let lives = 0;
    worker.on((event) => {
      if (event.type === 'joined') lives += 1;
    });
    await worker.start();
    for (let life = 1; life <= 3; life += 1) {
      await expect.poll(() => lives).toBe(life);
      failures.at(-1)?.(new QuorateError('permission-denied', 'no watches for you'));
    }
    await expect.poll(() => lives).toBe(4);
    const { presences } = new QueueKeys(client.keys.prefix('queue', 'q'));
    await expect.poll(() => server.engine.range(presences).count).toBe(1);
    await queue.enqueueMany(Array.from({ length: 20 }, (_, job) => job));
    await expect.poll(() => done).toBe(20);
  });

  it('QUEUE-7 whose session is lost as it begins is followed by another', async () => {
    const client = await Client.open({ store: new MemoryServer().connect(), namespace: 'n' });
    onTestFinished(() => client.close());
    let sessions = 0;
    client.onSessionChange(({ session, previous }) => {
      if (previous !== undefined) return;
      sessions += 1;
      if (sessions <= 2) void session.close();
    });
    const queue = new FifoQueue<number>(client, 'q');
    let done = 0;
    const worker = new Worker(queue, () => {
      done += 1;
    });
    onTestFinished(() => worker.close());
    await worker.start();
    await queue.enqueue(1);
    await expect.poll(() => done).toBe(1);
    expect(sessions).toBe(3);
  });
});

describe('a worker that closes politely', () => {
  it('QUEUE-7 gives back what was assigned to it at the last moment, and is not counted as lost', async () => {
    const server = new MemoryServer();
    const inner = server.connect();
    const keys = new QueueKeys('n/queue/q/');
    const isLeaving = (op: Op): boolean =>
      op.type === 'txn'
        ? [...op.success, ...op.failure].some(isLeaving)
        : op.type === 'delete' && op.key.startsWith(keys.presences.key);
    let late: (() => Promise<unknown>) | undefined;
    const txn: Store['txn'] = async (request, options) => {
      const putLate = late;
      if (putLate !== undefined && [...request.success, ...request.failure].some(isLeaving)) {
        late = undefined;
        await putLate();
      }
      return inner.txn(request, options);
    };
    // Its watch brings nothing any more, as on a connection that stalls.
    const watch = (request: WatchRequest): Watch => {
      const opened = inner.watch(request);
      async function* items() {
        for await (const item of opened) {
          if (isStalled) await new Promise(() => {});
          yield item;
        }
      }
      return request.key.includes('/a/')
        ? { close: () => opened.close(), [Symbol.asyncIterator]: items }
        : opened;
    };
    let isStalled = false;
    const client = await Client.open({ store: storeWith(inner, { txn, watch }), namespace: 'n' });
    onTestFinished(() => client.close());
    const queue = new FifoQueue<string>(client, 'q');
    await queue.controls.pause();
    const worker = new Worker(queue, () => {});
    let name = '';
    worker.on((event) => {
      if (event.type === 'joined') name = event.worker;
    });
    await worker.start();
    const { id, revision } = await queue.enqueue('a');
    const job = { id, create: revision, generation: 0, failures: 0, losses: 0 };
    isStalled = true;
    // As by a dispatcher that has not seen yet that the worker is leaving.
    late = () => inner.txn(txnOf({ success: [put(`${keys.recordsOf(name).key}late`, encodeRecord([job]))] }));
    await worker.close();
    expect(late).toBeUndefined();
    const [takenBack] = server.engine.range({ key: keys.generation(id) }).kvs;
    expect(takenBack?.version).toBe(1);
    expect(takenBack && decodeTakeBack(takenBack.value)).toMatchObject({ reason: 'returned', losses: 0 });
    expect(server.engine.range(keys.presences).count).toBe(0);
    expect(server.engine.range(keys.records).count).toBe(0);
  });

  it('tells of no error where it gives back a job whose payload is being read', async () => {
    const hooked = hookedStore(new MemoryServer().connect());
    const client = await Client.open({ store: hooked.store, namespace: 'n' });
    onTestFinished(() => client.close());
    const keys = new QueueKeys(client.keys.prefix('queue', 'q'));
    const queue = new FifoQueue<string>(client, 'q');
    const { id } = await queue.enqueue('x'.repeat(2_000));
    const takesBack = (ops: readonly Op[]): boolean =>
      ops.some((op) =>
        op.type === 'txn' ? takesBack(op.success) : op.type === 'put' && op.key === keys.generation(id),
      );
    let failRead = () => {};
    let isReading = false;
    let giveBack: (() => void) | undefined;
    hooked.hook = async (request, send) => {
      const [first] = request.success;
      if (first?.type === 'range' && first.key === keys.item(id) && first.keysOnly !== true) {
        isReading = true;
        await new Promise<void>((_, reject) => {
          failRead = () => reject(new QuorateError('permission-denied', 'not for you'));
        });
      }
      if (takesBack(request.success)) await new Promise<void>((resolve) => (giveBack = resolve));
      return send();
    };
    const worker = new Worker(queue, () => {});
    const errors: string[] = [];
    worker.on((event) => {
      if (event.type === 'error') errors.push(event.error.code);
    });
    await worker.start();
    await expect.poll(() => isReading).toBe(true);
    const closed = worker.close();
    await expect.poll(() => giveBack !== undefined).toBe(true);
    failRead();
    await new Promise((resolve) => setTimeout(resolve, 20));
    hooked.hook = undefined;
    giveBack?.();
    await closed;
    expect(errors).toEqual(['permission-denied']);
  });
});
