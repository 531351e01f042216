/** Looks at assignments as they leave a dispatcher and come back: what changed meanwhile, and who is to act just then. */
import type { QueueKeys } from '../../src/queues/keys.js';
import { decodeControl } from '../../src/queues/records/index.js';
import { sleep } from '../../src/runtime/index.js';
import type { ProcessContext, SimulatedProcess } from '../../src/simulator/index.js';
import type { KeyValue, Store, TxnReply, TxnRequest } from '../../src/store/index.js';
import { errandsOf } from '../queue/errands.js';
import type { World } from '../support/world.js';
import type { Situation } from './situations.js';
import type { RulesWorkload, WorkerPlan } from './workload.js';

/** A write that somebody wants to come just before has this long to arrive, half of the time. */
const headStartMs = 20;

export class Assignments {
  readonly #world: World<RulesWorkload>;
  readonly #keys: QueueKeys;
  #onNext: (() => void)[] = [];

  constructor(world: World<RulesWorkload>, keys: QueueKeys) {
    this.#world = world;
    this.#keys = keys;
  }

  reached(situation: Situation): void {
    this.#world.reached(situation);
  }

  /** Resolves as the next assignment leaves a dispatcher. */
  next(): Promise<void> {
    return new Promise((resolve) => this.#onNext.push(resolve));
  }

  /** The store of a process, looked at. */
  watched(process: SimulatedProcess, context: ProcessContext, plan?: WorkerPlan): Store {
    const { store } = context;
    let writes = 0;
    const hesitate = () => {
      writes += 1;
      const durationMs = context.incarnation === 0 ? (plan?.hesitateMs ?? 0) : 0;
      if (durationMs === 0 || writes !== plan?.hesitateNth) return;
      const { simulation } = this.#world;
      simulation.inject({ atMs: simulation.nowMs, durationMs, kind: 'pause', target: process.index });
    };
    const txn = async (request: TxnRequest, send: () => Promise<TxnReply>): Promise<TxnReply> => {
      const errands = errandsOf(this.#keys, request).flatMap(({ errand }) =>
        errand.type === 'dispatch' ? [errand] : [],
      );
      if (errands.length === 0) return send();
      hesitate();
      if (errands.some(({ gate }) => gate?.includes('/'))) this.reached('backlog mode was entered');
      if (!errands.some(({ assigns }) => assigns)) return send();
      const before = this.#control();
      const waiting = this.#onNext.splice(0);
      for (const resolve of waiting) resolve();
      if (waiting.length > 0) await sleep(context.runtime, context.runtime.random() * headStartMs);
      const reply = await send();
      this.#compare(before, this.#control(), reply);
      return reply;
    };
    return {
      range: (request, options) => store.range(request, options),
      txn: (request, options) => txn(request, () => store.txn(request, options)),
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

  #control(): KeyValue | undefined {
    return this.#world.simulation.engine.range({ key: this.#keys.control }).kvs[0];
  }

  #compare(before: KeyValue | undefined, after: KeyValue | undefined, reply: TxnReply): void {
    if (before?.modRevision === after?.modRevision) return;
    this.reached('the control changed while an assignment was in flight');
    if (after !== undefined && decodeControl(after.value).paused)
      this.reached('the queue was paused while an assignment was in flight');
    if (showsControl(this.#keys, reply)) this.reached('an assignment was refused by the control');
  }
}

/** Only a refused assignment reads the control. */
function showsControl(keys: QueueKeys, reply: TxnReply): boolean {
  return reply.replies.some((part) => {
    if (part.type === 'txn') return showsControl(keys, part as unknown as TxnReply);
    return part.type === 'range' && part.kvs.some(({ key }) => key === keys.control);
  });
}
