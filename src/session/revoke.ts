import { isPassingRead, isQuorateError } from '../errors.js';
import { Backoff, type Runtime, sleep } from '../runtime/index.js';
import type { LeaseId, Store } from '../store/index.js';

export interface RevokeOptions {
  /** Wait so long before the first attempt. Default 0. */
  readonly delayMs?: number;
  /** Give up after so long, the delay included: the lease has ended by itself by then. */
  readonly withinMs: number;
  /** Ends the waits and the attempts. */
  readonly signal: AbortSignal;
}

const longestAttemptMs = 2_000;

/**
 * Revokes a lease, best effort: tries again until it is gone, time is up or the store says that it never will.
 * Never rejects; true if the lease is known to be gone. Repeating is safe, since a lease id is never used twice.
 */
export async function revokeLease(
  store: Pick<Store, 'leaseRevoke'>,
  runtime: Runtime,
  leaseId: LeaseId,
  { delayMs = 0, withinMs, signal }: RevokeOptions,
): Promise<boolean> {
  const startedAtMs = runtime.monotonicMs();
  const leftMs = () => withinMs - (runtime.monotonicMs() - startedAtMs);
  const backoff = new Backoff(runtime, { firstMs: 100, longestMs: 2_000 });
  try {
    if (delayMs > 0) await sleep(runtime, delayMs, { signal, background: true });
    while (leftMs() > 0) {
      try {
        await store.leaseRevoke(leaseId, { timeoutMs: Math.min(longestAttemptMs, leftMs()), signal });
        return true;
      } catch (error) {
        if (isQuorateError(error, 'lease-not-found')) return true;
        if (!mayPass(error)) return false;
      }
      await sleep(runtime, Math.min(backoff.nextMs(), Math.max(1, leftMs())), { signal, background: true });
    }
  } catch {
    // Only `sleep` throws here, when the signal fires.
  }
  return false;
}

/** True for a failure that another attempt may not meet. */
export function mayPass(error: unknown): boolean {
  return isPassingRead(error) || isQuorateError(error, 'unreachable') || isQuorateError(error, 'internal');
}
