import type { QuorateError } from '../../errors.js';
import type { DeadLetterCause } from '../records/index.js';
import type { Job } from './job.js';

/** What a {@link Worker} tells its listeners. */
export type WorkerEvent<T> =
  /** It has joined the queue under this name and takes jobs. Again after each loss of its session. */
  | { readonly type: 'joined'; readonly worker: string }
  /** It takes no more under this name: its session was lost, or it was closed. `reason` tells. */
  | { readonly type: 'left'; readonly worker: string; readonly reason: unknown }
  /** It began or ceased to dispatch for all workers of the queue. */
  | { readonly type: 'dispatching'; readonly active: boolean; readonly term: number }
  | { readonly type: 'started'; readonly job: Job<T> }
  /** Acknowledged, in `revision` if the worker did it. */
  | { readonly type: 'completed'; readonly job: Job<T>; readonly result: unknown }
  /** The handler threw, or returned after its `complete` had been refused. Given out again after about `retryInMs`. */
  | { readonly type: 'failed'; readonly job: Job<T>; readonly error: unknown; readonly retryInMs: number }
  /**
   * It failed for good: put into the dead letters by this worker. `job` is absent if its handler was not run: it was lost
   * with too many workers, or its payload could not be read.
   */
  | {
      readonly type: 'dead';
      readonly id: string;
      readonly cause: DeadLetterCause;
      readonly reason: string;
      readonly job?: Job<T> | undefined;
    }
  /** Somebody cancelled it while this worker had it. If its handler runs, its signal has fired. */
  | { readonly type: 'cancelled'; readonly id: string; readonly reason: string; readonly wasRunning: boolean }
  /** Given back unfinished: the worker closes, or the store refused the acknowledgement. Not counted as a failure. */
  | { readonly type: 'returned'; readonly id: string }
  /** It was taken from this worker before it was done: the acknowledgement was refused, with all its effects. */
  | { readonly type: 'fenced'; readonly job: Job<T> }
  /** Its handler has run for `stallMs` without telling progress; again after as long. It goes on. */
  | { readonly type: 'stalled'; readonly job: Job<T>; readonly runningMs: number }
  /** Something failed that no caller waits for. The worker goes on. */
  | { readonly type: 'error'; readonly error: QuorateError };
