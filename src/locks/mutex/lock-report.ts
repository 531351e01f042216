import type { QuorateError } from '../../errors.js';
import type { Place } from '../../line/index.js';
import { Listeners } from '../../runtime/index.js';
import type { Session } from '../../session/index.js';
import type { Hold, HoldListener } from '../hold.js';
import type { LockEvent, LockStatus, WaitReason } from './lock-events.js';

/** What one lock object says of itself: as events, and when it is asked. Nothing depends on it. */
export class LockReport implements HoldListener {
  readonly #listeners = new Listeners<LockEvent>();
  #reason: WaitReason = 'opening-session';
  #error: unknown;
  #place: Place | undefined;
  #listenedTo: Place | undefined;
  #hold: Hold | undefined;

  /** Runs `listener` at each event, in order. Returns its removal. */
  onEvent(listener: (event: LockEvent) => void): () => void {
    const isFirst = this.#listeners.size === 0;
    const off = this.#listeners.add(listener);
    if (isFirst && this.#place !== undefined) this.#listenTo(this.#place);
    return off;
  }

  status(callers: number): LockStatus {
    const place = this.#place;
    const idle = callers === 0 && this.#hold === undefined;
    const reason = idle ? 'nobody-waits' : this.#hold !== undefined ? 'held-here' : this.#reason;
    return {
      reason,
      callers,
      ...(place?.state.status === 'waiting' ? { ahead: place.ahead } : {}),
      ...(this.#hold === undefined ? {} : { token: this.#hold.token }),
      ...(reason === 'retrying' ? { error: this.#error } : {}),
    };
  }

  now(reason: WaitReason, error?: unknown): void {
    this.#reason = reason;
    this.#error = error;
  }

  /** This process has a place in the line. */
  standing(place: Place): void {
    this.#place = place;
    if (place.state.status === 'waiting') this.now('behind-others');
    // Most have no listener, and places come and go with every hold.
    if (this.#listeners.size === 0) return;
    if (place.state.status === 'waiting') {
      this.#listeners.emit({ type: 'queued', ahead: place.ahead });
    }
    this.#listenTo(place);
  }

  #listenTo(place: Place): void {
    if (this.#listenedTo === place) return;
    this.#listenedTo = place;
    place.onFewer((ahead) => this.#listeners.emit({ type: 'queued', ahead }));
    const off = place.session.onChange(() => {
      const isOurs = this.#listenedTo === place;
      if (isOurs && this.#hold !== undefined) this.#tellRisk(place.session, this.#hold.token);
    });
    place.onGone(off);
  }

  #tellRisk({ state, remainingMs }: Session, token: number): void {
    if (state.status !== 'suspect') return;
    this.#listeners.emit({ type: 'at-risk', token, reason: state.reason, remainingMs });
  }

  granted(hold: Hold): void {
    this.#hold = hold;
    this.#listeners.emit({ type: 'acquired', token: hold.token });
    // What it stands by may be in doubt already.
    if (this.#listenedTo !== undefined) this.#tellRisk(this.#listenedTo.session, hold.token);
  }

  released(hold: Hold): void {
    this.#ended(hold, { type: 'released', token: hold.token });
  }

  lost(hold: Hold, error: QuorateError): void {
    this.#ended(hold, { type: 'lost', token: hold.token, error });
  }

  handedOff(hold: Hold): void {
    this.#ended(hold, { type: 'handed-off', token: hold.token });
  }

  /** This process has no place any more, and wants none. */
  left(): void {
    this.#place = undefined;
    this.#listenedTo = undefined;
    this.now('opening-session');
  }

  #ended(hold: Hold, event: LockEvent): void {
    if (this.#hold === hold) {
      this.#hold = undefined;
      // It may have been that of a place of its own, while the one that is shared waits.
      if (this.#place?.state.status !== 'waiting') this.now('passing-on');
    }
    this.#listeners.emit(event);
  }
}
