/**
 * Who keeps leases alive. A session is content with anybody who does: the event loop that it lives in
 * (loop-renewer.ts), or somebody beside it whom a blocked event loop does not hold up. Nobody is trusted further than
 * the store has acknowledged: what counts is when the newest acknowledged keep-alive was *sent*.
 */
import type { AgeClock, Instant, Runtime } from '../runtime/index.js';
import type { LeaseId } from './types.js';

/** An acknowledged grant or keep-alive. */
export interface Renewal {
  /** Before it left, on the clock of whom it is for. */
  readonly sentAt: Instant;
  /** The TTL in its reply; 0: the lease is gone. */
  readonly ttlMs: number;
}

/** A keep-alive that was not acknowledged. */
export interface RenewalTrouble {
  readonly sentAt: Instant;
  /** `overdue`: there is no reply yet, and another one is sent. `failed`: cut, refused, timed out. */
  readonly kind: 'overdue' | 'failed';
  readonly cause?: unknown;
}

/** A lease that shall live, and who wants to hear of it. */
export interface LeaseToRenew {
  readonly id: LeaseId;
  readonly granted: Renewal;
  readonly clock: AgeClock;
  /** Asked where its owner can answer before a keep-alive leaves; false: not this time. */
  isWanted(): boolean;
  /** {@link LeaseRenewal.latest} has changed. Comes by a turn of the event loop, so late where that is blocked. */
  onRenewed(): void;
  onTrouble(trouble: RenewalTrouble): void;
}

export interface LeaseRenewal {
  /**
   * The newest acknowledged keep-alive by its send, or that the lease is gone; undefined while there is neither. Right at
   * once, whether the event loop has turned meanwhile or not. The same object until there is another.
   */
  latest(): Renewal | undefined;
  /** No keep-alive is sent any more. Idempotent. */
  stop(): void;
}

export interface LeaseRenewer {
  /** The clock that it needs, which is then that of all clients of its store. Default: any. */
  readonly runtime?: Runtime;
  /** Renews a lease until it is gone or `stop` is called: each third of the TTL, and each tenth while none is acknowledged. */
  start(lease: LeaseToRenew): LeaseRenewal;
}
