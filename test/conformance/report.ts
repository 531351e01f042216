import { inspect } from 'node:util';
import { type CampaignResult, type Failure, type Replay, replay } from './campaign.js';
import { expectedFeatures } from './expected-features.js';
import { Difference } from './lockstep.js';
import { shrink } from './shrink.js';
import { type DrawnStep, printed } from './steps.js';

const shrinkingMs = 180_000;

/** The outcome of a run as a table. */
export function table(result: CampaignResult, seconds: number): string {
  const { coverage } = result;
  const operations = sum(coverage.calls);
  const rows: [string, string][] = [
    ['etcd', result.etcdVersion],
    ['sequences', String(result.sequences)],
    ['operations', String(operations)],
    ...indented(coverage.calls),
    ['refusals', String(sum(coverage.refusals))],
    ...indented(coverage.refusals),
    ['watch events on each server', String(coverage.watchEvents)],
    [
      'arguments and effects reached',
      `${expectedFeatures.length - coverage.missing().length} of ${expectedFeatures.length}`,
    ],
    ['differences', result.failure === undefined ? '0' : '1'],
    ['seconds', seconds.toFixed(1)],
  ];
  const width = Math.max(...rows.map(([name]) => name.length)) + 2;
  return rows.map(([name, value]) => `  ${name.padEnd(width)}${value.padStart(8)}`).join('\n');
}

/** The command that runs one sequence again. */
export function commandFor(seed: number, sequence: number): string {
  return `npm run conformance -- --seed ${seed} --first ${sequence} --sequences 1`;
}

/** What went wrong and the fewest steps that show it. Takes up to three minutes. */
export async function explain(failure: Failure, etcdBinary: string): Promise<string> {
  const first = failure.error;
  let last: Replay = { error: first, taken: failure.steps };
  const fails = async (steps: readonly DrawnStep[]) => {
    const outcome = await replay(etcdBinary, steps);
    const { error } = outcome;
    // A step that only fails to make sense is no smaller form of servers that disagree.
    const same = error !== undefined && error instanceof Difference === first instanceof Difference;
    if (same) last = outcome;
    return same;
  };
  const again = await fails(failure.steps);
  if (again) await shrink(failure.steps, fails, shrinkingMs);
  const { taken, error } = last;
  const heading = again
    ? `the ${failure.steps.length} steps, cut down to ${taken.length}:`
    : `it did not happen again on fresh servers; all ${taken.length} steps:`;
  return [
    heading,
    ...taken.map(({ step, atRevision }) => `  at revision ${atRevision}: ${printed(step)}`),
    describeError(error),
  ].join('\n');
}

function describeError(error: unknown): string {
  if (!(error instanceof Difference)) return inspect(error);
  const answers = Object.entries(error.answers).map(
    ([name, answer]) =>
      `  ${name.padEnd(8)} ${inspect(answer, { depth: 12, breakLength: 110, maxArrayLength: 200, maxStringLength: 100 })}`,
  );
  return [`differs: ${error.message}`, ...answers].join('\n');
}

function indented(counts: ReadonlyMap<string, number>): [string, string][] {
  return [...counts].sort().map(([name, count]) => [`  ${name}`, String(count)]);
}

function sum(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((total, count) => total + count, 0);
}
