import type { Parameters } from 'fast-check';

/** Parameters for a property: so many runs, from the seed in `QUORATE_SEED` if there is one. */
export function propertyRuns(numRuns: number): Parameters<unknown> {
  const seed = process.env['QUORATE_SEED'];
  const factor = Number(process.env['QUORATE_RUNS_FACTOR'] ?? '1');
  return { numRuns: Math.ceil(numRuns * factor), ...(seed === undefined ? {} : { seed: Number(seed) }) };
}
