import { isQuorateError, QuorateError } from '../../src/errors.js';
import type { CallOptions, LeaseGrant, LeaseId, Store } from '../../src/store/index.js';
import { storeWith } from '../support/store-with.js';
import type { ClockReading, ObservedClocks } from './observed-clocks.js';

/** An acknowledged grant or keep-alive. */
export interface Acknowledged {
  readonly sent: ClockReading;
  readonly ttlMs: number;
}

/** What a process asked of one lease, and heard. */
export interface LeaseTalk {
  readonly id: LeaseId;
  grants: number;
  /** A grant was acknowledged, or nobody can say that it was not applied. */
  maybeGranted: boolean;
  /** By the time of the send. */
  newest: Acknowledged | undefined;
  /** Replies to keep-alives that came after the reply to a later one, or before one that was sent earlier. */
  overtaken: number;
  keepAlivesInFlight: number;
  /** When a keep-alive was answered with TTL 0. */
  goneAtMs: number | undefined;
  readonly revokedAt: ClockReading[];
}

export interface LeaseHooks {
  /** A keep-alive was acknowledged that nobody waited for any more. */
  onLateAcknowledgement(talk: LeaseTalk, acknowledged: Acknowledged): void;
  onRevoke(talk: LeaseTalk, at: ClockReading): void;
  /** A keep-alive has just been sent. */
  onKeepAlive(talk: LeaseTalk, sent: ClockReading): void;
}

/** TTLs above this are of the commit store's own leases. */
const longestSessionTtlSeconds = 60;

/**
 * The store of a process, in which it is seen what is asked of leases. It may grant another TTL than it is asked for, as
 * etcd does of short ones.
 */
export class ObservedLeases {
  /** For the library under test. */
  readonly store: Store;
  readonly #inner: Store;
  readonly #clocks: ObservedClocks;
  readonly #hooks: LeaseHooks;
  readonly #extraSeconds: number;
  readonly #talks = new Map<LeaseId, LeaseTalk>();

  constructor(inner: Store, clocks: ObservedClocks, extraSeconds: number, hooks: LeaseHooks) {
    this.#inner = inner;
    this.#clocks = clocks;
    this.#hooks = hooks;
    this.#extraSeconds = extraSeconds;
    this.store = this.through(inner);
  }

  /** The same of another connection of the process. */
  through(inner: Store): Store {
    return storeWith(inner, {
      leaseGrant: (request, options) => this.#grant(request, options),
      leaseKeepAlive: (id, options) => this.#keepAlive(inner, id, options),
      leaseRevoke: (id, options) => this.#revoke(id, options),
    });
  }

  /** Of the leases of sessions, opened or only asked for. */
  get talks(): readonly LeaseTalk[] {
    return [...this.#talks.values()];
  }

  of(id: LeaseId): LeaseTalk | undefined {
    return this.#talks.get(id);
  }

  async #grant(
    request: { readonly id: LeaseId; readonly ttlSeconds: number },
    options?: CallOptions,
  ): Promise<LeaseGrant> {
    const { id, ttlSeconds } = request;
    if (ttlSeconds > longestSessionTtlSeconds) return this.#inner.leaseGrant(request, options);
    const talk = this.#talkOf(id);
    const sent = this.#clocks.read();
    talk.grants += 1;
    try {
      const grant = await this.#inner.leaseGrant(
        { id, ttlSeconds: Math.max(2, ttlSeconds + this.#extraSeconds) },
        options,
      );
      talk.maybeGranted = true;
      acknowledge(talk, { sent, ttlMs: grant.ttlSeconds * 1_000 });
      return grant;
    } catch (error) {
      if (isQuorateError(error) && error.outcome === 'unknown') talk.maybeGranted = true;
      throw error;
    }
  }

  /** Goes on listening when the caller does not, for what comes too late. */
  async #keepAlive(inner: Store, id: LeaseId, options: CallOptions = {}): Promise<number> {
    const talk = this.#talks.get(id);
    if (talk === undefined) return inner.leaseKeepAlive(id, options);
    const { signal, ...rest } = options;
    const sent = this.#clocks.read();
    let isOver = false;
    talk.keepAlivesInFlight += 1;
    const reply = inner.leaseKeepAlive(id, rest).finally(() => {
      talk.keepAlivesInFlight -= 1;
    });
    this.#hooks.onKeepAlive(talk, sent);
    return new Promise<number>((resolve, reject) => {
      const onAbort = () => {
        isOver = true;
        reject(new QuorateError('aborted', 'aborted while keeping a lease alive', { cause: signal?.reason }));
      };
      if (signal?.aborted) onAbort();
      else signal?.addEventListener('abort', onAbort, { once: true });
      reply.then(
        (ttlSeconds) => {
          const acknowledged = { sent, ttlMs: ttlSeconds * 1_000 };
          if (isOver) this.#hooks.onLateAcknowledgement(talk, acknowledged);
          else {
            if (ttlSeconds > 0) acknowledge(talk, acknowledged);
            else talk.goneAtMs ??= this.#clocks.read().trueMs;
            signal?.removeEventListener('abort', onAbort);
            resolve(ttlSeconds);
          }
        },
        (error: unknown) => {
          signal?.removeEventListener('abort', onAbort);
          reject(error);
        },
      );
    });
  }

  #revoke(id: LeaseId, options?: CallOptions): Promise<void> {
    const talk = this.#talks.get(id);
    if (talk !== undefined) {
      const at = this.#clocks.read();
      talk.revokedAt.push(at);
      this.#hooks.onRevoke(talk, at);
    }
    return this.#inner.leaseRevoke(id, options);
  }

  #talkOf(id: LeaseId): LeaseTalk {
    const known = this.#talks.get(id);
    if (known !== undefined) return known;
    const talk: LeaseTalk = {
      ...{ id, grants: 0, maybeGranted: false, newest: undefined, overtaken: 0 },
      ...{ keepAlivesInFlight: 0, goneAtMs: undefined, revokedAt: [] },
    };
    this.#talks.set(id, talk);
    return talk;
  }
}

function acknowledge(talk: LeaseTalk, acknowledged: Acknowledged): void {
  if (talk.newest !== undefined && talk.newest.sent.trueMs > acknowledged.sent.trueMs) talk.overtaken += 1;
  else talk.newest = acknowledged;
}
