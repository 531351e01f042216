import { QuorateError } from '../../src/errors.js';
import type { Runtime } from '../../src/runtime/index.js';
import type { CallOptions, Store } from '../../src/store/index.js';

export type Call = 'range' | 'txn' | 'leaseGrant' | 'leaseKeepAlive' | 'leaseRevoke' | 'leaseTimeToLive';

/** What becomes of a call. A lost one is silent: it ends by the caller's own time limit or signal. */
export type Fate = 'deliver' | 'lose-request' | 'lose-reply';

/** A store behind a network that the test cuts, either way, by kind of call. */
export function cuttableStore(
  store: Store,
  runtime: Runtime,
): {
  store: Store;
  fate: (decide: (call: Call, nth: number) => Fate) => void;
  count: (call: Call) => number;
} {
  let decide: (call: Call, nth: number) => Fate = () => 'deliver';
  const counts = new Map<Call, number>();
  const through = async <T>(call: Call, options: CallOptions = {}, send: () => Promise<T>): Promise<T> => {
    const nth = counts.get(call) ?? 0;
    counts.set(call, nth + 1);
    const fate = decide(call, nth);
    if (fate === 'deliver') return send();
    if (fate === 'lose-reply') await send().catch(() => {});
    return silence<T>(runtime, options);
  };
  return {
    store: {
      range: (request, options) => through('range', options, () => store.range(request, options)),
      txn: (request, options) => through('txn', options, () => store.txn(request, options)),
      watch: (request) => store.watch(request),
      leaseGrant: (request, options) =>
        through('leaseGrant', options, () => store.leaseGrant(request, options)),
      leaseKeepAlive: (id, options) =>
        through('leaseKeepAlive', options, () => store.leaseKeepAlive(id, options)),
      leaseRevoke: (id, options) => through('leaseRevoke', options, () => store.leaseRevoke(id, options)),
      leaseTimeToLive: (id, options) =>
        through('leaseTimeToLive', options, () => store.leaseTimeToLive(id, options)),
      compact: (revision, options) => store.compact(revision, options),
      status: (options) => store.status(options),
      close: () => store.close(),
    },
    fate: (next) => {
      decide = next;
      counts.clear();
    },
    count: (call) => counts.get(call) ?? 0,
  };
}

function silence<T>(runtime: Runtime, { signal, timeoutMs = 10_000 }: CallOptions): Promise<T> {
  return new Promise<T>((_resolve, reject) => {
    const fail = (code: 'timeout' | 'aborted') => {
      timer.cancel();
      signal?.removeEventListener('abort', onAbort);
      reject(new QuorateError(code, 'no reply', { outcome: 'unknown' }));
    };
    const onAbort = () => fail('aborted');
    const timer = runtime.setTimer(timeoutMs, () => fail('timeout'), { background: true });
    if (signal?.aborted) onAbort();
    else signal?.addEventListener('abort', onAbort);
  });
}
