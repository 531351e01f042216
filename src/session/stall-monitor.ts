import { Listeners, type Runtime, systemRuntime } from '../runtime/index.js';

/** A tick of a keeper that came later than it was due. */
export interface LateTick {
  /** Ms on the monotonic clock. */
  readonly lateMs: number;
  /** Ms by which the wall clock ran ahead of the monotonic one meanwhile. */
  readonly sleptMs: number;
  /** Of the lease. */
  readonly ttlMs: number;
}

/** The event loop of this process stood still. */
export interface EventLoopStall {
  /**
   * For at least so many ms: a timer came so late, by the monotonic clock. The loop was blocked by a computation or by
   * garbage collection, or the process did not run at all (stopped, or starved of processor time).
   */
  readonly lateMs: number;
  /**
   * Besides, the wall clock ran ahead by so many ms: the machine slept, or the clock was set. Not a part of `lateMs` where
   * the monotonic clock stands still in sleep, as on Linux; where it goes on, a sleep shows as a stall.
   */
  readonly sleptMs: number;
  /** TTL in ms of the session that noticed; the shortest, if several did. */
  readonly ttlMs: number;
  /** When it was noticed, in ms since the epoch. */
  readonly at: number;
}

export interface StallMonitorOptions {
  readonly runtime: Runtime;
  /** The shortest stall to tell of, in ms; undefined: a tenth of the session's TTL; 0 or infinite: none. */
  readonly warningMs: number | undefined;
  /** Somebody beside the event loop renews the leases. */
  readonly isRenewedBeside: boolean;
}

/** Between two warnings of one client. */
const warnEveryMs = 60_000;

/** Tells of stalls of the event loop, each once, however many sessions of a client notice it. */
export class StallMonitor {
  readonly #options: StallMonitorOptions;
  readonly #listeners = new Listeners<EventLoopStall>();
  #noticed: LateTick | undefined;
  /** When the last one that was told of was noticed. */
  #toldAtMs = Number.NEGATIVE_INFINITY;
  #warnedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: StallMonitorOptions) {
    this.#options = options;
  }

  onStall(listener: (stall: EventLoopStall) => void): () => void {
    return this.#listeners.add(listener);
  }

  /**
   * The ticks of all sessions come late in the same turn of the loop, or nearly; the one that was due first is nearest to
   * the truth. One that was due before the last stall was noticed is late by that.
   */
  late({ lateMs, sleptMs, ttlMs }: LateTick): void {
    const { runtime, warningMs } = this.#options;
    const leastMs = warningMs === undefined ? ttlMs / 10 : warningMs;
    if (leastMs === 0 || lateMs < leastMs || runtime.monotonicMs() - lateMs < this.#toldAtMs) return;
    const first = this.#noticed;
    if (first === undefined) void runtime.nextTurn().then(() => this.#tell());
    this.#noticed = {
      lateMs: Math.max(lateMs, first?.lateMs ?? 0),
      sleptMs: Math.max(sleptMs, first?.sleptMs ?? 0),
      ttlMs: Math.min(ttlMs, first?.ttlMs ?? ttlMs),
    };
  }

  #tell(): void {
    const noticed = this.#noticed;
    this.#noticed = undefined;
    if (noticed === undefined) return;
    const { runtime } = this.#options;
    this.#toldAtMs = runtime.monotonicMs();
    if (this.#listeners.size > 0) this.#listeners.emit({ ...noticed, at: runtime.wallMs() });
    // In a simulation processes stand still on purpose.
    else if (runtime === systemRuntime) this.#warn(noticed);
  }

  #warn({ lateMs, ttlMs }: LateTick): void {
    const { runtime, isRenewedBeside } = this.#options;
    const nowMs = runtime.monotonicMs();
    if (nowMs - this.#warnedAtMs < warnEveryMs) return;
    this.#warnedAtMs = nowMs;
    const danger = isRenewedBeside
      ? 'A worker thread, while it runs, renews its leases meanwhile, but not for longer than longestStallMs, and nothing that they ' +
        'hold is released or handed over.'
      : `While it stands still nothing renews its leases: after ${ttlMs} ms its sessions are lost, and with them all ` +
        `locks, leaderships and jobs that they hold.`;
    const remedy =
      'Cut long computations into pieces or move them to a worker thread, ' +
      (isRenewedBeside
        ? 'or give the process more processor time.'
        : "or let a worker thread renew the leases: openEtcd3Store({ hosts, renewal: 'worker' }).");
    process.emitWarning(
      `the event loop of this process stood still for ${Math.round(lateMs)} ms or more. ${danger} ${remedy} ` +
        'client.onStall() hears of this in place of the warning; stallWarningMs sets the limit.',
      { type: 'QuorateStallWarning', code: 'QUORATE_STALL' },
    );
  }
}
