import { describe, expect, it, onTestFinished } from 'vitest';
import { isQuorateError } from '../../src/errors.js';
import { MemoryServer } from '../../src/memory/index.js';
import { FifoQueue, type FollowUp, followUp, type Job, Worker } from '../../src/queues/index.js';
import { Client } from '../../src/session/index.js';
import { put } from '../../src/store/index.js';

const largestPayloadBytes = 1_572_864 - 8_192;

async function open(): Promise<Client> {
  const client = await Client.open({ store: new MemoryServer().connect(), namespace: 'n', closeStore: true });
  onTestFinished(() => client.close());
  return client;
}

/** With one job at a time, until the queue is empty. */
async function workOff<T>(queue: FifoQueue<T>, handler: (job: Job<T>) => unknown): Promise<void> {
  const worker = new Worker(queue, handler);
  await worker.start();
  await expect.poll(() => queue.size()).toBe(0);
  await worker.close();
}

describe('the end of a job for which there is little room', () => {
  it('leaves out what is only tidied along with it', async () => {
    const client = await open();
    const queue = new FifoQueue<string>(client, 'q');
    // In one record, which goes with the last of them.
    await queue.enqueueMany(['first', 'last']);
    const most: number[] = [];
    await workOff(queue, async (job) => {
      for (let count = 130; !job.isCompleted; count -= 1) {
        const success = Array.from({ length: count }, (_, key) => put(`mine/${key}`, job.payload));
        const tried = job.complete({ txn: { success } }).then(() => most.push(count));
        await tried.catch((error: unknown) => {
          if (!isQuorateError(error, 'too-many-operations')) throw error;
        });
      }
    });
    expect(most).toHaveLength(2);
    expect(most[1]).toBe(most[0]);
  });

  it('cuts the reason of a dead letter that would not fit otherwise', async () => {
    const client = await open();
    const queue = new FifoQueue<string>(client, 'q');
    const payload = 'x'.repeat(largestPayloadBytes - 2);
    await queue.enqueue(payload, { resultMs: 60_000 });
    await workOff(queue, (job) => job.reject('\u0001'.repeat(1_000)));
    const [letter] = await queue.deadLetters.list();
    expect(letter?.payload).toBe(payload);
    expect(letter?.reason).toBe(`${'\u0001'.repeat(60)}…`);
  });
});

describe('follow-ups that are none', () => {
  it('are refused, and the job is still held', async () => {
    const client = await open();
    const queue = new FifoQueue<string>(client, 'q');
    const elsewhere = new FifoQueue<string>(await open(), 'q');
    await queue.enqueue('a');
    const wrong: unknown[] = [
      null,
      3,
      '',
      {},
      { length: 0 },
      [null],
      [undefined],
      ['an item'],
      [{}],
      [followUp(undefined as unknown as typeof queue, 'x')],
      [followUp({ client } as unknown as typeof queue, 'x')],
      [followUp(queue, 'x', null as unknown as object)],
      [followUp(elsewhere, 'x')],
    ];
    const refusals: unknown[] = [];
    await workOff(queue, async (job) => {
      for (const enqueue of wrong) {
        const completed = job.complete({ enqueue: enqueue as readonly FollowUp[] });
        refusals.push(await completed.catch((error: unknown) => error));
      }
    });
    expect(refusals).toMatchObject(wrong.map(() => ({ code: 'invalid-argument' })));
    expect(await elsewhere.size()).toBe(0);
  });
});
