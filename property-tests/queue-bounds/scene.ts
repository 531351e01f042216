/** The producers, workers and operators of a run, each a process of its own that may crash and start anew at any moment. */
import type { BoundedCall, EnqueueCall } from '../../src/checkers/index.js';
import { type ErrorCode, isQuorateError } from '../../src/errors.js';
import { FifoQueue, Worker } from '../../src/queues/index.js';
import { QueueKeys } from '../../src/queues/keys.js';
import { sleep } from '../../src/runtime/index.js';
import type { ProcessContext, SimulatedProcess } from '../../src/simulator/index.js';
import { inRange, Keyspace, put, type Store, type TxnRequest } from '../../src/store/index.js';
import { namespace, openClient } from '../support/open-client.js';
import { plainOpsIn } from '../support/plain-ops.js';
import { Crew } from '../support/queues/crew.js';
import { weaken } from '../support/queues/frailty.js';
import { throwContradiction } from '../support/queues/worker-events.js';
import { storeWith } from '../support/store-with.js';
import type { World } from '../support/world.js';
import type { Writable } from '../support/writable.js';
import type { BoundsWorkload, ProducerPlan, WorkerPlan } from './workload.js';

export const queueName = 'jobs';
export const prefix = new Keyspace(namespace).prefix('queue', queueName);
export const effects = `${namespace}/effect/`;

/** Of the phase under faults. */
export const safetyMs = 12_000;
const repliesLostMs = 2_500;
const restMs = 500;
const healedHandlerMs = 5;
/** What may befall a call here; anything else is a contradiction of the library's own. */
const expectable: readonly ErrorCode[] = [
  ...(['aborted', 'timeout', 'closed', 'over-limit', 'compacted', 'no-space'] as const),
  ...(['unavailable', 'unreachable', 'session-lost'] as const),
];

interface SceneCall extends Writable<BoundedCall> {
  readonly items: readonly Writable<EnqueueCall>[];
}

export class Scene {
  readonly keys = new QueueKeys(prefix);
  readonly calls: SceneCall[] = [];
  readonly crew: Crew<ProducerPlan>;
  readonly #world: World<BoundsWorkload>;
  readonly #done = new Set<SimulatedProcess>();
  #moments = 0;

  constructor(world: World<BoundsWorkload>) {
    this.#world = world;
    this.crew = new Crew<ProducerPlan>({
      ...{ world, ttlMs: world.workload.ttlMs, safetyMs, openClient },
      store: (process, context, plan) =>
        plan === undefined ? context.store : this.#held(context, process, plan),
    });
  }

  startProducer(plan: ProducerPlan): void {
    const { bound } = this.#world.workload;
    const process = this.crew.startProducer(
      { ...plan, items: plan.calls },
      {
        ways: () => plan,
        queue: (client) => new FifoQueue<string>(client, queueName, bound),
        put: (queue, { from, count }, { name, incarnation, runtime }) => {
          const calls = Array.from({ length: count }, (_, n) => {
            const size = 1 + Math.floor(runtime.random() * plan.most);
            return this.#call(`${name}.${incarnation}`, `${name}-${from + n}`, size);
          });
          return Promise.all(calls.map((call) => this.#enqueue(queue, call, plan)));
        },
        linger: async (by, { runtime }) => {
          this.#done.add(by);
          while (plan.lingers && !this.#mayLeave) await sleep(runtime, restMs);
        },
      },
    );
    weaken(this.#world, process, plan, safetyMs);
  }

  /** A producer that is well and has not put all that it wants to. */
  get busy(): SimulatedProcess | undefined {
    return this.crew.producers.find((process) => process.isCore && !this.#done.has(process));
  }

  get #mayLeave(): boolean {
    return this.crew.isHealed && this.busy === undefined;
  }

  startWorker(plan: WorkerPlan): void {
    const { workers } = this.crew;
    const process = this.#world.start(`worker-${workers.length}`, async (context) => {
      const { runtime } = context;
      if (plan.startsAfterMs > 0) await sleep(runtime, plan.startsAfterMs);
      const client = await this.crew.open(process, context);
      const queue = new FifoQueue<string>(client, queueName);
      const worker = new Worker(
        queue,
        async (job, { signal }) => {
          const handlerMs = this.crew.isHealed ? Math.min(plan.handlerMs, healedHandlerMs) : plan.handlerMs;
          if (handlerMs > 0) await sleep(runtime, handlerMs, { signal });
          if (!this.crew.isHealed && runtime.random() < plan.failing) throw new Error('it fails');
          await job.complete({ txn: { success: [put(`${effects}${job.id}`, '')] } });
        },
        {
          ...{ concurrency: plan.concurrency, mirror: this.#world.workload.mirror },
          ...{ retryDelay: { firstMs: 50, longestMs: 400 }, maxLosses: Number.POSITIVE_INFINITY },
        },
      );
      worker.on(throwContradiction);
      await worker.run();
    });
    workers.push(process);
  }

  startOperator({ changes, changeEveryMs }: BoundsWorkload): void {
    if (changes.length === 0) return;
    const process = this.#world.start('operator', async (context) => {
      const client = await this.crew.open(process, context);
      const { controls } = new FifoQueue<string>(client, queueName);
      for (const bound of changes) {
        await sleep(context.runtime, changeEveryMs);
        if (this.#isAnybodyWaiting()) this.#world.reached('the bound was changed while somebody waited');
        await controls.setBound(bound, { timeoutMs: 2_000 }).catch((error: unknown) => {
          if (isQuorateError(error, 'internal')) throw error;
        });
      }
      await client.close();
    });
  }

  /** Cancels the first item, again and again. */
  startCanceller(everyMs: number): void {
    const process = this.#world.start('canceller', async (context) => {
      const client = await this.crew.open(process, context);
      const queue = new FifoQueue<string>(client, queueName);
      const cancelFirst = async () => {
        const first = await queue.peek({ timeoutMs: 1_000 });
        if (first !== undefined) await queue.cancel(first.id, { timeoutMs: 1_000 });
      };
      while (!this.crew.isHealed) {
        await sleep(context.runtime, everyMs * context.runtime.random());
        await cancelFirst().catch((error: unknown) => {
          if (isQuorateError(error, 'internal')) throw error;
        });
      }
      await client.close();
    });
  }

  #isAnybodyWaiting(): boolean {
    return this.calls.some(({ returnedAt }) => returnedAt === Number.POSITIVE_INFINITY);
  }

  #call(producer: string, name: string, size: number): SceneCall {
    const items = Array.from({ length: size }, (_, n): Writable<EnqueueCall> => {
      return { payload: `${name}.${n}`, producer, calledAt: this.#moment(), outcome: 'pending' };
    });
    const calledAt = this.#revision;
    const call = { items, calledAt, returnedAt: Number.POSITIVE_INFINITY, refused: false };
    this.calls.push(call);
    return call;
  }

  async #enqueue(queue: FifoQueue<string>, call: SceneCall, { patienceMs: timeoutMs }: ProducerPlan) {
    const { items } = call;
    const payloads = items.map(({ payload }) => payload);
    const isFull = this.#isFull();
    try {
      const entered = await queue.enqueueMany(payloads, { timeoutMs });
      items.forEach((item, index) => {
        Object.assign(item, { id: entered[index]?.id, outcome: 'enqueued' });
      });
      if (isFull) this.#world.reached('a producer found no room, and got in');
    } catch (error) {
      if (!isQuorateError(error) || !expectable.includes(error.code)) throw error;
      for (const item of items) item.outcome = error.outcome;
      call.refused = error.code === 'over-limit';
      if (call.refused) this.#world.reached('a call was refused');
      if (isFull && error.code === 'timeout') this.#world.reached('a call gave up waiting for room');
    }
    const returnedAt = this.#moment();
    for (const item of items) item.returnedAt = returnedAt;
    call.returnedAt = this.#revision;
  }

  #isFull(): boolean {
    const { maxLength } = this.#world.workload.bound;
    return this.#world.simulation.engine.range({ ...this.keys.items, countOnly: true }).count >= maxLength;
  }

  /** Its groups are held up, and replies to them are lost. */
  #held({ store, runtime }: ProcessContext, process: SimulatedProcess, plan: ProducerPlan): Store {
    let groups = 0;
    const { simulation } = this.#world;
    return storeWith(store, {
      txn: async (request, options) => {
        if (!this.#enqueues(request)) return store.txn(request, options);
        groups += 1;
        if (groups === plan.losesReply) {
          const window = { atMs: simulation.nowMs, durationMs: repliesLostMs, target: process.index };
          simulation.inject({ ...window, kind: 'cut-replies' });
        }
        if (plan.holdMs > 0) await sleep(runtime, plan.holdMs * runtime.random());
        return store.txn(request, options);
      },
    });
  }

  #enqueues({ success }: TxnRequest): boolean {
    return plainOpsIn(success).some(({ type, key }) => type === 'put' && inRange(this.keys.items, key));
  }

  #moment(): number {
    this.#moments += 1;
    return this.#moments;
  }

  get #revision(): number {
    return this.#world.simulation.engine.revision;
  }
}
