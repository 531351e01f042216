/**
 * The keeper of one lease: renews it, knows until when it may be believed in, and says so before the server can
 * give away what it holds.
 *
 * - The deadline counts from the *send* of the newest acknowledged keep-alive (the grant counts as one), plus the
 *   TTL in its reply, less a margin (see deadline.ts). Time of receipt, the TTL asked for, and the number of
 *   failures so far say nothing about the server's clock.
 * - A keep-alive leaves at a third of the TTL; while none is acknowledged, another one every tenth. Several may be
 *   in flight, each with its own send time; the newest send that was acknowledged counts, in whatever order the
 *   replies come.
 * - Reply lost, request lost, cut: suspect, try again, lost at the deadline. Reply says TTL 0: lost at once.
 * - The process pauses: no timer is trusted. Every check compares the clocks, so the first one after the pause
 *   already says no; then one turn of the event loop is let pass, since the acknowledgement of a keep-alive sent
 *   before may sit in the socket, behind the timer. If it moves the deadline ahead of the clock, the lease was
 *   never gone and the session goes on; if not, it is lost, and that is final.
 */
import { QuorateError } from '../errors.js';
import { Listeners, type Runtime, sharedController, type Timer } from '../runtime/index.js';
import type { LeaseId, Store } from '../store/index.js';
import { type AgeClock, type ClockBounds, type Instant, lifetimeMs } from './deadline.js';
import { healthy, type SessionEvent, type SessionState, transition } from './state.js';

/** An acknowledged grant or keep-alive. */
export interface Renewal {
  readonly sentAt: Instant;
  /** The TTL in its reply. */
  readonly ttlMs: number;
}

export interface KeeperOptions {
  readonly store: Pick<Store, 'leaseKeepAlive'>;
  readonly runtime: Runtime;
  readonly clock: AgeClock;
  readonly bounds: ClockBounds;
  readonly leaseId: LeaseId;
  readonly granted: Renewal;
}

export interface StateChange {
  readonly state: SessionState;
  readonly previous: SessionState;
}

/** Timers count no finer: what is due within it is due now, or they would be set for nothing, again and again. */
const timerToleranceMs = 1;

export class Keeper {
  readonly #options: KeeperOptions;
  readonly #listeners = new Listeners<StateChange>();
  readonly #lost = sharedController();
  #state: SessionState = healthy;
  #renewal: Renewal;
  /** The last keep-alive sent since the newest acknowledged one was, if any. */
  #unacknowledged: Instant | undefined;
  #deciding: Promise<void> | undefined;
  #deadlineTimer: Timer | undefined;
  #renewalTimer: Timer | undefined;

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#renewal = options.granted;
    this.#arm();
  }

  get state(): SessionState {
    return this.#state;
  }

  get signal(): AbortSignal {
    return this.#lost.signal;
  }

  /** Milliseconds until the deadline, by the clocks; 0 once it has passed or the session is lost. */
  remainingMs(): number {
    if (this.#state.status === 'lost') return 0;
    const { sentAt, ttlMs } = this.#renewal;
    const leftMs = lifetimeMs(ttlMs, this.#options.bounds) - this.#options.clock.ageMs(sentAt);
    return leftMs < timerToleranceMs ? 0 : leftMs;
  }

  /** Compares the clocks first. False during the turn in which a stall is being decided. */
  isLive(): boolean {
    if (this.#state.status === 'lost') return false;
    if (this.remainingMs() > 0) return true;
    this.#decide();
    return false;
  }

  /** Resolves once `isLive` is no longer in suspense over a stall. */
  async settled(): Promise<void> {
    if (!this.isLive()) await this.#deciding;
  }

  /** Runs `listener` at each change of state, after the signal has fired if it was lost. */
  onChange(listener: (change: StateChange) => void): () => void {
    return this.#listeners.add(listener);
  }

  /** Ends it. Whatever is in flight counts no more. */
  end(reason: 'closed' | 'lease-gone' | 'anchor-gone'): void {
    this.#apply({ type: 'ended', reason });
  }

  #apply(event: SessionEvent): void {
    const previous = this.#state;
    const state = transition(previous, event, this.#options.runtime.wallMs());
    if (state === previous) return;
    this.#state = state;
    if (state.status === 'lost') {
      this.#deadlineTimer?.cancel();
      this.#renewalTimer?.cancel();
      this.#lost.abort(
        new QuorateError('session-lost', `the session is lost: ${lostBecause[state.reason]}`, {
          details: { reason: state.reason, leaseId: this.#options.leaseId },
        }),
      );
    }
    this.#listeners.emit({ state, previous });
  }

  #arm(): void {
    const { runtime } = this.#options;
    this.#deadlineTimer?.cancel();
    // Longer delays than a timer can count fire early; `#check` then only arms again.
    this.#deadlineTimer = runtime.setTimer(this.remainingMs(), () => this.#check(), { background: true });
    this.#armRenewal();
  }

  /**
   * A tick each tenth of the TTL even where no keep-alive is due sooner: after the machine has slept it finds the
   * deadline passed, or nearer than the timer for it knows, which runs on a clock that stood still.
   */
  #armRenewal(): void {
    const delayMs = Math.min(this.#renewal.ttlMs / 10, Math.max(1, this.#renewalDueMs()));
    this.#renewalTimer?.cancel();
    this.#renewalTimer = this.#options.runtime.setTimer(delayMs, () => this.#tick(), { background: true });
  }

  #renewalDueMs(): number {
    const { clock } = this.#options;
    const { sentAt, ttlMs } = this.#renewal;
    return this.#unacknowledged === undefined
      ? ttlMs / 3 - clock.ageMs(sentAt)
      : ttlMs / 10 - clock.ageMs(this.#unacknowledged);
  }

  #check(): void {
    if (this.isLive()) this.#arm();
  }

  #tick(): void {
    if (!this.isLive()) return;
    if (this.#renewalDueMs() <= timerToleranceMs) {
      if (this.#unacknowledged !== undefined) this.#apply({ type: 'doubted', reason: 'renewal-overdue' });
      void this.#renew();
    }
    // A listener of the doubt may have closed the session.
    if (this.#state.status !== 'lost') this.#arm();
  }

  async #renew(): Promise<void> {
    const { clock, leaseId, store } = this.#options;
    if (this.#state.status === 'lost') return;
    const sentAt = clock.now();
    this.#unacknowledged = sentAt;
    try {
      const ttlSeconds = await store.leaseKeepAlive(leaseId, {
        signal: this.#lost.signal,
        timeoutMs: this.#renewal.ttlMs,
      });
      this.#acknowledge({ sentAt, ttlMs: ttlSeconds * 1_000 });
    } catch (cause) {
      // A newer one was acknowledged meanwhile: what became of this one says nothing.
      if (sentAt.elapsedMs >= this.#renewal.sentAt.elapsedMs) {
        this.#apply({ type: 'doubted', reason: 'renewal-failed', cause });
      }
    }
  }

  #acknowledge(renewal: Renewal): void {
    if (this.#state.status === 'lost') return;
    if (renewal.ttlMs <= 0) {
      this.#apply({ type: 'ended', reason: 'lease-gone' });
      return;
    }
    if (renewal.sentAt.elapsedMs < this.#renewal.sentAt.elapsedMs) return;
    this.#renewal = renewal;
    const newest = this.#unacknowledged?.elapsedMs ?? 0;
    if (newest <= renewal.sentAt.elapsedMs) this.#unacknowledged = undefined;
    if (this.remainingMs() === 0) return;
    this.#arm();
    this.#apply({ type: 'renewed' });
  }

  /** The deadline has passed by the clocks: lose the session, unless the event loop holds what moves it. */
  #decide(): void {
    if (this.#deciding !== undefined) return;
    this.#deciding = this.#options.runtime.nextTurn().then(() => {
      this.#deciding = undefined;
      if (this.#state.status === 'lost') return;
      if (this.remainingMs() === 0) this.#apply({ type: 'ended', reason: 'deadline' });
      else this.#arm();
    });
    this.#apply({ type: 'doubted', reason: 'stalled' });
  }
}

const lostBecause = {
  deadline: 'no keep-alive was acknowledged in time, so the store may give its keys to others',
  'lease-gone': 'the store has expired or revoked its lease',
  'anchor-gone': 'its anchor key was deleted, so the store refuses what it guards',
  closed: 'it was closed',
} as const;
