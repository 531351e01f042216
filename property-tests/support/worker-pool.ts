import type { Compiled } from './compiled.js';
import type { Job, JobResult } from './jobs.js';
import { WorkerProcess } from './worker-process.js';

/** Does jobs in so many processes. What each does depends on its job alone, so the outcome is the same however many there are. */
export async function doJobs<J extends Job>(
  jobs: readonly J[],
  compiled: Compiled,
  processes: number,
  hooks: { readonly isWanted: (job: J) => boolean; readonly onDone: (job: J, result: JobResult) => void },
): Promise<void> {
  const left = [...jobs];
  const work = async () => {
    let worker: WorkerProcess | undefined;
    for (let job = left.shift(); job !== undefined; job = left.shift()) {
      if (!hooks.isWanted(job)) continue;
      if (!worker?.isAlive) worker = new WorkerProcess(compiled);
      hooks.onDone(job, await worker.do(job));
    }
    worker?.stop();
  };
  await Promise.all(Array.from({ length: Math.min(processes, jobs.length) }, work));
}
