import type { Store, Watch, WatchItem } from '../../src/store/index.js';

export type CallName = Exclude<keyof Store, 'close' | 'leaseRenewer'>;

/** Counts the requests that reach a store, by kind. */
export interface CallCounts {
  readonly calls: Readonly<Record<CallName, number>>;
  /** Watches of which it was told since the last `reset` that they stand open; each cut and resumption counts anew. */
  readonly opened: number;
  /** Requests since the last `reset`, keep-alives left out. */
  total(): number;
  reset(): void;
}

/** A store that counts the requests passing through it. */
export function countingStore(store: Store): { store: Store; counts: CallCounts } {
  const zero = (): Record<CallName, number> => ({
    range: 0,
    txn: 0,
    watch: 0,
    leaseGrant: 0,
    leaseKeepAlive: 0,
    leaseRevoke: 0,
    leaseTimeToLive: 0,
    compact: 0,
    status: 0,
  });
  let calls = zero();
  let opened = 0;
  const watch: Store['watch'] = (request) => {
    calls.watch += 1;
    const inner = store.watch(request);
    async function* items(): AsyncGenerator<WatchItem> {
      for await (const item of inner) {
        if (item.type === 'opened') opened += 1;
        yield item;
      }
    }
    return { [Symbol.asyncIterator]: items, close: () => inner.close() } satisfies Watch;
  };
  const counted = <N extends CallName>(name: N): Store[N] =>
    ((...args: unknown[]) => {
      calls[name] += 1;
      return (store[name] as (...inner: unknown[]) => unknown).apply(store, args);
    }) as Store[N];
  return {
    store: {
      range: counted('range'),
      txn: counted('txn'),
      watch,
      leaseGrant: counted('leaseGrant'),
      leaseKeepAlive: counted('leaseKeepAlive'),
      leaseRevoke: counted('leaseRevoke'),
      leaseTimeToLive: counted('leaseTimeToLive'),
      compact: counted('compact'),
      status: counted('status'),
      close: () => store.close(),
    },
    counts: {
      get calls() {
        return calls;
      },
      get opened() {
        return opened;
      },
      total: () =>
        Object.entries(calls).reduce(
          (sum, [name, count]) => sum + (name === 'leaseKeepAlive' ? 0 : count),
          0,
        ),
      reset: () => {
        calls = zero();
        opened = 0;
      },
    },
  };
}
