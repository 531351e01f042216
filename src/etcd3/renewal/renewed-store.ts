import { invalidArgument, isQuorateError, QuorateError } from '../../errors.js';
import { waitFor } from '../../runtime/index.js';
import { sharedMonotonicMs, startThread } from '../../runtime/thread.js';
import type { Store } from '../../store/index.js';
import { LoopRenewer } from '../../store/loop-renewer.js';
import type { Settings } from '../options.js';
import type { RenewalThreadData } from './messages.js';
import { WorkerRenewer } from './worker-renewer.js';

/** For loading its modules on a machine that is busy, besides the time to connect. */
const startWithinMs = 10_000;

const module = new URL(
  import.meta.url.endsWith('.ts') ? './renewal-thread.ts' : './renewal-thread.js',
  import.meta.url,
);

/**
 * Gives a store a thread that renews the leases of its clients' sessions, over a connection of its own that is opened as
 * the store was. The store's `close` ends the thread. Rejects as `openEtcd3Store` does if the thread cannot connect; the
 * store is closed then.
 */
export async function withRenewalThread(store: Store, settings: Settings): Promise<Store> {
  const { runtime, connectTimeoutMs, longestStallMs } = settings;
  const close = store.close.bind(store);
  let renewer: WorkerRenewer | undefined;
  try {
    const options = threadOptions(settings);
    renewer = new WorkerRenewer({
      ...{ runtime, longestStallMs, sharedMs: sharedMonotonicMs, onEnd: warn },
      fallback: new LoopRenewer(store, runtime),
      startThread: (lifeSign, events) => {
        const data: RenewalThreadData = { options, lifeSign, longestStallMs };
        return startThread(module, 'quorate-renewal', data, events);
      },
    });
    const timeoutMs = connectTimeoutMs + startWithinMs;
    await waitFor(runtime, renewer.ready, { timeoutMs }, 'starting the thread that renews leases');
  } catch (error) {
    await Promise.all([renewer?.close(), close()]);
    if (isQuorateError(error) && error.code !== 'timeout') throw error;
    throw new QuorateError('unreachable', 'the thread that renews leases could not be started', {
      cause: error,
    });
  }
  const leaseRenewer = renewer;
  return Object.assign(store, {
    leaseRenewer,
    close: async () => {
      await Promise.all([leaseRenewer.close(), close()]);
    },
  });
}

/** The options that the thread connects by: all that are plain data. */
function threadOptions({
  runtime,
  etcd3,
  renewal,
  longestStallMs,
  ...plain
}: Settings): RenewalThreadData['options'] {
  try {
    return structuredClone(plain) as RenewalThreadData['options'];
  } catch (error) {
    throw invalidArgument(
      `a thread cannot be given these grpcOptions: ${(error as Error).message}`,
      "plain data with renewal: 'worker'",
    );
  }
}

function warn(cause: unknown): void {
  const why = cause instanceof Error ? `: ${cause.message}` : '';
  process.emitWarning(
    `the thread that renews the leases of sessions has ended${why}. From now on the event loop of this process renews ` +
      'them, so that one that is blocked for as long as a TTL loses them. Open the store anew to have another thread.',
    { type: 'QuorateRenewalWarning', code: 'QUORATE_RENEWAL' },
  );
}
