/** Looks at what dispatchers read and write: what fires meanwhile, and what comes late. */

import type { ItemId, QueueKeys } from '../../src/queues/keys.js';
import { sleep } from '../../src/runtime/index.js';
import type { ProcessContext, SimulatedProcess } from '../../src/simulator/index.js';
import type {
  CallOptions,
  RangeRequest,
  RangeResult,
  Store,
  TxnReply,
  TxnRequest,
} from '../../src/store/index.js';
import { inRange, type Op } from '../../src/store/index.js';
import { errandsOf } from '../support/queues/errands.js';
import { hesitationOf, standStill } from '../support/queues/hesitation.js';
import { storeWith } from '../support/store-with.js';
import type { World } from '../support/world.js';
import type { Situation } from './situations.js';
import type { DelaysWorkerPlan, DelaysWorkload } from './workload.js';

/** Longer than the next candidate waits for a sign of life. */
const fallMs = 4_000;

export class Requests {
  readonly #world: World<DelaysWorkload>;
  readonly #keys: QueueKeys;

  constructor(world: World<DelaysWorkload>, keys: QueueKeys) {
    this.#world = world;
    this.#keys = keys;
  }

  reached(situation: Situation): void {
    this.#world.reached(situation);
  }

  /** The store of a process, looked at. */
  watched(process: SimulatedProcess, context: ProcessContext, plan?: DelaysWorkerPlan): Store {
    const { store, runtime } = context;
    const isFirst = context.incarnation === 0;
    const hesitate = hesitationOf(this.#world, process, context, plan);
    let firings = 0;
    const txn = async (request: TxnRequest, send: () => Promise<TxnReply>): Promise<TxnReply> => {
      const errands = errandsOf(this.#keys, request).flatMap(({ errand }) =>
        errand.type === 'dispatch' ? [errand] : [],
      );
      if (errands.length > 0) hesitate();
      if (errands.some(({ gate }) => gate?.includes('/'))) this.reached('backlog mode was entered');
      const reply = await send();
      if (firedIn(this.#keys, request.success).some((id) => id < this.#gate())) {
        firings += 1;
        if (isFirst && firings === plan?.fallsAtFiring) {
          this.reached('a dispatcher fell as an item had fired');
          standStill(this.#world, process, fallMs);
        }
      }
      return reply;
    };
    const range = async (request: RangeRequest, options?: CallOptions): Promise<RangeResult> => {
      const answer = await store.range(request, options);
      const isRead = (request.limit ?? 0) > 1;
      const lateMs = plan?.slowReadsMs ?? 0;
      if (isRead && lateMs > 0) await sleep(runtime, runtime.random() * lateMs);
      if (isRead) this.#look(request, answer);
      return answer;
    };
    return storeWith(store, {
      range,
      txn: (request, options) => txn(request, () => store.txn(request, options)),
    });
  }

  #gate(): ItemId {
    const [gate] = this.#world.simulation.engine.range({ key: this.#keys.gate }).kvs;
    return Buffer.from(gate?.value ?? []).toString('latin1');
  }

  /** At an answer that has been received. */
  #look(request: RangeRequest, { kvs, revision }: RangeResult): void {
    const keys = this.#keys;
    const { engine } = this.#world.simulation;
    if (request.key.startsWith(keys.timers.key) && request.key !== keys.timers.key && kvs.length > 0) {
      this.reached('timers were left in the store and read later');
    }
    if (request.key.startsWith(keys.freshDelays.key) && kvs.length > 0) {
      this.reached('delays that nobody had stamped were read');
    }
    if (!request.key.startsWith(keys.items.key)) return;
    const place = this.#gate();
    const newer = engine.range({ ...request, limit: 0, minCreateRevision: revision + 1, keysOnly: true }).kvs;
    if (newer.some(({ key }) => keys.nameIn(keys.items, key) < place)) {
      this.reached('an item fired into a window that was being read');
    }
  }
}

/** The items that fire in a write. */
function firedIn(keys: QueueKeys, ops: readonly Op[]): readonly ItemId[] {
  return ops.flatMap((op) => {
    if (op.type !== 'txn') return [];
    const isFiring = op.success.some((each) => each.type === 'delete' && inRange(keys.timers, each.key));
    if (!isFiring) return firedIn(keys, op.success);
    return op.success.flatMap((each) =>
      each.type === 'put' && inRange(keys.items, each.key) ? [keys.nameIn(keys.items, each.key)] : [],
    );
  });
}
