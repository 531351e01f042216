import { milliseconds } from '../../src/checkers/evidence.js';
import { broken } from '../../src/checkers/sentences.js';
import type { Session, SessionState } from '../../src/session/index.js';
import type { ClockReading } from './observed-clocks.js';
import type { Acknowledged, LeaseTalk } from './observed-leases.js';
import type { Seat } from './seat.js';

/** A timer is late by a millisecond, and a keeper takes what is due within one for due. */
const toleranceMs = 2.5;
/** How long after the margin the process may take to revoke, by looks: timers of one moment fire in some order. */
const looksToRevoke = 2;

/** A session as its process sees it, held at every look against what its clocks say and what the cluster has. */
export class SeenSession {
  readonly session: Session;
  readonly #seat: Seat;
  readonly #talk: LeaseTalk;
  readonly openedAtMs: number;
  readonly #openedWithLeapsMs: number;
  /** Somebody revoked its lease or deleted its anchor, of which nobody can know beforehand. */
  endedByOthers = false;
  /** This process closed it. */
  closed = false;
  /** The client is closed: nothing is done in its background any more. */
  isAbandoned = false;
  /** Nothing is claimed of the true time of its end any more. */
  isUnaccountable = false;
  /** Last true time at which the process took it for alive. */
  #believedAtMs: number;
  #lost:
    | { readonly state: SessionState; readonly at: ClockReading; readonly believedUntilMs: number }
    | undefined;
  #looksPastMargin = 0;

  constructor(seat: Seat, session: Session, talk: LeaseTalk) {
    this.#seat = seat;
    this.session = session;
    this.#talk = talk;
    this.openedAtMs = seat.nowMs;
    this.#openedWithLeapsMs = talk.newest?.sent.leapsMs ?? 0;
    this.#believedAtMs = seat.nowMs;
    session.signal.addEventListener('abort', () => seat.guarded(() => this.#onLost()));
    session.onChange(({ state, previous }) => seat.guarded(() => this.#onChange(state, previous)));
  }

  get isLost(): boolean {
    return this.#lost !== undefined;
  }

  get lostState(): SessionState | undefined {
    return this.#lost?.state;
  }

  /** True time of the end of the belief; undefined while it goes on. */
  get believedUntilMs(): number | undefined {
    return this.#lost?.believedUntilMs;
  }

  get believedAtMs(): number {
    return this.#believedAtMs;
  }

  /** The process looks whether it is live. */
  look(): void {
    const live = this.session.isLive();
    if (this.#lost !== undefined) {
      if (live || this.session.state !== this.#lost.state)
        broken('SESSION-3', `${this} ${live ? 'is live again' : 'changed'}`);
      if (!this.#seat.isBlocked) this.#lookForRevocation();
      return;
    }
    const stoodStill = this.#seat.stoodStillSince(this.#believedAtMs);
    if (this.session.state.status === 'lost')
      broken('SESSION-3', `${this} is lost, and its signal has not fired`);
    if (!live) {
      if (stoodStill && !this.#seat.isBlocked)
        this.#seat.reached('the first check after a standstill said no');
      return;
    }
    this.#checkClocks();
    this.#checkTalk();
    this.#checkCluster('it is taken for live', 0);
    this.#believedAtMs = this.#seat.nowMs;
  }

  /** SESSION-9: not before the margin has passed. */
  onRevoke(at: ClockReading): void {
    const { session } = this;
    if (this.closed) return;
    if (this.#lost === undefined) broken('SESSION-9', `${this} was revoked while it was live`);
    const passedMs = at.monotonicMs - this.#lost.at.monotonicMs;
    if (passedMs < this.#marginMs() - 0.5) {
      broken(
        'SESSION-9',
        `${this} was revoked ${milliseconds(passedMs)} after its loss, with a margin of ${milliseconds(this.#marginMs())}`,
      );
    }
    if (session.state.status === 'lost' && session.state.reason === 'deadline')
      this.#seat.reached('revoked after the margin');
  }

  /** SESSION-6: it came after the loss, at the very moment at which that was decided. */
  onLateAcknowledgement({ sent, ttlMs }: Acknowledged): void {
    const lost = this.#lost;
    if (lost?.state.status !== 'lost' || lost.state.reason !== 'deadline' || ttlMs === 0) return;
    if (this.#seat.nowMs !== lost.at.trueMs || this.#ageMs(sent) >= this.#lifetimeMs(ttlMs) - 1) return;
    broken(
      'SESSION-6',
      `${this} was lost at ${milliseconds(lost.at.trueMs)}, with an acknowledgement in the socket of a keep-alive sent at ${milliseconds(sent.trueMs)}`,
    );
  }

  toString(): string {
    return `the session of ${this.#seat.name} on lease ${this.session.leaseId}, opened at ${milliseconds(this.openedAtMs)},`;
  }

  #onChange(state: SessionState, previous: SessionState | undefined): void {
    if (previous?.status === 'lost') broken('SESSION-3', `${this} changed after its loss to ${state.status}`);
    if (previous?.status !== 'suspect') return;
    if (state.status === 'healthy') {
      this.#seat.reached('in doubt, and healthy again');
      if (previous.reason === 'stalled') this.#seat.reached('saved by an acknowledgement in the socket');
    }
  }

  #onLost(): void {
    const { session } = this;
    if (this.#lost !== undefined) broken('SESSION-3', `${this} was lost twice`);
    const { state } = session;
    if (state.status !== 'lost' || session.isLive() || session.remainingMs !== 0) {
      broken('SESSION-3', `${this} has fired its signal and is ${state.status}`);
    }
    const at = this.#seat.clocks.read();
    const stoodStill = this.#seat.stoodStillSince(this.#believedAtMs);
    const isSignalLate = stoodStill || this.#hasJustWoken();
    this.#lost = { state, at, believedUntilMs: isSignalLate ? this.#believedAtMs : at.trueMs };
    this.#seat.reached(`lost: ${state.reason}`);
    switch (state.reason) {
      case 'deadline':
        if (!isSignalLate) this.#checkCluster('its signal fired', toleranceMs);
        this.#checkNotEarly();
        return;
      case 'lease-gone':
        if (this.#talk.goneAtMs === undefined)
          broken('SESSION-4', `${this} was lost as gone, which nobody has said`);
        return;
      case 'anchor-gone':
        if (this.#seat.anchorStands(session))
          broken('SESSION-4', `${this} was lost for its anchor, which stands`);
        return;
      case 'closed':
        if (!this.closed) broken('SESSION-3', `${this} was lost as closed, which nobody has done`);
    }
  }

  /** SESSION-5: its clocks say that the deadline has passed. */
  #checkClocks(): void {
    const { newest } = this.#talk;
    if (newest === undefined) return;
    const ageMs = this.#ageMs(newest.sent);
    const lifetimeMs = this.#lifetimeMs(newest.ttlMs);
    if (ageMs < lifetimeMs) return;
    broken(
      'SESSION-5',
      `${this} is taken for live ${milliseconds(ageMs)} after the send of its newest acknowledged keep-alive, by ${milliseconds(ageMs - lifetimeMs)} too long`,
    );
  }

  /** SESSION-4: it has been told that the lease is gone, in an earlier moment. */
  #checkTalk(): void {
    const { goneAtMs } = this.#talk;
    if (goneAtMs === undefined || goneAtMs >= this.#seat.nowMs) return;
    broken(
      'SESSION-4',
      `${this} is taken for live, though a keep-alive was answered at ${milliseconds(goneAtMs)} with the TTL 0`,
    );
  }

  /** SESSION-1: the cluster cannot end the lease before the process has had its time to stop. */
  #checkCluster(what: string, tolerance: number): void {
    const seat = this.#seat;
    const needMs = seat.abortTrueMs;
    this.isUnaccountable ||= !seat.isAccountable(this.session.leaseId);
    if (this.endedByOthers || this.isUnaccountable) return;
    const leftMs = seat.leaseLeftMs(this.session.leaseId);
    if (leftMs + tolerance >= needMs) return;
    broken(
      'SESSION-1',
      `${this} may end in ${milliseconds(leftMs)} when ${what} at ${milliseconds(seat.nowMs)}, with ${milliseconds(needMs)} needed to stop`,
    );
  }

  /** SESSION-2: by no clock was it time yet. */
  #checkNotEarly(): void {
    const { newest } = this.#talk;
    if (newest === undefined) return;
    const now = this.#seat.clocks.read();
    // Where a thread sends, a leap that its owner notices only after the send may have been before or after it.
    const leapsMs = now.leapsMs - (this.#seat.hasBeside ? this.#openedWithLeapsMs : newest.sent.leapsMs);
    const ageMs = now.monotonicMs - newest.sent.monotonicMs + leapsMs;
    if (now.leapsMs - newest.sent.leapsMs > 1_000) this.#seat.reached('lost to a leap of the wall clock');
    const lifetimeMs = this.#lifetimeMs(newest.ttlMs);
    if (ageMs >= lifetimeMs - toleranceMs) return;
    broken(
      'SESSION-2',
      `${this} was lost by its deadline ${milliseconds(ageMs)} after the send of its newest acknowledged keep-alive, by ${milliseconds(lifetimeMs - ageMs)} too early`,
    );
  }

  /** SESSION-9: after the margin the lease is revoked. */
  #lookForRevocation(): void {
    const lost = this.#lost;
    if (lost?.state.status !== 'lost' || lost.state.reason !== 'deadline') return;
    if (this.#talk.revokedAt.length > 0 || this.isAbandoned) return;
    const passedMs = this.#seat.clocks.read().monotonicMs - lost.at.monotonicMs;
    if (passedMs < this.#marginMs() + toleranceMs) return;
    // By then it has ended by itself, and the process has stood still for too long to do anything about it.
    if (this.#looksPastMargin === 0 && passedMs > this.#marginMs() + this.session.ttlMs - toleranceMs) {
      this.isAbandoned = true;
      return;
    }
    this.#looksPastMargin += 1;
    if (this.#looksPastMargin > looksToRevoke) {
      broken(
        'SESSION-9',
        `${this} is not revoked ${milliseconds(passedMs)} after its loss, with a margin of ${milliseconds(this.#marginMs())}`,
      );
    }
  }

  /** Timers run on a clock that stops in sleep: of a sleep the keeper learns at its next tick, and whoever looks at once. */
  #hasJustWoken(): boolean {
    return this.#seat.stoodStillSince(this.#seat.nowMs - this.session.ttlMs / 8);
  }

  #ageMs(sent: ClockReading): number {
    const now = this.#seat.clocks.read();
    return Math.max(now.monotonicMs - sent.monotonicMs, now.wallMs - sent.wallMs);
  }

  #marginMs(): number {
    return this.#marginOf(this.session.ttlMs);
  }

  #lifetimeMs(ttlMs: number): number {
    return ttlMs - this.#marginOf(ttlMs);
  }

  /** As docs/sessions.md has it. */
  #marginOf(ttlMs: number): number {
    const { clockRateError, abortMs } = this.#seat.bounds;
    return (2 * clockRateError * ttlMs) / (1 + clockRateError) + abortMs;
  }
}
