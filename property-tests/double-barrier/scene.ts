/** The processes of a run, each with a client, its double barriers and its callers. */
import { DoubleBarrier, type Stay } from '../../src/barriers/index.js';
import type { SeenEntry, SeenRefusal, SeenRound } from '../../src/checkers/index.js';
import { isQuorateError } from '../../src/errors.js';
import { sleep } from '../../src/runtime/index.js';
import type { SimulatedProcess } from '../../src/simulator/index.js';
import { type Key, Keyspace } from '../../src/store/index.js';
import { Administrator } from '../support/administrator.js';
import { waitOptions } from '../support/holding.js';
import { namespace } from '../support/open-client.js';
import { type Seat, Seats } from '../support/seats.js';
import type { World } from '../support/world.js';
import type { Situation } from './situations.js';
import type { CallerPlan, DoubleWorkload } from './workload.js';

/** Once everything is healed nobody waits longer for others, who may all have gone home. */
const healedPatienceMs = 4_000;
const healedInsideMs = 10;

export interface DoubleSeat extends Seat {
  readonly barriers: Readonly<Record<CallerPlan['whenFull'], DoubleBarrier>>;
}

export class Scene {
  readonly name = 'd';
  readonly prefix: Key = new Keyspace(namespace).prefix('double-barrier', this.name);
  readonly entries: SeenEntry[] = [];
  readonly exits: SeenRound[] = [];
  readonly breaks: SeenRound[] = [];
  readonly refusals: SeenRefusal[] = [];
  readonly administrator: Administrator;
  readonly seats: Seats<CallerPlan, DoubleSeat>;
  readonly #world: World<DoubleWorkload>;
  readonly #bySeat = new Map<SimulatedProcess, DoubleSeat>();
  readonly #inside = new Map<Stay, SimulatedProcess>();

  constructor(world: World<DoubleWorkload>) {
    this.#world = world;
    this.seats = new Seats({
      ...{ world, ttlMs: world.workload.ttlMs },
      furnish: (seat) => this.#furnish(seat),
      round: (seat, plan) => this.#round(seat, plan),
      bury: (process) => this.#bury(process),
    });
    const clientOf = (target: number) => this.seats.clientOf(target);
    this.administrator = new Administrator({ world, line: `${this.prefix}p/`, clientOf });
  }

  readonly nowMs = (): number => this.#world.simulation.nowMs;

  /** Of those processes that nothing hinders any more. */
  get coreSeats(): readonly DoubleSeat[] {
    return this.seats.processes.flatMap((process) => {
      const seat = this.#bySeat.get(process);
      return process.isCore && seat !== undefined && process.status !== 'crashed' ? [seat] : [];
    });
  }

  reached(situation: Situation): void {
    this.#world.reached(situation);
  }

  /** Enters, and notes what it is told. */
  async enter(
    seat: DoubleSeat,
    whenFull: CallerPlan['whenFull'],
    options: Parameters<DoubleBarrier['enter']>[0] = {},
  ): Promise<Stay> {
    const { process } = seat;
    const calledAtMs = this.nowMs();
    try {
      const stay = await seat.barriers[whenFull].enter(options);
      const { key: member, operand } = stay.guard();
      const { round } = stay;
      const entry = {
        process: process.name,
        member,
        created: Number(operand),
        round,
        toldAtMs: this.nowMs(),
      };
      this.entries.push(entry);
      this.reached('a member entered');
      return stay;
    } catch (error) {
      this.#note(process, error, calledAtMs);
      throw error;
    }
  }

  async leave(
    { process }: DoubleSeat,
    stay: Stay,
    options: Parameters<Stay['leave']>[0] = {},
  ): Promise<void> {
    const calledAtMs = this.nowMs();
    try {
      await stay.leave(options);
    } catch (error) {
      this.#note(process, error, calledAtMs);
      throw error;
    }
    this.exits.push({ process: process.name, round: stay.round, toldAtMs: this.nowMs() });
    this.reached('a member left with all others');
  }

  #note({ name: process }: SimulatedProcess, error: unknown, calledAtMs: number): void {
    if (!isQuorateError(error)) return;
    const { round } = error.details as { round: number };
    const told = { process, round, toldAtMs: this.nowMs() };
    if (error.code === 'barrier-broken') {
      this.breaks.push(told);
      this.reached('a member was told that its round is broken');
    }
    if (error.code !== 'over-limit') return;
    this.refusals.push({ ...told, calledAtMs });
    this.reached('a member was refused');
  }

  #bury(process: SimulatedProcess): void {
    for (const [stay, of] of this.#inside) {
      if (of !== process) continue;
      this.#inside.delete(stay);
      this.reached('a process crashed inside');
    }
  }

  #furnish(seat: Seat): DoubleSeat {
    const { size, deadMembers } = this.#world.workload;
    const of = (whenFull: CallerPlan['whenFull']) =>
      new DoubleBarrier(seat.client, this.name, { size, deadMembers, whenFull });
    const furnished = { ...seat, barriers: { refuse: of('refuse'), queue: of('queue') } };
    this.#bySeat.set(seat.process, furnished);
    return furnished;
  }

  async #round(seat: DoubleSeat, plan: CallerPlan): Promise<void> {
    let stay: Stay;
    try {
      stay = await this.#within(seat, plan, plan.patienceMs, (options) =>
        this.enter(seat, plan.whenFull, options),
      );
    } catch (error) {
      this.#passOver(error, 'who waited to enter gave up');
      return;
    }
    this.#inside.set(stay, seat.process);
    this.seats.strike(plan, seat.process);
    const { runtime } = seat.client;
    await sleep(runtime, this.seats.isHealed ? Math.min(healedInsideMs, plan.insideMs) : plan.insideMs);
    if (stay.signal.aborted) this.reached('a session was lost inside');
    this.#inside.delete(stay);
    try {
      if (plan.departs) await stay.depart();
      else await this.#within(seat, plan, plan.leavePatienceMs, (options) => this.leave(seat, stay, options));
    } catch (error) {
      this.#passOver(error, 'who waited to leave gave up');
    }
  }

  async #within<T>(
    seat: DoubleSeat,
    plan: CallerPlan,
    ofPlanMs: number,
    wait: (options: ReturnType<typeof waitOptions>['options']) => Promise<T>,
  ): Promise<T> {
    // As long as anything may go wrong, who waits for ever is left to the phase after it.
    const isLong = ofPlanMs === 0 || this.seats.isHealed;
    const patienceMs = isLong ? healedPatienceMs : ofPlanMs;
    const { options, end } = waitOptions({ ...plan, patienceMs }, seat.client);
    try {
      return await wait(options);
    } finally {
      end();
    }
  }

  #passOver(error: unknown, situation: Situation): void {
    if (!isQuorateError(error) || error.code === 'internal' || error.code === 'invalid-argument') throw error;
    if (error.code === 'timeout' || error.code === 'aborted') this.reached(situation);
  }
}
