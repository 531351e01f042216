/** The producers, consumers and operators of a run, each a process of its own that may crash and start anew at any moment. */
import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { LetterCall, ProducerCall, PurgeCall } from '../../src/checkers/index.js';
import { isQuorateError } from '../../src/errors.js';
import { FifoQueue } from '../../src/queues/index.js';
import { type ItemId, placeOf, type QueueKeys } from '../../src/queues/keys.js';
import { encodeDeadLetter } from '../../src/queues/records/index.js';
import { type Runtime, sleep } from '../../src/runtime/index.js';
import type { Client } from '../../src/session/index.js';
import { compare, type Op, put, txnOf } from '../../src/store/index.js';
import { namespace, openClient } from '../support/open-client.js';
import { Crew } from '../support/queues/crew.js';
import type { World } from '../support/world.js';
import type { Writable } from '../support/writable.js';
import { checkReason, tolerate } from './expectable.js';
import type { Mishap, Traffic } from './situations.js';
import type { Act, ConsumerPlan, OperatorPlan, ProducerPlan, ProducersWorkload } from './workload.js';

export const queueName = 'jobs';
export const effects = `${namespace}/effect/`;
export const safetyMs = 12_000;

const ttlMs = 3_000;
const schemaMs = 30;
const itemsAtATime = 5;
type Queues = readonly [FifoQueue<string>, FifoQueue<string>];

/** A call, and what only this scene knows of it. */
interface SceneCall extends Writable<ProducerCall> {
  readonly burst: string;
}

interface Redrive {
  readonly id: ItemId;
  readonly fromMs: number;
  toMs: number;
  items: number | undefined;
}

/** What happened in the processes of a run, as they saw it. */
export class Scene {
  readonly world: World<ProducersWorkload>;
  readonly traffic: Traffic;
  readonly keys: QueueKeys;
  readonly calls: SceneCall[] = [];
  readonly purges: Writable<PurgeCall>[] = [];
  readonly letters: Writable<LetterCall>[] = [];
  readonly redrives: Redrive[] = [];
  readonly crew: Crew<Mishap>;
  #moments = 0;

  constructor(world: World<ProducersWorkload>, traffic: Traffic, keys: QueueKeys) {
    this.world = world;
    this.traffic = traffic;
    this.keys = keys;
    this.crew = new Crew<Mishap>({
      ...{ world, ttlMs, safetyMs, openClient },
      store: (_, context, mishap) => traffic.watched(context, mishap),
    });
  }

  startProducer(plan: ProducerPlan): void {
    this.crew.startProducer(
      { ...plan, items: plan.calls },
      {
        ways: ({ incarnation }) => ({
          nth: plan.holdNth,
          holdMs: incarnation === 0 ? plan.holdMs : 0,
          losesReply: plan.losesReply,
        }),
        queue: (client, { runtime }) => this.#queue(client, plan.slowSchema ? runtime : undefined),
        put: (queue, { from, count }, { name, incarnation }) => {
          const calls = Array.from({ length: count }, (_, n) =>
            this.#call(plan, `${name}.${incarnation}`, from + n, `${from}`),
          );
          const groups = plan.inOne ? [calls] : calls.map((call) => [call]);
          return Promise.all(groups.map((group) => this.#enqueue(queue, group, plan)));
        },
      },
    );
  }

  startConsumer(plan: ConsumerPlan, index: number): void {
    const process = this.world.start(`consumer-${index}`, async (context) => {
      const { runtime } = context;
      const client = await this.crew.open(process, context);
      let gateAtMs = plan.gateEveryMs;
      for (;;) {
        await sleep(runtime, plan.gapMs);
        await tolerate(() => this.#consume(client, plan, runtime));
        if (plan.gateEveryMs > 0 && runtime.monotonicMs() > gateAtMs) {
          gateAtMs = runtime.monotonicMs() + plan.gateEveryMs;
          await tolerate(() => this.#moveGate(client));
        }
      }
    });
  }

  startOperator(plan: OperatorPlan): void {
    const { operators } = this.crew;
    const process = this.world.start(`operator-${operators.length}`, async (context) => {
      const client = await this.crew.open(process, context);
      const queue = this.#queue(client, undefined);
      const other = this.#queue(client, undefined);
      for (const { what, afterMs } of context.incarnation === 0 ? plan.acts : []) {
        if (afterMs > 0) await sleep(context.runtime, afterMs);
        await tolerate(() => this.#act([queue, other], what, plan.patienceMs));
      }
      await Promise.all([queue.close(), other.close()]);
      await client.close();
    });
    operators.push(process);
  }

  #queue(client: Client, slow: Runtime | undefined): FifoQueue<string> {
    const { windowMs: idempotencyWindowMs } = this.world.workload;
    if (slow === undefined) return new FifoQueue<string>(client, queueName, { idempotencyWindowMs });
    let under = 0;
    const validate = (value: unknown) => {
      if (under > 0) this.traffic.reached('a call waited for the schema of one before it');
      if (slow.random() < 0.5) return { value: String(value) };
      under += 1;
      return sleep(slow, slow.random() * schemaMs).then(() => {
        under -= 1;
        return { value: String(value) };
      });
    };
    const schema: StandardSchemaV1<unknown, string> = {
      '~standard': { version: 1, vendor: 'property', validate },
    };
    return new FifoQueue<string>(client, queueName, { idempotencyWindowMs, schema });
  }

  #call(plan: ProducerPlan, producer: string, index: number, burst: string): SceneCall {
    const isKeyed = plan.keys > 0 && index % 2 === 0;
    return {
      payload: `${producer}-${index}`,
      ...{ producer, burst: `${producer}/${burst}`, calledAt: 0, calledAtMs: 0, outcome: 'pending' },
      ...(isKeyed ? { idempotencyKey: `key-${Math.floor(index / 2) % plan.keys}` } : {}),
    };
  }

  async #enqueue(queue: FifoQueue<string>, calls: readonly SceneCall[], plan: ProducerPlan): Promise<void> {
    for (const call of calls) {
      Object.assign(call, { calledAt: this.#moment(), calledAtMs: this.world.simulation.nowMs });
    }
    this.calls.push(...calls);
    try {
      const entered = await queue.enqueueMany(
        calls.map(({ payload }) => payload),
        {
          timeoutMs: plan.patienceMs,
          each: (_, index) => ({ idempotencyKey: calls[index]?.idempotencyKey, group: 'g' }),
        },
      );
      calls.forEach((call, index) => {
        Object.assign(call, { ...entered[index], outcome: 'enqueued' });
      });
    } catch (error) {
      checkReason(error);
      for (const call of calls) call.outcome = error.outcome;
      if (error.outcome === 'not-applied' && (error.code === 'timeout' || error.code === 'aborted')) {
        this.traffic.reached('a call that was given up left its group before it was sent');
      }
    }
    for (const call of calls) {
      Object.assign(call, { returnedAt: this.#moment(), returnedAtMs: this.world.simulation.nowMs });
    }
    const [first] = calls;
    if (!plan.persists || first?.outcome !== 'unknown' || first.idempotencyKey === undefined) return;
    if (calls.length > 1 || first.payload.endsWith('+')) return;
    const { idempotencyKey, producer, burst, payload } = first;
    const again: SceneCall = {
      ...{ idempotencyKey, producer, burst, payload: `${payload}+` },
      ...{ calledAt: 0, calledAtMs: 0, outcome: 'pending' },
    };
    await this.#enqueue(queue, [again], plan);
  }

  async #consume({ store }: Client, { buries }: ConsumerPlan, runtime: Runtime): Promise<void> {
    const { kvs } = await store.range({ ...this.keys.items, limit: itemsAtATime });
    for (const { key, value, createRevision } of kvs) {
      const id = this.keys.nameIn(this.keys.items, key);
      const isBuried = runtime.random() < buries;
      const letter = {
        cause: 'failed',
        reason: 'it fails',
        failures: 1,
        losses: 0,
        atMs: 0,
        item: value,
      } as const;
      const end: Op = isBuried
        ? put(this.keys.deadLetter(id), encodeDeadLetter(letter))
        : put(`${effects}${id}`, 'done');
      const removal = { type: 'delete', key } as const;
      const isThere = compare.create({ key }, 'equal', createRevision);
      await store.txn(txnOf({ compare: [isThere], success: [removal, end] }));
    }
  }

  /** As a dispatcher does it: nothing may have come below since it was read. */
  async #moveGate({ store }: Client): Promise<void> {
    const { revision, kvs } = await store.range({ key: this.keys.gate });
    const [gate] = kvs;
    if (gate === undefined) return;
    const from = Buffer.from(gate.value).toString('latin1');
    const to = placeOf(revision);
    const isComplete = compare.create(this.keys.itemsBetween(from, to), 'less', revision + 1);
    const isMine = compare.mod(this.keys.gate, 'equal', gate.modRevision);
    if (to <= from) return;
    await store.txn(txnOf({ compare: [isComplete, isMine], success: [put(this.keys.gate, to)] }));
  }

  async #act([queue, other]: Queues, what: Act, timeoutMs: number): Promise<void> {
    const options = { timeoutMs };
    switch (what) {
      case 'close':
        await queue.controls.close(options);
        return;
      case 'reopen':
        await queue.controls.reopen(options);
        return;
      case 'drain':
        await queue.drain(options);
        this.traffic.reached('a queue was drained');
        return;
      case 'purge':
        return this.#purge(queue, timeoutMs);
      case 'remove':
        return this.#remove(queue, timeoutMs);
      case 'redrive-all':
        return this.#redrive(queue, 'all', timeoutMs);
      case 'redrive-one':
      case 'redrive-at-once': {
        const [letter] = await queue.deadLetters.list({ ...options, limit: 1 });
        if (letter === undefined) return;
        const by = what === 'redrive-one' ? [queue] : [queue, queue, other];
        await Promise.all(by.map((one) => tolerate(() => this.#redrive(one, letter.id, timeoutMs))));
      }
    }
  }

  async #purge(queue: FifoQueue<string>, timeoutMs: number): Promise<void> {
    const { engine } = this.world.simulation;
    const infinity = Number.POSITIVE_INFINITY;
    const purge: Writable<PurgeCall> = { calledAt: engine.revision, returnedAt: infinity };
    this.purges.push(purge);
    const told = await queue.purge({ timeoutMs });
    Object.assign(purge, { told, returnedAt: engine.revision });
    const { kvs } = engine.range({ ...this.keys.items, keysOnly: true });
    const left = kvs.find(({ createRevision }) => createRevision <= told.revision);
    if (left !== undefined) throw new Error(`a purge as of revision ${told.revision} left ${left.key}`);
    if (kvs.length > 0) this.traffic.reached('items entered while others were purged');
  }

  async #remove(queue: FifoQueue<string>, timeoutMs: number): Promise<void> {
    const [letter] = await queue.deadLetters.list({ timeoutMs, limit: 1 });
    if (letter === undefined) return;
    const call: Writable<LetterCall> = { what: 'remove', id: letter.id, told: [] };
    this.letters.push(call);
    try {
      const isRemoved = await queue.deadLetters.remove(letter.id, { timeoutMs });
      if (!isRemoved) delete (call as { told?: unknown }).told;
    } catch (error) {
      if (isQuorateError(error) && error.outcome === 'not-applied') delete (call as { told?: unknown }).told;
      throw error;
    }
  }

  async #redrive(queue: FifoQueue<string>, which: ItemId | 'all', timeoutMs: number): Promise<void> {
    const { simulation } = this.world;
    const call: Writable<LetterCall> = { what: 'redrive', ...(which === 'all' ? {} : { id: which }) };
    this.letters.push(call);
    const redrive: Redrive | undefined =
      which === 'all'
        ? undefined
        : { id: which, fromMs: simulation.nowMs, toMs: Number.POSITIVE_INFINITY, items: undefined };
    if (redrive !== undefined) this.redrives.push(redrive);
    try {
      const told = await queue.deadLetters.redrive(which, { timeoutMs });
      call.told = told;
      if (redrive !== undefined) redrive.items = told.length;
    } catch (error) {
      if (redrive !== undefined && isQuorateError(error) && error.outcome === 'unknown') {
        const { count } = simulation.engine.range({ key: this.keys.deadLetter(redrive.id), countOnly: true });
        if (count === 0) this.traffic.reached('a redrive of unknown outcome had been applied');
      }
      throw error;
    } finally {
      if (redrive !== undefined) redrive.toMs = simulation.nowMs;
    }
  }

  #moment(): number {
    this.#moments += 1;
    return this.#moments;
  }
}
