/** The producers and workers of a run, each a process of its own that may crash and start anew at any moment. */
import type { EnqueueCall } from '../../src/checkers/index.js';
import { isQuorateError } from '../../src/errors.js';
import {
  type ItemOptions,
  type Job,
  type Queue,
  type QueueKind,
  Worker,
  type WorkerEvent,
} from '../../src/queues/index.js';
import { type Runtime, sleep } from '../../src/runtime/index.js';
import type { Client } from '../../src/session/index.js';
import type { ProcessContext, SimulatedProcess } from '../../src/simulator/index.js';
import { compare, put } from '../../src/store/index.js';
import { Crew } from '../support/queues/crew.js';
import { namespace } from '../support/queues/plain-client.js';
import { describeEvent } from '../support/queues/worker-events.js';
import { handlerTakesMs, workerOptions } from '../support/queues/worker-plan.js';
import type { World } from '../support/world.js';
import type { Writable } from '../support/writable.js';
import type { HandledJob } from './handled-jobs.js';
import type { Mishap, Traffic } from './situations.js';
import type { ProducerPlan, QueueWorkload, WorkerPlan } from './workload.js';

export const queueName = 'jobs';
export const effects = `${namespace}/effect/`;

/** Of the phase under faults. */
export const safetyMs = 12_000;
const longPayloadLength = 1_100;
/** From when a worker gives its session up until the store does and the dispatcher has acted on it, with some luck. */
const longestHurryMs = 1_200;

type Call = Writable<EnqueueCall>;

/** The kind of queue that the processes use, and how. */
export interface Flavour {
  readonly kind: QueueKind;
  readonly open: (client: Client, name: string) => Queue<string>;
  /** By up to this, what workers' watches of the queue tell comes late. Default: 0. */
  readonly watchLagMs?: number;
  /** With what the items of a call are enqueued. Default: with nothing. */
  readonly optionsOf?: (count: number, runtime: Runtime) => readonly ItemOptions[];
}

/** What happened in the processes of a run, as they saw it. */
export class Scene {
  readonly world: World<QueueWorkload>;
  readonly traffic: Traffic;
  readonly #flavour: Flavour;
  readonly calls: Call[] = [];
  readonly handled: HandledJob[] = [];
  readonly crew: Crew<Mishap>;
  readonly #queueOf = (client: Client): Queue<string> => this.#flavour.open(client, queueName);
  #moments = 0;

  constructor(world: World<QueueWorkload>, traffic: Traffic, flavour: Flavour) {
    this.world = world;
    this.traffic = traffic;
    this.#flavour = flavour;
    this.crew = new Crew<Mishap>({
      ...{ world, ttlMs: world.workload.ttlMs, safetyMs },
      store: (process, context, mishap) => traffic.watched(process, context, mishap),
    });
  }

  startProducer(plan: ProducerPlan): void {
    this.crew.startProducer(plan, {
      ways: ({ incarnation }) => ({
        ...{ at: 'enqueue', kind: 'cut-requests', nth: 2 },
        durationMs: incarnation === 0 ? plan.cutOffMs : 0,
        holdsUp: plan.laggard,
      }),
      queue: this.#queueOf,
      put: (queue, { from, count }, context) => {
        const { name, incarnation, runtime } = context;
        const payloads = Array.from({ length: count }, (_, n) => payloadOf(plan, name, from + n));
        const groups = plan.inOne ? [payloads] : payloads.map((payload) => [payload]);
        const by = { ...plan, runtime, producer: `${name}.${incarnation}` };
        return Promise.all(groups.map((group) => this.#enqueue(queue, group, by)));
      },
    });
  }

  startWorker(plan: WorkerPlan): void {
    const options = {
      ...workerOptions(plan, this.world.workload.mirror),
      maxLosses: Number.POSITIVE_INFINITY,
    };
    this.crew.startWorker(plan, {
      ways: ({ incarnation }) => ({
        ...{ at: plan.hesitateAt, kind: plan.hesitateBy, nth: plan.hesitateNth },
        durationMs: incarnation === 0 ? plan.hesitateMs : 0,
        holdsUp: plan.laggard,
        watchLagMs: this.crew.isHealed ? 0 : (this.#flavour.watchLagMs ?? 0),
      }),
      queue: this.#queueOf,
      hire: (queue, context, process) => {
        const worker = new Worker(
          queue,
          (job, { signal }) => this.#handle(plan, context, job, signal),
          options,
        );
        worker.on((event) => this.#onEvent(process, context, event));
        return worker;
      },
      close: (worker) => this.#close(worker, plan),
    });
  }

  #close(worker: Worker<string>, { graceMs, noSpaceMs: durationMs }: WorkerPlan): Promise<void> {
    const { simulation } = this.world;
    if (durationMs > 0)
      simulation.inject({ atMs: simulation.nowMs, durationMs, kind: 'no-space', target: 0 });
    return worker.close({ graceMs });
  }

  async #enqueue(
    queue: Queue<string>,
    payloads: readonly string[],
    { producer, patienceMs, runtime }: { producer: string; patienceMs: number; runtime: Runtime },
  ): Promise<void> {
    const options = this.#flavour.optionsOf?.(payloads.length, runtime) ?? [];
    const calls = payloads.map((payload, index): Call => {
      const mayBeHeld = options[index]?.key !== undefined;
      return { payload, producer, calledAt: this.#moment(), mayBeHeld, outcome: 'pending' };
    });
    this.calls.push(...calls);
    try {
      const each = (_: string, index: number) => options[index] ?? {};
      const enqueued = await queue.enqueueMany(payloads, { timeoutMs: patienceMs, each });
      calls.forEach((call, index) => {
        Object.assign(call, { id: enqueued[index]?.id, outcome: 'enqueued' });
      });
    } catch (error) {
      if (!isQuorateError(error) || error.code === 'internal') throw error;
      for (const call of calls) call.outcome = error.outcome;
    }
    const returnedAt = this.#moment();
    for (const call of calls) call.returnedAt = returnedAt;
  }

  async #handle(
    plan: WorkerPlan,
    { name, runtime }: ProcessContext,
    job: Job<string>,
    signal: AbortSignal,
  ): Promise<void> {
    const { id, payload, generation } = job;
    const handled: HandledJob = { process: name, id, payload, generation, outcome: 'running' };
    this.handled.push(handled);
    if (job.attempt === 3) this.traffic.reached('a handler failed at a job for the third time');
    if (payload.length > longPayloadLength)
      this.traffic.reached('a payload too long for a record was handled');
    try {
      const takesMs = handlerTakesMs(plan, runtime, this.crew.isHealed);
      if (takesMs > 0)
        await (plan.stubborn ? hurried(runtime, takesMs, signal) : sleep(runtime, takesMs, { signal }));
      const isPoisoned = payload.includes('!');
      if (!this.crew.isHealed && (isPoisoned || runtime.random() < plan.failing)) throw new Error('it fails');
      if (runtime.random() < plan.refused) await this.#completeInVain(job);
      const effect = put(`${effects}${payload}`, String(generation));
      const { revision } = await job.complete({ txn: { success: [effect] } });
      Object.assign(handled, { outcome: 'completed', revision });
    } catch (error) {
      if (isQuorateError(error, 'internal')) throw error;
      handled.outcome = 'failed';
      if (isQuorateError(error, 'fenced')) handled.outcome = 'fenced';
      else if (isQuorateError(error) && error.outcome === 'unknown') handled.outcome = 'unknown';
      throw error;
    }
  }

  async #completeInVain(job: Job<string>): Promise<void> {
    const never = compare.create(`${effects}${job.payload}`, 'greater', 0);
    const { succeeded } = await job.complete({ txn: { compare: [never] } });
    if (succeeded) throw new Error('a complete succeeded whose compare does not hold');
    this.traffic.reached('a complete was refused by its own compares');
  }

  #onEvent(process: SimulatedProcess, context: ProcessContext, event: WorkerEvent<string>): void {
    context.note(describeEvent(event));
    switch (event.type) {
      case 'dispatching':
        this.traffic.dispatching(process, event.active, event.term);
        return;
      case 'fenced':
        this.traffic.reached('a worker acknowledged after its job was taken back');
        return;
      case 'returned':
        this.traffic.reached('a closing worker gave back a job');
        return;
      case 'error':
        // Its own contradictions; what a network does is not one.
        if (event.error.code === 'internal' && !isOfHandler(event.error)) throw event.error;
    }
  }

  #moment(): number {
    this.#moments += 1;
    return this.#moments;
  }
}

/** A handler that does not give up when it should; it may hurry, and is done about when its job is taken from it. */
async function hurried(runtime: Runtime, ms: number, signal: AbortSignal): Promise<void> {
  const wasTold = await sleep(runtime, ms, { signal }).then(
    () => false,
    () => true,
  );
  if (wasTold)
    await sleep(runtime, runtime.random() * (runtime.random() < 0.5 ? ms : Math.min(ms, longestHurryMs)));
}

function payloadOf(plan: ProducerPlan, producer: string, index: number): string {
  const isPoisoned = plan.poison > 0 && index % plan.poison === plan.poison - 1;
  const isLong = plan.long > 0 && index % plan.long === plan.long - 1;
  return `${producer}-${index}${isPoisoned ? '!' : ''}${isLong ? `-${'x'.repeat(longPayloadLength)}` : ''}`;
}

/** A handler that failed after completing its job is told as an error too. */
function isOfHandler(error: Error): boolean {
  return error.message.includes('failed after completing it');
}
