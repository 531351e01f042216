export { type Enqueued, FifoQueue, type FifoQueueOptions, type QueueItem } from './fifo-queue.js';
export type { ItemId } from './keys.js';
export { type CompleteOptions, Job } from './worker/job.js';
export type { Handler } from './worker/job-runner.js';
export { type CloseOptions, Worker } from './worker/worker.js';
export type { WorkerEvent } from './worker/worker-events.js';
export type { WorkerOptions } from './worker/worker-options.js';
