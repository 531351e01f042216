import type fc from 'fast-check';
import type { FaultChoice } from './plans.js';
import type { World } from './world.js';

/** What must hold of one module in every run, however the workload and the faults are drawn. */
export interface Property<W = unknown> {
  /** Its name: 'mutex', 'queue', … */
  readonly module: string;
  /** Ids of the invariants that it checks. */
  readonly invariants: readonly string[];
  /** Plain data only: it is stored as JSON. */
  readonly workload: fc.Arbitrary<W>;
  readonly faults?: FaultChoice;
  /** Situations that a run of full size must reach. */
  readonly sometimes: readonly string[];
  /** Runs of a full size. */
  readonly runs: number;
  /** Throws if an invariant is broken, or something is still pending that should not be. */
  run(world: World<W>): Promise<void>;
}

/** A property that must fail: it guards the guard. */
export interface Canary {
  readonly property: Property;
  /** Why the shrunk plan is larger than it need be; undefined if it is small. */
  largeness(plan: unknown): string | undefined;
}

/** What a file of properties exports. */
export interface PropertyList {
  readonly properties: readonly Property[];
  readonly canary?: Canary;
  /** Simulations that a full run must have done in all. */
  readonly leastSimulations?: number;
}
