export { type FaultKind, type FaultWindow, faultKinds } from './faults/fault-window.js';
export type { ProcessContext, ProcessMain, SimulatedProcess } from './process/simulated-process.js';
export { SeededRandom } from './random.js';
export { type HealOptions, Simulation, type SimulationOptions } from './simulation.js';
export type { Timeline, TimelineEntry } from './timeline.js';
