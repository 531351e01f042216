import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test, vi } from 'vitest';
import type { StoredPlan } from '../../property-tests/support/corpus.js';
import { runScript } from './run-script.js';

const failures = mkdtempSync(join(tmpdir(), 'quorate-failures-'));
afterAll(() => rmSync(failures, { recursive: true, force: true }));

// Processes of their own take their time beside other work.
vi.setConfig({ testTimeout: 180_000 });

/** Not the commit's seed: these tests are about the runner. */
const seed = ['--seed', '7'];

function run(...args: string[]) {
  return runScript('property-tests/run.ts', [...seed, '--failures', failures, ...args]);
}

function runFixture(module: string, ...args: string[]) {
  return run('--properties', 'test/properties/fixtures/properties.ts', '--module', module, ...args);
}

describe('the runner of properties', () => {
  test('passes what holds, and says what it did', async () => {
    const { code, output } = await run('--module', 'toy', '--verify-share', '0.5');
    expect(output).toMatch(/^Properties, seed 7 \(given\)/);
    expect(output).toMatch(
      /^toy +200 simulations, \d+\.\d virtual hours, [\d,]+ events, \d+\.\d s; \d+ of them run twice$/m,
    );
    expect(output).toMatch(/^ +faults +.*\bcut-link \d+/m);
    expect(output).toMatch(/^ +reached +released [\d,]+, lost while held \d+$/m);
    expect(output).toMatch(/\n1 passed, 0 failed\n$/);
    expect(code).toBe(0);
  });

  test('does the same runs however many processes do them', async () => {
    const figures = async (workers: string) => {
      const { output } = await run('--module', 'toy', '--runs', '60', '--workers', workers);
      return output.replace(/[\d.]+ s\b/g, '');
    };
    expect(await figures('1')).toBe(await figures('3'));
  });

  test('shrinks what fails to a small plan, stores it, and replays it the same way', async () => {
    const found = await run('--module', 'canary');
    expect(found.code).toBe(1);
    expect(found.output).toMatch(
      /FAILED canary: TOY-1 only its holder releases a hold: .*\nrun \d+, shrunk in \d+ runs to\n/,
    );
    expect(found.output).toMatch(/\n0 passed, 1 failed\n$/);
    const [name = ''] = readdirSync(failures).filter((file) => file.startsWith('canary-'));
    const file = join(failures, name);
    expect(found.output).toContain('npm run test:properties -- --replay ');
    expect(found.output).toContain(name);
    const stored = JSON.parse(readFileSync(file, 'utf8')) as StoredPlan;
    expect(stored.plan.faults.length).toBeLessThanOrEqual(2);
    expect(found.output).toContain(JSON.stringify(stored.plan, undefined, 2));

    const replayed = await run('--replay', file);
    expect(replayed.code).toBe(1);
    expect(replayed.output).toContain(`FAILED canary: ${stored.found}`);
    expect(replayed.output).toContain(`Timeline ${stored.timelineHash}: as it was then`);
    expect(replayed.output).toMatch(/^ +\d+\.\d{3} process 0 +holds with token \d+$/m);
    expect(await run('--replay', file)).toEqual(replayed);
  });

  test.each([
    ['never-reached', 'never reached: the moon'],
    ['unknown-situation', 'the situation "the sun" is not one of'],
    ['listener-warning', 'warning: QuorateListenerWarning: a listener threw'],
    ['listeners-warning', 'warning: MaxListenersExceededWarning: '],
    ['rejection', 'unhandled rejection: nobody listens'],
    ['not-live', 'not live: the answer, still pending 1 s after the healing'],
    ['dies', 'its process ended (3)'],
  ])('fails %s', async (module, message) => {
    const { code, output } = await runFixture(module);
    expect(output).toContain(`FAILED ${module}: `);
    expect(output).toContain(message);
    expect(output).toMatch(/\n0 passed, 1 failed\n$/);
    expect(code).toBe(1);
  });

  test('asks for all situations only of a run of full size', async () => {
    expect((await runFixture('never-reached', '--runs', '5')).code).toBe(0);
    expect((await runFixture('never-reached', '--factor', '0.5')).code).toBe(0);
    expect((await runFixture('never-reached', '--factor', '2')).code).toBe(1);
  });

  test('fails a run that goes another way the second time, and shows where', async () => {
    expect((await runFixture('not-repeatable', '--verify-share', '0')).code).toBe(0);
    const { code, output } = await runFixture('not-repeatable', '--verify-share', '1');
    expect(output).toMatch(
      /two runs of one plan differ from line 1 on:\n +0\.000 dice +0\.\d+\n +0\.000 dice +0\.\d+\n/,
    );
    expect(code).toBe(1);
  });

  test('ends a run without end, in virtual time or in a loop', async () => {
    const [endless, spinning] = await Promise.all(
      ['endless', 'spins'].map((module) => runFixture(module, '--stuck-after', '0.2')),
    );
    expect(endless?.output).toMatch(
      /FAILED endless: no end: more than 0.2 s of real time, at [\d.]+ s of virtual time/,
    );
    expect(endless?.code).toBe(1);
    expect(spinning?.output).toMatch(
      /FAILED spins: no end: nothing heard .* for more than 0.2 s of real time/,
    );
    expect(spinning?.output).toMatch(/--replay \S+spins-\w+\.json/);
    expect(spinning?.code).toBe(1);
  });

  test('runs the plans of the corpus before all others', async () => {
    const { code, output } = await runFixture('remembers');
    expect(output).toMatch(/^ +corpus +1 plans, run first$/m);
    expect(output).toContain('FAILED remembers: Error: seven again');
    expect(output).toContain('a plan of the corpus');
    expect(code).toBe(1);
  });

  test.each([
    ['no-canary.ts', 'FAILED canary: must fail, and did not in 30 runs'],
    ['too-few.ts', 'FAILED in all: fewer simulations than the 1,000 that a full run must have'],
  ])('fails the list of %s', async (file, message) => {
    const { code, output } = await run('--properties', `test/properties/fixtures/${file}`);
    expect(output).toContain(message);
    expect(output).toMatch(/\n1 passed, 1 failed\n$/);
    expect(code).toBe(1);
  });

  test('refuses what it does not know', async () => {
    expect((await run('--module', 'nobody')).errors).toContain('no property nobody; there are toy');
    expect((await run('--runs', '0')).errors).toContain('--runs is 0');
    expect((await run('--replay', 'package.json')).errors).toContain('package.json is not a stored plan');
  });
});
