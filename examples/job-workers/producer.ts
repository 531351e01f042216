/** One producer: puts its half of the sections into the queue, in order. */
import { FifoQueue } from 'quorate';
import { readSections } from '../support/corpus.js';
import { connect, main, report, settings } from '../support/inside-process.js';
import { type Job, jobsOf } from './job.js';

/** Enough at a time to share requests, few enough to see the queue fill up. */
const together = 100;

await main(async () => {
  const client = await connect();
  const queue = new FifoQueue<Job>(client, 'sections');
  const jobs = jobsOf(settings.label, readSections());
  for (let first = 0; first < jobs.length; first += together) {
    const part = jobs.slice(first, first + together);
    // Calls of one queue object keep their order without waiting for one another.
    await Promise.all(part.map((job) => queue.enqueue(job)));
  }
  report({ type: 'enqueued', jobs: jobs.length });
  await queue.close();
  await client.close();
});
