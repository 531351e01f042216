/**
 * Keeps leases alive from the event loop that it runs in.
 *
 * A keep-alive leaves at a third of the TTL; while none is acknowledged, another one every tenth. Several may be in
 * flight, each with its own send time; the newest send that was acknowledged counts, in whatever order the replies
 * come. Reply lost, request lost, cut: try again. Reply says TTL 0: the lease is gone, for good.
 */
import { type Instant, type Runtime, sharedController, type Timer } from '../runtime/index.js';
import type { LeaseRenewal, LeaseRenewer, LeaseToRenew, Renewal } from './lease-renewer.js';
import type { Store } from './store.js';

/** Timers count no finer: what is due within it is due now, or they would be set for nothing, again and again. */
const timerToleranceMs = 1;

export class LoopRenewer implements LeaseRenewer {
  readonly #store: Pick<Store, 'leaseKeepAlive'>;
  readonly #runtime: Runtime;

  constructor(store: Pick<Store, 'leaseKeepAlive'>, runtime: Runtime) {
    this.#store = store;
    this.#runtime = runtime;
  }

  start(lease: LeaseToRenew): LeaseRenewal {
    return new LoopRenewal(this.#store, this.#runtime, lease);
  }
}

class LoopRenewal implements LeaseRenewal {
  readonly #store: Pick<Store, 'leaseKeepAlive'>;
  readonly #runtime: Runtime;
  readonly #lease: LeaseToRenew;
  readonly #stopped = sharedController();
  #newest: Renewal;
  /** The last keep-alive sent since the newest acknowledged one was, if any. */
  #unacknowledged: Instant | undefined;
  #timer: Timer | undefined;

  constructor(store: Pick<Store, 'leaseKeepAlive'>, runtime: Runtime, lease: LeaseToRenew) {
    this.#store = store;
    this.#runtime = runtime;
    this.#lease = lease;
    this.#newest = lease.granted;
    this.#arm();
  }

  latest(): Renewal | undefined {
    return this.#newest === this.#lease.granted ? undefined : this.#newest;
  }

  stop(): void {
    this.#timer?.cancel();
    this.#stopped.abort();
  }

  get #isOver(): boolean {
    return this.#stopped.signal.aborted;
  }

  /** A tick each tenth of the TTL even where none is due sooner: timers run on a clock that stands still in a sleep. */
  #arm(): void {
    this.#armIn(Math.min(this.#newest.ttlMs / 10, Math.max(1, this.#dueMs())));
  }

  #armIn(delayMs: number): void {
    this.#timer?.cancel();
    if (!this.#isOver)
      this.#timer = this.#runtime.setTimer(delayMs, () => this.#tick(), { background: true });
  }

  #dueMs(): number {
    const { clock } = this.#lease;
    const { sentAt, ttlMs } = this.#newest;
    return this.#unacknowledged === undefined
      ? ttlMs / 3 - clock.ageMs(sentAt)
      : ttlMs / 10 - clock.ageMs(this.#unacknowledged);
  }

  #tick(): void {
    if (!this.#lease.isWanted()) {
      this.#armIn(this.#newest.ttlMs / 10);
      return;
    }
    if (this.#dueMs() <= timerToleranceMs) {
      const overdue = this.#unacknowledged;
      if (overdue !== undefined) this.#lease.onTrouble({ sentAt: overdue, kind: 'overdue' });
      // Who hears of the trouble may have stopped it.
      if (!this.#isOver) void this.#renew();
    }
    this.#arm();
  }

  async #renew(): Promise<void> {
    const { clock, id } = this.#lease;
    const sentAt = clock.now();
    this.#unacknowledged = sentAt;
    try {
      const ttlSeconds = await this.#store.leaseKeepAlive(id, {
        signal: this.#stopped.signal,
        timeoutMs: this.#newest.ttlMs,
      });
      this.#acknowledge({ sentAt, ttlMs: ttlSeconds * 1_000 });
    } catch (cause) {
      // A newer one was acknowledged meanwhile: what became of this one says nothing.
      if (this.#isOver || sentAt.elapsedMs < this.#newest.sentAt.elapsedMs) return;
      this.#lease.onTrouble({ sentAt, kind: 'failed', cause });
    }
  }

  #acknowledge(renewal: Renewal): void {
    if (this.#isOver) return;
    const isGone = renewal.ttlMs <= 0;
    if (!isGone && renewal.sentAt.elapsedMs < this.#newest.sentAt.elapsedMs) return;
    this.#newest = renewal;
    if (isGone) this.stop();
    else {
      const newest = this.#unacknowledged?.elapsedMs ?? 0;
      if (newest <= renewal.sentAt.elapsedMs) this.#unacknowledged = undefined;
      this.#arm();
    }
    this.#lease.onRenewed();
  }
}
