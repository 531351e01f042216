/** The producers, workers and operators of a run, each a process of its own that may crash and start anew at any moment. */
import { DelayQueue, type Job, Worker } from '../../src/queues/index.js';
import { QueueKeys } from '../../src/queues/keys.js';
import { sleep } from '../../src/runtime/index.js';
import type { Client } from '../../src/session/index.js';
import type { ProcessContext } from '../../src/simulator/index.js';
import type { KeyRange } from '../../src/store/index.js';
import { callMs, patienceMs, quietly } from '../support/queues/calls.js';
import { Crew } from '../support/queues/crew.js';
import { cancelSome } from '../support/queues/items.js';
import { prefixOf } from '../support/queues/plain-client.js';
import { noteEvent } from '../support/queues/worker-events.js';
import { handlerTakesMs, workerOptions } from '../support/queues/worker-plan.js';
import type { World } from '../support/world.js';
import { Requests } from './requests.js';
import type { Decision, DelaysWorkerPlan, DelaysWorkload, ProducerPlan } from './workload.js';

const queueName = 'later';
export const prefix = prefixOf(queueName);

/** Of the phase under faults. */
export const safetyMs = 9_000;

const queueOf = (client: Client) => new DelayQueue<string>(client, queueName);

export class Scene {
  readonly keys = new QueueKeys(prefix, 'delay');
  readonly crew: Crew<DelaysWorkerPlan>;
  readonly #world: World<DelaysWorkload>;

  constructor(world: World<DelaysWorkload>) {
    this.#world = world;
    const requests = new Requests(world, this.keys);
    this.crew = new Crew<DelaysWorkerPlan>({
      ...{ world, ttlMs: world.workload.ttlMs, safetyMs },
      store: (process, context, plan) => requests.watched(process, context, plan),
    });
  }

  startProducer(plan: ProducerPlan): void {
    const { delaysMs } = plan;
    this.crew.startProducer(plan, {
      queue: queueOf,
      put: (queue, { from, count }, { name }) => {
        const payloads = Array.from({ length: count }, (_, n) => `${name}-${from + n}`);
        const each = (_: string, n: number) => ({ delayMs: delaysMs[(from + n) % delaysMs.length] ?? 0 });
        return quietly(() => queue.enqueueMany(payloads, { timeoutMs: patienceMs, each }));
      },
    });
  }

  startWorker(plan: DelaysWorkerPlan): void {
    const options = workerOptions(plan, this.#world.workload.mirror);
    this.crew.startWorker(plan, {
      ways: () => plan,
      queue: queueOf,
      hire: (queue, context) => {
        const worker = new Worker(
          queue,
          (job, { signal }) => this.#handle(plan, context, job, signal),
          options,
        );
        worker.on((event) => noteEvent(context, event));
        return worker;
      },
    });
  }

  startOperator(decisions: readonly Decision[]): void {
    this.crew.startOperator(decisions, {
      queue: queueOf,
      decide: (queue, { does }, context) => this.#decide(queue, does, context),
    });
  }

  startTidying(): void {
    this.crew.startTidying(queueOf, ({ controls }) => [() => controls.resume({ timeoutMs: callMs })]);
  }

  async #decide(queue: DelayQueue<string>, does: Decision['does'], context: ProcessContext): Promise<void> {
    const { controls } = queue;
    const { keys } = this;
    const { engine } = this.#world.simulation;
    const options = { timeoutMs: callMs };
    context.note(`does ${does}`);
    const cancelIn = (range: Required<KeyRange>) =>
      cancelSome(queue, range, { engine, keys, runtime: context.runtime, options });
    switch (does) {
      case 'pause':
        await controls.pause(options);
        return;
      case 'resume':
        await controls.resume(options);
        return;
      case 'purge':
        if (this.#world.workload.mayPurge) await queue.purge(options);
        return;
      case 'cancel':
        return cancelIn(keys.items);
      case 'cancel-delayed':
        return cancelIn(keys.delayed);
      case 'cancel-fresh':
        return cancelIn(keys.freshDelays);
    }
  }

  async #handle(
    plan: DelaysWorkerPlan,
    { runtime }: ProcessContext,
    job: Job<string>,
    signal: AbortSignal,
  ): Promise<void> {
    const takesMs = handlerTakesMs(plan, runtime, this.crew.isHealed);
    if (takesMs > 0) await sleep(runtime, takesMs, { signal });
    if (!this.crew.isHealed && runtime.random() < plan.failing) throw new Error(`${job.payload} fails`);
  }
}
