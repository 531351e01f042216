export {
  type Exploration,
  type ExploreOptions,
  explore,
  type RunOptions,
  replay,
  type ScenarioRun,
} from './explore/explore.js';
export { type Scenario, ScenarioFailed, type ScenarioPlan } from './explore/scenario.js';
export { type FaultKind, type FaultWindow, faultKinds } from './faults/fault-window.js';
export { type RandomFaultsOptions, randomFaults } from './faults/random-faults.js';
export type {
  ProcessContext,
  ProcessMain,
  ProcessThread,
  SimulatedProcess,
} from './process/simulated-process.js';
export { SeededRandom } from './random.js';
export { type HealOptions, Simulation, type SimulationOptions } from './simulation.js';
export type { Timeline, TimelineEntry } from './timeline.js';
