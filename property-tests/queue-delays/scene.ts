/** The producers, workers and operators of a run, each a process of its own that may crash and start anew at any moment. */
import { isQuorateError } from '../../src/errors.js';
import { DelayQueue, type Job, Worker, type WorkerEvent } from '../../src/queues/index.js';
import { type ItemId, QueueKeys } from '../../src/queues/keys.js';
import { sleep } from '../../src/runtime/index.js';
import { Client } from '../../src/session/index.js';
import type { ProcessContext, SimulatedProcess } from '../../src/simulator/index.js';
import { type KeyRange, Keyspace } from '../../src/store/index.js';
import type { World } from '../support/world.js';
import { Requests } from './requests.js';
import type { Decision, DelaysWorkload, ProducerPlan, WorkerPlan } from './workload.js';

const namespace = 'sim';
const queueName = 'later';
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
const cancelledAtOnce = 3;
/** What operators leave behind is put right so often. */
const tidyEveryMs = 500;

export class Scene {
  readonly world: World<DelaysWorkload>;
  readonly keys = new QueueKeys(prefix, 'delay');
  readonly producers: SimulatedProcess[] = [];
  readonly workers: SimulatedProcess[] = [];
  readonly #operators: SimulatedProcess[] = [];
  readonly #requests: Requests;
  isHealed = false;

  constructor(world: World<DelaysWorkload>) {
    this.world = world;
    this.#requests = new Requests(world, this.keys);
  }

  startProducer(plan: ProducerPlan): void {
    const name = `producer-${this.producers.length}`;
    let sent = 0;
    const process = this.world.start(name, async (context) => {
      const client = await this.#client(process, context);
      const queue = new DelayQueue<string>(client, queueName);
      while (sent < plan.items && !(this.isHealed && !process.isCore)) {
        const from = sent;
        const burst = Math.min(plan.burst, plan.items - from);
        sent += burst;
        const payloads = Array.from({ length: burst }, (_, n) => `${name}-${from + n}`);
        const each = (_: string, n: number) => ({
          delayMs: plan.delaysMs[(from + n) % plan.delaysMs.length] ?? 0,
        });
        await quietly(() => queue.enqueueMany(payloads, { timeoutMs: patienceMs, each }));
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
      const client = await this.#client(process, context, plan);
      const queue = new DelayQueue<string>(client, queueName);
      let closeAfterMs = context.incarnation === 0 ? plan.closeAfterMs : 0;
      for (;;) {
        const worker = new Worker(queue, (job, { signal }) => this.#handle(plan, context, job, signal), {
          concurrency: plan.concurrency,
          prefetch: plan.prefetch,
          mirror: this.world.workload.mirror,
          retryDelay: { firstMs: 50, longestMs: 400 },
        });
        worker.on((event) => this.#onEvent(context, event));
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

  startOperator(decisions: readonly Decision[]): void {
    let made = 0;
    const process = this.world.start(`operator-${this.#operators.length}`, async (context) => {
      const queue = new DelayQueue<string>(await this.#client(process, context), queueName);
      while (!this.isHealed) {
        const decision = decisions[made];
        if (decision === undefined) return;
        made += 1;
        await sleep(context.runtime, decision.afterMs);
        await quietly(() => this.#decide(queue, decision.does, context));
      }
    });
    this.#operators.push(process);
  }

  /** Undoes what would hold the queue up for ever, also where it still arrives late. */
  startTidying(): void {
    const process = this.world.start('tidy', async (context) => {
      const { controls } = new DelayQueue<string>(await this.#client(process, context), queueName);
      for (;;) {
        await quietly(() => controls.resume({ timeoutMs: callMs }));
        await sleep(context.runtime, tidyEveryMs);
      }
    });
  }

  async #decide(queue: DelayQueue<string>, does: Decision['does'], context: ProcessContext): Promise<void> {
    const { controls } = queue;
    const { keys } = this;
    const options = { timeoutMs: callMs };
    context.note(`does ${does}`);
    const cancelIn = async (range: Required<KeyRange>) => {
      for (let count = 0; count < cancelledAtOnce; count += 1) {
        const id = this.#oneOf(range, context.runtime.random());
        if (id !== undefined) await queue.cancel(id, options);
      }
    };
    switch (does) {
      case 'pause':
        await controls.pause(options);
        return;
      case 'resume':
        await controls.resume(options);
        return;
      case 'purge':
        if (this.world.workload.mayPurge) await queue.purge(options);
        return;
      case 'cancel':
        return cancelIn(keys.items);
      case 'cancel-delayed':
        return cancelIn(keys.delayed);
      case 'cancel-fresh':
        return cancelIn(keys.freshDelays);
    }
  }

  #oneOf(range: Required<KeyRange>, chance: number): ItemId | undefined {
    const { engine } = this.world.simulation;
    const found = engine.range({ ...range, limit: 6, keysOnly: true }).kvs;
    const item = found[Math.floor(chance * found.length)];
    return item && this.keys.nameIn(range, item.key);
  }

  async #client(process: SimulatedProcess, context: ProcessContext, plan?: WorkerPlan): Promise<Client> {
    const { runtime } = context;
    const store = this.#requests.watched(process, context, plan);
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
    if (!this.isHealed && runtime.random() < plan.failing) throw new Error(`${job.payload} fails`);
  }

  #onEvent(context: ProcessContext, event: WorkerEvent<string>): void {
    if (event.type !== 'error') context.note(event.type);
    // Its own contradictions; what a network does is not one.
    else if (event.error.code === 'internal') throw event.error;
  }
}

/** What a network does to a call is no contradiction. */
async function quietly(call: () => Promise<unknown>): Promise<void> {
  try {
    await call();
  } catch (error) {
    if (!isQuorateError(error) || error.code === 'internal' || error.code === 'invalid-argument') throw error;
  }
}
