import type { TransactionGuard } from '../../src/guard/index.js';
import type { Hold, Mutex } from '../../src/locks/index.js';
import type { Client, Session } from '../../src/session/index.js';
import type { Compare } from '../../src/store/index.js';

/** Under what a caller writes; `compare`: the guard of a session, as it was before. */
export type Under = 'session' | 'compare' | 'hold';

/** How long it is waited for. */
const withinMs = 500;

/** What has the guard; rejects as a session or a hold does that cannot be had in time. */
export function comeUnder(what: Under, client: Client, mutex: Mutex): Promise<Session | Hold> {
  return what === 'hold' ? mutex.acquire({ timeoutMs: withinMs }) : client.session({ timeoutMs: withinMs });
}

/** As it is given to a call. */
export function guardOf(what: Under, had: Session | Hold): TransactionGuard {
  return what === 'compare' ? had.guard() : had;
}

/** A session stays, for others. */
export function comeOut(had: Session | Hold | undefined): Promise<void> {
  return had !== undefined && 'release' in had ? had.release() : Promise.resolve();
}

export function compareOf(guard: TransactionGuard): Compare {
  return 'guard' in guard ? guard.guard() : (guard as Compare);
}
