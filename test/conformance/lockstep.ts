import { isQuorateError } from '../../src/errors.js';
import type { Store, Watch, WatchItem } from '../../src/store/index.js';
import type { Operation } from '../support/operations.js';

/** What a call answered, in a form in which two stores' answers can be compared. */
export type Answer = { readonly reply: unknown } | { readonly refused: string };

/** Applies one operation and puts its answer into a form that does not depend on the store. */
export async function answerOf(store: Store, operation: Operation): Promise<Answer> {
  try {
    return { reply: plain(await apply(store, operation)) };
  } catch (error) {
    if (isQuorateError(error)) return { refused: `${error.code} (${error.outcome})` };
    throw error;
  }
}

async function apply(store: Store, operation: Operation): Promise<unknown> {
  switch (operation.call) {
    case 'txn':
      return store.txn(operation.request);
    case 'range':
      return store.range(operation.request);
    case 'grant':
      return store.leaseGrant(operation);
    case 'revoke':
      return store.leaseRevoke(operation.id);
    case 'keepAlive':
      return store.leaseKeepAlive(operation.id);
    case 'timeToLive': {
      const state = await store.leaseTimeToLive(operation.id, { keys: true });
      // How much time is left depends on when the server was asked.
      return { ...state, keys: [...state.keys].sort(), remainingSeconds: Math.sign(state.remainingSeconds) };
    }
    case 'compact':
      return store.compact(operation.revision);
    case 'watch':
      throw new Error('watches are followed, not called');
  }
}

/** Bytes as text, whatever kind of array holds them. */
export function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return `bytes:${Buffer.from(value).toString('latin1')}`;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, plain(inner)]));
}

/** Reads a watch in the background. */
export class Follower {
  readonly #watch: Watch;
  readonly #items: WatchItem[] = [];
  #ended = false;

  constructor(watch: Watch) {
    this.#watch = watch;
    void this.#read();
  }

  get items(): readonly WatchItem[] {
    return this.#items;
  }

  get ended(): boolean {
    return this.#ended;
  }

  get eventCount(): number {
    return this.#items.reduce((sum, item) => sum + (item.type === 'events' ? item.events.length : 0), 0);
  }

  /**
   * What was seen, without how it was cut into items, which is the server's choice; and whether the cuts were between
   * revisions, in ascending order.
   */
  seen(): unknown {
    const first = this.#items.find((item) => item.type === 'opened');
    const gap = this.#items.find((item) => item.type === 'compacted');
    const events = this.#items.flatMap((item) => (item.type === 'events' ? item.events : []));
    let latest = 0;
    let whole = true;
    for (const item of this.#items) {
      if (item.type !== 'events') continue;
      whole &&=
        (item.events[0]?.kv.modRevision ?? 0) > latest &&
        item.events.at(-1)?.kv.modRevision === item.revision;
      latest = item.revision;
    }
    return plain({ first, events, gap, whole });
  }

  close(): void {
    this.#watch.close();
  }

  async #read(): Promise<void> {
    for await (const item of this.#watch) this.#items.push(item);
    this.#ended = true;
  }
}

/** Waits until `condition` holds, for at most five seconds. Returns whether it came to hold. */
export async function eventually(condition: () => boolean): Promise<boolean> {
  const deadline = Date.now() + 5_000;
  while (!condition()) {
    if (Date.now() > deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return true;
}
