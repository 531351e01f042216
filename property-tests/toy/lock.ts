/**
 * A lock as a beginner writes it, to test the tester with. The key `lock` is the hold, its create revision the token; it
 * hangs on a lease that nobody renews. Whoever finds it taken tries again later. The release deletes the key and writes
 * the token to `released` in the same transaction.
 *
 * The canary leaves the comparison out of the release, as clients of etcd, Redis and ZooKeeper have done: whoever comes
 * back after its lease has ended releases the hold of another.
 */
import { isQuorateError } from '../../src/errors.js';
import { sleep } from '../../src/runtime/index.js';
import type { ProcessContext } from '../../src/simulator/index.js';
import { compare, put, remove } from '../../src/store/index.js';

export const lockKey = 'lock';
export const releasedKey = 'released';

const ttlSeconds = 3;
const retryMs = 200;

export interface ToyLockOptions {
  /** Whether a release compares that the hold is still its own. */
  readonly guarded: boolean;
}

export class ToyLock {
  readonly #context: ProcessContext;
  readonly #options: ToyLockOptions;

  constructor(context: ProcessContext, options: ToyLockOptions) {
    this.#context = context;
    this.#options = options;
  }

  /** The token of the hold. */
  async acquire(): Promise<number> {
    const { store, runtime } = this.#context;
    return await this.#insist(async () => {
      const id = BigInt.asIntN(63, BigInt(`0x${runtime.newId()}`)).toString();
      const lease = await store.leaseGrant({ id: id.replace('-', ''), ttlSeconds });
      const reply = await store.txn({
        compare: [compare.create(lockKey, 'equal', 0)],
        success: [put(lockKey, this.#context.name, { lease: lease.id })],
        failure: [],
      });
      if (reply.succeeded) return reply.revision;
      await store.leaseRevoke(lease.id);
      return undefined;
    });
  }

  /** False if it was not its own any more. */
  async release(token: number): Promise<boolean> {
    return await this.#insist(async () => {
      const reply = await this.#context.store.txn({
        compare: this.#options.guarded ? [compare.create(lockKey, 'equal', token)] : [],
        success: [remove(lockKey), put(releasedKey, String(token))],
        failure: [],
      });
      return reply.succeeded;
    });
  }

  async #insist<T>(attempt: () => Promise<T | undefined>): Promise<T> {
    for (;;) {
      try {
        const result = await attempt();
        if (result !== undefined) return result;
      } catch (error) {
        if (!isQuorateError(error)) throw error;
      }
      await sleep(this.#context.runtime, retryMs);
    }
  }
}
