import type { Engine } from '../engine/index.js';
import { invalidArgument, QuorateError } from '../errors.js';
import { checkWaitOptions, type Runtime, timeoutError } from '../runtime/index.js';
import {
  type CallOptions,
  type LeaseGrant,
  type LeaseId,
  type LeaseState,
  type RangeRequest,
  type RangeResult,
  type Store,
  type StoreStatus,
  type TxnReply,
  type TxnRequest,
  validateWatch,
  type Watch,
  type WatchRequest,
} from '../store/index.js';
import { copyKvs, copyReply, copyRequest } from './copy.js';
import { MemoryWatch } from './watch.js';

/** One call in so many waits for the event loop, so that who only awaits this store cannot starve timers. */
const callsPerTurn = 32;

export interface MemoryStoreHooks {
  /** Before a call is applied: what is due by now has happened. */
  advance(): void;
  /** After it: deadlines of leases may have changed. */
  changed(): void;
  closed(): void;
}

/**
 * One process's connection to a memory server. A call is applied in one step, some time after it was made, and
 * answered some time after that; what is refused, aborted or closed was not applied. Calls are applied in the order
 * in which they were made, save that the order around a pause for the event loop is open.
 */
export class MemoryStore implements Store {
  readonly #engine: Engine;
  readonly #runtime: Runtime;
  readonly #hooks: MemoryStoreHooks;
  readonly #watches = new Set<MemoryWatch>();
  #calls = 0;
  #closed = false;

  constructor(engine: Engine, runtime: Runtime, hooks: MemoryStoreHooks) {
    this.#engine = engine;
    this.#runtime = runtime;
    this.#hooks = hooks;
  }

  range(request: RangeRequest, options: CallOptions = {}): Promise<RangeResult> {
    return this.#call('reading a range', options, () => {
      const result = this.#engine.range(request);
      return { ...result, kvs: copyKvs(result.kvs) };
    });
  }

  async txn(request: TxnRequest, options: CallOptions = {}): Promise<TxnReply> {
    const sent = copyRequest(request);
    return this.#call('applying a transaction', options, () => {
      const { revision, succeeded, replies } = this.#engine.txn(sent);
      return { revision, succeeded, replies: replies.map(copyReply) };
    });
  }

  watch(request: WatchRequest): Watch {
    validateWatch(request);
    const watch = new MemoryWatch(request, () => this.#watches.delete(watch));
    if (this.#closed) {
      watch.fail(new QuorateError('closed', 'the store is closed'));
    } else {
      this.#watches.add(watch);
      queueMicrotask(() => watch.open(this.#engine));
    }
    return watch;
  }

  leaseGrant(
    request: { readonly id: LeaseId; readonly ttlSeconds: number },
    options: CallOptions = {},
  ): Promise<LeaseGrant> {
    const { id, ttlSeconds } = request;
    return this.#call('granting a lease', options, () => {
      // etcd itself raises it to the least; who asks for it through a store has miscalculated.
      if (ttlSeconds < 0)
        throw invalidArgument(`a TTL of ${ttlSeconds} s`, 'a whole number of seconds from 0');
      return this.#engine.leaseGrant(id, ttlSeconds, this.#runtime.monotonicMs());
    });
  }

  leaseKeepAlive(id: LeaseId, options: CallOptions = {}): Promise<number> {
    return this.#call('keeping a lease alive', options, () =>
      this.#engine.leaseKeepAlive(id, this.#runtime.monotonicMs()),
    );
  }

  leaseRevoke(id: LeaseId, options: CallOptions = {}): Promise<void> {
    return this.#call('revoking a lease', options, () => this.#engine.leaseRevoke(id));
  }

  leaseTimeToLive(id: LeaseId, options: CallOptions & { readonly keys?: boolean } = {}): Promise<LeaseState> {
    return this.#call('asking for the time to live of a lease', options, () =>
      this.#engine.leaseTimeToLive(id, this.#runtime.monotonicMs(), { keys: options.keys ?? false }),
    );
  }

  compact(revision: number, options: CallOptions = {}): Promise<void> {
    return this.#call('compacting history', options, () => this.#engine.compact(revision));
  }

  status(options: CallOptions = {}): Promise<StoreStatus> {
    return this.#call('asking for the status', options, () => ({
      version: 'memory',
      revision: this.#engine.revision,
      clusterId: 'memory',
    }));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const watch of this.#watches) watch.close();
    this.#watches.clear();
    this.#hooks.closed();
  }

  async #call<T>(doing: string, options: CallOptions, apply: () => T): Promise<T> {
    const { signal, timeoutMs } = options;
    checkWaitOptions(options, doing);
    const sentMs = timeoutMs === undefined ? 0 : this.#runtime.monotonicMs();
    this.#assertOpen(doing);
    this.#calls += 1;
    await (this.#calls % callsPerTurn === 0 ? this.#runtime.nextTurn() : undefined);
    this.#assertOpen(doing);
    checkWaitOptions({ signal }, doing);
    if (timeoutMs !== undefined && this.#runtime.monotonicMs() - sentMs >= timeoutMs) {
      throw timeoutError(timeoutMs, doing);
    }
    this.#hooks.advance();
    const reply = apply();
    this.#hooks.changed();
    return reply;
  }

  #assertOpen(doing: string): void {
    if (this.#closed) throw new QuorateError('closed', `the store is closed: cannot go on ${doing}`);
  }
}
