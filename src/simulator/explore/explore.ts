import { type RandomFaultsOptions, randomFaults } from '../faults/random-faults.js';
import { SeededRandom } from '../random.js';
import { Simulation, type SimulationOptions } from '../simulation.js';
import { type Scenario, ScenarioFailed, type ScenarioPlan } from './scenario.js';

export interface RunOptions {
  /** How long faults may come and go before everything is healed, in virtual ms. Default 12,000. */
  readonly safetyMs?: number;
  /** How long after the healing nothing may be pending any more, in virtual ms. Default 60,000. */
  readonly livenessMs?: number;
  /** Members, latency, clocks. */
  readonly simulation?: Omit<SimulationOptions, 'seed' | 'recordTimeline'>;
}

export interface ExploreOptions extends RunOptions {
  /** Of the first run; each further one takes the next. Default 1. */
  readonly seed?: number;
  /** Default 100. */
  readonly runs?: number;
  /** Which faults are drawn. */
  readonly faults?: RandomFaultsOptions;
}

/** What was explored without finding a failure. */
export interface Exploration {
  readonly runs: number;
  readonly virtualHours: number;
  readonly events: number;
  /** Faults that took effect, by what they did. */
  readonly faultsInjected: ReadonlyMap<string, number>;
}

export interface ScenarioRun {
  /** What it failed with, if it did. */
  readonly failure: { readonly error: unknown } | undefined;
  /** Its lines, if they were asked for. */
  readonly timeline: readonly string[];
  readonly simulation: Simulation;
}

/** How many executions may be spent on leaving out faults that a failure does not need. */
const shrinkingRuns = 200;

/**
 * Runs a scenario many times, each with other chance and other faults: a phase in which they come and go, then healing,
 * then a bounded time in which everything must get done, then the check. Rejects with {@link ScenarioFailed} at the first
 * failure, after leaving out every fault that it does not need.
 */
export async function explore(
  makeScenario: () => Scenario,
  options: ExploreOptions = {},
): Promise<Exploration> {
  const { seed = 1, runs = 100, faults } = options;
  const injected = new Map<string, number>();
  let [virtualMs, events] = [0, 0];
  for (let run = 0; run < runs; run += 1) {
    const random = new SeededRandom(seed + run, 'faults of a run');
    const plan = { seed: seed + run, faults: randomFaults(random, faults) };
    const { failure, simulation } = await replay(makeScenario, plan, { ...options, recordTimeline: false });
    if (failure !== undefined) throw await explained(makeScenario, plan, options);
    virtualMs += simulation.nowMs;
    events += simulation.events;
    for (const [what, times] of simulation.faultsInjected) {
      injected.set(what, (injected.get(what) ?? 0) + times);
    }
  }
  return { runs, virtualHours: virtualMs / 3_600_000, events, faultsInjected: injected };
}

/** Runs one plan, by default with its timeline. Never rejects: the failure is in the answer. */
export async function replay(
  makeScenario: () => Scenario,
  plan: ScenarioPlan,
  options: RunOptions & { readonly recordTimeline?: boolean } = {},
): Promise<ScenarioRun> {
  const { recordTimeline = true, safetyMs = 12_000, livenessMs = 60_000 } = options;
  const simulation = new Simulation({ ...options.simulation, seed: plan.seed, recordTimeline });
  const answer = (failure: ScenarioRun['failure']): ScenarioRun => ({
    failure,
    timeline: simulation.timeline.lines,
    simulation,
  });
  try {
    const scenario = makeScenario();
    scenario.start(simulation);
    for (const window of plan.faults) simulation.inject(window);
    const pending = () => (scenario.pending ? scenario.pending(simulation) : unfinished(simulation));
    await simulation.run(safetyMs);
    simulation.heal();
    if (!(await simulation.runUntil(() => pending() === undefined, livenessMs))) {
      throw new Error(`still pending ${livenessMs} ms after the healing: ${pending()}`);
    }
    scenario.check?.(simulation);
    return answer(undefined);
  } catch (error) {
    return answer({ error });
  }
}

function unfinished(simulation: Simulation): string | undefined {
  const waiting = simulation.processes.filter(({ status }) => status !== 'finished');
  return waiting.length > 0
    ? waiting.map(({ name, status }) => `${name} is ${status}`).join(', ')
    : undefined;
}

/** The failure of the shortest plan that still fails, whatever it fails with. */
async function explained(
  makeScenario: () => Scenario,
  failing: ScenarioPlan,
  options: RunOptions,
): Promise<ScenarioFailed> {
  const fails = async (plan: ScenarioPlan) =>
    (await replay(makeScenario, plan, { ...options, recordTimeline: false })).failure !== undefined;
  let plan = failing;
  let left = shrinkingRuns;
  for (let index = plan.faults.length - 1; index >= 0 && left > 0; ) {
    const without = { ...plan, faults: plan.faults.filter((_, at) => at !== index) };
    left -= 1;
    if (await fails(without)) {
      plan = without;
      // What was needed beside it may not be needed any more.
      index = plan.faults.length - 1;
    } else index -= 1;
  }
  const { failure, timeline } = await replay(makeScenario, plan, options);
  const unrepeatable = new Error(
    'it did not fail again: something in it comes from outside of the simulation',
  );
  return new ScenarioFailed(plan, timeline, failure === undefined ? unrepeatable : failure.error);
}
