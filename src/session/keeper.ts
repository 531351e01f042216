/**
 * The keeper of one lease: knows until when it may be believed in, and says so before the server can give away what
 * it holds. Somebody else renews it (see store/lease-renewer.ts); what counts here is only what was acknowledged.
 *
 * - The deadline counts from the *send* of the newest acknowledged keep-alive (the grant counts as one), plus the
 *   TTL in its reply, less a margin (see deadline.ts). Time of receipt, the TTL asked for, and the number of
 *   failures so far say nothing about the server's clock.
 * - Every check asks first what the newest acknowledged keep-alive is, which takes no turn of the event loop: where
 *   the lease is renewed beside it, a check in the middle of a long computation knows of a renewal a moment ago.
 * - Reply lost, request lost, cut: suspect, lost at the deadline. Reply says TTL 0: lost at once.
 * - The process pauses: no timer is trusted. Every check compares the clocks, so the first one after the pause
 *   already says no; then one turn of the event loop is let pass, since the acknowledgement of a keep-alive sent
 *   before may sit in the socket, behind the timer. If it moves the deadline ahead of the clock, the lease was
 *   never gone and the session goes on; if not, it is lost, and that is final.
 * - A tick each tenth of the TTL: after the machine has slept it finds the deadline passed, or nearer than the timer
 *   for it knows, which runs on a clock that stood still. A tick that comes late tells of an event loop that did.
 */
import { QuorateError } from '../errors.js';
import {
  type AgeClock,
  type Instant,
  Listeners,
  type Runtime,
  sharedController,
  type Timer,
} from '../runtime/index.js';
import type { LeaseId, LeaseRenewal, LeaseRenewer, Renewal, RenewalTrouble } from '../store/index.js';
import { type ClockBounds, lifetimeMs } from './deadline.js';
import type { LateTick } from './stall-monitor.js';
import { healthy, type SessionEvent, type SessionState, transition } from './state.js';

export interface KeeperOptions {
  readonly renewer: LeaseRenewer;
  readonly runtime: Runtime;
  readonly clock: AgeClock;
  readonly bounds: ClockBounds;
  readonly leaseId: LeaseId;
  readonly granted: Renewal;
  /** Hears of each tick that came late at all. */
  readonly onTick?: ((tick: LateTick) => void) | undefined;
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
  readonly #renewing: LeaseRenewal;
  #state: SessionState = healthy;
  #renewal: Renewal;
  #deciding: Promise<void> | undefined;
  #deadlineTimer: Timer | undefined;
  #tickTimer: Timer | undefined;
  /** When the tick was set, and how long after that it is due. */
  #tickSet: { readonly at: Instant; readonly delayMs: number } | undefined;

  constructor(options: KeeperOptions) {
    const { renewer, leaseId, granted, clock } = options;
    this.#options = options;
    this.#renewal = granted;
    clock.mark();
    this.#renewing = renewer.start({
      ...{ id: leaseId, granted, clock },
      isWanted: () => this.isLive(),
      onRenewed: () => this.#onRenewed(),
      onTrouble: (trouble) => this.#onTrouble(trouble),
    });
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
    this.#learn();
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
      this.#tellOfTick();
      this.#deadlineTimer?.cancel();
      this.#tickTimer?.cancel();
      this.#renewing.stop();
      this.#lost.abort(
        new QuorateError('session-lost', `the session is lost: ${lostBecause[state.reason]}`, {
          details: { reason: state.reason, leaseId: this.#options.leaseId },
        }),
      );
    }
    this.#listeners.emit({ state, previous });
  }

  #arm(): void {
    const leftMs = this.remainingMs();
    // What was learned just now may be that the lease is gone.
    if (this.#state.status === 'lost') return;
    this.#deadlineTimer?.cancel();
    // Longer delays than a timer can count fire early; `#check` then only arms again.
    this.#deadlineTimer = this.#options.runtime.setTimer(leftMs, () => this.#check(), { background: true });
    this.#armTick();
  }

  #armTick(): void {
    const { runtime, clock } = this.#options;
    this.#tellOfTick();
    this.#tickTimer?.cancel();
    const delayMs = this.#renewal.ttlMs / 10;
    this.#tickSet = { at: clock.now(), delayMs };
    this.#tickTimer = runtime.setTimer(delayMs, () => this.#tick(), { background: true });
  }

  #check(): void {
    if (this.isLive()) this.#arm();
  }

  #tick(): void {
    this.#options.clock.mark();
    this.#tellOfTick();
    if (!this.isLive()) return;
    this.#arm();
  }

  /** Before a tick is set anew, too: after a standstill another timer, or a reply, may be the first to come. */
  #tellOfTick(): void {
    const set = this.#tickSet;
    this.#tickSet = undefined;
    if (set === undefined) return;
    const { clock, onTick } = this.#options;
    const now = clock.now();
    const passedMs = now.monotonicMs - set.at.monotonicMs;
    if (passedMs <= set.delayMs) return;
    onTick?.({
      lateMs: passedMs - set.delayMs,
      sleptMs: Math.max(0, now.wallMs - set.at.wallMs - passedMs),
      ttlMs: this.#renewal.ttlMs,
    });
  }

  /** Takes note of the newest acknowledged keep-alive, if there is a newer one. */
  #learn(): void {
    if (this.#state.status === 'lost') return;
    const latest = this.#renewing.latest();
    if (latest === undefined || latest === this.#renewal) return;
    if (latest.ttlMs <= 0) {
      this.#apply({ type: 'ended', reason: 'lease-gone' });
      return;
    }
    if (latest.sentAt.elapsedMs < this.#renewal.sentAt.elapsedMs) return;
    this.#renewal = latest;
  }

  #onRenewed(): void {
    if (this.remainingMs() === 0) return;
    this.#arm();
    this.#apply({ type: 'renewed' });
  }

  /** Of a keep-alive that left before the newest that was acknowledged nothing needs to be heard. */
  #onTrouble({ sentAt, kind, cause }: RenewalTrouble): void {
    this.#learn();
    if (sentAt.elapsedMs < this.#renewal.sentAt.elapsedMs) return;
    this.#apply({ type: 'doubted', reason: `renewal-${kind}`, cause });
  }

  /** The deadline has passed by the clocks: lose the session, unless the event loop holds what moves it. */
  #decide(): void {
    if (this.#deciding !== undefined || this.#state.status === 'lost') return;
    this.#deciding = this.#options.runtime.nextTurn().then(() => {
      this.#deciding = undefined;
      if (this.#state.status === 'lost') return;
      if (this.remainingMs() === 0) this.#apply({ type: 'ended', reason: 'deadline' });
      else this.#onRenewed();
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
