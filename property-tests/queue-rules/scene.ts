/** The producers, workers and operators of a run, each a process of its own that may crash and start anew at any moment. */
import { FifoQueue, type ItemTraits, type Job, type QueueLimits, Worker } from '../../src/queues/index.js';
import { QueueKeys } from '../../src/queues/keys.js';
import { sleep } from '../../src/runtime/index.js';
import type { Client } from '../../src/session/index.js';
import type { ProcessContext } from '../../src/simulator/index.js';
import { callMs, patienceMs, quietly } from '../support/queues/calls.js';
import { Crew } from '../support/queues/crew.js';
import { cancelSome } from '../support/queues/items.js';
import { prefixOf } from '../support/queues/plain-client.js';
import { noteEvent } from '../support/queues/worker-events.js';
import { handlerTakesMs, type WorkerPlan, workerOptions } from '../support/queues/worker-plan.js';
import type { World } from '../support/world.js';
import { Assignments } from './assignments.js';
import type { Decision, ProducerPlan, RulesWorkload } from './workload.js';

const queueName = 'jobs';
export const prefix = prefixOf(queueName);

/** Of the phase under faults. */
export const safetyMs = 9_000;
/** With which everything comes to its end, and which still hold something back. */
const lastLimits: QueueLimits = { concurrency: 8, groupConcurrency: 1, rate: { count: 60, perMs: 1_000 } };

const queueOf = (client: Client) => new FifoQueue<string>(client, queueName);

export class Scene {
  readonly keys = new QueueKeys(prefix);
  readonly crew: Crew<WorkerPlan>;
  readonly #world: World<RulesWorkload>;
  readonly #assignments: Assignments;

  constructor(world: World<RulesWorkload>) {
    this.#world = world;
    this.#assignments = new Assignments(world, this.keys);
    this.crew = new Crew<WorkerPlan>({
      ...{ world, ttlMs: world.workload.ttlMs, safetyMs },
      store: (process, context, plan) => this.#assignments.watched(process, context, plan),
    });
  }

  startProducer(plan: ProducerPlan): void {
    this.crew.startProducer(plan, {
      queue: queueOf,
      put: (queue, { from, count }, { name }) => {
        const items = Array.from({ length: count }, (_, n) => itemOf(plan, name, from + n));
        const options = { timeoutMs: patienceMs, each: (_: string, n: number) => items[n]?.traits ?? {} };
        const payloads = items.map(({ payload }) => payload);
        return quietly(() => queue.enqueueMany(payloads, options));
      },
    });
  }

  startWorker(plan: WorkerPlan): void {
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
        worker.on((event) => {
          if (event.type === 'cancelled')
            this.#assignments.reached('a handler was told that its job is cancelled');
          noteEvent(context, event);
        });
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
    this.crew.startTidying(queueOf, ({ controls }) => [
      () => controls.setLimits(lastLimits, { timeoutMs: callMs }),
      () => controls.resume({ timeoutMs: callMs }),
    ]);
  }

  async #decide(queue: FifoQueue<string>, does: Decision['does'], context: ProcessContext): Promise<void> {
    const { controls } = queue;
    const { keys } = this;
    const options = { timeoutMs: callMs };
    context.note(`does ${JSON.stringify(does)}`);
    switch (does.type) {
      case 'pause':
        await controls.pause(options);
        return;
      case 'pause-at-assignment':
        await this.#assignments.next();
        await controls.pause(options);
        return;
      case 'resume':
        await controls.resume(options);
        return;
      case 'limit':
        await controls.setLimits(does.limits, options);
        return;
      case 'cancel': {
        const { engine } = this.#world.simulation;
        await cancelSome(queue, keys.items, { engine, keys, runtime: context.runtime, options });
      }
    }
  }

  async #handle(
    plan: WorkerPlan,
    { runtime }: ProcessContext,
    job: Job<string>,
    signal: AbortSignal,
  ): Promise<void> {
    const takesMs = handlerTakesMs(plan, runtime, this.crew.isHealed);
    if (takesMs > 0) await sleep(runtime, takesMs, { signal });
    const isPoisoned = job.payload.includes('!');
    if (!this.crew.isHealed && (isPoisoned || runtime.random() < plan.failing)) throw new Error('it fails');
  }
}

function itemOf(
  plan: ProducerPlan,
  producer: string,
  index: number,
): { readonly payload: string; readonly traits: ItemTraits } {
  const turn = index % (plan.keys + 1);
  const traits: ItemTraits = {
    ...(turn > 0 ? { key: `k${turn}` } : {}),
    ...(plan.groups > 0 && index % 3 > 0 ? { group: `g${index % plan.groups}` } : {}),
  };
  const isPoisoned = plan.poison > 0 && index % plan.poison === plan.poison - 1;
  return { payload: `${producer}-${index}${isPoisoned ? '!' : ''}`, traits };
}
