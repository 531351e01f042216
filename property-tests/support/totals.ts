import type { RunCounts } from './run-plan.js';

export type Tally = Record<string, number>;

/** What many runs did in all; plain data, as it goes from one process to another. */
export interface Totals {
  simulations: number;
  virtualMs: number;
  events: number;
  /** Runs that were done twice, to compare. */
  verified: number;
  faults: Tally;
  situations: Tally;
}

export function noTotals(): Totals {
  return { simulations: 0, virtualMs: 0, events: 0, verified: 0, faults: {}, situations: {} };
}

export function countRun(totals: Totals, run: RunCounts, verified: boolean): void {
  totals.simulations += 1;
  totals.virtualMs += run.virtualMs;
  totals.events += run.events;
  if (verified) totals.verified += 1;
  addTally(totals.faults, run.faults);
  addTally(totals.situations, run.situations);
}

export function addTotals(to: Totals, more: Totals): void {
  to.simulations += more.simulations;
  to.virtualMs += more.virtualMs;
  to.events += more.events;
  to.verified += more.verified;
  addTally(to.faults, Object.entries(more.faults));
  addTally(to.situations, Object.entries(more.situations));
}

function addTally(to: Tally, more: Iterable<readonly [string, number]>): void {
  for (const [what, times] of more) to[what] = (to[what] ?? 0) + times;
}
