/**
 * Opening a session, safe against every lost reply:
 *
 * 1. Grant a lease with an id of our own. No reply: ask again; `lease-exists` then means that it was granted, and a
 *    keep-alive tells its TTL and is the first to count for the deadline.
 * 2. The keeper begins to renew it.
 * 3. Anchor: `IF create(E) = 0 THEN put E (leased) ELSE get E`, E a key with a random id. It goes through the
 *    exactly-once store, so a lost reply is settled there. The lease ended meanwhile, or history was compacted so
 *    that the reply cannot be worked out: begin anew with new ids.
 *
 * Whatever fails or is given up: the lease is revoked in the background, and if even that fails it ends by its TTL.
 */
import { isQuorateError, QuorateError } from '../errors.js';
import {
  AgeClock,
  abortedError,
  Backoff,
  invariant,
  linkedSignal,
  type Runtime,
  sleep,
} from '../runtime/index.js';
import {
  compare,
  get,
  type Keyspace,
  type LeaseId,
  type LeaseRenewer,
  put,
  type Renewal,
  type Store,
} from '../store/index.js';
import { type ClockBounds, marginMs } from './deadline.js';
import { Keeper } from './keeper.js';
import { mayPass, revokeLease } from './revoke.js';
import { Session } from './session.js';
import type { LateTick } from './stall-monitor.js';

/** How long one attempt may wait for its reply, which may never come, before it is made again. */
const longestAttemptMs = 5_000;

export interface OpenSessionOptions {
  readonly store: Store;
  /** Who keeps the lease alive. */
  readonly renewer: LeaseRenewer;
  readonly runtime: Runtime;
  readonly keys: Keyspace;
  readonly bounds: ClockBounds;
  readonly ttlSeconds: number;
  /** What people find as the anchor's value. */
  readonly label: string;
  /** `unreachable` after so many milliseconds. */
  readonly withinMs: number;
  /** Gives the opening up. */
  readonly signal: AbortSignal;
  readonly clientClosed: AbortSignal;
  readonly onTick?: (tick: LateTick) => void;
}

interface Granted {
  readonly leaseId: LeaseId;
  readonly renewal: Renewal;
}

export async function openSession(options: OpenSessionOptions): Promise<Session> {
  return new Opening(options).run();
}

class Opening {
  readonly #options: OpenSessionOptions;
  readonly #clock: AgeClock;
  readonly #backoff: Backoff;
  readonly #startedAtMs: number;

  constructor(options: OpenSessionOptions) {
    this.#options = options;
    this.#clock = new AgeClock(options.runtime);
    this.#backoff = new Backoff(options.runtime, { firstMs: 20, longestMs: 1_000 });
    this.#startedAtMs = options.runtime.monotonicMs();
  }

  /** Ends by success, by a failure that another attempt would only repeat, by the signal, or by the time limit. */
  async run(): Promise<Session> {
    for (;;) {
      const granted = await this.#grant();
      const session = await this.#anchor(granted);
      if (session !== undefined) return session;
      await this.#pause(new QuorateError('lease-not-found', 'the lease of the new session ended at once'));
    }
  }

  async #grant(): Promise<Granted> {
    const { store, runtime, ttlSeconds } = this.#options;
    let leaseId = leaseIdOf(runtime.newId());
    let maybeGranted = false;
    for (;;) {
      const sentAt = this.#clock.now();
      try {
        const grant = await store.leaseGrant({ id: leaseId, ttlSeconds }, this.#attempt());
        return { leaseId, renewal: { sentAt, ttlMs: grant.ttlSeconds * 1_000 } };
      } catch (error) {
        if (isQuorateError(error, 'lease-exists')) {
          const renewal = maybeGranted ? await this.#renewalOf(leaseId) : undefined;
          if (renewal !== undefined) return { leaseId, renewal };
          // Somebody else's, against all odds; or ours, and over by now.
          leaseId = leaseIdOf(runtime.newId());
          maybeGranted = false;
          await this.#pause(error);
          continue;
        }
        if (isQuorateError(error) && error.outcome === 'unknown') maybeGranted = true;
        await this.#pause(error, maybeGranted ? leaseId : undefined);
      }
    }
  }

  /** The first acknowledged keep-alive of a lease of which the grant's reply was lost; undefined if it is gone. */
  async #renewalOf(leaseId: LeaseId): Promise<Renewal | undefined> {
    for (;;) {
      const sentAt = this.#clock.now();
      try {
        const ttlSeconds = await this.#options.store.leaseKeepAlive(leaseId, this.#attempt());
        return ttlSeconds > 0 ? { sentAt, ttlMs: ttlSeconds * 1_000 } : undefined;
      } catch (error) {
        await this.#pause(error, leaseId);
      }
    }
  }

  /** Undefined if the lease ended before it could be used. */
  async #anchor({ leaseId, renewal }: Granted): Promise<Session | undefined> {
    const { store, renewer, runtime, keys, bounds, label, clientClosed, onTick } = this.#options;
    const id = runtime.newId();
    const anchor = `${keys.prefix('session', id)}anchor`;
    const keeper = new Keeper({
      ...{ renewer, runtime, bounds, leaseId, onTick },
      ...{ clock: this.#clock, granted: renewal },
    });
    const end = linkedSignal(this.#options.signal, keeper.signal);
    let anchored = false;
    try {
      const value = JSON.stringify({ label });
      const reply = await store.txn(
        {
          compare: [compare.create(anchor, 'equal', 0)],
          success: [put(anchor, value, { lease: leaseId })],
          failure: [get(anchor)],
        },
        { timeoutMs: this.#leftMs(), signal: end.signal },
      );
      const [read] = reply.replies;
      const mine = read?.type === 'range' ? read.kvs[0] : undefined;
      const anchorRevision = reply.succeeded ? reply.revision : mine?.createRevision;
      if (!keeper.isLive()) return undefined;
      invariant(anchorRevision !== undefined, 'an anchor that exists already can be read');
      invariant(mine === undefined || mine.lease === leaseId, 'only its own session writes an anchor');
      anchored = true;
      return new Session({
        ...{ id, leaseId, anchor, anchorRevision, keeper, store, runtime, clientClosed },
        ttlMs: renewal.ttlMs,
        marginMs: marginMs(renewal.ttlMs, bounds),
      });
    } catch (error) {
      // Also where the reply was lost and history compacted, so that whether it was anchored cannot be told.
      const isWasted = isQuorateError(error, 'lease-not-found') || isQuorateError(error, 'compacted');
      if (isWasted || keeper.signal.aborted) return undefined;
      throw this.#failureOf(error);
    } finally {
      end.unlink();
      if (!anchored) {
        keeper.end('closed');
        this.#abandon(leaseId);
      }
    }
  }

  #abandon(leaseId: LeaseId): void {
    const { store, runtime, ttlSeconds, clientClosed } = this.#options;
    void revokeLease(store, runtime, leaseId, { withinMs: ttlSeconds * 1_000, signal: clientClosed });
  }

  #leftMs(): number {
    const { runtime, withinMs } = this.#options;
    return Math.max(1, withinMs - (runtime.monotonicMs() - this.#startedAtMs));
  }

  /** A third of the time at most, so that one lost reply leaves time to ask again, however long that time is. */
  #attempt(): { timeoutMs: number; signal: AbortSignal } {
    const { withinMs, signal } = this.#options;
    return { timeoutMs: Math.min(this.#leftMs(), longestAttemptMs, Math.max(500, withinMs / 3)), signal };
  }

  /** True if this failure ends the opening. */
  #isOver(error: unknown): boolean {
    return !isWorthAnother(error) || this.#options.signal.aborted || this.#leftMs() <= 1;
  }

  /** Waits before another attempt, or throws what ends the opening, given up while it waits included; then `leaseId` goes. */
  async #pause(error: unknown, leaseId?: LeaseId): Promise<void> {
    const { runtime, signal } = this.#options;
    try {
      if (this.#isOver(error)) throw this.#failureOf(error);
      await sleep(runtime, Math.min(this.#backoff.nextMs(), this.#leftMs()), { signal });
    } catch (failure) {
      if (leaseId !== undefined) this.#abandon(leaseId);
      throw failure;
    }
  }

  #failureOf(error: unknown): unknown {
    const { signal, withinMs } = this.#options;
    if (signal.aborted) return abortedError(signal, 'opening a session');
    if (!isWorthAnother(error)) return error;
    return new QuorateError('unreachable', `no session could be opened within ${withinMs} ms`, {
      cause: error,
    });
  }
}

/** Failures that pass, and leases that turned out to be another's or over: the next attempt takes a new id. */
function isWorthAnother(error: unknown): boolean {
  return mayPass(error) || isQuorateError(error, 'lease-not-found') || isQuorateError(error, 'lease-exists');
}

/** A positive number of 49 random bits: rare enough, and in 15 digits, which are written into each place at less cost. */
function leaseIdOf(id: string): LeaseId {
  const positive = BigInt.asUintN(49, BigInt(`0x${id}`));
  return (positive === 0n ? 1n : positive).toString();
}
