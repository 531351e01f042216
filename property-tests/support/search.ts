import fc from 'fast-check';
import { type Failure, signatureOf } from './failure.js';
import type { Finding, Job, JobResult } from './jobs.js';
import { asStored, type Plan } from './plan.js';
import { plansOf } from './plans.js';
import type { ProcessGuard } from './process-guard.js';
import type { Property } from './property.js';
import { type RunResult, runPlan, runPlanTwice } from './run-plan.js';
import { seedOf } from './seeds.js';
import { countRun, noTotals } from './totals.js';

export interface SearchOptions {
  readonly guard: ProcessGuard;
  readonly onRunning: (plan: Plan) => void;
  readonly onFound: (finding: Finding) => void;
}

/** Does a job: runs its plans until one fails, and shrinks that one. */
export async function search(property: Property, job: Job, options: SearchOptions): Promise<JobResult> {
  return await new Search(property, job, options).do();
}

class Search {
  readonly #property: Property;
  readonly #job: Job;
  readonly #options: SearchOptions;
  readonly #totals = noTotals();
  #corpusRuns = 0;
  #finding: Finding | undefined;
  #shrinkUntilMs = 0;

  constructor(property: Property, job: Job, options: SearchOptions) {
    this.#property = property;
    this.#job = job;
    this.#options = options;
  }

  async do(): Promise<JobResult> {
    for (const plan of this.#job.corpus) {
      this.#corpusRuns += 1;
      await this.#check(1, [plan]);
      if (this.#finding !== undefined) break;
    }
    if (this.#finding === undefined && this.#job.runs > 0) await this.#check(this.#job.runs, []);
    const finding = this.#finding === undefined ? {} : { finding: await this.#retold(this.#finding) };
    return { totals: this.#totals, corpusRuns: this.#corpusRuns, ...finding };
  }

  async #check(runs: number, examples: readonly Plan[]): Promise<void> {
    const { seed, shrink } = this.#job;
    const plans = plansOf(this.#property.workload, this.#property.faults);
    const found = await fc.check(
      fc.asyncProperty(plans, (plan) => this.#tryPlan(plan)),
      {
        ...{ seed, numRuns: runs, endOnFailure: shrink === undefined },
        examples: examples.map((plan): [Plan] => [plan]),
      },
    );
    // A plan that could not be drawn, for one; a failing run is in the finding.
    if (found.failed && this.#finding === undefined)
      throw found.errorInstance ?? new Error('nothing was run');
  }

  /** Throws where fast-check shall go on from this plan: to the first that fails, then to plainer ones that do. */
  async #tryPlan(plan: Plan): Promise<void> {
    if (this.#finding === undefined) await this.#tryFirst(plan);
    else await this.#tryPlainer(plan, this.#finding);
  }

  async #tryFirst(plan: Plan): Promise<void> {
    const { verifyShare, shrink } = this.#job;
    const verified = seedOf(plan.seed, 'verify') < verifyShare * 2 ** 31;
    const { counts, failure, timeline } = await this.#run(plan, verified);
    countRun(this.#totals, counts, verified);
    if (failure === undefined) return;
    const { simulations: runs } = this.#totals;
    this.#finding = { failure, plan, timelineHash: timeline.hash, runs, executions: 0 };
    this.#shrinkUntilMs = performance.now() + (shrink?.forMs ?? 0);
    this.#options.onFound(this.#finding);
    throw new Error(failure.message);
  }

  async #tryPlainer(plan: Plan, best: Finding): Promise<void> {
    const { shrink } = this.#job;
    if (best.executions >= (shrink?.executions ?? 0) || performance.now() > this.#shrinkUntilMs) return;
    const { failure, timeline } = await this.#run(plan, this.#isTwofold(best.failure));
    const executions = best.executions + 1;
    if (failure === undefined || signatureOf(failure) !== signatureOf(best.failure)) {
      this.#finding = { ...best, executions };
      return;
    }
    this.#finding = { failure, plan, timelineHash: timeline.hash, runs: best.runs, executions };
    throw new Error(failure.message);
  }

  /** The finding as it is after having been stored, which is how it will be replayed. */
  async #retold(finding: Finding): Promise<Finding> {
    if (this.#job.shrink === undefined || finding.plan === undefined) return finding;
    const plan = asStored(finding.plan);
    const { failure, timeline } = await this.#run(plan, this.#isTwofold(finding.failure), true);
    if (failure !== undefined) return { ...finding, plan, failure, timelineHash: timeline.hash };
    const message = `${finding.failure.message}\n(as JSON the plan passes: its workload is not plain data, or its run cannot be repeated)`;
    return { ...finding, failure: { ...finding.failure, message } };
  }

  #isTwofold(failure: Failure): boolean {
    return failure.kind === 'not-repeatable';
  }

  async #run(plan: Plan, twice: boolean, recordTimeline = false): Promise<RunResult> {
    const { guard, onRunning } = this.#options;
    const { stuckAfterMs } = this.#job;
    onRunning(plan);
    if (twice) return await runPlanTwice(this.#property, plan, { guard, stuckAfterMs });
    return await runPlan(this.#property, plan, { guard, stuckAfterMs, recordTimeline });
  }
}
