/** Those who enqueue, wait and cancel, and workers, each a process of its own that may crash and start anew at any moment. */
import type { ToldCancel, ToldWait } from '../../src/checkers/index.js';
import { isQuorateError } from '../../src/errors.js';
import { FifoQueue, type WorkerEvent } from '../../src/queues/index.js';
import { type ItemId, QueueKeys } from '../../src/queues/keys.js';
import { decodeRecord, encodeControl, openControl } from '../../src/queues/records/index.js';
import { sleep } from '../../src/runtime/index.js';
import type { Client } from '../../src/session/index.js';
import type { ProcessContext, SimulatedProcess } from '../../src/simulator/index.js';
import { Keyspace, put, txnOf } from '../../src/store/index.js';
import { namespace, openClient } from '../support/open-client.js';
import { weaken } from '../support/queues/frailty.js';
import { describeEvent } from '../support/queues/worker-events.js';
import type { World } from '../support/world.js';
import type { Writable } from '../support/writable.js';
import { batchFailure, Handling } from './handling.js';
import { Look, type Situation } from './look.js';
import type { ClientPlan, OutcomesWorkload, WorkerPlan } from './workload.js';

export const queueName = 'jobs';
export const otherName = 'other';
export const prefixOf = (name: string) => new Keyspace(namespace).prefix('queue', name);

/** Of the phase under faults. */
export const safetyMs = 12_000;
const longPayloadLength = 1_100;

interface SeenWait extends Writable<ToldWait> {
  readonly by: SimulatedProcess;
  readonly incarnation: number;
  isOver: boolean;
}

/** What happened in the processes of a run, as they saw it. */
export class Scene {
  readonly keys = new QueueKeys(prefixOf(queueName));
  readonly handling: Handling;
  readonly waits: SeenWait[] = [];
  readonly cancels: Writable<ToldCancel>[] = [];
  readonly clients: SimulatedProcess[] = [];
  readonly workers: SimulatedProcess[] = [];
  isHealed = false;
  readonly #world: World<OutcomesWorkload>;

  constructor(world: World<OutcomesWorkload>) {
    this.#world = world;
    this.handling = new Handling(world.workload.mirror, () => this.isHealed);
  }

  startClient(plan: ClientPlan): void {
    const name = `client-${this.clients.length}`;
    let sent = 0;
    const process = this.#world.start(name, async (context) => {
      const { runtime } = context;
      const { client, look } = await this.#open(process, context, { hesitates: plan.hesitates });
      const queue = new FifoQueue<string>(client, queueName);
      const errands: Promise<void>[] = [];
      while (sent < plan.items && !(this.isHealed && !process.isCore)) {
        const id = await this.#enqueue(queue, payloadOf(plan, name, sent), plan);
        sent += 1;
        if (id !== undefined) {
          const by = { process, context, queue, look };
          if (plan.waitsWithinMs >= 0) errands.push(this.#wait(by, id, plan));
          if (runtime.random() < plan.cancelling) errands.push(this.#cancel(by, id, plan));
        }
        if (plan.gapMs > 0) await sleep(runtime, plan.gapMs);
      }
      await Promise.all(errands);
      await queue.close();
      await client.close();
    });
    this.clients.push(process);
    weaken(this.#world, process, plan, safetyMs);
  }

  startWorker(plan: WorkerPlan): void {
    const name = `worker-${this.workers.length}`;
    const process = this.#world.start(name, async (context) => {
      const losesReply = context.incarnation === 0 ? plan.losesReply : 0;
      const { client, look } = await this.#open(process, context, { laggard: plan.laggard, losesReply });
      const queue = new FifoQueue<string>(client, queueName);
      const other = new FifoQueue<unknown>(client, otherName);
      const workplace = { plan, context, client, look, queue, other };
      const worker = this.handling.hire(workplace);
      worker.on((event) => this.#onEvent(context, look, event));
      await worker.run();
    });
    this.workers.push(process);
    weaken(this.#world, process, plan, safetyMs);
  }

  /** Closes the other queue again and again, and opens it. */
  startOperator(everyMs: number): void {
    const process = this.#world.start('operator', async (context) => {
      const { client } = await this.#open(process, context, {});
      const { control } = new QueueKeys(prefixOf(otherName));
      for (let closed = true; !(this.isHealed && closed); closed = !closed) {
        await client.store
          .txn(txnOf({ success: [put(control, encodeControl({ ...openControl, closed }))] }))
          .catch(() => {});
        await sleep(context.runtime, everyMs);
      }
      await client.close();
    });
  }

  /** Waits that have been told nothing, of processes that are well. */
  pendingWaits(): readonly ToldWait[] {
    return this.waits.filter(
      ({ isOver, by, incarnation }) => !isOver && by.isCore && by.incarnation === incarnation,
    );
  }

  /** What is pending now will never be told. */
  endWaits(): void {
    const returnedAt = this.#revision;
    for (const wait of this.pendingWaits()) Object.assign(wait, { told: 'pending', returnedAt });
  }

  get #revision(): number {
    return this.#world.simulation.engine.revision;
  }

  async #open(
    process: SimulatedProcess,
    context: ProcessContext,
    ways: { laggard?: boolean; losesReply?: number; hesitates?: boolean },
  ): Promise<{ client: Client; look: Look }> {
    const look = new Look({ world: this.#world, keys: this.keys, process, context, ...ways });
    const { plan, workload } = this.#world;
    const client = await openClient(context, {
      ...{ store: look.store(), ttlMs: workload.ttlMs, knobs: plan.knobs },
    });
    return { client, look };
  }

  /** Undefined if it is not known to be there. */
  async #enqueue(queue: FifoQueue<string>, payload: string, plan: ClientPlan): Promise<ItemId | undefined> {
    const { attempts, resultMs } = plan;
    const options = { ...(attempts > 0 ? { attempts } : {}), ...(resultMs > 0 ? { resultMs } : {}) };
    try {
      return (await queue.enqueue(payload, options)).id;
    } catch (error) {
      if (!isQuorateError(error) || error.code === 'internal') throw error;
      return undefined;
    }
  }

  async #wait(by: Asker, id: ItemId, { waitsWithinMs }: ClientPlan): Promise<void> {
    const { process, context, queue, look } = by;
    const { runtime, incarnation, name } = context;
    await sleep(runtime, waitsWithinMs * runtime.random());
    const calledAt = this.#revision;
    const wait: SeenWait = {
      ...{ process: `${name}.${incarnation}`, id, calledAt, returnedAt: calledAt, told: 'gave-up' },
      ...{ by: process, incarnation, isOver: false },
    };
    this.waits.push(wait);
    try {
      const onProgress = () => look.reached('progress was told to who waits');
      wait.value = await queue.waitForResult(id, { onProgress });
      wait.told = 'completed';
    } catch (error) {
      if (isQuorateError(error, 'internal') || !isQuorateError(error)) throw error;
      if (error.code === 'dead-lettered') wait.told = 'dead';
      else if (error.code === 'job-cancelled') wait.told = 'cancelled';
      else if (error.code === 'no-result') wait.told = 'no-result';
    }
    wait.returnedAt = this.#revision;
    wait.isOver = true;
    context.note(`was told of ${id}: ${wait.told}`);
    if (wait.told === 'no-result') look.reached('a wait was told that there is no result');
    else look.told(id);
  }

  async #cancel(by: Asker, id: ItemId, { cancelsWithinMs }: ClientPlan): Promise<void> {
    const { context, queue, look } = by;
    const { runtime, name } = context;
    await sleep(runtime, cancelsWithinMs * runtime.random());
    const where = this.#whereabouts(id);
    const cancel: Writable<ToldCancel> = {
      ...{ process: name, id, calledAt: this.#revision, returnedAt: this.#revision, told: 'unknown' },
    };
    this.cancels.push(cancel);
    try {
      const wasThere = await queue.cancel(id, { reason: `${name} has changed its mind` });
      cancel.told = wasThere ? 'cancelled' : 'none';
      if (wasThere) look.reached(where);
    } catch (error) {
      if (isQuorateError(error, 'internal') || !isQuorateError(error)) throw error;
      if (error.outcome === 'not-applied') cancel.told = 'not-applied';
    }
    cancel.returnedAt = this.#revision;
    context.note(`has cancelled ${id}: ${cancel.told}`);
    if (this.handling.handlers.some((handler) => handler.id === id && handler.state === 'completing')) {
      look.reached('a cancellation came while its job was being acknowledged');
    }
  }

  #whereabouts(id: ItemId): Situation {
    const runs = this.handling.handlers.some((handler) => handler.id === id && handler.state !== 'over');
    if (runs) return 'a running job was cancelled';
    const { kvs } = this.#world.simulation.engine.range(this.keys.records);
    const isHeld = kvs.some(
      ({ key, value }) =>
        this.keys.cancelledIn(this.keys.workerOfRecord(key), key) === undefined &&
        decodeRecord(value).some((job) => job.id === id),
    );
    return isHeld ? 'a job waiting in memory was cancelled' : 'a job that nobody held was cancelled';
  }

  #onEvent(context: ProcessContext, look: Look, event: WorkerEvent<string>): void {
    context.note(describeEvent(event));
    if (event.type === 'error' && event.error.code === 'internal' && event.error.cause !== batchFailure)
      throw event.error;
    if (event.type === 'cancelled') look.reached('a worker was told that its job is cancelled');
    if (event.type !== 'dead') return;
    if (event.cause === 'failed') look.reached('a job failed for the last time');
    else if (event.cause === 'rejected') look.reached('a job was rejected');
    else look.reached('a job was lost with too many workers');
    if ((event.job?.payload.length ?? 0) > longPayloadLength) {
      look.reached('a dead letter was too long for a record');
    }
  }
}

interface Asker {
  readonly process: SimulatedProcess;
  readonly context: ProcessContext;
  readonly queue: FifoQueue<string>;
  readonly look: Look;
}

function payloadOf({ poison, hopeless, resultMs, long }: ClientPlan, client: string, n: number): string {
  const marks = [
    poison > 0 && n % poison === poison - 1 ? '+' : '',
    hopeless > 0 && n % hopeless === hopeless - 1 ? '!' : '',
    resultMs > 0 ? '?' : '',
    long ? `~${'x'.repeat(longPayloadLength)}` : '',
  ];
  return `${client}-${n}${marks.join('')}`;
}
