/** The producers, workers and controllers of a run, each a process of its own that may crash and start anew at any moment. */

import { Facts } from '../../src/checkers/condition-judge.js';
import { isQuorateError } from '../../src/errors.js';
import { releasedIn, releasedKey } from '../../src/queues/conditions/condition-keys.js';
import { ConditionQueue, type Job, Worker, type WorkerEvent } from '../../src/queues/index.js';
import { type ItemId, QueueKeys } from '../../src/queues/keys.js';
import { sleep } from '../../src/runtime/index.js';
import { Client } from '../../src/session/index.js';
import type { ProcessContext, SimulatedProcess } from '../../src/simulator/index.js';
import { Keyspace } from '../../src/store/index.js';
import type { World } from '../support/world.js';
import { Releases } from './releases.js';
import {
  type ConditionsWorkload,
  type Decision,
  gateName,
  openValue,
  type ProducerPlan,
  tasks,
  type WorkerPlan,
} from './workload.js';

const namespace = 'sim';
const queueName = 'jobs';
export const prefix = new Keyspace(namespace).prefix('queue', queueName);

/** Of the phase under faults. */
export const safetyMs = 9_000;
/** Longer than any TTL here. */
const muteMs = 5_000;
const reopenAfterMs = 300;
const abortMs = 100;
const callMs = 3_000;
const patienceMs = 20_000;
const healedHandlerMs = 10;
/** What holds things up is put right so often, once all is healed. */
const tidyEveryMs = 500;

export class Scene {
  readonly world: World<ConditionsWorkload>;
  readonly keys = new QueueKeys(prefix, 'condition');
  readonly producers: SimulatedProcess[] = [];
  readonly workers: SimulatedProcess[] = [];
  readonly #controllers: SimulatedProcess[] = [];
  readonly #releases: Releases;
  isHealed = false;

  constructor(world: World<ConditionsWorkload>) {
    this.world = world;
    this.#releases = new Releases(world, this.keys);
  }

  startProducer(plan: ProducerPlan): void {
    const name = `producer-${this.producers.length}`;
    let sent = 0;
    const process = this.world.start(name, async (context) => {
      const client = await this.#client(process, context, { late: plan.lateEvery });
      let queue = new ConditionQueue<string>(client, queueName, this.world.workload.definition);
      while (sent < plan.items && !(this.isHealed && !process.isCore)) {
        const burst = Math.min(plan.burst, plan.items - sent);
        const items = Array.from({ length: burst }, (_, n) => itemOf(plan, name, sent + n));
        const options = { timeoutMs: patienceMs, each: (_: string, n: number) => ({ task: items[n]?.task }) };
        const payloads = items.map(({ payload }) => payload);
        if (await this.#isToldOfAnother(() => queue.enqueueMany(payloads, options))) {
          await queue.close();
          queue = new ConditionQueue<string>(client, queueName);
          continue;
        }
        sent += burst;
        if (plan.gapMs > 0) await sleep(context.runtime, plan.gapMs);
      }
      await queue.close();
      await client.close();
    });
    this.producers.push(process);
  }

  startWorker(plan: WorkerPlan): void {
    const name = `worker-${this.workers.length}`;
    const process = this.world.start(name, async (context) => {
      const { runtime } = context;
      const client = await this.#client(process, context, { worker: plan });
      const queue = new ConditionQueue<string>(client, queueName);
      let closeAfterMs = context.incarnation === 0 ? plan.closeAfterMs : 0;
      for (;;) {
        const worker = new Worker(queue, (job, { signal }) => this.#handle(plan, context, job, signal), {
          concurrency: plan.concurrency,
          prefetch: plan.prefetch,
          mirror: this.world.workload.mirror,
          retryDelay: { firstMs: 50, longestMs: 400 },
        });
        worker.on((event) => onEvent(context, event));
        if (closeAfterMs > 0) void sleep(runtime, closeAfterMs).then(() => worker.close({ graceMs: 200 }));
        await worker.run();
        closeAfterMs = 0;
        await sleep(runtime, reopenAfterMs);
      }
    });
    this.workers.push(process);
    const { simulation } = this.world;
    const { index: target } = process;
    for (const kind of plan.frailWatches ? (['broken-watches', 'slow-watches'] as const) : []) {
      simulation.inject({ atMs: 0, durationMs: safetyMs, kind, target });
    }
    if (plan.muteAfterMs > 0)
      simulation.inject({ atMs: plan.muteAfterMs, durationMs: muteMs, kind: 'lost-keep-alives', target });
  }

  startController(decisions: readonly Decision[]): void {
    let made = 0;
    const process = this.world.start(`controller-${this.#controllers.length}`, async (context) => {
      const queue = new ConditionQueue<string>(await this.#client(process, context), queueName);
      while (!this.isHealed) {
        const decision = decisions[made];
        if (decision === undefined) return;
        made += 1;
        await sleep(context.runtime, decision.afterMs);
        if (decision.with !== 'nothing') await this.#releases.next(decision.with);
        await quietly(() => this.#decide(queue, decision.does, context));
      }
    });
    this.#controllers.push(process);
  }

  /** Opens the gate and marks all tasks as done, where they are not: who is told of it twice may have missed it once. */
  startTidying(): void {
    const process = this.world.start('tidy', async (context) => {
      const queue = new ConditionQueue<string>(await this.#client(process, context), queueName);
      for (;;) {
        const { gates, done } = this.#facts();
        if (gates.get(gateName) !== openValue) {
          await quietly(() => queue.setGate(gateName, openValue, { timeoutMs: callMs }));
        }
        for (const task of tasks) {
          if (!done.has(task)) await quietly(() => queue.markDone(task, { timeoutMs: callMs }));
        }
        await sleep(context.runtime, tidyEveryMs);
      }
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
        await this.#isToldOfAnother(() =>
          new ConditionQueue<string>(queue.client, queueName).define(does.definition, options),
        );
    }
  }

  /** Not as a dispatcher reads them: it may be that which is at fault. */
  #facts(): Facts {
    const facts = new Facts(this.keys);
    const { kvs } = this.world.simulation.engine.range(this.keys.conditions);
    for (const kv of kvs) facts.learn({ type: 'put', kv });
    return facts;
  }

  #oneOfTheGathered(chance: number): ItemId | undefined {
    const { engine } = this.world.simulation;
    const { upTo = '' } = releasedIn(engine.range({ key: releasedKey(this.keys) }).kvs[0]);
    const range = this.keys.itemsBetween(upTo, undefined);
    const first = engine.range({ ...range, limit: 4, keysOnly: true }).kvs;
    const item = first[Math.floor(chance * first.length)];
    return item && this.keys.nameIn(this.keys.items, item.key);
  }

  async #client(
    process: SimulatedProcess,
    context: ProcessContext,
    plan?: Parameters<Releases['watched']>[2],
  ): Promise<Client> {
    const { runtime } = context;
    const store = this.#releases.watched(process, context, plan);
    const { clockRateError } = this.world.plan.knobs;
    const { ttlMs } = this.world.workload;
    for (;;) {
      try {
        return await Client.open({ store, runtime, namespace, ttlMs, abortMs, clockRateError });
      } catch (error) {
        if (!isQuorateError(error)) throw error;
        await sleep(runtime, reopenAfterMs);
      }
    }
  }

  async #handle(
    plan: WorkerPlan,
    { runtime }: ProcessContext,
    job: Job<string>,
    signal: AbortSignal,
  ): Promise<void> {
    const handlerMs = this.isHealed ? Math.min(plan.handlerMs, healedHandlerMs) : plan.handlerMs;
    const takesMs = handlerMs * (0.5 + runtime.random());
    if (takesMs > 0) await sleep(runtime, takesMs, { signal });
    if (this.isHealed || runtime.random() >= plan.failing) return;
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

function onEvent(context: ProcessContext, event: WorkerEvent<string>): void {
  if (event.type !== 'error') context.note(event.type);
  // Its own contradictions; what a network does is not one.
  else if (event.error.code === 'internal') throw event.error;
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

/** What a network does to a call is no contradiction. */
async function quietly(call: () => Promise<unknown>): Promise<void> {
  try {
    await call();
  } catch (error) {
    if (!isQuorateError(error) || error.code === 'internal' || error.code === 'invalid-argument') throw error;
  }
}
