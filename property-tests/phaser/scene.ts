/** The processes of a run, each with a client, a phaser object and its callers, who register, go through phases and leave. */
import type { PhaserMember } from '../../src/barriers/phaser/phaser-member.js';
import { Phaser } from '../../src/barriers/phaser.js';
import type { ToldPhase } from '../../src/checkers/index.js';
import { isQuorateError } from '../../src/errors.js';
import { linkedSignal, sleep, type WaitOptions } from '../../src/runtime/index.js';
import { type Key, Keyspace, prefixRange } from '../../src/store/index.js';
import { Administrator } from '../support/administrator.js';
import { namespace } from '../support/open-client.js';
import { type Seat, Seats } from '../support/seats.js';
import type { World } from '../support/world.js';
import type { Situation } from './situations.js';
import type { CallerPlan, PhaserWorkload } from './workload.js';

const healedPhases = 2;
const healedWorkMs = 10;
/** Longer than it takes to register again. */
const lookEveryMs = 3_000;

interface PhaserSeat extends Seat {
  readonly phaser: Phaser;
}

/** A caller of the scene ends its phases here, as it was to. */
class GaveUp extends Error {}

export class Scene {
  readonly name = 'f';
  readonly prefix: Key = new Keyspace(namespace).prefix('phaser', this.name);
  readonly told: ToldPhase[] = [];
  readonly administrator: Administrator;
  readonly seats: Seats<CallerPlan, PhaserSeat>;
  readonly #world: World<PhaserWorkload>;

  constructor(world: World<PhaserWorkload>) {
    this.#world = world;
    this.seats = new Seats({
      ...{ world, ttlMs: world.workload.ttlMs },
      furnish: (seat) => ({ ...seat, phaser: new Phaser(seat.client, this.name) }),
      round: (seat, plan) => this.#round(seat, plan),
    });
    const clientOf = (target: number) => this.seats.clientOf(target);
    this.administrator = new Administrator({ world, line: `${this.prefix}m/`, clientOf });
  }

  readonly nowMs = (): number => this.#world.simulation.nowMs;

  reached(situation: Situation, times = 1): void {
    this.#world.reached(situation, times);
  }

  async #round(seat: PhaserSeat, plan: CallerPlan): Promise<void> {
    let members: readonly PhaserMember[] = [];
    try {
      members = await this.#register(seat, plan);
      const phases = this.seats.isHealed ? Math.min(healedPhases, plan.phases) : plan.phases;
      for (let count = 0; count < phases; count += 1) {
        if (plan.struckAs === 'works') this.seats.strike(plan, seat.process);
        const workMs = this.seats.isHealed ? Math.min(healedWorkMs, plan.workMs) : plan.workMs;
        await sleep(seat.client.runtime, workMs);
        await this.#phase(seat, plan, members);
      }
    } catch (error) {
      this.#passOver(error);
    }
    await this.#leave(plan, members);
  }

  async #register(seat: PhaserSeat, plan: CallerPlan): Promise<readonly PhaserMember[]> {
    const { label } = seat.client;
    const calledAtMs = this.nowMs();
    try {
      const members = await this.#patiently(seat, plan, (options) =>
        seat.phaser.bulkRegister(plan.members, options),
      );
      const toldAtMs = this.nowMs();
      for (const { phase } of members) {
        this.told.push({ label, what: 'registered', phase, calledAtMs, toldAtMs });
      }
      return members;
    } catch (error) {
      if (error instanceof GaveUp) this.reached('a registration was given up');
      throw error;
    }
  }

  async #phase(seat: PhaserSeat, plan: CallerPlan, members: readonly PhaserMember[]): Promise<void> {
    switch (plan.way) {
      case 'await':
        await Promise.all(members.map((member) => this.#await(seat, plan, member)));
        return;
      case 'bulk': {
        const phase = await this.#arrived(seat, (options) => seat.phaser.bulkArrive(members, options), plan);
        if (members.length > 1) this.reached('several members of one object arrived at once');
        await this.#over(seat, plan, phase);
        return;
      }
      default: {
        const phases: number[] = [];
        for (const member of members) {
          phases.push(await this.#arrived(seat, (options) => member.arrive(options), plan));
        }
        if (plan.way === 'arrive-only') return;
        await this.#over(seat, plan, Math.min(...phases));
      }
    }
  }

  /** Arrives and waits; one that was given up is gone on with, by asking again. */
  async #await(seat: PhaserSeat, plan: CallerPlan, member: PhaserMember): Promise<void> {
    const { label } = seat.client;
    const calledAtMs = this.nowMs();
    const before = member.phase;
    try {
      const waiting = this.#patiently(seat, plan, (options) => member.arriveAndAwait(options));
      if (plan.struckAs === 'waits') this.seats.strike(plan, seat.process);
      const phase = await waiting;
      const toldAtMs = this.nowMs();
      this.told.push({ label, what: 'over', phase, after: member.phase, calledAtMs, toldAtMs });
    } catch (error) {
      if (!(error instanceof GaveUp)) throw error;
      this.reached('a wait for the end of a phase was given up');
      const againAtMs = this.nowMs();
      const phase = await member.arrive();
      const toldAtMs = this.nowMs();
      const firstCalledAtMs = calledAtMs;
      this.told.push({ label, what: 'arrived', phase, calledAtMs: againAtMs, toldAtMs, firstCalledAtMs });
      if (phase !== before) this.reached('a call that was given up was gone on with');
      await this.#over(seat, { ...plan, patienceMs: 0 }, phase);
    }
  }

  async #arrived(
    seat: PhaserSeat,
    arrive: (options: WaitOptions) => Promise<number>,
    plan: CallerPlan,
  ): Promise<number> {
    const { label } = seat.client;
    const calledAtMs = this.nowMs();
    let phase: number;
    try {
      phase = await this.#patiently(seat, plan, arrive);
    } catch (error) {
      if (!(error instanceof GaveUp)) throw error;
      phase = await arrive({});
    }
    // Where an arrival is all that is done of a phase, it may repeat one of an earlier call.
    const firstCalledAtMs = plan.way === 'arrive-only' ? 0 : calledAtMs;
    const toldAtMs = this.nowMs();
    this.told.push({ label, what: 'arrived', phase, calledAtMs, toldAtMs, firstCalledAtMs });
    return phase;
  }

  async #over(seat: PhaserSeat, plan: CallerPlan, phase: number): Promise<void> {
    const { label } = seat.client;
    const calledAtMs = this.nowMs();
    const waiting = this.#patiently(seat, plan, (options) =>
      this.#whileSomebodyIsThere(seat, phase, options),
    );
    if (plan.struckAs === 'waits') this.seats.strike(plan, seat.process);
    const now = await waiting;
    if (now === undefined) return;
    this.reached('somebody who is no member waited for the end of a phase');
    const toldAtMs = this.nowMs();
    this.told.push({ label, what: 'over', phase: now, after: phase, calledAtMs, toldAtMs });
  }

  /** No phase ends where all have died: undefined then. */
  async #whileSomebodyIsThere(
    { phaser, client }: PhaserSeat,
    phase: number,
    options: WaitOptions,
  ): Promise<number | undefined> {
    const { engine } = this.#world.simulation;
    const members = { ...prefixRange(`${this.prefix}m/`), countOnly: true };
    const over = new AbortController();
    const end = linkedSignal(options.signal, over.signal);
    const look = async () => {
      while (!end.signal.aborted) {
        await sleep(client.runtime, lookEveryMs, { signal: end.signal });
        if (engine.range(members).count === 0) over.abort();
      }
    };
    look().catch(() => {});
    try {
      return await phaser.awaitAdvance(phase, { ...options, signal: end.signal });
    } catch (error) {
      if (over.signal.aborted && isQuorateError(error, 'aborted')) return undefined;
      throw error;
    } finally {
      over.abort();
      end.unlink();
    }
  }

  async #leave(plan: CallerPlan, members: readonly PhaserMember[]): Promise<void> {
    for (const member of members) {
      try {
        if (plan.leaves === 'after-arriving') await member.arrive();
        await member.arriveAndDeregister();
      } catch (error) {
        this.#passOver(error);
      }
    }
  }

  async #patiently<T>(
    { client }: Seat,
    plan: CallerPlan,
    ask: (options: WaitOptions) => Promise<T>,
  ): Promise<T> {
    const { isPatient, options, end } = this.seats.waitOf({ client }, plan);
    try {
      return await ask(options);
    } catch (error) {
      const hasGivenUp = isQuorateError(error, 'timeout') || isQuorateError(error, 'aborted');
      if (!isPatient && hasGivenUp) throw new GaveUp();
      throw error;
    } finally {
      end();
    }
  }

  #passOver(error: unknown): void {
    if (error instanceof GaveUp) return;
    if (isQuorateError(error, 'session-lost')) this.reached('a member was lost with its session');
    else if (isQuorateError(error, 'hold-lost')) this.reached('a registration was deleted by somebody');
    else throw error;
  }
}
