import { broken, type InvariantId } from '../../src/checkers/sentences.js';
import type { ClockBounds } from '../../src/session/deadline.js';
import type { SeededRandom, Simulation } from '../../src/simulator/index.js';
import type { Store } from '../../src/store/index.js';
import type { World } from '../support/world.js';
import type { Seat } from './seat.js';
import type { SessionWorkload } from './workload.js';

/** What the processes of one run have in common, outside of their world. */
export class Stage {
  readonly workload: SessionWorkload;
  readonly bounds: ClockBounds;
  readonly simulation: Simulation;
  readonly random: SeededRandom;
  /** Somebody who tampers with leases, and whom no fault befalls. */
  readonly operator: Store;
  readonly seats: Seat[] = [];
  /** All is healed. */
  isCalm = false;
  /** The processes shall come to their end. */
  isStopping = false;
  readonly #world: World<SessionWorkload>;
  #failure: { readonly error: unknown } | undefined;

  constructor(world: World<SessionWorkload>) {
    const { knobs, workload } = world.plan;
    this.#world = world;
    this.workload = workload;
    this.bounds = { clockRateError: knobs.clockRateError, abortMs: workload.abortMs };
    this.simulation = world.simulation;
    this.random = world.random.fork('looks');
    this.operator = world.simulation.connect();
  }

  /** The incarnations that go on after the healing. */
  get coreSeats(): readonly Seat[] {
    return this.seats.filter((seat) => seat.isCore && !seat.isDead);
  }

  reached(situation: string): void {
    this.#world.reached(situation);
  }

  fail(error: unknown): void {
    this.#failure ??= { error };
  }

  failWith(id: InvariantId, evidence: string): void {
    try {
      broken(id, evidence);
    } catch (error) {
      this.fail(error);
    }
  }

  throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
