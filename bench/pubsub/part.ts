import type { BenchResult } from '../harness.js';

/** What one part of this benchmark found. */
export type Part = Omit<BenchResult, 'name'>;

/** What is published: 96 characters, as JSON 98 bytes. */
export const payload = 'p'.repeat(96);
