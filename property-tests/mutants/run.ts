/**
 * `npm run mutants -- [--only NAME] [--seed N] [--runs N] [--tries N]`: plants known bugs one at a time in a copy of the
 * sources, and fails if the property that should find one does not, within the runs that it has in CI, by any of three
 * seeds. `--tries 3` goes on to all three when it was found, to tell how many runs it takes.
 */
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { root } from '../support/options.js';
import { loadProperties, propertyNamed } from '../support/property-list.js';
import { defaultSeed } from '../support/seeds.js';
import type { Mutant } from './mutant.js';
import { median, type Trial, tryMutant } from './trial.js';

const text = { type: 'string' } as const;
const { values } = parseArgs({
  options: {
    ...{ only: { type: 'string', multiple: true }, seed: text, runs: text, tries: { ...text, default: '1' } },
    mutants: { type: 'string', default: resolve(root, 'property-tests/mutants/index.ts') },
  },
});

const properties = 'property-tests/properties.ts';
const stuckAfterMs = 60_000;
const list = await loadProperties(resolve(root, properties));
const { seed, origin } =
  values.seed === undefined ? defaultSeed(root) : { seed: Number(values.seed), origin: 'given' };
if (!Number.isSafeInteger(seed)) throw new Error(`--seed is ${values.seed}; accepted: a whole number`);

const tries = Number(values.tries);
if (![1, 2, 3].includes(tries)) throw new Error(`--tries is ${values.tries}; accepted: 1, 2 or 3`);

const all = ((await import(pathToFileURL(resolve(values.mutants)).href)) as { mutants: readonly Mutant[] })
  .mutants;
const { only } = values;
const unknown = only?.find((name) => !all.some((mutant) => mutant.name === name));
if (unknown !== undefined) {
  throw new Error(`no mutant ${unknown}; there are ${all.map(({ name }) => name).join(', ')}`);
}
const chosen = only === undefined ? all : all.filter(({ name }) => only.includes(name));

console.log(`Mutants, seed ${seed} (${origin})\n`);
const nameWidth = Math.max(8, ...chosen.map(({ name }) => name.length)) + 2;
const row = (...[name, property, by, runs, story]: [string, string, string, string, string]) =>
  `${name.padEnd(nameWidth)}${property.padEnd(14)}${by.padEnd(14)}${runs.padEnd(22)}${story}`;
console.log(row('mutant', 'property', 'killed by', 'runs to kill', 'story'));

function tell({ mutant, killedBy, runs, complaint }: Trial): void {
  const { name, killedBy: property, story } = mutant;
  if (killedBy === undefined) {
    console.log(`${row(name, property, '-', '-', story)}\nFAILED ${name}: ${complaint}`);
    return;
  }
  const each = runs.map((run) => (Number.isFinite(run) ? String(run) : 'none')).join(' / ');
  console.log(row(name, property, killedBy, `${runsToKill(runs)} of ${each}`, story));
}

const runsToKill = (runs: readonly number[]) => median(runs.filter(Number.isFinite));

const left = [...chosen];
const trials: Trial[] = [];
const work = async () => {
  for (let mutant = left.shift(); mutant !== undefined; mutant = left.shift()) {
    const property = propertyNamed(list, mutant.killedBy);
    const budget = values.runs === undefined ? property.runs : Number(values.runs);
    const trial = await tryMutant(mutant, property, { root, properties, seed, stuckAfterMs, budget, tries });
    trials.push(trial);
    tell(trial);
  }
};
await Promise.all(Array.from({ length: availableParallelism() }, work));

const killed = trials.filter(({ killedBy }) => killedBy !== undefined);
const typical =
  killed.length > 0
    ? `; ${median(killed.map(({ runs }) => runsToKill(runs)))} runs to kill one (median)`
    : '';
console.log(`\n${killed.length} of ${trials.length} mutants killed${typical}`);
if (trials.length === 0) console.log('FAILED: nothing was planted, so nothing is proved');
console.log(`\n${killed.length} passed, ${trials.length - killed.length} failed`);
process.exitCode = killed.length === trials.length && trials.length > 0 ? 0 : 1;
