/** The processes of a run, each with a client, a barrier object and its callers, and who resets the barrier. */
import type { CyclicActionContext } from '../../src/barriers/cyclic/options.js';
import { CyclicBarrier } from '../../src/barriers/cyclic-barrier.js';
import type { ResetCall, SeenAction, ToldCyclicWait } from '../../src/checkers/index.js';
import { isQuorateError } from '../../src/errors.js';
import { linkedSignal, sleep } from '../../src/runtime/index.js';
import type { SimulatedProcess } from '../../src/simulator/index.js';
import { type Key, Keyspace, remove, type Store } from '../../src/store/index.js';
import { Administrator } from '../support/administrator.js';
import { namespace } from '../support/open-client.js';
import { type Seat, Seats } from '../support/seats.js';
import type { World } from '../support/world.js';
import type { Situation } from './situations.js';
import type { CallerPlan, CyclicWorkload } from './workload.js';

const healedActionMs = 5;
const resetWithinMs = 3_000;

interface BarrierSeat extends Seat {
  readonly barrier: CyclicBarrier;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** A call that has not been told anything yet. */
interface Calling {
  readonly process: SimulatedProcess;
  readonly label: string;
  /** Ends it, when all is over. */
  readonly close: () => void;
}

export class Scene {
  readonly name = 'b';
  readonly prefix: Key = new Keyspace(namespace).prefix('cyclic-barrier', this.name);
  readonly parties: number;
  readonly waits: ToldCyclicWait[] = [];
  readonly actions: Mutable<SeenAction>[] = [];
  readonly resets: Mutable<ResetCall>[] = [];
  readonly administrator: Administrator;
  readonly seats: Seats<CallerPlan, BarrierSeat>;
  readonly #world: World<CyclicWorkload>;
  readonly #calling = new Set<Calling>();
  readonly #bySeat = new Map<SimulatedProcess, BarrierSeat>();
  readonly #store: Store;
  #hasStruckElect = false;
  #isClosing = false;
  #changedAtMs = 0;

  constructor(world: World<CyclicWorkload>) {
    const { ttlMs, processes, parties } = world.workload;
    this.#world = world;
    this.#store = world.simulation.connect();
    this.parties = 1 + (parties % processes.flat().length);
    this.seats = new Seats({
      ...{ world, ttlMs },
      furnish: (seat) => this.#furnish(seat),
      round: (seat, plan) => this.#round(seat, plan),
      bury: (process) => this.#bury(process),
    });
    const clientOf = (target: number) => this.seats.clientOf(target);
    this.administrator = new Administrator({ world, line: `${this.prefix}m/`, clientOf });
  }

  readonly nowMs = (): number => this.#world.simulation.nowMs;

  reached(situation: Situation, times = 1): void {
    this.#world.reached(situation, times);
  }

  /** Lets time pass up to each of them. */
  async doAll({ deeds, resets }: Pick<CyclicWorkload, 'deeds' | 'resets'>): Promise<void> {
    const all = [...deeds, ...resets].sort((left, right) => left.atMs - right.atMs);
    for (const one of all) {
      await this.#world.run(Math.max(0, one.atMs - this.nowMs()));
      if ('kind' in one) await this.administrator.doAll([one]);
      else if (one.by === 'hand') void this.#deleteByHand();
      else {
        const { processes } = this.seats;
        const process = processes[one.target % processes.length];
        const seat = process && this.#bySeat.get(process);
        if (seat !== undefined && process?.status === 'running') void this.#reset(seat);
      }
    }
  }

  /** How many calls of this client wait, of processes that nothing hinders any more. */
  get callingInCore(): ReadonlyMap<string, number> {
    const calls = new Map<string, number>();
    for (const { process, label } of this.#calling) {
      if (process.isCore) calls.set(label, 1 + (calls.get(label) ?? 0));
    }
    return calls;
  }

  /** Since when nobody has called, and nobody was told anything. */
  get quietMs(): number {
    return this.nowMs() - this.#changedAtMs;
  }

  /** Whoever waits for what will not come waits no more, nobody calls again, and all leave. What is still to be done of it. */
  closing(): string | undefined {
    if (!this.#isClosing) {
      this.#isClosing = true;
      if (this.callingInCore.size > 0) this.reached('somebody waits for what will not come, and nobody else');
      for (const { close, process } of this.#calling) if (process.isCore) close();
    }
    if (this.callingInCore.size > 0) return 'somebody was to wait no more, and does';
    for (const { barrier, process } of this.#bySeat.values()) if (process.isCore) void barrier.leave();
    return undefined;
  }

  start(callers: readonly CallerPlan[]): void {
    this.seats.start(callers);
  }

  #bury(process: SimulatedProcess): void {
    for (const one of this.#calling) if (one.process === process) this.#calling.delete(one);
  }

  #furnish(seat: Seat): BarrierSeat {
    const { deadMembers, action } = this.#world.workload;
    const run = (context: CyclicActionContext) => this.#act(seat, context);
    const options = { parties: this.parties, deadMembers, ...(action === 'none' ? {} : { action: run }) };
    const furnished = { ...seat, barrier: new CyclicBarrier(seat.client, this.name, options) };
    this.#bySeat.set(seat.process, furnished);
    return furnished;
  }

  async #act({ client, process }: Seat, { generation }: CyclicActionContext): Promise<void> {
    const { actionMs, failEvery, electStroke } = this.#world.workload;
    const run: Mutable<SeenAction> = {
      ...{ label: client.label, generation, beganAtMs: this.nowMs(), failed: false },
    };
    this.actions.push(run);
    if (electStroke !== 'none' && !this.#hasStruckElect && !this.seats.isHealed && generation > 0) {
      this.#hasStruckElect = true;
      const window = { kind: electStroke, atMs: this.nowMs(), durationMs: 6_000, target: process.index };
      this.#world.simulation.inject(window);
    }
    await sleep(client.runtime, this.seats.isHealed ? Math.min(actionMs, healedActionMs) : actionMs);
    run.endedAtMs = this.nowMs();
    if (failEvery > 0 && generation % failEvery === failEvery - 1 && !this.seats.isHealed) {
      run.failed = true;
      throw new Error('as it was to');
    }
  }

  async #round(seat: BarrierSeat, plan: CallerPlan): Promise<void> {
    if (this.#isClosing) return;
    const { barrier, client, process } = seat;
    const { label } = client;
    const { isPatient, options, end } = this.seats.waitOf({ client }, plan);
    const closing = new AbortController();
    const given = linkedSignal(closing.signal, options.signal);
    const calling = { process, label, close: () => closing.abort() };
    const calledAtMs = this.nowMs();
    if (plan.struckAs === 'works') this.seats.strike(plan, process);
    this.#calling.add(calling);
    this.#changedAtMs = calledAtMs;
    try {
      const waiting = barrier.arriveAndAwait({ ...options, signal: given.signal });
      if (plan.struckAs === 'waits') void this.#strikeSoon(plan, process, client.runtime);
      const { generation } = await waiting;
      this.waits.push({ label, calledAtMs, toldAtMs: this.nowMs(), outcome: 'passed', generation });
    } catch (error) {
      this.#told(error, { label, calledAtMs, isPatient: isPatient && !this.#isClosing });
    } finally {
      end();
      given.unlink();
      this.#calling.delete(calling);
      this.#changedAtMs = this.nowMs();
    }
    const last = this.waits.at(-1);
    const isBroken = last?.label === label && last.outcome === 'broken';
    if (isBroken && (plan.resets || this.seats.isHealed)) await this.#reset(seat);
  }

  async #strikeSoon(
    plan: CallerPlan,
    process: SimulatedProcess,
    runtime: Parameters<typeof sleep>[0],
  ): Promise<void> {
    await sleep(runtime, 3);
    this.seats.strike(plan, process);
  }

  #told(
    error: unknown,
    { label, calledAtMs, isPatient }: { label: string; calledAtMs: number; isPatient: boolean },
  ): void {
    if (!isQuorateError(error) || error.code === 'internal') throw error;
    if (error.code === 'barrier-broken') {
      const { generation, reason } = error.details as { generation: number; reason: string };
      const toldAtMs = this.nowMs();
      this.waits.push({ label, calledAtMs, toldAtMs, outcome: 'broken', generation, reason });
    } else if (error.code === 'session-lost') this.reached('a wait was lost with its session');
    else if (!isPatient && (error.code === 'timeout' || error.code === 'aborted')) {
      if (!this.#isClosing) this.reached('a wait was given up');
    } else throw error;
  }

  /** On a connection that no fault befalls. */
  async #deleteByHand(): Promise<void> {
    const request = { compare: [], success: [remove(`${this.prefix}generation`)], failure: [] };
    await this.#store.txn(request).catch(() => {});
  }

  async #reset({ barrier }: BarrierSeat): Promise<void> {
    const call: Mutable<ResetCall> = { beganAtMs: this.nowMs() };
    this.resets.push(call);
    try {
      await barrier.reset({ timeoutMs: resetWithinMs });
      call.endedAtMs = this.nowMs();
    } catch (error) {
      if (!isQuorateError(error) || error.code === 'internal') throw error;
    }
  }
}
