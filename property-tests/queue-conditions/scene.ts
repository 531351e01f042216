/** The producers, workers and controllers of a run, each a process of its own that may crash and start anew at any moment. */

import { Facts } from '../../src/checkers/condition-judge.js';
import { isQuorateError } from '../../src/errors.js';
import { releasedIn, releasedKey } from '../../src/queues/conditions/condition-keys.js';
import { ConditionQueue, type Job, Worker } from '../../src/queues/index.js';
import { type ItemId, QueueKeys } from '../../src/queues/keys.js';
import { sleep } from '../../src/runtime/index.js';
import type { Client } from '../../src/session/index.js';
import type { ProcessContext } from '../../src/simulator/index.js';
import { callMs, patienceMs, quietly } from '../support/queues/calls.js';
import { Crew } from '../support/queues/crew.js';
import { oneOfTheFirst } from '../support/queues/items.js';
import { prefixOf } from '../support/queues/plain-client.js';
import { noteEvent } from '../support/queues/worker-events.js';
import { handlerTakesMs, type WorkerPlan, workerOptions } from '../support/queues/worker-plan.js';
import type { World } from '../support/world.js';
import { Releases, type Ways } from './releases.js';
import {
  type ConditionsWorkload,
  type Decision,
  gateName,
  openValue,
  type ProducerPlan,
  tasks,
} from './workload.js';

const queueName = 'jobs';
export const prefix = prefixOf(queueName);

/** Of the phase under faults. */
export const safetyMs = 9_000;

/** It has the definition that the queue has. */
const queueOf = (client: Client) => new ConditionQueue<string>(client, queueName);

export class Scene {
  readonly keys = new QueueKeys(prefix, 'condition');
  readonly crew: Crew<Ways>;
  readonly #world: World<ConditionsWorkload>;
  readonly #releases: Releases;

  constructor(world: World<ConditionsWorkload>) {
    this.#world = world;
    this.#releases = new Releases(world, this.keys);
    this.crew = new Crew<Ways>({
      ...{ world, ttlMs: world.workload.ttlMs, safetyMs },
      store: (process, context, ways) => this.#releases.watched(process, context, ways),
    });
  }

  /** What it was not told of, by a crash or since its definition is another than the queue's, it puts again. */
  startProducer(plan: ProducerPlan): void {
    const { crew } = this;
    const name = `producer-${crew.producers.length}`;
    let sent = 0;
    const process = this.#world.start(name, async (context) => {
      const client = await crew.open(process, context, { late: plan.lateEvery });
      let queue = new ConditionQueue<string>(client, queueName, this.#world.workload.definition);
      while (sent < plan.items && crew.goesOn(process)) {
        const burst = Math.min(plan.burst, plan.items - sent);
        const items = Array.from({ length: burst }, (_, n) => itemOf(plan, name, sent + n));
        const options = { timeoutMs: patienceMs, each: (_: string, n: number) => ({ task: items[n]?.task }) };
        const payloads = items.map(({ payload }) => payload);
        if (await this.#isToldOfAnother(() => queue.enqueueMany(payloads, options))) {
          await queue.close();
          queue = queueOf(client);
          continue;
        }
        sent += burst;
        if (plan.gapMs > 0) await sleep(context.runtime, plan.gapMs);
      }
      await queue.close();
      await client.close();
    });
    crew.producers.push(process);
  }

  startWorker(plan: WorkerPlan): void {
    const options = workerOptions(plan, this.#world.workload.mirror);
    this.crew.startWorker(plan, {
      ways: () => ({ worker: plan }),
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

  startController(decisions: readonly Decision[]): void {
    this.crew.startOperator(decisions, {
      role: 'controller',
      queue: queueOf,
      decide: async (queue, { with: occasion, does }, context) => {
        if (occasion !== 'nothing') await this.#releases.next(occasion);
        await this.#decide(queue, does, context);
      },
    });
  }

  /** Opens the gate and marks all tasks as done, where they are not: who is told of it twice may have missed it once. */
  startTidying(): void {
    const options = { timeoutMs: callMs };
    this.crew.startTidying(queueOf, (queue) => {
      const { gates, done } = this.#facts();
      const isShut = gates.get(gateName) !== openValue;
      const undone = tasks.filter((task) => !done.has(task));
      return [
        ...(isShut ? [() => queue.setGate(gateName, openValue, options)] : []),
        ...undone.map((task) => () => queue.markDone(task, options)),
      ];
    });
  }

  async #decide(
    queue: ConditionQueue<string>,
    does: Decision['does'],
    context: ProcessContext,
  ): Promise<void> {
    const options = { timeoutMs: callMs };
    context.note(`does ${JSON.stringify(does)}`);
    switch (does.type) {
      case 'gate':
        await queue.setGate(gateName, does.isOpen ? openValue : 0, options);
        return;
      case 'done':
        await queue.markDone(does.task, options);
        return;
      case 'cancel': {
        const id = this.#oneOfTheGathered(context.runtime.random());
        if (id !== undefined) await queue.cancel(id, options);
        return;
      }
      case 'purge':
        await queue.purge(options);
        return;
      case 'define':
        // One that is open for good takes no other condition.
        await this.#isToldOfAnother(() => queueOf(queue.client).define(does.definition, options));
    }
  }

  /** Not as a dispatcher reads them: it may be that which is at fault. */
  #facts(): Facts {
    const facts = new Facts(this.keys);
    const { kvs } = this.#world.simulation.engine.range(this.keys.conditions);
    for (const kv of kvs) facts.learn({ type: 'put', kv });
    return facts;
  }

  #oneOfTheGathered(chance: number): ItemId | undefined {
    const { engine } = this.#world.simulation;
    const { upTo = '' } = releasedIn(engine.range({ key: releasedKey(this.keys) }).kvs[0]);
    const range = this.keys.itemsBetween(upTo, undefined);
    const key = oneOfTheFirst(engine, range, { limit: 4, chance });
    return key && this.keys.nameIn(this.keys.items, key);
  }

  async #handle(
    plan: WorkerPlan,
    { runtime }: ProcessContext,
    job: Job<string>,
    signal: AbortSignal,
  ): Promise<void> {
    const takesMs = handlerTakesMs(plan, runtime, this.crew.isHealed);
    if (takesMs > 0) await sleep(runtime, takesMs, { signal });
    if (this.crew.isHealed || runtime.random() >= plan.failing) return;
    if (job.task !== undefined && runtime.random() < 0.5) await job.reject('it never works');
    else throw new Error('it fails');
  }

  /** True if the object was told that the definition is another than its own, or cannot be that. */
  async #isToldOfAnother(call: () => Promise<unknown>): Promise<boolean> {
    let isTold = false;
    await quietly(() =>
      call().catch((error: unknown) => {
        if (!isQuorateError(error, 'invalid-argument')) throw error;
        isTold = true;
        this.#releases.reached('an object with another definition was told');
      }),
    );
    return isTold;
  }
}

function itemOf(
  plan: ProducerPlan,
  producer: string,
  index: number,
): { readonly payload: string; readonly task: string | undefined } {
  const isTask = plan.taskEvery > 0 && index % plan.taskEvery === 0;
  const turn = Math.floor(index / Math.max(1, plan.taskEvery)) % tasks.length;
  return { payload: `${producer}-${index}`, task: isTask ? tasks[tasks.length - 1 - turn] : undefined };
}
