import { isQuorateError, QuorateError } from '../errors.js';
import { Listeners, type Runtime } from '../runtime/index.js';
import { type Compare, compare, type Key, type LeaseId, type Store } from '../store/index.js';
import type { CallOptions } from '../store/store.js';
import type { Keeper } from './keeper.js';
import { revokeLease } from './revoke.js';
import type { SessionState } from './state.js';

/** A change of a session's state. `previous` is undefined for a session that was just opened. */
export interface SessionChange {
  readonly session: Session;
  readonly state: SessionState;
  readonly previous: SessionState | undefined;
}

export interface SessionParts {
  readonly id: string;
  readonly leaseId: LeaseId;
  readonly ttlMs: number;
  readonly marginMs: number;
  readonly anchor: Key;
  readonly anchorRevision: number;
  readonly keeper: Keeper;
  readonly store: Store;
  readonly runtime: Runtime;
  /** Fires when the client that opened it closes: ends background work. */
  readonly clientClosed: AbortSignal;
}

/** How long `close` waits for the store; what is not done by then goes on in the background. */
const closeWithinMs = 2_000;

/**
 * One lease, kept alive, and what this process may believe of it. Everything held through a session (locks,
 * leaderships, registrations) is held as long as the session lives, and no longer.
 *
 * - Guaranteed, while clocks keep within `clockRateError` and stopping takes no longer than `abortMs`: `signal`
 *   fires, and `isLive()` turns false, before the store can give a key of this lease to anybody else.
 * - Not guaranteed: that a process which stands still *between* a check and its effect acts in time. For that there
 *   is `guard()`, with which the store itself refuses a write of a lost session, and fencing tokens elsewhere.
 * - States: `healthy`; `suspect` (still held, but a renewal is overdue or failed, or a stall is being decided);
 *   `lost`, which is final. Open another session then: `client.session()` does.
 * - Cost: one keep-alive each third of the TTL; opening costs a lease grant and one transaction.
 * - While the event loop is blocked the lease is renewed only with `renewal: 'worker'` of the store; `signal` cannot fire
 *   meanwhile, but `isLive()` is right even then.
 *
 * Protocol: see keeper.ts for the deadline and open-session.ts for the opening. After the loss by deadline the
 * lease is revoked in the background, so that nobody waits longer than needed, but not before the margin has
 * passed too: until then what this process does may still be on its way, and from then on the server was free to
 * expire the lease anyway, so the revocation takes nothing from anybody that was still promised. A keep-alive
 * delivered late would otherwise prolong a lease that nobody uses.
 */
export class Session implements AsyncDisposable {
  readonly id: string;
  readonly leaseId: LeaseId;
  /** The TTL that the store granted; at least the one asked for. */
  readonly ttlMs: number;
  /** A key on this lease that nothing but the end of the session deletes. */
  readonly anchor: Key;
  readonly anchorRevision: number;
  readonly #parts: SessionParts;
  readonly #listeners = new Listeners<SessionChange>();
  #closing: Promise<void> | undefined;

  /** Sessions are opened by `client.session()` and `client.openSession()`. */
  constructor(parts: SessionParts) {
    this.id = parts.id;
    this.leaseId = parts.leaseId;
    this.ttlMs = parts.ttlMs;
    this.anchor = parts.anchor;
    this.anchorRevision = parts.anchorRevision;
    this.#parts = parts;
    parts.keeper.onChange(({ state, previous }) => {
      if (state.status === 'lost') this.#clearUp(state.reason);
      this.#listeners.emit({ session: this, state, previous });
    });
  }

  /** Aborted when the session is lost, with a `session-lost` error as its reason. */
  get signal(): AbortSignal {
    return this.#parts.keeper.signal;
  }

  get state(): SessionState {
    return this.#parts.keeper.state;
  }

  /** Milliseconds of this process's clocks until the session is lost if no renewal succeeds; 0 if it is lost. */
  get remainingMs(): number {
    return this.#parts.keeper.remainingMs();
  }

  /** True while what it holds is held. Compares the clocks first, so it is right even where timers are late. */
  isLive(): boolean {
    return this.#parts.keeper.isLive();
  }

  /** Throws `session-lost` unless {@link isLive}. */
  assertLive(): void {
    if (this.isLive()) return;
    const reason: unknown = this.signal.reason;
    if (isQuorateError(reason)) throw reason;
    throw new QuorateError('session-lost', 'the session stood still past its deadline', {
      details: { reason: 'stalled', leaseId: this.leaseId },
    });
  }

  /**
   * Holds while the store still has this session. As a compare of a transaction it makes the store refuse a write
   * of a lost session; in a group of transactions it refuses that member and no other.
   */
  guard(): Compare {
    return compare.create(this.anchor, 'equal', this.anchorRevision);
  }

  /**
   * Asks the store whether this session is still there, for when a guarded write was refused: one read. If the
   * anchor is gone the session is lost and the answer false. Rejects as the read does, which says nothing about the
   * session.
   */
  async verify(options: CallOptions = {}): Promise<boolean> {
    if (this.state.status === 'lost') return false;
    const { kvs } = await this.#parts.store.range({ key: this.anchor, keysOnly: true }, options);
    if (kvs[0]?.createRevision !== this.anchorRevision) this.#parts.keeper.end('anchor-gone');
    return this.isLive();
  }

  /** Runs `listener` at each change of state, in order, after `signal` has fired if it was lost. Returns its removal. */
  onChange(listener: (change: SessionChange) => void): () => void {
    return this.#listeners.add(listener);
  }

  /** Resolves once a stall that is being decided is decided; at once if there is none. */
  settled(): Promise<void> {
    return this.#parts.keeper.settled();
  }

  /**
   * Ends the session: `signal` fires, and its lease is revoked, which deletes all its keys in one revision. Resolves
   * when the store has confirmed that, or after 2 s; then it is tried again in the background until the TTL has
   * ended the lease anyway. Never rejects. Idempotent. Whoever waits for what this session held gets it at once, so
   * release what must be left in order first.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const { keeper, store, runtime, leaseId, clientClosed } = this.#parts;
    if (keeper.state.status === 'lost') return;
    keeper.end('closed');
    const within = { withinMs: closeWithinMs, signal: new AbortController().signal };
    if (await revokeLease(store, runtime, leaseId, within)) return;
    void revokeLease(store, runtime, leaseId, { withinMs: this.ttlMs, signal: clientClosed });
  }

  /**
   * Ends the session here, and leaves its lease as it is for as long as the margin: then it is revoked in the background.
   * For who stops in good order what must outlast him.
   */
  abandon(): void {
    const { keeper } = this.#parts;
    if (keeper.state.status === 'lost') return;
    keeper.end('closed');
    this.#closing ??= Promise.resolve();
    this.#revokeLater();
  }

  /** See above: after the deadline, or with a lease that lives on without its anchor. */
  #clearUp(reason: 'deadline' | 'lease-gone' | 'anchor-gone' | 'closed'): void {
    if (reason !== 'closed' && reason !== 'lease-gone') this.#revokeLater();
  }

  #revokeLater(): void {
    const { store, runtime, leaseId, marginMs, clientClosed } = this.#parts;
    void revokeLease(store, runtime, leaseId, {
      delayMs: marginMs,
      withinMs: marginMs + this.ttlMs,
      signal: clientClosed,
    });
  }
}
