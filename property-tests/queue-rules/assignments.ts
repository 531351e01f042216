/** Looks at assignments as they leave a dispatcher and come back: what changed meanwhile, and who is to act just then. */
import type { QueueKeys } from '../../src/queues/keys.js';
import { decodeControl } from '../../src/queues/records/index.js';
import { sleep } from '../../src/runtime/index.js';
import type { ProcessContext, SimulatedProcess } from '../../src/simulator/index.js';
import type { KeyValue, Store, TxnReply, TxnRequest } from '../../src/store/index.js';
import { errandsOf } from '../support/queues/errands.js';
import { hesitationOf } from '../support/queues/hesitation.js';
import { Occasion } from '../support/queues/occasion.js';
import type { WorkerPlan } from '../support/queues/worker-plan.js';
import { storeWith } from '../support/store-with.js';
import type { World } from '../support/world.js';
import type { Situation } from './situations.js';
import type { RulesWorkload } from './workload.js';

/** A write that somebody wants to come just before has this long to arrive, half of the time. */
const headStartMs = 20;

export class Assignments {
  readonly #world: World<RulesWorkload>;
  readonly #keys: QueueKeys;
  readonly #assignment = new Occasion();

  constructor(world: World<RulesWorkload>, keys: QueueKeys) {
    this.#world = world;
    this.#keys = keys;
  }

  reached(situation: Situation): void {
    this.#world.reached(situation);
  }

  /** Resolves as the next assignment leaves a dispatcher. */
  next(): Promise<void> {
    return this.#assignment.next();
  }

  /** The store of a process, looked at. */
  watched(process: SimulatedProcess, context: ProcessContext, plan?: WorkerPlan): Store {
    const { store, runtime } = context;
    const hesitate = hesitationOf(this.#world, process, context, plan);
    const txn = async (request: TxnRequest, send: () => Promise<TxnReply>): Promise<TxnReply> => {
      const errands = errandsOf(this.#keys, request).flatMap(({ errand }) =>
        errand.type === 'dispatch' ? [errand] : [],
      );
      if (errands.length === 0) return send();
      hesitate();
      if (errands.some(({ gate }) => gate?.includes('/'))) this.reached('backlog mode was entered');
      if (!errands.some(({ assigns }) => assigns)) return send();
      const before = this.#control();
      if (this.#assignment.come()) await sleep(runtime, runtime.random() * headStartMs);
      const reply = await send();
      this.#compare(before, this.#control(), reply);
      return reply;
    };
    return storeWith(store, {
      txn: (request, options) => txn(request, () => store.txn(request, options)),
    });
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
