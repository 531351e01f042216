/**
 * The owning side: has its leases renewed by a thread with an event loop and a connection of its own.
 *
 * - `start` sends the thread the lease and 64 bytes of shared memory; the thread writes each acknowledged keep-alive
 *   there, and says so by a message as well. `latest` reads the memory, so it is right in the middle of a computation.
 * - Instants come by the monotonic clock that all threads share, and the wall clock, which they share anyway.
 * - A timer shows the thread that this event loop turns. Without that the thread renews for `longestStallMs` at most.
 * - `stop` is seen by the thread before its next keep-alive; what was sent before that finds a lease that is revoked.
 * - The thread ends: this event loop renews from then on. What the thread has written stays true.
 */
import type { Runtime, Timer } from '../../runtime/index.js';
import type { Thread, ThreadEvents } from '../../runtime/thread.js';
import type { LeaseRenewal, LeaseRenewer, LeaseToRenew, Renewal } from '../../store/index.js';
import { LeaseMemory } from './lease-memory.js';
import { LifeSign } from './life-sign.js';
import { errorOf, type FromRenewalThread, type ToRenewalThread } from './messages.js';
import { ThreadClock } from './thread-clock.js';

export interface WorkerRenewerOptions {
  /** Of the event loop that owns the leases. */
  readonly runtime: Runtime;
  /** The monotonic clock that it shares with the thread. */
  readonly sharedMs: () => number;
  readonly longestStallMs: number;
  /** Renews when the thread has ended. */
  readonly fallback: LeaseRenewer;
  startThread(lifeSign: SharedArrayBuffer, events: ThreadEvents): Thread;
  /** The thread, once connected, has ended without having been told to. */
  onEnd(cause: unknown): void;
}

export class WorkerRenewer implements LeaseRenewer {
  /** Resolves when the thread is connected; rejects if it cannot, or ends before. */
  readonly ready: Promise<void>;
  readonly #options: WorkerRenewerOptions;
  readonly #lifeSign = new LifeSign();
  readonly #renewals = new Map<number, BesideRenewal>();
  #thread: Thread | undefined;
  #started = 0;
  #timer: Timer | undefined;
  #isReady = false;
  #onReady: (error?: unknown) => void = () => {};

  constructor(options: WorkerRenewerOptions) {
    this.#options = options;
    this.ready = new Promise((resolve, reject) => {
      this.#onReady = (error) => (error === undefined ? resolve() : reject(error));
    });
    this.ready.catch(() => {});
    this.#lifeSign.give(options.sharedMs());
    this.#thread = options.startThread(this.#lifeSign.buffer, {
      onMessage: (message) => this.#onMessage(message as FromRenewalThread),
      onEnd: (cause) => this.#onEnd(cause),
    });
  }

  /** What the thread tells of times is translated into those of this clock, which has to run with the machine's. */
  get runtime(): Runtime {
    return this.#options.runtime;
  }

  /** False once the thread has ended, or was told to. */
  get isRunning(): boolean {
    return this.#thread !== undefined;
  }

  start(lease: LeaseToRenew): LeaseRenewal {
    const thread = this.#thread;
    if (thread === undefined) return this.#options.fallback.start(lease);
    this.#started += 1;
    const number = this.#started;
    const renewal = new BesideRenewal(lease, this.#options.sharedMs, () => this.#forget(number));
    this.#renewals.set(number, renewal);
    if (this.#renewals.size === 1) this.#showLife();
    const message: ToRenewalThread = { ...renewal.start(), renewal: number };
    thread.post(message);
    return renewal;
  }

  /** Ends the thread. Leases that are not stopped are renewed no more. */
  async close(): Promise<void> {
    const thread = this.#thread;
    this.#thread = undefined;
    for (const renewal of [...this.#renewals.values()]) renewal.stop();
    await thread?.end();
  }

  /** Ten times, or each second, within what the thread waits for. */
  #showLife(): void {
    const { runtime, sharedMs, longestStallMs } = this.#options;
    this.#timer?.cancel();
    this.#lifeSign.give(sharedMs());
    const everyMs = Math.min(1_000, longestStallMs / 10);
    this.#timer = runtime.setTimer(everyMs, () => this.#showLife(), { background: true });
  }

  #forget(number: number): void {
    if (!this.#renewals.delete(number)) return;
    this.#thread?.post({ type: 'stop', renewal: number } satisfies ToRenewalThread);
    if (this.#renewals.size === 0) this.#timer?.cancel();
  }

  #onMessage(message: FromRenewalThread): void {
    switch (message.type) {
      case 'ready':
        this.#isReady = true;
        this.#onReady();
        return;
      case 'refused':
        this.#onReady(errorOf(message.cause));
        return;
      case 'renewed':
        this.#renewals.get(message.renewal)?.onRenewed();
        return;
      case 'trouble':
        this.#renewals.get(message.renewal)?.onTrouble(message);
    }
  }

  #onEnd(cause: unknown): void {
    this.#onReady(cause ?? new Error('the thread ended'));
    if (this.#thread === undefined) return;
    this.#thread = undefined;
    this.#timer?.cancel();
    const renewals = [...this.#renewals.values()];
    this.#renewals.clear();
    if (this.#isReady) this.#options.onEnd(cause);
    for (const renewal of renewals) renewal.fallBack(this.#options.fallback);
  }
}

/** A lease that the thread renews, and from the thread's end on this event loop. */
class BesideRenewal implements LeaseRenewal {
  readonly #lease: LeaseToRenew;
  readonly #memory = new LeaseMemory();
  readonly #clock: ThreadClock;
  readonly #onStop: () => void;
  #sequence = 0;
  #newest: Renewal | undefined;
  #fallback: LeaseRenewal | undefined;

  constructor(lease: LeaseToRenew, sharedMs: () => number, onStop: () => void) {
    this.#lease = lease;
    this.#clock = new ThreadClock(() => lease.clock.now().monotonicMs, sharedMs);
    this.#onStop = onStop;
  }

  start(): Omit<Extract<ToRenewalThread, { type: 'start' }>, 'renewal'> {
    const { id: leaseId, granted } = this.#lease;
    const { sentAt, ttlMs } = granted;
    const sent = { monotonicMs: this.#clock.toShared(sentAt.monotonicMs), wallMs: sentAt.wallMs };
    return { type: 'start', leaseId, memory: this.#memory.buffer, sent, ttlMs };
  }

  latest(): Renewal | undefined {
    if (this.#memory.sequence !== this.#sequence) this.#read();
    const own = this.#fallback?.latest();
    if (own !== undefined) this.#newest = own;
    return this.#newest;
  }

  stop(): void {
    this.#memory.stop();
    this.#fallback?.stop();
    this.#onStop();
  }

  onRenewed(): void {
    this.#lease.onRenewed();
  }

  onTrouble({ sent, kind, cause }: Extract<FromRenewalThread, { type: 'trouble' }>): void {
    const sentAt = this.#lease.clock.at(this.#own(sent));
    this.#lease.onTrouble({ sentAt, kind, ...(cause === undefined ? {} : { cause: errorOf(cause) }) });
  }

  /** Nobody writes into the memory any more. */
  fallBack(renewer: LeaseRenewer): void {
    const granted = this.latest() ?? this.#lease.granted;
    if (this.#memory.isStopped || granted.ttlMs <= 0) return;
    this.#fallback = renewer.start({
      ...{ id: this.#lease.id, clock: this.#lease.clock, granted },
      isWanted: () => this.#lease.isWanted(),
      onRenewed: () => this.#lease.onRenewed(),
      onTrouble: (trouble) => this.#lease.onTrouble(trouble),
    });
  }

  #read(): void {
    const written = this.#memory.read();
    if (written === undefined) return;
    this.#sequence = written.sequence;
    this.#newest = { sentAt: this.#lease.clock.at(this.#own(written.sent)), ttlMs: written.ttlMs };
  }

  #own(sent: { readonly monotonicMs: number; readonly wallMs: number }) {
    return { monotonicMs: this.#clock.toOwn(sent.monotonicMs), wallMs: sent.wallMs };
  }
}
