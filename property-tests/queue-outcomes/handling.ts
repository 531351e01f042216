/** What workers do with the jobs that they are given, and what becomes of each. */
import type { ToldHandler } from '../../src/checkers/index.js';
import { isQuorateError } from '../../src/errors.js';
import {
  type BatchContext,
  type FifoQueue,
  followUp,
  type Job,
  JobRejected,
  Worker,
} from '../../src/queues/index.js';
import { type Runtime, sleep } from '../../src/runtime/index.js';
import type { Client } from '../../src/session/index.js';
import type { ProcessContext } from '../../src/simulator/index.js';
import { put } from '../../src/store/index.js';
import { namespace } from '../support/open-client.js';
import { handlerTakesMs, workerOptions } from '../support/queues/worker-plan.js';
import type { Writable } from '../support/writable.js';
import type { Look } from './look.js';
import type { WorkerPlan } from './workload.js';

export const effects = `${namespace}/effect/`;
/** Of all workers. */
export const limits = { attempts: 4, maxLosses: 3 } as const;

const reopenAfterMs = 300;

/** What a handler of batches throws by intention: once all its jobs have ended, the worker tells of it. */
export const batchFailure = new Error('the batch fails');

export interface SeenHandler extends Writable<ToldHandler> {
  state: 'running' | 'completing' | 'over';
}

export interface Workplace {
  readonly plan: WorkerPlan;
  readonly context: ProcessContext;
  readonly client: Client;
  readonly look: Look;
  readonly queue: FifoQueue<string>;
  readonly other: FifoQueue<unknown>;
}

/** The handlers of all workers of a run, as they saw it. */
export class Handling {
  readonly handlers: SeenHandler[] = [];
  readonly #mirror: number;
  readonly #isHealed: () => boolean;

  /** `mirror`: waiting items that a dispatcher holds in memory. */
  constructor(mirror: number, isHealed: () => boolean) {
    this.#mirror = mirror;
    this.#isHealed = isHealed;
  }

  /** A worker that does jobs at this place. */
  hire(at: Workplace): Worker<string> {
    const { batch: size, lingerMs } = at.plan;
    const options = { ...workerOptions(at.plan, this.#mirror), ...limits };
    if (size === 0) {
      return new Worker(at.queue, (job, { signal }) => this.#handle(at, job, signal), options);
    }
    const batch = { size, lingerMs };
    return Worker.inBatches(at.queue, (jobs, context) => this.#handleBatch(at, jobs, context), {
      ...{ ...options, batch },
    });
  }

  /** Its jobs are done side by side. */
  async #handleBatch(
    at: Workplace,
    jobs: readonly Job<string>[],
    { fail }: BatchContext<string>,
  ): Promise<void> {
    const throws = !this.#isHealed() && at.context.runtime.random() < at.plan.throwing;
    const errors: unknown[] = [];
    await Promise.all(
      jobs.map(async (job) => {
        try {
          await this.#handle(at, job, job.signal);
        } catch (error) {
          errors.push(error);
          if (!throws) fail(job, error);
        }
      }),
    );
    if (errors.length === 0) return;
    const isMixed = jobs.some(({ isCompleted }) => isCompleted);
    if (isMixed) {
      at.look.reached(
        throws
          ? 'a batch was given up in the middle'
          : 'a job of a batch failed beside one that was completed',
      );
    }
    if (throws) throw batchFailure;
  }

  async #handle(at: Workplace, job: Job<string>, signal: AbortSignal): Promise<unknown> {
    const { context } = at;
    const { id, generation } = job;
    const handler: SeenHandler = {
      ...{ process: context.name, id, generation, rejects: false, told: 'untold', state: 'running' },
    };
    this.handlers.push(handler);
    try {
      return await this.#work(at, job, signal, handler);
    } catch (error) {
      if (isQuorateError(error, 'internal')) throw error;
      const isRefusal = isQuorateError(error, 'fenced') || isQuorateError(error, 'job-cancelled');
      if (isRefusal && error.outcome === 'not-applied' && handler.state === 'completing') {
        handler.told = 'refused';
      }
      throw error;
    } finally {
      handler.state = 'over';
    }
  }

  async #work(at: Workplace, job: Job<string>, signal: AbortSignal, handler: SeenHandler): Promise<unknown> {
    const { plan, context, client } = at;
    const { runtime } = context;
    const { payload } = job;
    if (plan.tellsProgress) void job.progress({ at: 'the beginning' }).catch(() => {});
    const takesMs = handlerTakesMs(plan, runtime, this.#isHealed());
    if (takesMs > 0) await sleep(runtime, takesMs, plan.stubborn ? {} : { signal });
    if (plan.tellsProgress) void job.progress({ at: 'the end' }).catch(() => {});
    if (payload.includes('+')) {
      // As if it had killed its process.
      await (await client.session()).close();
      await sleep(runtime, reopenAfterMs);
      throw new Error('it takes its worker with it');
    }
    const isHopeless = payload.includes('!');
    if (isHopeless || (!this.#isHealed() && runtime.random() < plan.failing)) throw new Error('it fails');
    if (!this.#isHealed() && runtime.random() < plan.rejecting) return this.#reject(runtime, job, handler);
    const isAsked = payload.includes('?');
    const count = Array.isArray(payload) ? 0 : plan.followUps;
    if (isAsked && plan.batch === 0 && count === 0 && runtime.random() < plan.returning) {
      return { generation: job.generation, followUps: 0 };
    }
    return this.#complete(at, job, handler, count);
  }

  async #reject(runtime: Runtime, job: Job<string>, handler: SeenHandler): Promise<void> {
    handler.rejects = true;
    if (runtime.random() < 0.5) throw new JobRejected('it makes no sense');
    handler.state = 'completing';
    await job.reject('it makes no sense');
    handler.told = 'dead';
  }

  async #complete(
    { look, queue, other }: Workplace,
    job: Job<string>,
    handler: SeenHandler,
    count: number,
  ): Promise<void> {
    handler.state = 'completing';
    const enqueue = Array.from({ length: count }, (_, at) =>
      followUp((at % 2 === 0 ? queue : other) as FifoQueue<unknown>, [job.id, at]),
    );
    const result = { generation: job.generation, followUps: count };
    const success = [put(`${effects}${job.id}`, JSON.stringify(result))];
    try {
      const { revision, enqueued } = await job.complete({ txn: { success }, enqueue, result });
      Object.assign(handler, { told: 'completed', revision, followUps: enqueued.map(({ id }) => id) });
    } catch (error) {
      if (!isQuorateError(error, 'queue-closed')) throw error;
      look.reached('follow-ups were refused by a closed queue');
      await this.#complete({ look, queue, other } as Workplace, job, handler, 0);
    }
  }
}
