import { expect, test, vi } from 'vitest';
import { median } from '../../property-tests/mutants/trial.js';
import { runScript } from './run-script.js';

// Processes of their own take their time beside other work.
vi.setConfig({ testTimeout: 180_000 });

/** The mutants of these names; what begins with `--` is an option. */
function plant(...names: string[]) {
  const only = names.flatMap((name) => (name.startsWith('--') ? [name] : ['--only', name]));
  const mutants = ['--mutants', 'test/properties/fixtures/mutants.ts'];
  return runScript('property-tests/mutants/run.ts', [...mutants, '--seed', '7', ...only]);
}

test('a mutant is killed by the invariant that its property names', async () => {
  const { code, output } = await plant('unguarded', 'unending', '--tries=3');
  expect(output).toMatch(/^unguarded +toy +TOY-1 +\d+ of \d+ \/ \d+ \/ \d+ +made for the tests/m);
  expect(output).toMatch(/^unending +toy +not live +1 of 1 \/ 1 \/ 1 /m);
  expect(output).toMatch(/^2 of 2 mutants killed; [\d.]+ runs to kill one \(median\)$/m);
  expect(output).toMatch(/\n2 passed, 0 failed\n$/);
  expect(code).toBe(0);
});

test('one kill is enough where no more are asked for', async () => {
  const { code, output } = await plant('unending');
  expect(output).toMatch(/^unending +toy +not live +1 of 1 +made for the tests/m);
  expect(code).toBe(0);
});

test('a mutant that lives, or dies of something else, fails', async () => {
  const { code, output } = await plant('harmless', 'misnamed', 'crashing');
  expect(output).toContain('FAILED harmless: survived 200 runs');
  expect(output).toContain('FAILED misnamed: failed, but did not name TOY-2, not live: TOY-1');
  expect(output).toContain('FAILED crashing: failed, but of something else: TypeError: store.tnx');
  expect(output).toMatch(/\n0 passed, 3 failed\n$/);
  expect(code).toBe(1);
});

test('a mutant that does not fit the sources any more fails', async () => {
  const { code, output } = await plant('not-found', 'ambiguous', 'elsewhere');
  expect(output).toContain('FAILED not-found: stale: property-tests/toy/lock.ts has its text 0 times');
  expect(output).toContain(
    'FAILED elsewhere: stale: the property does not load src/locks/mutex/lock-events.ts',
  );
  expect(output).toMatch(/FAILED ambiguous: stale: property-tests\/toy\/lock.ts has its text [2-9]\d* times/);
  expect(code).toBe(1);
});

test('an unknown name is refused', async () => {
  const { code, errors } = await plant('nobody');
  expect(errors).toContain('no mutant nobody; there are unguarded');
  expect(code).toBe(1);
});

test.each([
  [[3], 3],
  [[5, 1, 3], 3],
  [[4, 1], 2.5],
  [[1, Infinity, Infinity], Infinity],
])('the median of %j is %d', (numbers, middle) => {
  expect(median(numbers)).toBe(middle);
});
