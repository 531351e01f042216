/** Looks at decisions of ticks as they leave a dispatcher and come back, and tells who wants to act just then. */
import type { QueueKeys } from '../../src/queues/keys.js';
import { sleep } from '../../src/runtime/index.js';
import type { ProcessContext, SimulatedProcess } from '../../src/simulator/index.js';
import {
  inRange,
  type Op,
  type OpReply,
  type Store,
  type TxnReply,
  type TxnRequest,
} from '../../src/store/index.js';
import { hesitationOf } from '../support/queues/hesitation.js';
import { Occasion } from '../support/queues/occasion.js';
import { storeWith } from '../support/store-with.js';
import type { World } from '../support/world.js';
import type { Situation } from './situations.js';
import type { SchedulesWorkload, WorkerPlan } from './workload.js';

/** A change that is to come just before has this long to arrive, half of the time. */
const headStartMs = 20;

export class Decisions {
  readonly #world: World<SchedulesWorkload>;
  readonly #keys: QueueKeys;
  readonly #isHealed: () => boolean;
  readonly #decision = new Occasion();

  constructor(world: World<SchedulesWorkload>, keys: QueueKeys, isHealed: () => boolean) {
    this.#world = world;
    this.#keys = keys;
    this.#isHealed = isHealed;
  }

  reached(situation: Situation): void {
    this.#world.reached(situation);
  }

  /** Resolves as the next decision leaves a dispatcher. */
  next(): Promise<void> {
    return this.#decision.next();
  }

  /** The store of a process, looked at. */
  watched(process: SimulatedProcess, context: ProcessContext, plan?: WorkerPlan): Store {
    const { store, runtime } = context;
    const hesitate = hesitationOf(this.#world, process, context, plan);
    const txn = async (request: TxnRequest, send: () => Promise<TxnReply>): Promise<TxnReply> => {
      if (!this.#decides(request.success)) return send();
      hesitate();
      if (this.#decision.come()) await sleep(runtime, runtime.random() * headStartMs);
      const lateMs = context.incarnation === 0 && !this.#isHealed() ? (plan?.lateMs ?? 0) : 0;
      if (lateMs > 0) await sleep(runtime, runtime.random() * lateMs);
      const reply = await send();
      if (reply.succeeded) this.#look(request.success, reply.replies);
      return reply;
    };
    return storeWith(store, {
      txn: (request, options) => txn(request, () => store.txn(request, options)),
    });
  }

  /** Only decisions put items beside a schedule, or a schedule under a term. */
  #decides(ops: readonly Op[]): boolean {
    return ops.some((op) => op.type === 'txn' && (this.#isDecision(op) || this.#decides(op.success)));
  }

  #isDecision({ compare, success }: Pick<TxnRequest, 'compare' | 'success'>): boolean {
    const [first] = success;
    return compare.length > 1 && first?.type === 'put' && inRange(this.#keys.schedules, first.key);
  }

  #look(ops: readonly Op[], replies: readonly OpReply[]): void {
    ops.forEach((op, index) => {
      const reply = replies[index];
      if (op.type !== 'txn' || reply?.type !== 'txn') return;
      if (this.#isDecision(op)) {
        if (!reply.succeeded) this.reached('a decision of ticks was refused, though not by the term');
      } else if (reply.succeeded) this.#look(op.success, reply.replies);
      else if (this.#decides(op.success)) this.reached('a decision of a deposed dispatcher was refused');
    });
  }
}
