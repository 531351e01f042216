import { broken } from '../../src/checkers/sentences.js';

/**
 * A store that knows of fencing tokens, and of nothing else: it takes no older one after a newer. So whoever truly holds
 * the lock must never be refused.
 */
export class OutsideStore {
  #newest = 0;
  #accepted = 0;
  #refused = 0;

  get accepted(): number {
    return this.#accepted;
  }

  get refused(): number {
    return this.#refused;
  }

  /** A write arrives. `isHeld`: by the keys of the cluster at this moment, the lock is its writer's, who has not released. */
  arrive(token: number, isHeld: boolean): void {
    if (token >= this.#newest) {
      this.#newest = token;
      this.#accepted += 1;
      return;
    }
    this.#refused += 1;
    if (isHeld)
      broken('LOCK-2', `the holder came with token ${token} after a write with token ${this.#newest}`);
  }
}
