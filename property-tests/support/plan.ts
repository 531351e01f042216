/**
 * A run as plain data: what is done, what goes wrong, in which setting. The same plan runs the same way, so it can be
 * shrunk, stored and run again.
 */
import type { FaultKind, FaultWindow } from '../../src/simulator/index.js';

/** The setting of a run. */
export interface Knobs {
  readonly members: 1 | 3 | 5;
  /** By how much the rate of any clock may be wrong. Clients must be told of it, or they promise too much. */
  readonly clockRateError: number;
  readonly latency: 'fast' | 'wide';
  /** Windows of these kinds do nothing in this run: what only few kinds can do together is not drowned by the rest. */
  readonly off: readonly FaultKind[];
  readonly heal: 'all' | 'core';
}

export interface Plan<W = unknown> {
  readonly seed: number;
  readonly knobs: Knobs;
  readonly faults: readonly FaultWindow[];
  readonly workload: W;
}

/** The windows that do something. */
export function activeWindows(plan: Plan): readonly FaultWindow[] {
  return plan.faults.filter(({ kind }) => !plan.knobs.off.includes(kind));
}

/** The same run in fewer words: windows that do nothing left out. */
export function tidied<W>(plan: Plan<W>): Plan<W> {
  return { ...plan, knobs: { ...plan.knobs, off: [] }, faults: activeWindows(plan) };
}

/** The plan as it is after having been stored, its parts in the order in which people read it. */
export function asStored<W>({ seed, knobs, faults, workload }: Plan<W>): Plan<W> {
  const { members, clockRateError, latency, off, heal } = knobs;
  return JSON.parse(
    JSON.stringify({
      seed,
      knobs: { members, clockRateError, latency, off, heal },
      faults: faults.map(({ atMs, durationMs, kind, target }) => ({ atMs, durationMs, kind, target })),
      workload,
    }),
  ) as Plan<W>;
}
