import { isQuorateError } from '../../src/errors.js';
import { sleep } from '../../src/runtime/index.js';
import { Client, type Session } from '../../src/session/index.js';
import type { ProcessContext, SimulatedProcess } from '../../src/simulator/index.js';
import { get, type LeaseId, put, remove } from '../../src/store/index.js';
import { type ClockReading, ObservedClocks } from './observed-clocks.js';
import { ObservedLeases } from './observed-leases.js';
import { SeenSession } from './seen-session.js';
import type { Stage } from './stage.js';
import type { Step } from './workload.js';

/** Between two looks at every session. */
const looksMs = { min: 20, max: 150 };
/** The same where nothing goes wrong any more. */
const calmLooksMs = { min: 300, max: 900 };
const retryMs = 100;
const askAgainMs = 400;
const clockToleranceMs = 0.01;

/** What may become of an opening in a cluster that is ill. */
const passing = ['unreachable', 'no-space', 'timeout', 'unavailable'] as const;

/** One incarnation of a process that opens sessions, and what it sees of them. */
export class Seat {
  readonly name: string;
  readonly clocks: ObservedClocks;
  readonly leases: ObservedLeases;
  readonly #stage: Stage;
  readonly #context: ProcessContext;
  readonly #process: SimulatedProcess;
  readonly #sessions = new Map<Session, SeenSession>();
  #client: Client | undefined;
  #shared: SeenSession | undefined;
  #lookedAt: ClockReading;
  /** True time at which it was seen that the clocks had forgotten something for good. */
  #forgotAtMs = Number.NEGATIVE_INFINITY;
  /** What happens to it after its next keep-alive. */
  #freezing: Extract<Step, { do: 'freeze' }> | undefined;
  isClosed = false;

  constructor(stage: Stage, context: ProcessContext, process: SimulatedProcess) {
    this.name = `${context.name}.${context.incarnation}`;
    this.#stage = stage;
    this.#context = context;
    this.#process = process;
    this.clocks = new ObservedClocks(context.runtime, () => this.nowMs);
    this.#lookedAt = this.clocks.read();
    this.leases = new ObservedLeases(context.store, this.clocks, stage.workload.extraSeconds, {
      onLateAcknowledgement: (talk, late) =>
        this.guarded(() => this.#seenOf(talk.id)?.onLateAcknowledgement(late)),
      onRevoke: (talk, at) => this.guarded(() => this.#seenOf(talk.id)?.onRevoke(at)),
      onKeepAlive: () => this.#freeze(),
    });
    this.#lookAgain();
  }

  get nowMs(): number {
    return this.#stage.simulation.nowMs;
  }

  get bounds() {
    return this.#stage.bounds;
  }

  /** What `abortMs` of its clock is in true time. */
  get abortTrueMs(): number {
    return this.bounds.abortMs / this.#process.clock.rate;
  }

  get sessions(): readonly SeenSession[] {
    return [...this.#sessions.values()];
  }

  get isDead(): boolean {
    return this.#process.incarnation !== this.#context.incarnation || this.#process.status === 'crashed';
  }

  get isCore(): boolean {
    return this.#process.isCore;
  }

  /** It has a live session that is not in doubt, and had at its last look. */
  get isSteady(): boolean {
    return this.#shared !== undefined && this.#shared.session.state.status === 'healthy';
  }

  reached(situation: string): void {
    this.#stage.reached(situation);
  }

  /** Runs a check where an exception would be taken for one of a listener. */
  guarded(check: () => void): void {
    try {
      check();
    } catch (error) {
      this.#stage.fail(error);
    }
  }

  stoodStillSince(trueMs: number): boolean {
    return this.#process.standstills.some(({ toMs = Number.POSITIVE_INFINITY }) => toMs > trueMs);
  }

  leaseLeftMs(lease: LeaseId): number {
    return this.#stage.simulation.cluster.leaseLeftMs(lease);
  }

  anchorStands(session: Session): boolean {
    return this.#stage.simulation.engine.range({ key: session.anchor }).kvs.length > 0;
  }

  /**
   * Whether the true time of a belief is claimed: not where members acknowledge what is worth nothing, nor where a sleep
   * was hidden by a step of the wall clock before anything looked at it.
   */
  isAccountable(lease: LeaseId): boolean {
    this.#noteForgotten();
    if (this.#stage.simulation.faultsInjected.has('renewal worth nothing')) return false;
    const sentAtMs = this.leases.of(lease)?.newest?.sent.trueMs ?? Number.NEGATIVE_INFINITY;
    return sentAtMs > this.#forgotAtMs;
  }

  /** The process's whole life. */
  async live(script: readonly Step[]): Promise<void> {
    await this.#open();
    for (const step of script) await this.#do(step);
    while (!this.#stage.isStopping) {
      await this.#sharedSession();
      await this.#pause(askAgainMs);
    }
    await this.#close();
  }

  async #open(): Promise<void> {
    const { ttlMs } = this.#stage.workload;
    for (;;) {
      try {
        this.#client = await Client.open({
          ...{ store: this.leases.store, runtime: this.clocks.runtime, label: this.name },
          ...{ ttlMs, ...this.bounds, connectTimeoutMs: 3_000 },
        });
        return;
      } catch (error) {
        await this.#passOver(error);
      }
    }
  }

  async #close(): Promise<void> {
    for (const seen of this.#sessions.values()) {
      seen.isAbandoned = true;
      seen.closed ||= !seen.isLost;
    }
    await this.#client?.close();
    for (const seen of this.#sessions.values()) this.#checkClosed(seen);
    this.isClosed = true;
  }

  async #do(step: Step): Promise<void> {
    switch (step.do) {
      case 'hold': {
        await this.#sharedSession();
        await this.#pause(step.ms);
        return;
      }
      case 'crowd':
        return this.#askAtOnce(step.ms);
      case 'own':
        return this.#openOwn(step);
      case 'close': {
        const seen = await this.#sharedSession();
        seen.closed = true;
        await seen.session.close();
        this.#checkClosed(seen);
        return;
      }
      case 'reopen': {
        await this.#close();
        this.isClosed = false;
        await this.#open();
        return;
      }
      case 'revoked': {
        const seen = await this.#sharedSession();
        seen.endedByOthers = true;
        await this.#stage.operator.leaseRevoke(seen.session.leaseId).catch(() => {});
        await this.#pause(step.ms);
        return;
      }
      case 'unanchored': {
        const seen = await this.#sharedSession();
        seen.endedByOthers = true;
        await this.#stage.operator
          .txn({ compare: [], success: [remove(seen.session.anchor)], failure: [] })
          .catch(() => {});
        await this.#writeGuarded(seen);
        await this.#pause(step.ms);
        return;
      }
      case 'freeze': {
        const untilMs = this.nowMs + this.#stage.workload.ttlMs;
        await this.#sharedSession();
        this.#freezing = step;
        while (this.nowMs < untilMs) {
          await this.#pause(retryMs);
          await this.#sharedSession();
        }
        return;
      }
      case 'write':
        return this.#writeGuarded(await this.#sharedSession());
    }
  }

  /** SESSION-11: a new one only after the loss of the last, and a live one. */
  async #sharedSession(): Promise<SeenSession> {
    for (;;) {
      try {
        return this.#take(await this.#opened.session());
      } catch (error) {
        await this.#passOver(error);
      }
    }
  }

  #take(session: Session): SeenSession {
    const before = this.#shared;
    const seen = this.#see(session);
    this.#shared = seen;
    if (before !== undefined && before !== seen) {
      if (!before.isLost)
        this.#stage.failWith('SESSION-11', `${before} is not lost, and yet ${seen} was opened`);
      this.reached('opened anew after a loss');
    }
    if (!session.isLive()) this.#stage.failWith('SESSION-11', `${seen} was handed out, and is not live`);
    return seen;
  }

  /** SESSION-10: all get one session, or one error, but for whom gives up. */
  async #askAtOnce(timeoutMs: number): Promise<void> {
    const client = this.#opened;
    const isStanding = this.#shared?.session.isLive() === true;
    const [first, second, third] = await Promise.allSettled([
      client.session(),
      client.session(),
      client.session({ timeoutMs }),
    ]);
    if (first.status === 'fulfilled') this.guarded(() => this.#take(first.value));
    const told = (result: PromiseSettledResult<Session>) =>
      result.status === 'fulfilled' ? result.value : (result.reason as unknown);
    if (told(first) !== told(second))
      this.#stage.failWith('SESSION-10', `two callers of ${this.name} at one time were told apart`);
    if (third.status === 'fulfilled' || !isQuorateError(third.reason, 'timeout')) {
      if (told(third) !== told(first))
        this.#stage.failWith('SESSION-10', `three callers of ${this.name} at one time were told apart`);
    } else if (first.status === 'fulfilled') this.reached('a caller gave up an opening for itself');
    if (!isStanding && first.status === 'fulfilled')
      this.reached('callers at the same time shared an opening');
    if (first.status === 'rejected') await this.#passOver(first.reason);
  }

  async #openOwn({ ms, ttlMs, timeoutMs }: Extract<Step, { do: 'own' }>): Promise<void> {
    try {
      const session = await this.#opened.openSession({ ttlMs, ...(timeoutMs === 0 ? {} : { timeoutMs }) });
      const seen = this.#see(session);
      await this.#pause(ms);
      seen.closed ||= !seen.isLost;
      await session.close();
      this.#checkClosed(seen);
    } catch (error) {
      if (isQuorateError(error, 'timeout')) this.reached('an opening was given up');
      await this.#passOver(error);
    }
  }

  /** SESSION-8: it is over, and the lease was not left to its TTL. */
  #checkClosed(seen: SeenSession): void {
    const { session, closed } = seen;
    if (!seen.isLost || session.isLive())
      this.#stage.failWith('SESSION-8', `${seen} is live after its closing`);
    const isRevoked = this.leases.of(session.leaseId)?.revokedAt.length !== 0;
    if (closed && session.state.status === 'lost' && session.state.reason === 'closed' && !isRevoked) {
      this.#stage.failWith('SESSION-8', `${seen} was closed, and its lease was never revoked`);
    }
  }

  /** A write that the store refuses a lost session. Refused: ask whether it is lost. */
  async #writeGuarded(seen: SeenSession): Promise<void> {
    const { session } = seen;
    const key = `result/${this.name}`;
    try {
      const reply = await this.#opened.store.txn(
        { compare: [session.guard()], success: [put(key, 'x')], failure: [get(key)] },
        { timeoutMs: 2_000 },
      );
      if (reply.succeeded) return;
      this.reached('a guarded write of a lost session was refused');
      const verified = await session.verify({ timeoutMs: 2_000 });
      if (verified) this.#stage.failWith('SESSION-4', `${seen} was refused by its guard, and verified`);
    } catch (error) {
      await this.#passOver(error);
    }
  }

  get #opened(): Client {
    if (this.#client === undefined) throw new Error('a client is opened first');
    return this.#client;
  }

  #see(session: Session): SeenSession {
    const known = this.#sessions.get(session);
    if (known !== undefined) return known;
    const talk = this.leases.of(session.leaseId);
    if (talk === undefined) throw new Error(`nobody has granted lease ${session.leaseId}`);
    if (talk.grants > 1) this.reached('a grant was asked for again');
    const sent = talk.newest?.sent;
    if (sent !== undefined && this.#forgottenSince(sent)) this.#forgotAtMs = this.nowMs;
    const seen = new SeenSession(this, session, talk);
    this.#sessions.set(session, seen);
    return seen;
  }

  #seenOf(lease: LeaseId): SeenSession | undefined {
    return this.sessions.find(({ session }) => session.leaseId === lease);
  }

  #freeze(): void {
    if (this.#freezing === undefined) return;
    const { ms, mute } = this.#freezing;
    this.#freezing = undefined;
    const { simulation, workload } = this.#stage;
    const [atMs, target] = [simulation.nowMs, this.#process.index];
    simulation.inject({ atMs, durationMs: ms, kind: 'pause', target });
    const muteMs = ms + workload.ttlMs;
    if (mute) simulation.inject({ atMs, durationMs: muteMs, kind: 'lost-keep-alives', target });
  }

  #lookAgain(): void {
    const { min, max } = this.#stage.isCalm ? calmLooksMs : looksMs;
    const delayMs = this.#stage.random.between(min, max);
    this.#context.runtime.setTimer(delayMs, () => {
      this.#noteForgotten();
      for (const seen of this.#sessions.values()) seen.look();
      this.#lookedAt = this.clocks.read();
      if (!this.isClosed) this.#lookAgain();
    });
  }

  #noteForgotten(): void {
    if (!this.#forgottenSince(this.#lookedAt)) return;
    this.#forgotAtMs = this.nowMs;
  }

  /** True if neither clock shows all of the time that has passed. */
  #forgottenSince({ trueMs, monotonicMs, wallMs }: ClockReading): boolean {
    const now = this.clocks.read();
    const shownMs = Math.max(now.monotonicMs - monotonicMs, now.wallMs - wallMs);
    return shownMs + clockToleranceMs < (now.trueMs - trueMs) * this.#process.clock.rate;
  }

  async #passOver(error: unknown): Promise<void> {
    if (!passing.some((code) => isQuorateError(error, code))) throw error;
    await this.#pause(retryMs);
  }

  #pause(ms: number): Promise<void> {
    return sleep(this.#context.runtime, ms);
  }
}
