/** The producers, workers and operators of a run, each a process of its own that may crash and start anew at any moment. */
import type { BoundedCall, EnqueueCall } from '../../src/checkers/index.js';
import { type ErrorCode, isQuorateError } from '../../src/errors.js';
import { FifoQueue, Worker } from '../../src/queues/index.js';
import { QueueKeys } from '../../src/queues/keys.js';
import { sleep } from '../../src/runtime/index.js';
import type { ProcessContext, SimulatedProcess } from '../../src/simulator/index.js';
import { inRange, Keyspace, type Op, put, type Store, type TxnRequest } from '../../src/store/index.js';
import { namespace, openClient } from '../support/open-client.js';
import type { World } from '../support/world.js';
import type { BoundsWorkload, ProducerPlan, WorkerPlan } from './workload.js';

export const queueName = 'jobs';
export const prefix = new Keyspace(namespace).prefix('queue', queueName);
export const effects = `${namespace}/effect/`;

/** Of the phase under faults. */
export const safetyMs = 12_000;
const muteMs = 5_000;
const repliesLostMs = 2_500;
const restMs = 500;
const healedHandlerMs = 5;
/** What may befall a call here; anything else is a contradiction of the library's own. */
const expectable: readonly ErrorCode[] = [
  ...(['aborted', 'timeout', 'closed', 'over-limit', 'compacted', 'no-space'] as const),
  ...(['unavailable', 'unreachable', 'session-lost'] as const),
];

type Writable<T> = { -readonly [Field in keyof T]: T[Field] };
interface SceneCall extends Writable<BoundedCall> {
  readonly items: readonly Writable<EnqueueCall>[];
}

export class Scene {
  readonly keys = new QueueKeys(prefix);
  readonly calls: SceneCall[] = [];
  readonly producers: SimulatedProcess[] = [];
  readonly workers: SimulatedProcess[] = [];
  isHealed = false;
  readonly #world: World<BoundsWorkload>;
  readonly #done = new Set<SimulatedProcess>();
  #moments = 0;

  constructor(world: World<BoundsWorkload>) {
    this.#world = world;
  }

  startProducer(plan: ProducerPlan): void {
    const name = `producer-${this.producers.length}`;
    let sent = 0;
    const process = this.#world.start(name, async (context) => {
      const { runtime } = context;
      const client = await this.#open(context, process, plan);
      const queue = new FifoQueue<string>(client, queueName, this.#world.workload.bound);
      const producer = `${name}.${context.incarnation}`;
      while (sent < plan.calls && !(this.isHealed && !process.isCore)) {
        const burst = Math.min(plan.burst, plan.calls - sent);
        const calls = Array.from({ length: burst }, (_, n) => {
          const size = 1 + Math.floor(runtime.random() * plan.most);
          return this.#call(producer, `${name}-${sent + n}`, size);
        });
        sent += burst;
        await Promise.all(calls.map((call) => this.#enqueue(queue, call, plan)));
        if (plan.gapMs > 0) await sleep(runtime, plan.gapMs);
      }
      this.#done.add(process);
      while (plan.lingers && !this.#mayLeave) await sleep(runtime, restMs);
      await queue.close();
      await client.close();
    });
    this.producers.push(process);
    const { index: target } = process;
    const { muteAfterMs: atMs } = plan;
    for (const kind of plan.frailWatches ? (['broken-watches', 'slow-watches'] as const) : []) {
      this.#world.simulation.inject({ atMs: 0, durationMs: safetyMs, kind, target });
    }
    if (atMs > 0)
      this.#world.simulation.inject({ atMs, durationMs: muteMs, kind: 'lost-keep-alives', target });
  }

  /** A producer that is well and has not put all that it wants to. */
  get busy(): SimulatedProcess | undefined {
    return this.producers.find((process) => process.isCore && !this.#done.has(process));
  }

  get #mayLeave(): boolean {
    return this.isHealed && this.busy === undefined;
  }

  startWorker(plan: WorkerPlan): void {
    const process = this.#world.start(`worker-${this.workers.length}`, async (context) => {
      const { runtime } = context;
      if (plan.startsAfterMs > 0) await sleep(runtime, plan.startsAfterMs);
      const client = await this.#open(context, process);
      const queue = new FifoQueue<string>(client, queueName);
      const worker = new Worker(
        queue,
        async (job, { signal }) => {
          const handlerMs = this.isHealed ? Math.min(plan.handlerMs, healedHandlerMs) : plan.handlerMs;
          if (handlerMs > 0) await sleep(runtime, handlerMs, { signal });
          if (!this.isHealed && runtime.random() < plan.failing) throw new Error('it fails');
          await job.complete({ txn: { success: [put(`${effects}${job.id}`, '')] } });
        },
        {
          ...{ concurrency: plan.concurrency, mirror: this.#world.workload.mirror },
          ...{ retryDelay: { firstMs: 50, longestMs: 400 }, maxLosses: Number.POSITIVE_INFINITY },
        },
      );
      worker.on((event) => {
        if (event.type === 'error' && event.error.code === 'internal') throw event.error;
      });
      await worker.run();
    });
    this.workers.push(process);
  }

  startOperator({ changes, changeEveryMs }: BoundsWorkload): void {
    if (changes.length === 0) return;
    const process = this.#world.start('operator', async (context) => {
      const client = await this.#open(context, process);
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
      const client = await this.#open(context, process);
      const queue = new FifoQueue<string>(client, queueName);
      const cancelFirst = async () => {
        const first = await queue.peek({ timeoutMs: 1_000 });
        if (first !== undefined) await queue.cancel(first.id, { timeoutMs: 1_000 });
      };
      while (!this.isHealed) {
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

  #open(context: ProcessContext, process: SimulatedProcess, plan?: ProducerPlan) {
    const { ttlMs } = this.#world.workload;
    const { knobs } = this.#world.plan;
    const store = plan === undefined ? context.store : this.#held(context, process, plan);
    return openClient(context, { store, ttlMs, knobs });
  }

  /** Its groups are held up, and replies to them are lost. */
  #held({ store, runtime }: ProcessContext, process: SimulatedProcess, plan: ProducerPlan): Store {
    let groups = 0;
    const { simulation } = this.#world;
    return {
      range: (request, options) => store.range(request, options),
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
      watch: (request) => store.watch(request),
      leaseGrant: (request, options) => store.leaseGrant(request, options),
      leaseKeepAlive: (id, options) => store.leaseKeepAlive(id, options),
      leaseRevoke: (id, options) => store.leaseRevoke(id, options),
      leaseTimeToLive: (id, options) => store.leaseTimeToLive(id, options),
      compact: (revision, options) => store.compact(revision, options),
      status: (options) => store.status(options),
      close: () => store.close(),
    };
  }

  #enqueues({ success }: TxnRequest): boolean {
    return flattened(success).some(({ type, key }) => type === 'put' && inRange(this.keys.items, key));
  }

  #moment(): number {
    this.#moments += 1;
    return this.#moments;
  }

  get #revision(): number {
    return this.#world.simulation.engine.revision;
  }
}

type PlainOp = Exclude<Op, { type: 'txn' }>;

function flattened(ops: readonly Op[]): readonly PlainOp[] {
  return ops.flatMap((op) => (op.type === 'txn' ? flattened(op.success) : [op]));
}
