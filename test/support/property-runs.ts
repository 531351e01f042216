import type { Parameters } from 'fast-check';

/**
 * Parameters for a property: so many runs, always the same ones, so that a test which passes once passes again.
 * `QUORATE_SEED` looks at others, `QUORATE_RUNS_FACTOR` at more.
 */
export function propertyRuns(numRuns: number): Parameters<unknown> {
  const seed = Number(process.env['QUORATE_SEED'] ?? '1');
  const factor = Number(process.env['QUORATE_RUNS_FACTOR'] ?? '1');
  return { numRuns: Math.ceil(numRuns * factor), seed };
}
