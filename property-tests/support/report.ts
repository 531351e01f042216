import type { Finding, JobResult } from './jobs.js';
import type { Property } from './property.js';
import { addTotals, noTotals, type Tally, type Totals } from './totals.js';

const indent = ' '.repeat(13);

/** What became of a property in a run of the runner. */
export class ModuleReport {
  readonly property: Property;
  readonly totals: Totals = noTotals();
  corpusRuns = 0;
  seconds = 0;
  /** The first in the order of the jobs, so that it does not depend on how many do them. */
  finding: { readonly job: number; readonly runsBefore: number; readonly finding: Finding } | undefined;

  constructor(property: Property) {
    this.property = property;
  }

  add(
    job: { readonly index: number; readonly runsBefore: number },
    result: JobResult,
    seconds: number,
  ): void {
    addTotals(this.totals, result.totals);
    this.corpusRuns += result.corpusRuns;
    this.seconds += seconds;
    const { finding } = result;
    if (finding === undefined || (this.finding !== undefined && this.finding.job < job.index)) return;
    this.finding = { job: job.index, runsBefore: job.runsBefore, finding };
  }

  /** Situations of the property that no run was in. */
  get neverReached(): readonly string[] {
    return this.property.sometimes.filter((situation) => (this.totals.situations[situation] ?? 0) === 0);
  }

  print(): void {
    const { module } = this.property;
    const { verified, faults, situations } = this.totals;
    const parts = [`${figuresOf(this.totals)}, ${this.seconds.toFixed(1)} s`];
    if (verified > 0) parts.push(`${count(verified)} of them run twice`);
    console.log(`${module.padEnd(indent.length - 1)} ${parts.join('; ')}`);
    if (this.corpusRuns > 0) console.log(`${indent}corpus   ${this.corpusRuns} plans, run first`);
    console.log(`${indent}faults   ${listed(faults)}`);
    if (this.property.sometimes.length > 0) console.log(`${indent}reached  ${listed(situations)}`);
  }
}

export function count(number: number): string {
  return Math.round(number).toLocaleString('en');
}

export function figuresOf({ simulations, virtualMs, events }: Totals): string {
  return `${count(simulations)} simulations, ${(virtualMs / 3_600_000).toFixed(1)} virtual hours, ${count(events)} events`;
}

function listed(tally: Tally): string {
  // Equal counts by name: which worker was first to count one must not show.
  const entries = Object.entries(tally).sort(
    ([a, timesA], [b, timesB]) => timesB - timesA || (a < b ? -1 : 1),
  );
  return entries.map(([what, times]) => `${what} ${count(times)}`).join(', ') || 'none';
}
