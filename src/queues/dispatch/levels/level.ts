import type { LevelName } from '../../keys.js';
import type { LevelStart } from '../../reading/starts.js';
import type { PlannedJobs } from '../planned-jobs.js';
import { GatePlan } from './gate-plan.js';
import { WindowReader } from './window-reader.js';

export interface LevelLimits {
  readonly mirror: number;
  readonly gateDelayMs: number;
}

/** Items whose ids have one order of their own, and a gate of their own: what of them is not in the plan, and where the gate stands. */
export class Level {
  readonly name: LevelName;
  readonly reader: WindowReader;
  readonly gate: GatePlan;

  constructor(limits: LevelLimits, jobs: PlannedJobs, { name, gate, start }: LevelStart) {
    this.name = name;
    this.reader = new WindowReader(start, limits.mirror >> 1);
    this.gate = new GatePlan(limits.gateDelayMs, jobs, this.reader, gate);
  }

  /** The revision up to which the plan holds every item below what is left to be read. `seen`: that of the watch. */
  view(seen: number): number {
    return Math.max(seen, this.reader.revision);
  }
}
