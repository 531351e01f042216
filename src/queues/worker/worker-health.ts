import type { Runtime } from '../../runtime/index.js';
import type { WorkerEvent } from './worker-events.js';

/** Whether a worker consumes, which a connection that stands does not prove. Ages are in milliseconds, undefined before the first. */
export interface WorkerHealth {
  /** It is present in the queue and may be given jobs. */
  readonly isJoined: boolean;
  /** It gives out the jobs of all workers. */
  readonly isDispatching: boolean;
  /** Handlers that run. */
  readonly running: number;
  /** Of these, handlers that have told no progress for `stallMs`. */
  readonly stalled: number;
  /** Jobs that it was given and that wait for a handler to end, or for the answer to how they ended. */
  readonly waiting: number;
  readonly oldestRunningMs: number | undefined;
  readonly lastStartedAgoMs: number | undefined;
  readonly lastCompletedAgoMs: number | undefined;
  /** Since it was made. */
  readonly counts: Readonly<Record<CountedEvent, number>>;
}

const counted = ['started', 'completed', 'failed', 'dead', 'cancelled', 'returned', 'fenced'] as const;
export type CountedEvent = (typeof counted)[number];

/** Its events, added up. */
export class HealthRecord {
  readonly #runtime: Runtime;
  readonly #counts = Object.fromEntries(counted.map((type) => [type, 0])) as Record<CountedEvent, number>;
  #isJoined = false;
  #isDispatching = false;
  #lastStartedMs: number | undefined;
  #lastCompletedMs: number | undefined;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  add(event: WorkerEvent<unknown>): void {
    switch (event.type) {
      case 'joined':
        this.#isJoined = true;
        return;
      case 'left':
        this.#isJoined = false;
        return;
      case 'dispatching':
        this.#isDispatching = event.active;
        return;
      case 'stalled':
      case 'error':
        return;
      case 'started':
        this.#lastStartedMs = this.#runtime.monotonicMs();
        break;
      case 'completed':
        this.#lastCompletedMs = this.#runtime.monotonicMs();
        break;
      default:
    }
    this.#counts[event.type] += 1;
  }

  read(
    now: Pick<WorkerHealth, 'running' | 'stalled' | 'waiting'> & {
      readonly oldestStartMs: number | undefined;
    },
  ): WorkerHealth {
    const { oldestStartMs, ...rest } = now;
    const nowMs = this.#runtime.monotonicMs();
    const age = (atMs: number | undefined) => (atMs === undefined ? undefined : nowMs - atMs);
    return {
      ...{ isJoined: this.#isJoined, isDispatching: this.#isDispatching, ...rest },
      oldestRunningMs: age(oldestStartMs),
      lastStartedAgoMs: age(this.#lastStartedMs),
      lastCompletedAgoMs: age(this.#lastCompletedMs),
      counts: { ...this.#counts },
    };
  }
}
