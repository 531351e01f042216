import { invalidArgument, shown } from '../../errors.js';

/**
 * Where the newest token of each resource is kept. Give a durable one where an effect outlives the process: who forgets
 * tokens in a restart lets a past holder in again.
 */
export interface FenceStore {
  /**
   * Makes `token` the newest one of the resource, unless a newer one is known, and answers the newest then: `token`
   * itself, or one above it, which refuses `token`. One atomic step, kept for good before it resolves. In SQL:
   * `INSERT … ON CONFLICT (resource) DO UPDATE SET token = max(token, excluded.token) RETURNING token`.
   */
  advance(resource: string, token: number): Promise<number>;
}

export interface MemoryFenceStoreOptions {
  /** Resources whose tokens are kept apart. Default 100,000. */
  limit?: number;
}

/**
 * Tokens in the memory of this process, gone with it.
 *
 * Above its limit it forgets the resource that was advanced longest ago, but not how new the forgotten token was: a
 * resource that it does not know counts as having seen the newest of all that it forgot. So it never lets an old token
 * in. Of a hold that is older than that, and comes to a resource not known, it refuses a token that was good; that
 * holder takes the lock again. The tokens of one store must come from one etcd cluster.
 */
export class MemoryFenceStore implements FenceStore {
  readonly #limit: number;
  /** In the order in which they were advanced. */
  readonly #newest = new Map<string, number>();
  #forgotten = 0;

  constructor(options: MemoryFenceStoreOptions = {}) {
    if (typeof options !== 'object' || options === null) {
      throw invalidArgument(`options are of type ${typeof options}`, 'an object, or none');
    }
    const { limit = 100_000 } = options;
    if (!Number.isSafeInteger(limit) || limit < 1) {
      throw invalidArgument(`limit is ${shown(limit)}`, 'a whole number from 1');
    }
    this.#limit = limit;
  }

  /** How many resources it keeps the token of. */
  get size(): number {
    return this.#newest.size;
  }

  async advance(resource: string, token: number): Promise<number> {
    const known = this.#newest.get(resource) ?? this.#forgotten;
    if (known > token) return known;
    this.#newest.delete(resource);
    this.#newest.set(resource, token);
    if (this.#newest.size > this.#limit) this.#forgetOldest();
    return token;
  }

  #forgetOldest(): void {
    for (const [resource, token] of this.#newest) {
      this.#newest.delete(resource);
      this.#forgotten = Math.max(this.#forgotten, token);
      return;
    }
  }
}
