import { milliseconds } from '../../src/checkers/evidence.js';
import { broken } from '../../src/checkers/sentences.js';
import type { Session } from '../../src/session/index.js';
import type { FaultKind, ProcessContext, SimulatedProcess } from '../../src/simulator/index.js';
import type { LeaseId } from '../../src/store/index.js';
import { Beside } from './beside.js';
import { type ClockReading, ObservedClocks } from './observed-clocks.js';
import { ObservedLeases } from './observed-leases.js';
import { SeenSession } from './seen-session.js';
import type { Stage } from './stage.js';
import type { Step } from './workload.js';

/** Between two looks at every session. */
const looksMs = { min: 20, max: 150 };
/** The same where nothing goes wrong any more. */
const calmLooksMs = { min: 300, max: 900 };
const clockToleranceMs = 0.01;

/** One incarnation of a process that opens sessions, and what it sees of them. */
export class Seat {
  readonly name: string;
  readonly clocks: ObservedClocks;
  readonly leases: ObservedLeases;
  readonly #stage: Stage;
  readonly #context: ProcessContext;
  readonly #process: SimulatedProcess;
  readonly #sessions = new Map<Session, SeenSession>();
  /** The session that the process uses now. */
  shared: SeenSession | undefined;
  #lookedAt: ClockReading;
  /** True time at which it was seen that the clocks had forgotten something for good. */
  #forgotAtMs = Number.NEGATIVE_INFINITY;
  /** What happens to it after its next keep-alive. */
  troubles: Extract<Step, { do: 'freeze' | 'doze' }> | undefined;
  isClosed = false;
  /** Since when its event loop is blocked by a computation. */
  #blockedAt: ClockReading | undefined;

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
      onKeepAlive: (talk, sent) => {
        this.guarded(() => this.#checkStall(talk.id, sent));
        this.#trouble();
      },
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

  /** A thread renews its leases. */
  get hasBeside(): boolean {
    return this.#stage.workload.longestStallMs > 0;
  }

  get isBlocked(): boolean {
    return this.#blockedAt !== undefined;
  }

  /** It has a live session that is not in doubt, and had at its last look. */
  get isSteady(): boolean {
    return this.shared !== undefined && this.shared.session.state.status === 'healthy';
  }

  /** A thread that renews its leases, if the plan has one. */
  startBeside(): Beside | undefined {
    const { longestStallMs } = this.#stage.workload;
    if (longestStallMs === 0) return undefined;
    return new Beside({
      ...{ context: this.#context, process: this.#process, longestStallMs },
      ...{ runtime: this.clocks.runtime, store: this.leases.store },
      observed: (store) => this.leases.through(store),
    });
  }

  /** Its code computes for so long, in one turn of the event loop, and looks at its sessions now and then. */
  async block(ms: number): Promise<void> {
    if (this.#stage.isCalm) return;
    const { runtime } = this.#context.startThread();
    const at = this.clocks.read();
    const { resume } = this.#process.stall();
    this.#blockedAt = at;
    const look = () => {
      if (this.isDead) return;
      const leftMs = ms - (this.nowMs - at.trueMs);
      this.guarded(() => {
        for (const seen of this.#sessions.values()) seen.look();
      });
      if (leftMs > 0 && !this.#stage.isCalm) {
        runtime.setTimer(Math.min(leftMs, this.#stage.random.between(looksMs.min, looksMs.max)), look);
        return;
      }
      this.#tellOfBlock(ms);
      this.#blockedAt = undefined;
      resume();
    };
    look();
    await this.#context.runtime.nextTurn();
  }

  #tellOfBlock(ms: number): void {
    const session = this.shared?.session;
    if (session === undefined || ms <= session.ttlMs) return;
    this.reached(
      session.isLive() ? 'live through a block longer than its TTL' : 'lost in a block longer than its TTL',
    );
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

  /** Begins to look at a session, if it does not yet. */
  see(session: Session): SeenSession {
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

  /** SESSION-12: no keep-alive leaves after the longest stall. */
  #checkStall(lease: LeaseId, sent: ClockReading): void {
    const at = this.#blockedAt;
    if (at === undefined) return;
    const blockedMs = sent.monotonicMs - at.monotonicMs;
    const { longestStallMs } = this.#stage.workload;
    if (blockedMs <= longestStallMs + clockToleranceMs) return;
    broken(
      'SESSION-12',
      `${this.name} has had lease ${lease} renewed ${milliseconds(blockedMs)} after its event loop was blocked, with ${milliseconds(longestStallMs)} as the longest stall`,
    );
  }

  #seenOf(lease: LeaseId): SeenSession | undefined {
    return this.sessions.find(({ session }) => session.leaseId === lease);
  }

  #trouble(): void {
    const step = this.troubles;
    if (step === undefined) return;
    this.troubles = undefined;
    const { simulation, workload } = this.#stage;
    const target = this.#process.index;
    const inject = (kind: FaultKind, afterMs: number, durationMs: number) =>
      simulation.inject({ atMs: simulation.nowMs + afterMs, durationMs, kind, target });
    if (step.do === 'freeze') {
      inject('pause', 0, step.ms);
      if (step.mute) inject('lost-keep-alives', 0, step.ms + workload.ttlMs);
      return;
    }
    const sleepsAfterMs = 700;
    inject('sleep', sleepsAfterMs, step.ms);
    inject('wall-step', sleepsAfterMs + step.stepMs, 0);
    inject('lost-keep-alives', 0, step.ms + 1.5 * workload.ttlMs);
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
}
