import {
  type ProcessMain,
  type SeededRandom,
  type SimulatedProcess,
  Simulation,
} from '../../src/simulator/index.js';
import { NotLive, Runaway } from './failure.js';
import { activeWindows, type Plan } from './plan.js';
import { Sometimes } from './sometimes.js';

/** A run of more events is taken for one without end. */
const mostEvents = 3_000_000;
/** How often it is asked whether something is over: the answer may cost more than the events between. */
const askEveryMs = 20;

const latencies = { fast: { min: 0.2, max: 2 }, wide: { min: 0.2, max: 50 } } as const;

export interface WorldOptions<W> {
  readonly plan: Plan<W>;
  readonly situations: readonly string[];
  readonly recordTimeline: boolean;
  /** Real time after which a run is taken for one without end. */
  readonly stuckAfterMs: number;
}

/**
 * What a property runs in: a simulation in the plan's setting, to which the plan's windows of faults happen. First the
 * safety phase under faults, then the healing, then the liveness phase, in which everything has to come to its end.
 */
export class World<W = unknown> {
  readonly plan: Plan<W>;
  readonly simulation: Simulation;
  readonly #sometimes: Sometimes;
  readonly #lastFaultMs: number;
  readonly #stuckAtMs: number;
  readonly #stuckAfterMs: number;

  constructor({ plan, situations, recordTimeline, stuckAfterMs }: WorldOptions<W>) {
    const { members, clockRateError, latency } = plan.knobs;
    this.plan = plan;
    this.#sometimes = new Sometimes(situations);
    this.#stuckAfterMs = stuckAfterMs;
    this.#stuckAtMs = performance.now() + stuckAfterMs;
    this.simulation = new Simulation({
      ...{ seed: plan.seed, members, clockRateError, recordTimeline },
      latencyMs: latencies[latency],
    });
    const windows = activeWindows(plan);
    for (const window of windows) this.simulation.inject(window);
    this.#lastFaultMs = Math.max(0, ...windows.map(({ atMs, durationMs }) => atMs + durationMs));
  }

  get workload(): W {
    return this.plan.workload;
  }

  /** Chance for the scenario itself. */
  get random(): SeededRandom {
    return this.simulation.random;
  }

  /** Times that each situation was reached. */
  get situations(): ReadonlyMap<string, number> {
    return this.#sometimes.counts;
  }

  /** Counts a situation, which must be one of the property's. */
  reached(situation: string, times = 1): void {
    this.#sometimes.add(situation, times);
  }

  start(name: string, main: ProcessMain): SimulatedProcess {
    return this.simulation.start(name, main);
  }

  /** Lets virtual time pass. */
  async run(forMs: number): Promise<void> {
    await this.runUntil(() => false, forMs);
  }

  /** Lets virtual time pass until it is done, which is asked every 20 ms. False if the time was up first. */
  async runUntil(done: () => boolean, withinMs: number): Promise<boolean> {
    const { simulation } = this;
    let askAtMs = 0;
    let runaway = false;
    const isDone = () => {
      if (simulation.events > mostEvents || performance.now() > this.#stuckAtMs) runaway = true;
      if (runaway) return true;
      if (simulation.nowMs < askAtMs) return false;
      askAtMs = simulation.nowMs + askEveryMs;
      return done();
    };
    const wasDone = await simulation.runUntil(isDone, withinMs);
    if (runaway) throw new Runaway(this.#whyRunaway());
    return wasDone || done();
  }

  /** Runs until every fault is over and it is done, but not longer. What is not done then may still be done later. */
  async safetyPhase(done: () => boolean, atMostMs: number): Promise<void> {
    await this.runUntil(() => this.simulation.nowMs >= this.#lastFaultMs && done(), atMostMs);
  }

  /** Ends all faults for good, or leaves only a core of members and processes whole, as the plan has it. */
  heal(): void {
    this.simulation.heal({ core: this.plan.knobs.heal === 'core' });
  }

  /** Runs until nothing is pending; `pending` names what is. Throws if there is something still when time is up. */
  async livenessPhase(pending: () => string | undefined, withinMs: number): Promise<void> {
    if (await this.runUntil(() => pending() === undefined, withinMs)) return;
    throw new NotLive(pending() ?? 'something that is over only now', withinMs);
  }

  #whyRunaway(): string {
    const { events, nowMs } = this.simulation;
    const reason =
      events > mostEvents
        ? `more than ${mostEvents.toLocaleString('en')} events`
        : `more than ${this.#stuckAfterMs / 1_000} s of real time`;
    return `no end: ${reason}, at ${(nowMs / 1_000).toFixed(1)} s of virtual time after ${events} events`;
  }
}
