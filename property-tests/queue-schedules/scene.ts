/** The workers, operators and the producer of a run, each a process of its own that may crash and start anew at any moment. */
import { isQuorateError } from '../../src/errors.js';
import { FifoQueue, Worker } from '../../src/queues/index.js';
import { QueueKeys } from '../../src/queues/keys.js';
import { sleep } from '../../src/runtime/index.js';
import { Client } from '../../src/session/index.js';
import type { ProcessContext, SimulatedProcess } from '../../src/simulator/index.js';
import { Keyspace } from '../../src/store/index.js';
import type { World } from '../support/world.js';
import { Decisions } from './decisions.js';
import type { Decision, SchedulesWorkload, SetSchedule, WorkerPlan } from './workload.js';

const namespace = 'sim';
const queueName = 'planned';
export const prefix = new Keyspace(namespace).prefix('queue', queueName);

/** Of the phase under faults: longer than it takes for ticks to be missed. */
export const safetyMs = 14_000;
/** Longer than any TTL here. */
const muteMs = 5_000;
const reopenAfterMs = 300;
const abortMs = 100;
const callMs = 3_000;
const tidyEveryMs = 500;
const healedHandlerMs = 10;

export class Scene {
  readonly world: World<SchedulesWorkload>;
  readonly keys = new QueueKeys(prefix);
  readonly workers: SimulatedProcess[] = [];
  readonly operators: SimulatedProcess[] = [];
  readonly #decisions: Decisions;
  #isHealed = false;

  constructor(world: World<SchedulesWorkload>) {
    this.world = world;
    this.#decisions = new Decisions(world, this.keys);
  }

  get isHealed(): boolean {
    return this.#isHealed;
  }

  healed(): void {
    this.#isHealed = true;
    this.#decisions.isHealed = true;
  }

  startWorker(plan: WorkerPlan): void {
    const process = this.world.start(`worker-${this.workers.length}`, async (context) => {
      const { runtime } = context;
      const client = await this.#client(process, context, plan);
      const queue = new FifoQueue<string>(client, queueName);
      let closeAfterMs = context.incarnation === 0 ? plan.closeAfterMs : 0;
      for (;;) {
        const handler = () => sleep(runtime, this.isHealed ? healedHandlerMs : plan.handlerMs);
        const worker = new Worker(queue, handler, { mirror: this.world.workload.mirror });
        worker.on((event) => {
          if (event.type === 'error' && event.error.code === 'internal') throw event.error;
        });
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

  startProducer(): void {
    const { others, othersEveryMs } = this.world.workload;
    let sent = 0;
    const process = this.world.start('producer', async (context) => {
      const queue = new FifoQueue<string>(await this.#client(process, context), queueName);
      while (sent < others && !this.isHealed) {
        sent += 1;
        await quietly(() => queue.enqueue('other', { timeoutMs: callMs }));
        await sleep(context.runtime, othersEveryMs);
      }
    });
  }

  startOperator(decisions: readonly Decision[]): void {
    let made = 0;
    const process = this.world.start(`operator-${this.operators.length}`, async (context) => {
      const queue = new FifoQueue<string>(await this.#client(process, context), queueName);
      while (!this.isHealed) {
        const decision = decisions[made];
        if (decision === undefined) return;
        made += 1;
        await sleep(context.runtime, decision.afterMs);
        await quietly(() => this.#decide(queue, decision.does, context));
      }
    });
    this.operators.push(process);
  }

  /** Undoes what would hold the queue up for ever, also where it still arrives late. */
  startTidying(): void {
    const process = this.world.start('tidy', async (context) => {
      const { controls } = new FifoQueue<string>(await this.#client(process, context), queueName);
      for (;;) {
        await quietly(() => controls.reopen({ timeoutMs: callMs }));
        await quietly(() => controls.resume({ timeoutMs: callMs }));
        await sleep(context.runtime, tidyEveryMs);
      }
    });
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
        const first = this.world.workload.first.find(({ name }) => name === does.name);
        if (first === undefined) return;
        await this.#decisions.next();
        if (this.isHealed) return;
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

  async #client(process: SimulatedProcess, context: ProcessContext, plan?: WorkerPlan): Promise<Client> {
    const { runtime } = context;
    const store = this.#decisions.watched(process, context, plan);
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
}

/** What a network does to a call is no contradiction. */
async function quietly(call: () => Promise<unknown>): Promise<void> {
  try {
    await call();
  } catch (error) {
    if (!isQuorateError(error) || error.code === 'internal' || error.code === 'invalid-argument') throw error;
  }
}
