/** One worker: takes sections from the queue, hashes and counts them, and leaves the effect with the acknowledgement. */
import { FifoQueue, put, systemRuntime, Worker } from 'quorate';
import { command, connect, holdable, main, report, settings } from '../support/inside-process.js';
import { type Effect, effectKey, type Job } from './job.js';
import { examine } from './work.js';

/** As if each job also waited a little for somebody else, as most do. */
const waitMs = 10;
const concurrency = 8;

await main(async () => {
  const client = await connect();
  const queue = new FifoQueue<Job>(client, 'sections');
  const prefix = client.keys.prefix('app', 'effects');
  const unlessHeld = holdable();
  const worker = new Worker(
    queue,
    async (job) => {
      const { id, generation, payload } = job;
      report({ type: 'start', id, generation, job: payload });
      const effect: Effect = { worker: settings.label, ...examine(payload.section) };
      await new Promise<void>((resolve) => systemRuntime.setTimer(waitMs, resolve));
      await unlessHeld();
      // One transaction: either the job is acknowledged and the effect is there, or neither.
      await job.complete({ txn: { success: [put(effectKey(prefix, payload), JSON.stringify(effect))] } });
      report({ type: 'acknowledged', id });
    },
    { concurrency },
  );
  worker.on((event) => {
    if (event.type === 'error') console.error(`${settings.label}:`, event.error.message);
  });
  await worker.start();
  report({ type: 'ready' });
  await command('stop');
  await worker.close();
  await queue.close();
  await client.close();
});
