/** npm's bullmq as a participant: see bench/queues/participant-loop.ts. Its jobs are removed once done, as those of a queue are. */
import { participate } from '../../queues/participant-loop.js';
import { bullmqBulk, consumerConcurrency } from '../../queues/settings.js';
import { optional } from './redis.js';

interface Connection {
  readonly connection: { readonly host: string; readonly port: number };
}

interface BullJob {
  readonly data: string;
}

interface BullQueue {
  waitUntilReady(): Promise<unknown>;
  add(name: string, data: string): Promise<unknown>;
  addBulk(jobs: readonly { name: string; data: string }[]): Promise<unknown>;
  getJobCountByTypes(...types: string[]): Promise<number>;
  close(): Promise<void>;
}

interface BullWorker {
  waitUntilReady(): Promise<unknown>;
  on(event: 'completed', listener: (job: BullJob) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  close(): Promise<void>;
}

interface BullPackage {
  readonly Queue: new (
    name: string,
    options: Connection & { defaultJobOptions: { removeOnComplete: boolean } },
  ) => BullQueue;
  readonly Worker: new (
    name: string,
    handler: (job: BullJob) => Promise<void>,
    options: Connection & { concurrency: number },
  ) => BullWorker;
}

const { Queue, Worker } = await optional<BullPackage>('bullmq');

await participate(async (endpoint) => {
  const [host = '', port] = endpoint.split(':');
  const connection = { host, port: Number(port) };
  const open = async (name: string) => {
    const queue = new Queue(name, { connection, defaultJobOptions: { removeOnComplete: true } });
    await queue.waitUntilReady();
    return queue;
  };
  return {
    open: async (name) => {
      const queue = await open(name);
      return {
        put: (payload) => queue.add('job', payload),
        putMany: (payloads) => queue.addBulk(payloads.map((data) => ({ name: 'job', data }))),
        close: () => queue.close(),
      };
    },
    consume: async (name, { started, acknowledged }) => {
      const worker = new Worker(name, async (job) => started(job.data), {
        connection,
        concurrency: consumerConcurrency,
      });
      worker.on('completed', (job) => acknowledged(job.data));
      worker.on('error', (error) => console.error(error));
      await worker.waitUntilReady();
      return worker;
    },
    left: async (name) => {
      const queue = await open(name);
      const count = await queue.getJobCountByTypes(
        'wait',
        'active',
        'delayed',
        'failed',
        'prioritized',
        'paused',
      );
      await queue.close();
      return count;
    },
    close: async () => {},
  };
}, bullmqBulk);
