/**
 * The renewing side: keeps the leases alive that it is told of, and writes each acknowledged keep-alive into the
 * memory that it shares with their owner, with the instants of its send.
 *
 * It trusts nobody to tell it that the owner is gone: a keep-alive leaves only if the owner's event loop has turned
 * within the longest stall. After that the leases end, as they would if the process had died; an owner that comes back
 * before they have is renewed again.
 */
import { AgeClock, type ClockReading, type Instant, type Runtime } from '../../runtime/index.js';
import type { LeaseRenewal, Store } from '../../store/index.js';
import { LoopRenewer } from '../../store/loop-renewer.js';
import { LeaseMemory } from './lease-memory.js';
import type { LifeSign } from './life-sign.js';
import { type FromRenewalThread, plainError, type ToRenewalThread } from './messages.js';
import { ThreadClock } from './thread-clock.js';

export interface RenewalServiceOptions {
  readonly store: Pick<Store, 'leaseKeepAlive'>;
  readonly runtime: Runtime;
  /** The monotonic clock that it shares with the owner of the leases. */
  readonly sharedMs: () => number;
  readonly lifeSign: LifeSign;
  readonly longestStallMs: number;
  post(message: FromRenewalThread): void;
}

export class RenewalService {
  readonly #options: RenewalServiceOptions;
  readonly #renewer: LoopRenewer;
  readonly #clock: AgeClock;
  readonly #threadClock: ThreadClock;
  readonly #renewals = new Map<number, LeaseRenewal>();

  constructor(options: RenewalServiceOptions) {
    const { store, runtime, sharedMs } = options;
    this.#options = options;
    this.#renewer = new LoopRenewer(store, runtime);
    this.#clock = new AgeClock(runtime);
    this.#threadClock = new ThreadClock(() => runtime.monotonicMs(), sharedMs);
  }

  handle(message: ToRenewalThread): void {
    if (message.type === 'start') this.#start(message);
    else this.#stop(message.renewal);
  }

  #start(message: Extract<ToRenewalThread, { type: 'start' }>): void {
    const { renewal: number, leaseId, sent, ttlMs } = message;
    const { post } = this.#options;
    const memory = new LeaseMemory(message.memory);
    const sentAt = this.#clock.at({ ...sent, monotonicMs: this.#threadClock.toOwn(sent.monotonicMs) });
    const renewal = this.#renewer.start({
      ...{ id: leaseId, granted: { sentAt, ttlMs }, clock: this.#clock },
      isWanted: () => {
        if (memory.isStopped) this.#stop(number);
        return !memory.isStopped && this.#ownerLives();
      },
      onRenewed: () => {
        const latest = renewal.latest();
        if (latest === undefined) return;
        memory.write(this.#shared(latest.sentAt), latest.ttlMs);
        if (latest.ttlMs <= 0) this.#stop(number);
        post({ type: 'renewed', renewal: number });
      },
      onTrouble: (trouble) => {
        const cause = trouble.cause === undefined ? undefined : plainError(trouble.cause);
        const { kind } = trouble;
        post({ type: 'trouble', renewal: number, sent: this.#shared(trouble.sentAt), kind, cause });
      },
    });
    this.#renewals.set(number, renewal);
  }

  #stop(number: number): void {
    this.#renewals.get(number)?.stop();
    this.#renewals.delete(number);
  }

  #ownerLives(): boolean {
    const { lifeSign, longestStallMs, sharedMs } = this.#options;
    return lifeSign.ageMs(sharedMs()) <= longestStallMs;
  }

  #shared({ monotonicMs, wallMs }: Instant): ClockReading {
    return { monotonicMs: this.#threadClock.toShared(monotonicMs), wallMs };
  }
}
