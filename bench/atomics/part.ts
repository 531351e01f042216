import type { BenchResult } from '../harness.js';

/** What one part of this benchmark found. */
export type Part = Omit<BenchResult, 'name'>;
