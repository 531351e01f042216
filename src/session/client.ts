import { type CommitStore, openCommitStore } from '../commit/index.js';
import { QuorateError } from '../errors.js';
import {
  checkWaitOptions,
  Listeners,
  linkedSignal,
  type Runtime,
  sharedController,
  type WaitOptions,
  waitFor,
} from '../runtime/index.js';
import type { Keyspace, LeaseRenewer, Store } from '../store/index.js';
import { LoopRenewer } from '../store/loop-renewer.js';
import { WatchHub } from '../watch/index.js';
import { type ClientOptions, type ClientSettings, checkClientOptions } from './client-options.js';
import { checkTtl } from './deadline.js';
import { type DelayLease, DelayLeases } from './delay-lease.js';
import { type OpenSessionOptions, openSession } from './open-session.js';
import { mayPass } from './revoke.js';
import type { Session, SessionChange } from './session.js';
import { type EventLoopStall, type LateTick, StallMonitor } from './stall-monitor.js';

export interface OpenSessionRequest extends WaitOptions {
  /** TTL of this session in ms, if another than the client's. */
  ttlMs?: number;
}

/** How many lost sessions are known by name: far more than have leases that may not have ended yet. */
const mostLost = 256;

/**
 * One process's connection to what it coordinates with: the exactly-once store, the shared watches, and the session
 * that its primitives hold through. Make one for each process and hand it to every primitive.
 *
 * - `session()` shares one session among all that ask; after a loss the next call opens a new one.
 * - Errors: `unreachable` if the store does not answer within `connectTimeoutMs`; `invalid-argument` for options that
 *   make no sense; `closed` after `close()`; `aborted` and `timeout` by the caller's own limits; what the store
 *   refuses (`permission-denied`, `unauthenticated`) as it is.
 * - Cost: opening, what the commit store needs for its lanes; the first session, a lease grant and a transaction;
 *   then one keep-alive each third of the TTL for each session.
 */
export class Client implements AsyncDisposable {
  /** Unique to this client. */
  readonly id: string;
  readonly label: string;
  readonly runtime: Runtime;
  readonly keys: Keyspace;
  /** Applies each transaction exactly once, and those that wait together in one request. */
  readonly store: CommitStore;
  /** The store as it was given: for requests that may be repeated and do not need to be applied exactly once. */
  readonly plainStore: Store;
  readonly hub: WatchHub;
  readonly #settings: ClientSettings;
  readonly #listeners = new Listeners<SessionChange>();
  readonly #sessions = new Set<Session>();
  /** The ids of those that were lost last. */
  readonly #lost = new Set<string>();
  readonly #delayLeases: DelayLeases;
  readonly #closed = sharedController();
  readonly #renewer: LeaseRenewer;
  readonly #stalls: StallMonitor;
  #shared: Session | undefined;
  #opening: Promise<Session> | undefined;
  #closing: Promise<void> | undefined;

  private constructor(settings: ClientSettings, store: CommitStore) {
    this.id = settings.id;
    this.label = settings.label;
    this.runtime = settings.runtime;
    this.keys = settings.keys;
    this.store = store;
    this.plainStore = settings.store;
    this.hub = new WatchHub(settings.store, settings.runtime);
    this.#settings = settings;
    const beside = settings.store.leaseRenewer;
    this.#renewer = beside ?? new LoopRenewer(settings.store, settings.runtime);
    this.#stalls = new StallMonitor({
      ...{ runtime: settings.runtime, warningMs: settings.stallWarningMs },
      isRenewedBeside: beside !== undefined,
    });
    const { bounds } = settings;
    this.#delayLeases = new DelayLeases({
      bounds,
      closed: this.#closed.signal,
      open: (own) => this.#lease(own),
    });
  }

  /** Fires, with `closed`, when the client begins to close: for what it cannot end by itself, as watches of its store. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  /** The TTL of its sessions in ms. */
  get ttlMs(): number {
    return this.#settings.ttlSeconds * 1_000;
  }

  /** Opens a client. With `closeStore`, the store is closed too if this fails after the options were accepted. */
  static async open(options: ClientOptions): Promise<Client> {
    const settings = checkClientOptions(options);
    try {
      return new Client(settings, await openLanes(settings));
    } catch (error) {
      if (settings.closeStore) await closeQuietly(settings.store);
      throw error;
    }
  }

  /**
   * The shared session, opened on first use and again after a loss. Callers at the same time share one opening;
   * `signal` and `timeoutMs` end only the caller's own wait for it.
   */
  async session(options: WaitOptions = {}): Promise<Session> {
    checkWaitOptions(options, 'opening a session');
    this.#assertOpen();
    if (this.#shared?.isLive()) return this.#shared;
    if (this.#opening === undefined) {
      this.#opening = this.#openShared().finally(() => {
        this.#opening = undefined;
      });
      // Every caller may have gone by the time it fails.
      this.#opening.catch(() => {});
    }
    return waitFor(this.runtime, this.#opening, options, 'opening a session');
  }

  /** A session of its own: for another TTL, or to be lost and closed alone. `signal` and `timeoutMs` give it up. */
  async openSession(options: OpenSessionRequest = {}): Promise<Session> {
    checkWaitOptions(options, 'opening a session');
    const { bounds } = this.#settings;
    const ttlSeconds =
      options.ttlMs === undefined ? this.#settings.ttlSeconds : checkTtl(options.ttlMs, bounds);
    this.#assertOpen();
    const givenUp = new AbortController();
    const end = linkedSignal(this.#closed.signal, givenUp.signal);
    const opening = this.#open(ttlSeconds, end.signal).finally(() => end.unlink());
    try {
      return await waitFor(this.runtime, opening, options, 'opening a session');
    } catch (error) {
      givenUp.abort(error);
      // It may have succeeded at that very moment, or go on to fail.
      opening.then(
        (session) => session.close(),
        () => {},
      );
      throw error;
    }
  }

  /**
   * The lease for what must outlast this session by so long where it is lost, and not where it is given up: see
   * delay-lease.ts. Opened on first use, and again after a loss. Errors: `session-lost`, and as {@link session}.
   */
  delayLease(session: Session, delayMs: number): Promise<DelayLease> {
    this.#assertOpen();
    return this.#delayLeases.of(session, delayMs);
  }

  /** Runs `listener` at each opening and change of a session of this client, in order. Returns its removal. */
  onSessionChange(listener: (change: SessionChange) => void): () => void {
    return this.#listeners.add(listener);
  }

  /**
   * Whether this client had the session of this id, not long ago, and has lost or closed it: then nothing is held through
   * it any more, although its keys stand until its lease ends.
   */
  hasLost(sessionId: string): boolean {
    return this.#lost.has(sessionId);
  }

  /**
   * Runs `listener` whenever the event loop of this process has stood still for at least `stallWarningMs`, noticed by the
   * ticks of sessions, so only while there is one, and only after the stall. In place of the process warning that tells
   * of it otherwise, once a minute at most. Returns its removal.
   */
  onStall(listener: (stall: EventLoopStall) => void): () => void {
    return this.#stalls.onStall(listener);
  }

  /**
   * Ends it all: sessions are closed, so their keys go and their signals fire; watches end; the lanes are given
   * back; the store is closed if it was given with `closeStore`. Bounded by a few seconds even if the store is away;
   * what could not be revoked ends by its TTL. Never rejects. Idempotent.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#closed.abort(closedError());
    await Promise.all([...this.#sessions].map((session) => session.close()));
    await this.#delayLeases.ended();
    await this.hub.close();
    await closeQuietly(this.store);
    if (this.#settings.closeStore) await closeQuietly(this.#settings.store);
  }

  #assertOpen(): void {
    if (this.#closed.signal.aborted) throw closedError();
  }

  async #openShared(): Promise<Session> {
    // A stall that is being decided may leave the standing session alive, with all that is held through it.
    await this.#shared?.settled();
    if (this.#shared?.isLive()) return this.#shared;
    this.#shared = undefined;
    const session = await this.#open(this.#settings.ttlSeconds, this.#closed.signal);
    this.#shared = session;
    return session;
  }

  #lease(request: Pick<OpenSessionOptions, 'ttlSeconds' | 'signal' | 'bounds' | 'onTick'>): Promise<Session> {
    const { keys, label, connectTimeoutMs } = this.#settings;
    return openSession({
      ...{ store: this.store, runtime: this.runtime, keys, label, renewer: this.#renewer },
      ...{ withinMs: connectTimeoutMs, clientClosed: this.#closed.signal, ...request },
    }).catch((error: unknown) => {
      this.#assertOpen();
      throw error;
    });
  }

  async #open(ttlSeconds: number, signal: AbortSignal): Promise<Session> {
    const { bounds } = this.#settings;
    const onTick = (tick: LateTick) => this.#stalls.late(tick);
    const session = await this.#lease({ ttlSeconds, signal, bounds, onTick });
    if (this.#closed.signal.aborted) {
      await session.close();
      throw closedError();
    }
    if (session.state.status !== 'lost') this.#sessions.add(session);
    session.onChange((change) => {
      if (change.state.status === 'lost') this.#forget(session);
      this.#listeners.emit(change);
    });
    this.#listeners.emit({ session, state: session.state, previous: undefined });
    return session;
  }

  #forget(session: Session): void {
    this.#sessions.delete(session);
    this.#lost.add(session.id);
    const [first] = this.#lost;
    if (this.#lost.size > mostLost && first !== undefined) this.#lost.delete(first);
  }
}

function closedError(): QuorateError {
  return new QuorateError('closed', 'the client is closed');
}

async function openLanes(settings: ClientSettings): Promise<CommitStore> {
  const { store, runtime, keys, id, lanes, connectTimeoutMs } = settings;
  const opening = openCommitStore(store, {
    runtime,
    lanePrefix: keys.prefix('lane', id),
    connectTimeoutMs,
    ...(lanes === undefined ? {} : { lanes }),
  });
  try {
    return await waitFor(runtime, opening, { timeoutMs: connectTimeoutMs }, 'connecting');
  } catch (error) {
    opening.then(closeQuietly, () => {});
    if (!mayPass(error)) throw error;
    throw new QuorateError('unreachable', `the store did not answer within ${connectTimeoutMs} ms`, {
      cause: error,
    });
  }
}

async function closeQuietly(store: Store): Promise<void> {
  await store.close().catch(() => {});
}
