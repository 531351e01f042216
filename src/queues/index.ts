export { type ConditionDefinition, ConditionQueue, type ConditionQueueOptions } from './condition-queue.js';
export * from './conditions/condition.js';
export type { Definition } from './conditions/definition.js';
export type { ConditionStatus, Explained, TaskStatus } from './conditions/status.js';
export type { TaskGraph } from './conditions/task-graph.js';
export { QueueControls, type QueueStatus } from './control/queue-controls.js';
export { type DeadLetter, DeadLetters, type ListOptions } from './dead-letters/dead-letters.js';
export { DelayQueue } from './delay-queue.js';
export type { Purged } from './emptying/purge.js';
export { FifoQueue } from './fifo-queue.js';
export type { ItemId, QueueKind } from './keys.js';
export { PriorityQueue } from './priority/priority-queue.js';
export { type FollowUp, followUp } from './producer/follow-up.js';
export type { ItemOptions } from './producer/item-options.js';
export type { Enqueued } from './producer/submission.js';
export {
  type EnqueueManyOptions,
  type EnqueueOptions,
  Queue,
  type QueueItem,
  type QueueOptions,
} from './queue.js';
export type {
  DeadLetterCause,
  ItemTraits,
  QueueBound,
  QueueControl,
  QueueLimits,
  RateLimit,
} from './records/index.js';
export type { CancelOptions, JobOutcome, WaitForResultOptions } from './results/job-outcomes.js';
export type { MissedTicks } from './schedules/due.js';
export { type Schedule, type ScheduleOptions, Schedules } from './schedules/schedules.js';
export type { ScheduleRule } from './schedules/ticks.js';
export type { BatchContext, BatchHandler } from './worker/batches.js';
export { type CompleteOptions, type CompleteReply, Job } from './worker/job.js';
export { JobRejected } from './worker/job-rejected.js';
export type { Handler } from './worker/job-runner.js';
export { type CloseOptions, Worker } from './worker/worker.js';
export type { WorkerEvent } from './worker/worker-events.js';
export type { CountedEvent, WorkerHealth } from './worker/worker-health.js';
export type { BatchOptions, BatchWorkerOptions, WorkerOptions } from './worker/worker-options.js';
