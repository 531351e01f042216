/**
 * A lease beside a session's, for what must outlast the session where that is lost: a lock with a lock-delay.
 *
 * It is a session of its own, with an anchor and a keeper. With T the session's TTL and D the delay, its TTL T2 is at least
 * 1.5 (T + D), and its keeper takes D off what it believes, like the time to abort. So
 * - who believes no longer than both leases allow has stopped, with all his effects, D before this one can end, by the proof
 *   in deadline.ts with D + a in place of a. (That D is counted by the clock of this process is covered by the same margin:
 *   fast by r, it counts D in D / (1 + r), and 2r T2 / (1 + r) is more than what is missing.)
 * - it is renewed each third of T2, so where both are renewed in time its last renewal is at most T2 / 3 older than the
 *   session's, and 2/3 of T2 are left: T and D. A process that dies is followed D after its session's lease has ended. Nothing
 *   less than T2 / 3 + D + T does; and it is not lost by one reply that is late, since T / 2 is left after each renewal.
 *
 * **Session lost** (cut, expired, its anchor deleted, closed): renewed no more, or a live process would keep for ever what
 * it has lost. Where nothing is on it, it is revoked at once; else when D and the margin have passed: who knows of the loss
 * knows of it no later than belief ended. **Lost itself:** what is on it is lost, and the next use opens another one.
 * **Process dead, client closed with something on it:** it ends by its TTL.
 * **A request under way that may have put something on it** counts as something until its outcome is known.
 */
import { linkedSignal, offAbort, onAbort } from '../runtime/index.js';
import type { LeaseId } from '../store/index.js';
import type { ClockBounds } from './deadline.js';
import type { Session } from './session.js';

export interface OwnLease {
  readonly ttlSeconds: number;
  readonly bounds: ClockBounds;
  readonly signal: AbortSignal;
}

export interface DelayLeasesParts {
  readonly bounds: ClockBounds;
  /** Fires when the client closes. */
  readonly closed: AbortSignal;
  readonly open: (lease: OwnLease) => Promise<Session>;
}

/** At least 1.5 (T + D), and so much that T / 2 is left to believe in when a renewal is due, at a third of it. */
export function delayTtlSeconds(
  ttlMs: number,
  delayMs: number,
  { clockRateError: r, abortMs }: ClockBounds,
): number {
  const believed = 2 / 3 - (2 * r) / (1 + r);
  return Math.ceil(Math.max(1.5 * (ttlMs + delayMs), (delayMs + abortMs + ttlMs / 2) / believed) / 1_000);
}

/** A lease beside a session's, on which stands what outlives the session by its delay where that is lost. Renewed as long as the session is. */
export class DelayLease {
  readonly #own: Session;
  /** What is on it, or may be. */
  readonly #inUse = new Set<object>();
  /** Resolves when it is done with: revoked, or left to its TTL or a later revocation. */
  readonly ended: Promise<void>;
  #resolveEnded: () => void = () => {};

  /** `own`: its lease and keeper. It ends with `session`. */
  constructor(session: Session, own: Session) {
    this.#own = own;
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    const end = () => void this.#end();
    const lost = () => {
      offAbort(session.signal, end);
      if (!session.signal.aborted) this.#resolveEnded();
    };
    if (session.signal.aborted) end();
    else if (own.signal.aborted) lost();
    else {
      onAbort(session.signal, end);
      onAbort(own.signal, lost);
    }
  }

  get leaseId(): LeaseId {
    return this.#own.leaseId;
  }

  /** Fires when what is on it may no longer be believed in: it is lost, or its session is. */
  get signal(): AbortSignal {
    return this.#own.signal;
  }

  /** Compares the clocks first, as a session does. */
  isLive(): boolean {
    return this.#own.isLive();
  }

  /** Throws `session-lost` unless {@link isLive}. */
  assertLive(): void {
    this.#own.assertLive();
  }

  /** Resolves once a stall that is being decided is decided. */
  settled(): Promise<void> {
    return this.#own.settled();
  }

  /** Asks the store whether it is still there: as `session.verify`. */
  verify(): Promise<boolean> {
    return this.#own.verify({ signal: this.signal });
  }

  /** Something is about to be put on it. Returns what says that it is on it no more, or never was. */
  occupy(): () => void {
    const use = {};
    this.#inUse.add(use);
    return () => {
      this.#inUse.delete(use);
    };
  }

  async #end(): Promise<void> {
    if (this.#inUse.size > 0) this.#own.abandon();
    else await this.#own.close();
    this.#resolveEnded();
  }
}

/** Those of one client: one for each session and delay. */
export class DelayLeases {
  readonly #parts: DelayLeasesParts;
  readonly #bySession = new WeakMap<Session, Map<number, Promise<DelayLease>>>();
  readonly #standing = new Set<DelayLease>();

  constructor(parts: DelayLeasesParts) {
    this.#parts = parts;
  }

  async of(session: Session, delayMs: number): Promise<DelayLease> {
    const leases = this.#bySession.get(session) ?? new Map<number, Promise<DelayLease>>();
    this.#bySession.set(session, leases);
    for (;;) {
      session.assertLive();
      const opening = leases.get(delayMs) ?? this.#open(session, delayMs);
      leases.set(delayMs, opening);
      try {
        const lease = await opening;
        if (!lease.isLive()) await lease.settled();
        if (lease.isLive()) return lease;
      } catch (error) {
        if (leases.get(delayMs) === opening) leases.delete(delayMs);
        session.assertLive();
        throw error;
      }
      if (leases.get(delayMs) === opening) leases.delete(delayMs);
    }
  }

  /** Resolves once all of them are done with: after their sessions are. */
  async ended(): Promise<void> {
    await Promise.all([...this.#standing].map((lease) => lease.ended));
  }

  async #open(session: Session, delayMs: number): Promise<DelayLease> {
    const { bounds, closed, open } = this.#parts;
    const end = linkedSignal(closed, session.signal);
    try {
      const own = await open({
        ttlSeconds: delayTtlSeconds(session.ttlMs, delayMs, bounds),
        bounds: { ...bounds, abortMs: bounds.abortMs + delayMs },
        signal: end.signal,
      });
      const lease = new DelayLease(session, own);
      this.#standing.add(lease);
      void lease.ended.then(() => this.#standing.delete(lease));
      return lease;
    } finally {
      end.unlink();
    }
  }
}
