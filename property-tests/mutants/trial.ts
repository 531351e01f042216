import type { Compiled } from '../support/compiled.js';
import { type Failure, invariantNamed } from '../support/failure.js';
import { chunksOf } from '../support/jobs.js';
import type { Property } from '../support/property.js';
import { seedOf } from '../support/seeds.js';
import { WorkerProcess } from '../support/worker-process.js';
import type { Mutant } from './mutant.js';
import { plant } from './plant.js';

/** So many seeds in turn may miss it before it counts as a survivor: one that is rare is missed now and then. */
const chances = 3;

export interface TrialOptions {
  readonly root: string;
  /** The file of properties, relative to the root. */
  readonly properties: string;
  readonly seed: number;
  readonly stuckAfterMs: number;
  /** Runs to find it in. */
  readonly budget: number;
  /** Seeds that are to find it: more than one, so that the number of runs to kill is not one of luck. At most three. */
  readonly tries: number;
}

export interface Trial {
  readonly mutant: Mutant;
  /** What the failure named: an invariant, or `not live`. Undefined: it was not killed. */
  readonly killedBy: string | undefined;
  /** Runs to the first failure, of each seed; infinite where there was none. */
  readonly runs: readonly number[];
  /** Why it counts as not killed. */
  readonly complaint: string | undefined;
}

interface Attempt {
  readonly runs: number;
  readonly failure?: Failure;
}

/** Plants a mutant, and lets the property that should find it look for it. */
export async function tryMutant(mutant: Mutant, property: Property, options: TrialOptions): Promise<Trial> {
  let planted: Compiled;
  try {
    planted = await plant(options.root, mutant, options.properties);
  } catch (error) {
    return { mutant, killedBy: undefined, runs: [], complaint: (error as Error).message };
  }
  try {
    const runs: number[] = [];
    let verdict: Pick<Trial, 'killedBy' | 'complaint'> = { killedBy: undefined, complaint: undefined };
    for (let chance = 0; chance < chances; chance += 1) {
      const seed = chance === 0 ? options.seed : seedOf(options.seed, `again ${chance}`);
      const found = await attempt(planted, property, options, seed);
      const judged = judge(mutant, found, options.budget);
      const isKilled = judged.complaint === undefined;
      runs.push(isKilled ? found.runs : Infinity);
      if (chance === 0 || (isKilled && verdict.killedBy === undefined)) verdict = judged;
      if (runs.filter(Number.isFinite).length >= options.tries) break;
    }
    return { mutant, runs, ...verdict };
  } finally {
    planted.remove();
  }
}

/** The same plans as an ordinary run of this seed has, up to the first that fails. */
async function attempt(
  planted: Compiled,
  property: Property,
  { stuckAfterMs, budget }: TrialOptions,
  seed: number,
): Promise<Attempt> {
  const worker = new WorkerProcess(planted);
  const { module } = property;
  try {
    for (const { runsBefore, ...chunk } of chunksOf(module, budget, seed)) {
      const { finding } = await worker.do({ ...chunk, module, stuckAfterMs, corpus: [], verifyShare: 0 });
      if (finding !== undefined) return { runs: runsBefore + finding.runs, failure: finding.failure };
    }
    return { runs: Infinity };
  } finally {
    worker.stop();
  }
}

/** Only what a property says of the module is a proof; a crash could be a mistake in the mutant. */
function judge(mutant: Mutant, { failure }: Attempt, budget: number): Pick<Trial, 'killedBy' | 'complaint'> {
  const not = (complaint: string) => ({ killedBy: undefined, complaint });
  if (failure === undefined) return not(`survived ${budget} runs`);
  if (failure.kind !== 'invariant' && failure.kind !== 'not-live') {
    return not(`failed, but of something else: ${failure.message}`);
  }
  const isNamed = namesIn(mutant.invariant ?? '').some((name) => namesIn(failure.message).includes(name));
  if (mutant.invariant !== undefined && !isNamed) {
    return not(`failed, but did not name ${mutant.invariant}: ${failure.message}`);
  }
  const { kind, message } = failure;
  return {
    killedBy: kind === 'not-live' ? 'not live' : (invariantNamed(message) ?? 'an assertion'),
    complaint: undefined,
  };
}

function namesIn(text: string): readonly string[] {
  return text.match(/\b[A-Z]{2,}-\d+\b|\bnot live\b/g) ?? [];
}

export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Infinity;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}
