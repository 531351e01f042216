import type { Engine } from '../../engine/index.js';
import type { LeaseId } from '../../store/index.js';
import type { SeededRandom } from '../random.js';
import type { EventLoop, SimulatedEvent } from '../time/event-loop.js';
import type { Timeline } from '../timeline.js';
import { LeaseClock } from './lease-clock.js';
import type { Member } from './member.js';

/** etcd looks for expired leases twice a second, and then has to commit that they are. */
const longestLatenessMs = 600;

export interface LeaseExpiryParts {
  readonly engine: Engine;
  readonly loop: EventLoop;
  readonly random: SeededRandom;
  readonly timeline: Timeline;
  readonly clockRate: number;
  /** A leader stands that can commit. */
  readonly canCommit: () => boolean;
  readonly onExpired: () => void;
}

/** Lets leases expire, late and never early, by the clock of whoever leads. */
export class LeaseExpiry {
  readonly #parts: LeaseExpiryParts;
  readonly #clock: LeaseClock;
  #next: { readonly event: SimulatedEvent; readonly leaseMs: number } | undefined;

  constructor(parts: LeaseExpiryParts) {
    this.#parts = parts;
    this.#clock = new LeaseClock(() => parts.loop.nowMs, parts.clockRate);
  }

  now(): number {
    return this.#clock.now();
  }

  get isOneDue(): boolean {
    return (this.#parts.engine.nextExpiryMs() ?? Number.POSITIVE_INFINITY) <= this.now();
  }

  /** True ms that must pass before this lease can expire; 0 for one that is due or gone. */
  leftMs(lease: LeaseId): number {
    const expiryMs = this.#parts.engine.leaseExpiryMs(lease);
    return expiryMs === undefined ? 0 : this.#clock.trueMsUntil(expiryMs);
  }

  /** A new leader begins with every lease anew, by its own clock. */
  restart(leader: Member): void {
    this.#clock.follow(leader.clockRate);
    this.#parts.engine.restartLeases(this.now());
    this.schedule();
  }

  /** To be called whenever a deadline may have changed, or a leader is back. */
  schedule(): void {
    const { engine, loop, random } = this.#parts;
    const leaseMs = engine.nextExpiryMs();
    if (leaseMs === undefined) return;
    if (this.#next !== undefined) {
      if (this.#next.leaseMs <= leaseMs) return;
      this.#next.event.cancelled = true;
    }
    const delayMs = this.#clock.trueMsUntil(leaseMs) + random.next() * longestLatenessMs;
    this.#next = { event: loop.afterInternally(delayMs, () => this.#expire()), leaseMs };
  }

  #expire(): void {
    const { engine, timeline, canCommit, onExpired } = this.#parts;
    this.#next = undefined;
    // Otherwise whoever leads next, or again, schedules it anew.
    if (!canCommit()) return;
    for (const lease of engine.expireLeases(this.now())) {
      timeline.note('cluster', () => `lease ${lease} has expired`);
    }
    onExpired();
    this.schedule();
  }
}
