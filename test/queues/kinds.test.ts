import { describe, expect, it } from 'vitest';
import { MemoryServer } from '../../src/memory/index.js';
import {
  ConditionQueue,
  FifoQueue,
  followUp,
  Queue,
  Worker,
  type WorkerEvent,
} from '../../src/queues/index.js';
import { placeOf, QueueKeys } from '../../src/queues/keys.js';
import { createGates } from '../../src/queues/producer/admission.js';
import { Client } from '../../src/session/index.js';
import { put, txnOf } from '../../src/store/index.js';

class OfAnotherKind<T> extends Queue<T> {
  constructor(client: Client, name: string) {
    super('priority', client, name, {});
  }
}

const refusal = {
  code: 'invalid-argument',
  message: expect.stringContaining('of kind "fifo", not "priority"'),
};

function open(server = new MemoryServer()): Promise<Client> {
  return Client.open({ store: server.connect(), namespace: 'ns', closeStore: true });
}

describe('a queue that was first used as of one kind', () => {
  it('lets nothing in through an object of another', async () => {
    await using client = await open();
    await new FifoQueue<string>(client, 'q').enqueue('a');
    const other = new OfAnotherKind<string>(client, 'q');
    await expect(other.enqueue('b')).rejects.toMatchObject(refusal);
    expect(await other.size()).toBe(1);
  });

  it('lets nothing in that had read before it was made', async () => {
    const server = new MemoryServer();
    const store = server.connect();
    const keys = new QueueKeys('ns/queue/q/', 'fifo');
    let reads = 0;
    await using client = await Client.open({
      namespace: 'ns',
      closeStore: true,
      store: {
        ...store,
        txn: (request, options) => store.txn(request, options),
        range: async (request, options) => {
          const reply = await store.range(request, options);
          reads += 1;
          if (reads === 1) await store.txn(createGates(keys, reply.revision, ['']));
          return reply;
        },
        watch: (request) => store.watch(request),
        leaseGrant: (...call) => store.leaseGrant(...call),
        leaseKeepAlive: (...call) => store.leaseKeepAlive(...call),
        leaseRevoke: (...call) => store.leaseRevoke(...call),
        leaseTimeToLive: (...call) => store.leaseTimeToLive(...call),
        close: () => store.close(),
      },
    });
    await expect(new OfAnotherKind<string>(client, 'q').enqueue('b')).rejects.toMatchObject(refusal);
    expect(reads).toBe(2);
  });

  it('takes no follow-up of another, and the job is still held', async () => {
    await using client = await open();
    const queue = new FifoQueue<string>(client, 'q');
    await queue.enqueue('a');
    const refused: unknown[] = [];
    const worker = new Worker(queue, async (job) => {
      const follow = followUp(new OfAnotherKind<string>(client, 'q'), 'b');
      refused.push(await job.complete({ enqueue: [follow] }).catch((error: unknown) => error));
    });
    await worker.start();
    await expect.poll(() => queue.size()).toBe(0);
    await worker.close();
    expect(refused).toMatchObject([refusal]);
  });

  it('is joined by no worker of another, which says so and is closed', async () => {
    await using client = await open();
    const queue = new ConditionQueue<string>(client, 'q', { tasks: { b: ['a'] } });
    const seen: string[] = [];
    const right = new Worker(queue, (job) => {
      seen.push(job.payload);
    });
    await right.start();
    const wrong = new Worker(new FifoQueue<string>(client, 'q'), (job) => {
      seen.push(`${job.payload}, by another`);
    });
    const events: WorkerEvent<string>[] = [];
    wrong.on((event) => events.push(event));
    const refused = {
      code: 'invalid-argument',
      message: expect.stringContaining('of kind "condition", not "fifo"'),
    };
    await expect(wrong.start()).rejects.toMatchObject(refused);
    await expect(wrong.start()).rejects.toMatchObject(refused);
    await expect(wrong.run()).rejects.toMatchObject(refused);
    expect(events.filter(({ type }) => type === 'error' || type === 'joined')).toMatchObject([
      { type: 'error', error: refused },
    ]);
    await wrong.close();
    await queue.enqueue('A', { task: 'a' });
    await queue.enqueue('B', { task: 'b' });
    await expect.poll(() => queue.size()).toBe(0);
    await right.close();
    expect(seen).toEqual(['A', 'B']);
  });

  it('is made by the worker that joins first, in the same request', async () => {
    const server = new MemoryServer();
    await using client = await open(server);
    const worker = new Worker(new OfAnotherKind<string>(client, 'q'), () => {});
    await worker.start();
    const keys = new QueueKeys('ns/queue/q/', 'priority');
    const made = server.engine.range(keys.admission).kvs;
    const [presence] = server.engine.range(keys.presences).kvs;
    expect(made.map(({ key, createRevision }) => [key, createRevision])).toEqual([
      [keys.gate, presence?.createRevision],
      [keys.kindKey, presence?.createRevision],
    ]);
    await expect(new FifoQueue<string>(client, 'q').enqueue('a')).rejects.toMatchObject({
      code: 'invalid-argument',
    });
    await worker.close();
  });

  it('of no written kind is a FIFO queue, and is joined as one', async () => {
    const server = new MemoryServer();
    await using client = await open(server);
    const keys = new QueueKeys('ns/queue/q/', 'fifo');
    await client.store.txn(txnOf({ success: [put(keys.gate, placeOf(0))] }));
    const wrong = new Worker(new OfAnotherKind<string>(client, 'q'), () => {});
    await expect(wrong.start()).rejects.toMatchObject(refusal);
    const queue = new FifoQueue<string>(client, 'q');
    await using worker = new Worker(queue, () => {});
    await worker.start();
    await queue.enqueue('a');
    await expect.poll(() => queue.size()).toBe(0);
  });

  it('is neither closed, nor changed otherwise, by an object of another', async () => {
    await using client = await open();
    const queue = new FifoQueue<string>(client, 'q');
    await queue.enqueue('a');
    const other = new OfAnotherKind<string>(client, 'q');
    await expect(other.drain()).rejects.toMatchObject(refusal);
    await expect(other.controls.close()).rejects.toMatchObject(refusal);
    await expect(other.controls.pause()).rejects.toMatchObject(refusal);
    await expect(other.controls.setLimits({ concurrency: 1 })).rejects.toMatchObject(refusal);
    await expect(other.controls.setBound({ maxLength: 5, whenFull: 'refuse' })).rejects.toMatchObject(
      refusal,
    );
    expect(await queue.controls.read()).toMatchObject({
      paused: false,
      closed: false,
      limits: {},
      revision: 0,
    });
  });
});
