/** Every mutant that `npm run mutants` plants. */
import type { Mutant } from './mutant.js';

export const mutants: readonly Mutant[] = [];
