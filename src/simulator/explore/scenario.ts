import type { FaultWindow } from '../faults/fault-window.js';
import type { Simulation } from '../simulation.js';

/** What is put to the test. Made anew for each run, so that it can keep what it sees. */
export interface Scenario {
  /** Starts the processes. */
  start(simulation: Simulation): void;
  /**
   * What is still to come, once everything is healed; undefined if nothing is. Asked again and again.
   * Default: the processes that have not finished.
   */
  pending?(simulation: Simulation): string | undefined;
  /** Throws if something went wrong. Called at the end, when nothing is pending any more. */
  check?(simulation: Simulation): void;
}

/** What one run depends on, as plain data. */
export interface ScenarioPlan {
  readonly seed: number;
  readonly faults: readonly FaultWindow[];
}

/** A scenario failed; the plan is the shortest found that makes it fail. */
export class ScenarioFailed extends Error {
  readonly plan: ScenarioPlan;
  /** The failing run, line by line. */
  readonly timeline: readonly string[];

  constructor(plan: ScenarioPlan, timeline: readonly string[], cause: unknown) {
    const faults = plan.faults.map(
      ({ kind, target, atMs, durationMs }) => `${kind} of ${target} at ${atMs} ms for ${durationMs} ms`,
    );
    const story = faults.length > 0 ? faults.join('; ') : 'no faults';
    super(`with seed ${plan.seed} and ${story}: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
    this.name = 'ScenarioFailed';
    this.plan = plan;
    this.timeline = timeline;
  }
}
