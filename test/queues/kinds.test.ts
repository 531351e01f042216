import { describe, expect, it } from 'vitest';
import { MemoryServer } from '../../src/memory/index.js';
import { FifoQueue, followUp, Queue, Worker, type WorkerEvent } from '../../src/queues/index.js';
import { QueueKeys } from '../../src/queues/keys.js';
import { createGates } from '../../src/queues/producer/admission.js';
import { Client } from '../../src/session/index.js';

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

  it('is not dispatched by a worker of another, which says so', async () => {
    await using client = await open();
    await new FifoQueue<string>(client, 'q').enqueue('a');
    const errors: unknown[] = [];
    const worker = new Worker(new OfAnotherKind<string>(client, 'q'), () => {});
    worker.on((event: WorkerEvent<string>) => {
      if (event.type === 'error') errors.push(event.error);
    });
    await worker.start();
    await expect.poll(() => errors.length).toBeGreaterThan(0);
    expect(errors[0]).toMatchObject(refusal);
    await worker.close();
    expect(await new FifoQueue<string>(client, 'q').size()).toBe(1);
  });
});
