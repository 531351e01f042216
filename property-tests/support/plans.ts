import fc from 'fast-check';
import { type FaultKind, type FaultWindow, faultKinds } from '../../src/simulator/index.js';
import { logInteger } from './log-integer.js';
import { pickFrom } from './pick.js';
import type { Knobs, Plan } from './plan.js';
import { PlanArbitrary } from './plan-arbitrary.js';

/** Which faults a property draws. */
export interface FaultChoice {
  /** Default: all. */
  readonly kinds?: readonly FaultKind[];
  /** Default: 10. Those of kinds that are off count too. */
  readonly maxWindows?: number;
  /** Windows begin within so much virtual time. Default: 30 s. */
  readonly withinMs?: number;
}

const shortestWindowMs = 20;
const longestWindowMs = 30_000;
/** Up to more than any property has processes or members, so that none is spared. */
const targets = [0, 1, 2, 3, 4, 5, 6, 7];
const plain = { noNullPrototype: true } as const;

/**
 * Plans with the workload and the faults of a property. They shrink to the plainer: fewer windows of faults, of milder
 * kinds, shorter, at the first process; a smaller workload; one member, true clocks, a fast network, all of it healed.
 * The seed cannot be said to be more or less, and stays.
 */
export function plansOf<W>(workload: fc.Arbitrary<W>, choice: FaultChoice = {}): fc.Arbitrary<Plan<W>> {
  const { kinds = faultKinds, maxWindows = 10, withinMs = 30_000 } = choice;
  const mildToHarsh = faultKinds.filter((kind) => kinds.includes(kind));
  const window: fc.Arbitrary<FaultWindow> = fc.record(
    {
      kind: pickFrom(mildToHarsh),
      target: pickFrom(targets),
      atMs: fc.nat({ max: withinMs }),
      durationMs: logInteger({ min: shortestWindowMs, max: longestWindowMs }),
    },
    plain,
  );
  const knobs: fc.Arbitrary<Knobs> = fc.record(
    {
      members: pickFrom<Knobs['members']>([1, 3, 3, 5]),
      clockRateError: pickFrom([0, 0.0005, 0.01, 0.05]),
      latency: pickFrom<Knobs['latency']>(['fast', 'wide']),
      off: fc.noShrink(fc.noBias(fc.subarray(mildToHarsh))),
      heal: pickFrom<Knobs['heal']>(['all', 'core']),
    },
    plain,
  );
  const faults = fc.array(window, { maxLength: mildToHarsh.length > 0 ? maxWindows : 0, size: 'max' });
  return new PlanArbitrary<W>({ workload, knobs, window, faults });
}
