import { availableParallelism } from 'node:os';
import { relative } from 'node:path';
import { Compiled } from './compiled.js';
import { readCorpus, writeFailure } from './corpus.js';
import { invariantNamed } from './failure.js';
import { chunksOf, type Finding, type Job } from './jobs.js';
import { defaultProperties, type RunnerOptions, root } from './options.js';
import type { Canary, Property, PropertyList } from './property.js';
import { propertyNamed } from './property-list.js';
import { count, figuresOf, ModuleReport } from './report.js';
import { addTotals, noTotals } from './totals.js';
import { doJobs } from './worker-pool.js';

const shrinking = { forMs: 60_000, executions: 1_000 } as const;

/** Always the same: what is tested here is whether something is found, not with how much luck. */
const canarySeed = 1;

interface NumberedJob extends Job {
  readonly index: number;
  /** Runs of the module in the jobs before. */
  readonly runsBefore: number;
}

export interface Verdict {
  readonly passed: number;
  readonly failed: number;
}

/** Runs the canary and then the properties, and tells of each what it did. */
export async function runProperties(list: PropertyList, options: RunnerOptions): Promise<Verdict> {
  return await new Runner(list, options).run();
}

class Runner {
  readonly #list: PropertyList;
  readonly #options: RunnerOptions;
  readonly #canary: Canary | undefined;
  readonly #reports: ReadonlyMap<string, ModuleReport>;
  #passed = 0;
  #failed = 0;

  constructor(list: PropertyList, options: RunnerOptions) {
    const { modules } = options;
    const all = modules.length === 0;
    this.#list = list;
    this.#options = options;
    this.#canary = all ? list.canary : undefined;
    const chosen = all ? list.properties : modules.map((module) => propertyNamed(list, module));
    this.#reports = new Map(chosen.map((property) => [property.module, new ModuleReport(property)]));
  }

  async run(): Promise<Verdict> {
    const { seed, seedOrigin } = this.#options;
    console.log(`Properties, seed ${seed} (${seedOrigin})\n`);
    const left = new Map<string, number>();
    const jobs = this.#jobs();
    for (const { module } of jobs) left.set(module, (left.get(module) ?? 0) + 1);
    const canaryReport = this.#canary && new ModuleReport(this.#canary.property);
    const reportOf = ({ module }: Job) => this.#reports.get(module) ?? canaryReport;
    const closeJob = ({ module }: Job) => {
      left.set(module, (left.get(module) ?? 0) - 1);
      if (left.get(module) !== 0) return;
      const report = this.#reports.get(module);
      if (report !== undefined) this.#judge(report);
      else if (this.#canary && canaryReport) this.#judgeCanary(this.#canary, canaryReport);
    };
    const startedAt = new Map<NumberedJob, number>();
    const { properties, workers = availableParallelism() } = this.#options;
    const list = `export * from './${relative(root, properties)}';`;
    const compiled = await Compiled.of(root, { list, sourcemap: true });
    try {
      await doJobs(jobs, compiled, workers, {
        isWanted: (job) => {
          startedAt.set(job, performance.now());
          if (reportOf(job)?.finding === undefined) return true;
          closeJob(job);
          return false;
        },
        onDone: (job, result) => {
          const seconds = (performance.now() - (startedAt.get(job) ?? 0)) / 1_000;
          reportOf(job)?.add(job, result, seconds);
          closeJob(job);
        },
      });
    } finally {
      compiled.remove();
    }
    this.#judgeAll();
    return { passed: this.#passed, failed: this.#failed };
  }

  /** The canary's first, then those of each property, its corpus before all. */
  #jobs(): readonly NumberedJob[] {
    const { corpus, runs, factor, seed } = this.#options;
    const jobs: NumberedJob[] = [];
    if (this.#canary !== undefined) {
      const { property } = this.#canary;
      jobs.push(this.#job(property, { runs: property.runs, seed: canarySeed, verifyShare: 0 }));
    }
    for (const { property } of this.#reports.values()) {
      const plans = readCorpus(corpus, property.module);
      if (plans.length > 0) jobs.push(this.#job(property, { corpus: plans, index: -1 }));
      const wanted = runs ?? Math.ceil(property.runs * factor);
      for (const chunk of chunksOf(property.module, wanted, seed)) jobs.push(this.#job(property, chunk));
    }
    return jobs;
  }

  #job(property: Property, part: Partial<NumberedJob>): NumberedJob {
    const { module } = property;
    const { seed, stuckAfterMs, verifyShare } = this.#options;
    return {
      ...{ module, seed, stuckAfterMs, verifyShare, shrink: shrinking },
      ...{ index: 0, runsBefore: 0, runs: 0, corpus: [] },
      ...part,
    };
  }

  #judge(report: ModuleReport): void {
    report.print();
    const { module } = report.property;
    const ofFullSize = this.#options.runs === undefined && this.#options.factor >= 1;
    const found = report.finding;
    if (found !== undefined) {
      const where = found.job < 0 ? 'a plan of the corpus' : `run ${found.runsBefore + found.finding.runs}`;
      this.#fail(module, found.finding.failure.message);
      this.#tellPlan(module, where, found.finding);
    } else if (ofFullSize && report.neverReached.length > 0) {
      this.#fail(module, `never reached: ${report.neverReached.join(', ')}`);
    } else this.#passed += 1;
  }

  #tellPlan(module: string, where: string, finding: Finding): void {
    const { plan, executions, failure } = finding;
    if (failure.kind === 'error' && failure.stack !== undefined) console.log(failure.stack);
    if (plan === undefined) return;
    const file = writeFailure(this.#options.failures, module, plan, finding);
    console.log(`${where}, shrunk in ${executions} runs to\n${JSON.stringify(plan, undefined, 2)}`);
    const { properties } = this.#options;
    const other = properties === defaultProperties ? '' : ` --properties ${relative(root, properties)}`;
    console.log(`To replay it: npm run test:properties -- --replay ${relative(root, file)}${other}\n`);
  }

  #judgeCanary(canary: Canary, { finding: found, totals }: ModuleReport): void {
    const { module, runs } = canary.property;
    if (found === undefined) {
      this.#fail(
        module,
        `must fail, and did not in ${count(runs)} runs: nothing that passes here means anything`,
      );
      return;
    }
    const { failure, plan, executions } = found.finding;
    const large = plan === undefined ? 'it has no plan' : canary.largeness(plan);
    if (failure.kind !== 'invariant') this.#fail(module, `fails, but of something else: ${failure.message}`);
    else if (large !== undefined) {
      this.#fail(module, `its plan was not shrunk enough, ${large}:\n${JSON.stringify(plan)}`);
    } else {
      const named = invariantNamed(failure.message) ?? failure.kind;
      console.log(
        `${module.padEnd(12)} fails, as it must: ${named} in run ${totals.simulations}, shrunk in ${executions} runs`,
      );
      this.#passed += 1;
    }
  }

  /** What only a full run can tell. */
  #judgeAll(): void {
    const { modules, runs, factor } = this.#options;
    const totals = noTotals();
    let seconds = 0;
    for (const report of this.#reports.values()) {
      addTotals(totals, report.totals);
      seconds += report.seconds;
    }
    console.log(`\nIn all       ${figuresOf(totals)}, ${seconds.toFixed(1)} s of one core`);
    const { leastSimulations = 0 } = this.#list;
    if (modules.length > 0 || runs !== undefined || factor < 1 || this.#failed > 0) return;
    if (totals.simulations >= leastSimulations) return;
    this.#fail('in all', `fewer simulations than the ${count(leastSimulations)} that a full run must have`);
  }

  #fail(what: string, why: string): void {
    console.log(`\nFAILED ${what}: ${why}`);
    this.#failed += 1;
  }
}
