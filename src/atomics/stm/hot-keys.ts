import type { Client } from '../../session/index.js';
import type { Key, KeyRange } from '../../store/index.js';
import { HotKey, type Turn } from './hot-key.js';

/** Keys that are remembered, hot or not, before those of no use are forgotten. */
const mostRemembered = 1_024;

const ofClients = new WeakMap<Client, HotKeys>();

/** The keys on which transactions of one client have met others. */
export class HotKeys {
  readonly #client: Client;
  readonly #keys = new Map<Key, HotKey>();

  private constructor(client: Client) {
    this.#client = client;
  }

  static of(client: Client): HotKeys {
    let keys = ofClients.get(client);
    if (keys === undefined) {
      keys = new HotKeys(client);
      ofClients.set(client, keys);
    }
    return keys;
  }

  /** The first of them that is hot. One line is all that anybody stands in, so nobody waits in a circle. */
  hottest(keys: readonly Key[]): HotKey | undefined {
    if (this.#keys.size === 0) return undefined;
    return [...keys]
      .sort()
      .map((key) => this.#keys.get(key))
      .find((one) => one?.isHot === true);
  }

  /** A turn at one of these that this process has, and nobody here uses. */
  tryTake(ranges: readonly KeyRange[]): Turn | undefined {
    if (this.#keys.size === 0) return undefined;
    for (const { key } of ranges) {
      const turn = this.#keys.get(key)?.tryTake();
      if (turn !== undefined) return turn;
    }
    return undefined;
  }

  /** A commit was refused since these had changed. */
  conflicted(keys: readonly Key[]): void {
    for (const key of keys) this.#of(key).conflicted();
  }

  #of(key: Key): HotKey {
    let known = this.#keys.get(key);
    if (known === undefined) {
      if (this.#keys.size >= mostRemembered) this.#forget();
      known = new HotKey(this.#client, key);
      this.#keys.set(key, known);
    }
    return known;
  }

  #forget(): void {
    for (const [key, one] of this.#keys) if (one.isIdle) this.#keys.delete(key);
  }
}
