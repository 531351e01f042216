/** A process that does jobs for the runner: `worker.ts <file of properties>`. */
import type { Job, WorkerMessage } from './jobs.js';
import { ProcessGuard } from './process-guard.js';
import { loadProperties, propertyNamed } from './property-list.js';
import { search } from './search.js';

function tell(message: WorkerMessage): void {
  process.send?.(message);
}

const [file = ''] = process.argv.slice(2);
// Not awaited yet: jobs may arrive while it is read.
const list = loadProperties(file);
const guard = new ProcessGuard();

process.on('disconnect', () => process.exit());
process.on('message', (job: Job) => {
  void doJob(job).catch((error: unknown) => {
    console.error(error);
    process.exit(1);
  });
});

async function doJob(job: Job): Promise<void> {
  const result = await search(propertyNamed(await list, job.module), job, {
    guard,
    onRunning: (plan) => tell({ type: 'running', plan }),
    onFound: (finding) => tell({ type: 'found', finding }),
  });
  tell({ type: 'done', result });
}
