/** The queue: enqueue, and drain with acknowledgement, in one process. */
import { Client, FifoQueue, Worker } from 'quorate';
import { openEtcd3Store } from 'quorate/etcd3';
import { type BenchOptions, type BenchResult, interleave, median } from './harness.js';

const concurrency = 100;

export async function queueBench({ endpoint, quick }: BenchOptions): Promise<BenchResult> {
  const jobs = quick ? 1_000 : 10_000;
  const rounds = quick ? 1 : 5;
  const client = await Client.open({
    store: await openEtcd3Store({ hosts: endpoint }),
    closeStore: true,
    namespace: 'bench',
  });
  const rateSince = (startMs: number) => (jobs / (performance.now() - startMs)) * 1_000;
  let number = 0;
  let queue = new FifoQueue<number>(client, 'queue-0');
  const figures = await interleave(
    {
      enqueue: async () => {
        number += 1;
        queue = new FifoQueue<number>(client, `queue-${number}`);
        const startMs = performance.now();
        await Promise.all(Array.from({ length: jobs }, (_unused, job) => queue.enqueue(job)));
        return rateSince(startMs);
      },
      // Filled anew where the round goes the other way.
      drain: async () => {
        if ((await queue.size()) === 0) {
          number += 1;
          queue = new FifoQueue<number>(client, `queue-${number}`);
          await queue.enqueueMany(Array.from({ length: jobs }, (_unused, job) => job));
        }
        const startMs = performance.now();
        await drain(queue, jobs);
        return rateSince(startMs);
      },
    },
    rounds,
  );
  await client.close();
  return {
    name: 'queue',
    settings: {
      jobs: `${jobs} a round, payload a number, handlers that do nothing, concurrency ${concurrency}`,
      rounds: `${rounds}; medians`,
    },
    rows: [
      { what: 'enqueue, all at once', ours: median(figures.enqueue), unit: 'jobs/s' },
      { what: 'process + acknowledge', ours: median(figures.drain), unit: 'jobs/s' },
    ],
    rounds: figures,
    leftOut: [],
  };
}

async function drain(queue: FifoQueue<number>, jobs: number): Promise<void> {
  const worker = new Worker(queue, () => {}, { concurrency });
  let done = 0;
  await new Promise<void>((resolve, reject) => {
    worker.on((event) => {
      if (event.type === 'error') reject(event.error);
      if (event.type === 'completed') done += 1;
      if (done === jobs) resolve();
    });
    worker.start().catch(reject);
  });
  await worker.close();
}
