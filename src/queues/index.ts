export { type Enqueued, FifoQueue, type FifoQueueOptions, type QueueItem } from './fifo-queue.js';
export { type CompleteOptions, Job } from './job.js';
export type { ItemId } from './keys.js';
export { type CloseOptions, type Handler, Worker } from './worker.js';
export type { WorkerEvent } from './worker-events.js';
export type { WorkerOptions } from './worker-options.js';
