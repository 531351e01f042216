import { transform } from 'esbuild';
import { expect, test } from 'vitest';
import { mutants } from '../../property-tests/mutants/index.js';
import type { Mutant } from '../../property-tests/mutants/mutant.js';
import { patchedText } from '../../property-tests/mutants/plant.js';
import { properties } from '../../property-tests/properties.js';
import { root } from '../../property-tests/support/options.js';
import { undeclaredNames } from './undeclared-names.js';

/** What is wrong with it, by the compiler that would load it. */
async function complaintOf(mutant: Mutant): Promise<string | undefined> {
  try {
    await transform(patchedText(root, mutant), { loader: 'ts', logLevel: 'silent' });
    return undefined;
  } catch (error) {
    return `${mutant.name}: ${(error as Error).message}`;
  }
}

// A moment here; `npm run mutants` comes to the last of them after a quarter of an hour.
test('every mutant fits the sources, and what it makes of them is TypeScript', async () => {
  const complaints = await Promise.all(mutants.map(complaintOf));
  expect(complaints.filter((complaint) => complaint !== undefined)).toEqual([]);
});

// Such a one fails at what it lacks, and not at what it is to show.
test('every mutant uses only what its file declares or imports', () => {
  const texts = new Map(mutants.map((mutant) => [mutant.name, patchedText(root, mutant)]));
  expect(undeclaredNames(texts)).toEqual([]);
  expect(undeclaredNames(new Map([['lacking', 'throw new QuorateError();']]))).toHaveLength(1);
}, 180_000);

test('every mutant has a name of its own, and a property that is to kill it', () => {
  const modules = properties.map(({ module }) => module);
  const strays = mutants.filter(({ killedBy }) => !modules.includes(killedBy));
  expect(strays).toEqual([]);
  const names = mutants.map(({ name }) => name);
  expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([]);
});
