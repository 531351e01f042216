/** One producer: puts its half of the sections into the queue, in order. */
import { FifoQueue } from 'quorate';
import { readSections } from '../support/corpus.js';
import { connect, main, report, settings } from '../support/inside-process.js';
import { type Job, jobsOf, type Put } from './job.js';

/** Enough at a time to share requests, few enough to see the queue fill up. */
const together = 100;

await main(async () => {
  const client = await connect();
  const queue = new FifoQueue<Job>(client, 'sections');
  const anyKey = { key: client.keys.prefix('app', 'effects'), keysOnly: true } as const;
  const jobs = jobsOf(settings.label, readSections());
  for (let first = 0; first < jobs.length; first += together) {
    const part = jobs.slice(first, first + together);
    // Whatever is read, the answer tells at which revision the store was before these calls.
    const { revision: calledAt } = await client.store.range(anyKey);
    // Calls of one queue object keep their order without waiting for one another.
    const entered = await Promise.all(part.map((job) => queue.enqueue(job)));
    const puts: Put[] = entered.map(({ id, revision }) => ({ id, revision, calledAt }));
    report({ type: 'enqueued', puts });
  }
  await queue.close();
  await client.close();
});
