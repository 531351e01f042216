/** Counts what befell groups of items, looking at them as they leave a process and come back. */
import { isQuorateError, QuorateError } from '../../src/errors.js';
import type { QueueKeys } from '../../src/queues/keys.js';
import { sleep } from '../../src/runtime/index.js';
import type { ProcessContext } from '../../src/simulator/index.js';
import {
  inRange,
  type OpReply,
  type Store,
  type TxnReply,
  type TxnRequest,
  textOf,
} from '../../src/store/index.js';
import { plainOpsIn } from '../support/plain-ops.js';
import { storeWith } from '../support/store-with.js';
import type { World } from '../support/world.js';

export const situations = [
  'a duplicate of a call in the same burst',
  'a duplicate of a call of another process',
  'a duplicate of a call whose outcome was unknown',
  'an item with a key whose window was over',
  'an item was declined in a group whose others entered',
  'the gate refused a group with keys',
  'a closing of the queue refused a group on its way',
  'the lease of a window was gone when its group arrived',
  'a group with keys was applied and its reply lost',
  'a call that was given up left its group before it was sent',
  'a call waited for the schema of one before it',
  'two redrove a dead letter at the same time',
  'a redrive of unknown outcome had been applied',
  'items entered while others were purged',
  'a queue was drained',
] as const;

export type Situation = (typeof situations)[number];

/** What befalls the nth group with keys of a process. */
export interface Mishap {
  readonly nth: number;
  /** It is held up for so long before it is sent. */
  readonly holdMs: number;
  /** It is sent, and its reply lost, instead. */
  readonly losesReply: boolean;
}

export class Traffic {
  readonly #world: World;
  readonly #keys: QueueKeys;

  constructor(world: World, keys: QueueKeys) {
    this.#world = world;
    this.#keys = keys;
  }

  reached(situation: Situation, times = 1): void {
    this.#world.reached(situation, times);
  }

  /** The process's store, looked at. */
  watched({ store, runtime }: ProcessContext, mishap?: Mishap): Store {
    let groups = 0;
    const txn: Store['txn'] = async (request, options) => {
      const keyed = this.#keyedIn(request);
      if (keyed.length === 0) return store.txn(request, options);
      groups += 1;
      const isHit = mishap !== undefined && mishap.holdMs > 0 && groups === mishap.nth;
      if (isHit && !mishap.losesReply) await sleep(runtime, mishap.holdMs);
      try {
        const reply = await store.txn(request, options);
        this.#answered(request, reply);
        if (!isHit || !mishap.losesReply) return reply;
        throw new QuorateError('unavailable', 'the reply was lost', { outcome: 'unknown' });
      } catch (error) {
        this.#failed(keyed, error);
        throw error;
      }
    };
    return storeWith(store, { txn });
  }

  /** The puts of idempotency keys in a request. */
  #keyedIn(request: TxnRequest): readonly { readonly key: string; readonly id: string }[] {
    return plainOpsIn(request.success).flatMap((op) =>
      op.type === 'put' && inRange(this.#keys.idempotency, op.key)
        ? [{ key: op.key, id: textOf(op.value) }]
        : [],
    );
  }

  #answered(request: TxnRequest, reply: TxnReply): void {
    const { engine } = this.#world.simulation;
    if (reply.succeeded) {
      const parts = conditionsIn(reply.replies);
      const isMixed = parts.includes(false) && (parts.includes(true) || plainIn(reply.replies));
      if (isMixed) this.reached('an item was declined in a group whose others entered');
      return;
    }
    for (const one of request.compare) {
      const [found] = engine.range({ key: one.key }).kvs;
      if (one.key === this.#keys.gate && one.target === 'value' && found !== undefined) {
        if (textOf(found.value) >= textOf(one.operand)) this.reached('the gate refused a group with keys');
      }
      if (one.key === this.#keys.control && one.target === 'mod' && found?.modRevision !== one.operand) {
        if (found !== undefined) this.reached('a closing of the queue refused a group on its way');
      }
    }
  }

  #failed(keyed: readonly { readonly key: string; readonly id: string }[], error: unknown): void {
    if (isQuorateError(error, 'lease-not-found')) {
      this.reached('the lease of a window was gone when its group arrived');
      return;
    }
    if (!isQuorateError(error) || error.outcome !== 'unknown') return;
    const { engine } = this.#world.simulation;
    const isApplied = keyed.some(({ key, id }) => {
      const [found] = engine.range({ key }).kvs;
      return found !== undefined && textOf(found.value) === id;
    });
    if (isApplied) this.reached('a group with keys was applied and its reply lost');
  }
}

/** Whether each condition held; a nested transaction without conditions always does. */
function conditionsIn(replies: readonly OpReply[]): readonly boolean[] {
  return replies.flatMap((reply) =>
    reply.type === 'txn' ? [reply.succeeded, ...conditionsIn(reply.replies)] : [],
  );
}

/** The first reply is that of the lane's own put. */
function plainIn(replies: readonly OpReply[]): boolean {
  return replies.slice(1).some(({ type }) => type === 'put');
}
