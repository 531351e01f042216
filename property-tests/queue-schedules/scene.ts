/** The workers, operators and the producer of a run, each a process of its own that may crash and start anew at any moment. */
import { FifoQueue, Worker } from '../../src/queues/index.js';
import { QueueKeys } from '../../src/queues/keys.js';
import { sleep } from '../../src/runtime/index.js';
import type { Client } from '../../src/session/index.js';
import type { ProcessContext } from '../../src/simulator/index.js';
import { callMs, quietly } from '../support/queues/calls.js';
import { Crew } from '../support/queues/crew.js';
import { prefixOf } from '../support/queues/plain-client.js';
import { throwContradiction } from '../support/queues/worker-events.js';
import type { World } from '../support/world.js';
import { Decisions } from './decisions.js';
import type { Decision, SchedulesWorkload, SetSchedule, WorkerPlan } from './workload.js';

const queueName = 'planned';
export const prefix = prefixOf(queueName);

/** Of the phase under faults: longer than it takes for ticks to be missed. */
export const safetyMs = 14_000;
const healedHandlerMs = 10;

const queueOf = (client: Client) => new FifoQueue<string>(client, queueName);

export class Scene {
  readonly keys = new QueueKeys(prefix);
  readonly crew: Crew<WorkerPlan>;
  readonly #world: World<SchedulesWorkload>;
  readonly #decisions: Decisions;

  constructor(world: World<SchedulesWorkload>) {
    this.#world = world;
    this.#decisions = new Decisions(world, this.keys, () => this.crew.isHealed);
    this.crew = new Crew<WorkerPlan>({
      ...{ world, ttlMs: world.workload.ttlMs, safetyMs },
      store: (process, context, plan) => this.#decisions.watched(process, context, plan),
    });
  }

  startWorker(plan: WorkerPlan): void {
    const { mirror } = this.#world.workload;
    this.crew.startWorker(plan, {
      ways: () => plan,
      queue: queueOf,
      hire: (queue, { runtime }) => {
        const handler = () => sleep(runtime, this.crew.isHealed ? healedHandlerMs : plan.handlerMs);
        const worker = new Worker(queue, handler, { mirror });
        worker.on(throwContradiction);
        return worker;
      },
    });
  }

  startProducer(): void {
    const { others, othersEveryMs } = this.#world.workload;
    let sent = 0;
    const process = this.#world.start('producer', async (context) => {
      const queue = queueOf(await this.crew.open(process, context));
      while (sent < others && !this.crew.isHealed) {
        sent += 1;
        await quietly(() => queue.enqueue('other', { timeoutMs: callMs }));
        await sleep(context.runtime, othersEveryMs);
      }
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
      () => controls.reopen({ timeoutMs: callMs }),
      () => controls.resume({ timeoutMs: callMs }),
    ]);
  }

  async #decide(queue: FifoQueue<string>, does: Decision['does'], context: ProcessContext): Promise<void> {
    const { controls, schedules } = queue;
    const options = { timeoutMs: callMs };
    context.note(`does ${JSON.stringify(does)}`);
    const set = ({ name, rule, missed }: SetSchedule) =>
      schedules.set(name, { ...rule, missed, payload: `${name} ${JSON.stringify(rule)}`, ...options });
    switch (does.type) {
      case 'set':
        await set(does);
        return;
      case 'set-at-tick': {
        const first = this.#world.workload.first.find(({ name }) => name === does.name);
        if (first === undefined) return;
        await this.#decisions.next();
        if (this.crew.isHealed) return;
        this.#decisions.reached('a schedule was set as it ticked');
        await set(first);
        return;
      }
      case 'remove':
        await schedules.remove(does.name, options);
        return;
      default:
        await controls[does.type](options);
    }
  }
}
