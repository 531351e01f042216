/**
 * Plans that were found once, kept as files: `corpus/<module>/<short-name>.json` for good, `failures/` until somebody
 * has looked. Both are replayed by the same command.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Finding } from './jobs.js';
import type { Plan } from './plan.js';

export interface StoredPlan {
  /** The property that runs it. In the corpus, the folder says. */
  readonly module?: string;
  /** What it found: which bug, and when. */
  readonly found: string;
  /** Hash of the timeline when it failed. */
  readonly timelineHash?: string;
  readonly plan: Plan;
}

export function readPlan(file: string): Required<Pick<StoredPlan, 'module'>> & StoredPlan {
  const stored = JSON.parse(readFileSync(file, 'utf8')) as Partial<StoredPlan>;
  if (typeof stored.found !== 'string' || typeof stored.plan?.seed !== 'number') {
    throw new Error(`${file} is not a stored plan: { "found": "…", "plan": { "seed": …, … } }`);
  }
  const { found, plan } = stored;
  return { ...stored, found, plan, module: stored.module ?? basename(dirname(file)) };
}

/** The plans of a module's corpus, in the order of their names. */
export function readCorpus(folder: string, module: string): readonly Plan[] {
  const of = join(folder, module);
  if (!existsSync(of)) return [];
  const files = readdirSync(of).filter((name) => name.endsWith('.json'));
  return files.sort().map((name) => readPlan(join(of, name)).plan);
}

/** Stores what was found, and answers the file. */
export function writeFailure(folder: string, module: string, plan: Plan, finding: Finding): string {
  const { failure, timelineHash } = finding;
  const stored: StoredPlan = { module, found: failure.message, timelineHash, plan };
  const hash = createHash('sha256').update(JSON.stringify(plan)).digest('hex').slice(0, 10);
  const file = join(folder, `${module}-${hash}.json`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, `${JSON.stringify(stored, undefined, 2)}\n`);
  return file;
}
