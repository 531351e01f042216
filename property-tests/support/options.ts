import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { defaultSeed } from './seeds.js';

export const root = fileURLToPath(new URL('../..', import.meta.url));
export const defaultProperties = join(root, 'property-tests', 'properties.ts');

export interface RunnerOptions {
  readonly seed: number;
  readonly seedOrigin: string;
  /** Runs of each property; undefined: its own, times the factor. */
  readonly runs: number | undefined;
  readonly factor: number;
  /** Only these; empty: all, after the canary. */
  readonly modules: readonly string[];
  readonly replay: string | undefined;
  readonly verifyShare: number;
  readonly workers: number | undefined;
  readonly stuckAfterMs: number;
  /** The file of properties. */
  readonly properties: string;
  readonly corpus: string;
  readonly failures: string;
}

const usage = `npm run test:properties -- [options]
  --seed N           another seed than the commit's
  --runs N           so many runs of each property
  --factor X         X times as many runs as each property has of its own
  --module NAME      only this property; may be repeated
  --replay FILE      only this stored plan, with its timeline
  --verify-share X   share of the runs that are done twice and compared; 0.01 if not given
  --workers N        so many processes; one to each core if not given
  --stuck-after S    seconds of real time after which a run counts as one without end; 60 if not given
  --properties FILE  another list of properties; its folder has the corpus
  --failures FOLDER  where failing plans are stored`;

function numberOf(name: string, text: string | undefined, isFine: (value: number) => boolean) {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isFinite(value) || !isFine(value)) throw new Error(`--${name} is ${text}\n${usage}`);
  return value;
}

const isCount = (value: number) => Number.isInteger(value) && value >= 1;

export function parseOptions(args: readonly string[]): RunnerOptions {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...{ seed: text, runs: text, factor: text, replay: text, 'verify-share': text, workers: text },
      ...{ 'stuck-after': text, properties: text, failures: text },
      module: { type: 'string', multiple: true, default: [] },
    },
  });
  const given = numberOf('seed', values.seed, (value) => Number.isInteger(value) && value >= 0);
  const own = defaultSeed(root);
  const properties = values.properties ?? defaultProperties;
  const folder = dirname(properties);
  return {
    seed: given ?? own.seed,
    seedOrigin: given === undefined ? own.origin : 'given',
    runs: numberOf('runs', values.runs, isCount),
    factor: numberOf('factor', values.factor, (value) => value > 0) ?? 1,
    modules: values.module,
    replay: values.replay,
    verifyShare:
      numberOf('verify-share', values['verify-share'], (value) => value >= 0 && value <= 1) ?? 0.01,
    workers: numberOf('workers', values.workers, isCount),
    stuckAfterMs: (numberOf('stuck-after', values['stuck-after'], (value) => value > 0) ?? 60) * 1_000,
    properties,
    corpus: join(folder, 'corpus'),
    failures: values.failures ?? join(folder, 'failures'),
  };
}
