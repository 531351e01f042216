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
import { Client } from '../../src/session/index.js';
import type { ProcessContext, SimulatedProcess } from '../../src/simulator/index.js';
import { compare, put } from '../../src/store/index.js';
import type { World } from '../support/world.js';
import type { HandledJob } from './handled-jobs.js';
import type { Mishap, Traffic } from './situations.js';
import type { ProducerPlan, QueueWorkload, WorkerPlan } from './workload.js';

export const namespace = 'sim';
export const queueName = 'jobs';
export const effects = `${namespace}/effect/`;

/** Of the phase under faults. */
export const safetyMs = 12_000;
/** Longer than any TTL here. */
const muteMs = 5_000;
const reopenAfterMs = 300;
const abortMs = 100;
const healedHandlerMs = 10;
const longPayloadLength = 1_100;
/** From when a worker gives its session up until the store does and the dispatcher has acted on it, with some luck. */
const longestHurryMs = 1_200;

type Call = { -readonly [Field in keyof EnqueueCall]: EnqueueCall[Field] };

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
  readonly producers: SimulatedProcess[] = [];
  readonly workers: SimulatedProcess[] = [];
  isHealed = false;
  #moments = 0;

  constructor(world: World<QueueWorkload>, traffic: Traffic, flavour: Flavour) {
    this.world = world;
    this.traffic = traffic;
    this.#flavour = flavour;
  }

  startProducer(plan: ProducerPlan): void {
    const name = `producer-${this.producers.length}`;
    let sent = 0;
    const process = this.world.start(name, async (context) => {
      const client = await this.#client(process, context, {
        ...{ at: 'enqueue', kind: 'cut-requests', nth: 2 },
        durationMs: context.incarnation === 0 ? plan.cutOffMs : 0,
        holdsUp: plan.laggard,
      });
      const queue = this.#flavour.open(client, queueName);
      const producer = `${name}.${context.incarnation}`;
      while (sent < plan.items && !(this.isHealed && !process.isCore)) {
        const burst = Math.min(plan.burst, plan.items - sent);
        const payloads = Array.from({ length: burst }, (_, n) => payloadOf(plan, name, sent + n));
        sent += burst;
        const groups = plan.inOne ? [payloads] : payloads.map((payload) => [payload]);
        await Promise.all(
          groups.map((group) => this.#enqueue(queue, group, { ...plan, ...context, producer })),
        );
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
      const client = await this.#client(process, context, {
        ...{ at: plan.hesitateAt, kind: plan.hesitateBy, nth: plan.hesitateNth },
        durationMs: context.incarnation === 0 ? plan.hesitateMs : 0,
        holdsUp: plan.laggard,
        watchLagMs: this.isHealed ? 0 : (this.#flavour.watchLagMs ?? 0),
      });
      const queue = this.#flavour.open(client, queueName);
      let closeAfterMs = context.incarnation === 0 ? plan.closeAfterMs : 0;
      for (;;) {
        const worker = new Worker(queue, (job, { signal }) => this.#handle(plan, context, job, signal), {
          concurrency: plan.concurrency,
          prefetch: plan.prefetch,
          mirror: this.world.workload.mirror,
          maxLosses: Number.POSITIVE_INFINITY,
          retryDelay: { firstMs: 50, longestMs: 400 },
        });
        worker.on((event) => this.#onEvent(process, context, event));
        if (closeAfterMs > 0) void sleep(runtime, closeAfterMs).then(() => this.#close(worker, plan));
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
    if (plan.muteAfterMs > 0) {
      simulation.inject({ atMs: plan.muteAfterMs, durationMs: muteMs, kind: 'lost-keep-alives', target });
    }
  }

  #close(worker: Worker<string>, { graceMs, noSpaceMs: durationMs }: WorkerPlan): Promise<void> {
    const { simulation } = this.world;
    if (durationMs > 0)
      simulation.inject({ atMs: simulation.nowMs, durationMs, kind: 'no-space', target: 0 });
    return worker.close({ graceMs });
  }

  async #client(process: SimulatedProcess, context: ProcessContext, mishap: Mishap): Promise<Client> {
    const { runtime } = context;
    const store = this.traffic.watched(process, context, mishap);
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
      const handlerMs = this.isHealed ? Math.min(plan.handlerMs, healedHandlerMs) : plan.handlerMs;
      const takesMs = handlerMs * (0.5 + runtime.random());
      if (takesMs > 0)
        await (plan.stubborn ? hurried(runtime, takesMs, signal) : sleep(runtime, takesMs, { signal }));
      const isPoisoned = payload.includes('!');
      if (!this.isHealed && (isPoisoned || runtime.random() < plan.failing)) throw new Error('it fails');
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
    context.note(describe(event));
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

function describe(event: WorkerEvent<string>): string {
  switch (event.type) {
    case 'joined':
      return `has joined as ${event.worker}`;
    case 'left':
      return `has left as ${event.worker}: ${event.reason}`;
    case 'dispatching':
      return `${event.active ? 'dispatches in' : 'has ended'} term ${event.term}`;
    case 'returned':
      return `has given back ${event.id}`;
    case 'dead':
    case 'cancelled':
      return `${event.type} ${event.id}: ${event.reason}`;
    case 'error':
      return `error: ${event.error.message}`;
    default:
      return `${event.type} ${event.job.id} in generation ${event.job.generation}`;
  }
}
