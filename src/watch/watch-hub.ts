import { invalidArgument, QuorateError, shown } from '../errors.js';
import { Listeners, type Runtime } from '../runtime/index.js';
import type { KeyRange, Store } from '../store/index.js';
import { type HubItem, SharedWatch, type Subscription } from './shared-watch.js';

export interface WatchHubOptions {
  /** How long a watch outlives its last subscriber, since the next one would wait for a new one. Default 5,000. */
  lingerMs?: number;
}

export interface SubscribeRequest extends KeyRange {
  /** Kinds of event to leave out. */
  readonly without?: readonly ('put' | 'delete')[];
  readonly prevKv?: boolean;
}

/**
 * The watches of one process, shared. Subscribers of the same range and filters stand on one watch of the store,
 * "from now": the first one opens it, and it lingers after the last has left. A watch that already stands open
 * greets a new subscriber with `opened` before `subscribe` returns, so its wait begins without a round trip.
 *
 * - Order: items reach a subscriber in the store's order, synchronously. A listener that throws is reported as a
 *   process warning and hurts nobody.
 * - Guaranteed: between an `opened` and the next `interrupted`, every event above the opened revision.
 * - Not guaranteed: anything across a cut. `interrupted` is never news about a key; after the next `opened`, read
 *   the state. A watch that can never go on tells all its subscribers `failed` and is forgotten.
 * - Cost: one watch per distinct range and filters while somebody subscribes, and `lingerMs` longer.
 */
export class WatchHub {
  readonly #store: Store;
  readonly #runtime: Runtime;
  readonly #lingerMs: number;
  readonly #shared = new Map<string, SharedWatch>();
  #closed = false;

  constructor(store: Store, runtime: Runtime, options: WatchHubOptions = {}) {
    const lingerMs = options.lingerMs ?? 5_000;
    if (!Number.isFinite(lingerMs) || lingerMs < 0) {
      throw invalidArgument(`lingerMs is ${shown(lingerMs)}`, 'a finite number of milliseconds from 0');
    }
    this.#store = store;
    this.#runtime = runtime;
    this.#lingerMs = lingerMs;
  }

  /** How many watches of the store stand open or are being opened. */
  get watchCount(): number {
    return this.#shared.size;
  }

  subscribe(request: SubscribeRequest, listener: (item: HubItem) => void): Subscription {
    if (this.#closed) return refused(listener);
    const identity = identityOf(request);
    const standing = this.#shared.get(identity);
    if (standing) return standing.subscribe(listener);
    const shared: SharedWatch = new SharedWatch({
      store: this.#store,
      runtime: this.#runtime,
      request: watchRequestOf(request),
      lingerMs: this.#lingerMs,
      onEnd: () => {
        if (this.#shared.get(identity) === shared) this.#shared.delete(identity);
      },
    });
    this.#shared.set(identity, shared);
    const subscription = shared.subscribe(listener);
    shared.start();
    return subscription;
  }

  /** Ends every watch; subscribers get `failed` with code `closed`, now and later. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const shared of [...this.#shared.values()]) shared.end(hubClosed());
  }
}

function hubClosed(): QuorateError {
  return new QuorateError('closed', 'the watch hub is closed');
}

/** A closed hub answers as a watch that failed does, after `subscribe` has returned: one path for the subscriber. */
function refused(listener: (item: HubItem) => void): Subscription {
  const only = new Listeners<HubItem>();
  const remove = only.add(listener);
  queueMicrotask(() => only.emit({ type: 'failed', error: hubClosed() }));
  return { close: remove, ageMs: 0 };
}

function watchRequestOf(request: SubscribeRequest) {
  const { key, rangeEnd, without, prevKv } = request;
  return {
    key,
    ...(rangeEnd === undefined ? {} : { rangeEnd }),
    ...(without === undefined ? {} : { without: [...without] }),
    ...(prevKv === undefined ? {} : { prevKv }),
  };
}

function identityOf(request: SubscribeRequest): string {
  const without = [...new Set(request.without)].sort();
  return JSON.stringify([request.key, request.rangeEnd ?? '', without, request.prevKv === true]);
}
