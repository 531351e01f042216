import { availableParallelism } from 'node:os';
import type { Job, JobResult } from './jobs.js';
import { type WorkerOptions, WorkerProcess } from './worker-process.js';

export interface PoolOptions extends WorkerOptions {
  /** Default: one to each core. */
  readonly workers?: number | undefined;
}

/**
 * Does jobs in as many processes as there are cores. What each does depends on its job alone, so the outcome is the
 * same however many there are.
 */
export async function doJobs<J extends Job>(
  jobs: readonly J[],
  options: PoolOptions,
  hooks: { readonly isWanted: (job: J) => boolean; readonly onDone: (job: J, result: JobResult) => void },
): Promise<void> {
  const left = [...jobs];
  const work = async () => {
    let worker: WorkerProcess | undefined;
    for (let job = left.shift(); job !== undefined; job = left.shift()) {
      if (!hooks.isWanted(job)) continue;
      if (!worker?.isAlive) worker = new WorkerProcess(options);
      hooks.onDone(job, await worker.do(job));
    }
    worker?.stop();
  };
  const { workers = availableParallelism() } = options;
  await Promise.all(Array.from({ length: Math.min(workers, jobs.length) }, work));
}
