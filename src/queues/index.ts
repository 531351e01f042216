export { type Enqueued, FifoQueue, type FifoQueueOptions, type QueueItem } from './fifo-queue.js';
export { type CompleteOptions, Job } from './job.js';
export type { Handler } from './job-runner.js';
export type { ItemId } from './keys.js';
export { type CloseOptions, Worker } from './worker.js';
export type { WorkerEvent } from './worker-events.js';
export type { WorkerOptions } from './worker-options.js';
