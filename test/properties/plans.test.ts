import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { activeWindows, asStored, type Plan, tidied } from '../../property-tests/support/plan.js';
import { plansOf } from '../../property-tests/support/plans.js';
import { seedOf } from '../../property-tests/support/seeds.js';
import { Sometimes } from '../../property-tests/support/sometimes.js';
import { World } from '../../property-tests/support/world.js';
import { type FaultWindow, faultKinds } from '../../src/simulator/index.js';

const plans = plansOf(fc.integer({ min: 1, max: 9 }));
const sample = fc.sample(plans, { numRuns: 300, seed: 1 });

/** The plan that a failing one is shrunk to. */
function shrunk(
  fails: (plan: Plan<number>) => boolean,
  examples: readonly Plan<number>[] = [],
): Plan<number> {
  const found = fc.check(
    fc.property(plans, (plan) => !fails(plan)),
    { seed: 1, numRuns: 1_000, examples: examples.map((plan): [Plan<number>] => [plan]) },
  );
  if (found.counterexample === null) throw new Error('nothing was found');
  return found.counterexample[0];
}

function has(plan: Plan, kind: FaultWindow['kind'], longerThanMs = 0): boolean {
  return activeWindows(plan).some((window) => window.kind === kind && window.durationMs > longerThanMs);
}

describe('plans as they are drawn', () => {
  test('are plain data', () => {
    for (const plan of sample) expect(asStored(plan)).toEqual(plan);
  });

  test('have all kinds of windows, settings and seeds', () => {
    const windows = sample.flatMap(({ faults }) => faults);
    expect(new Set(windows.map(({ kind }) => kind)).size).toBe(faultKinds.length);
    expect(new Set(windows.map(({ target }) => target)).size).toBe(8);
    expect(windows.filter(({ durationMs }) => durationMs < 200).length).toBeGreaterThan(windows.length / 5);
    expect(windows.filter(({ durationMs }) => durationMs > 3_000).length).toBeGreaterThan(windows.length / 5);
    const settings = sample.map(({ knobs: { members, latency, heal } }) => `${members} ${latency} ${heal}`);
    expect(new Set(settings).size).toBe(12);
    expect(new Set(sample.map(({ seed }) => seed)).size).toBe(sample.length);
  });

  test('turn off some kinds wholly, few or many', () => {
    const off = sample.map(({ knobs }) => knobs.off.length);
    expect(off.filter((number) => number < 6).length).toBeGreaterThan(30);
    expect(off.filter((number) => number > 18).length).toBeGreaterThan(30);
    expect(sample.some((plan) => activeWindows(plan).length < plan.faults.length)).toBe(true);
  });

  test('have the faults that a property chose, and no others', () => {
    const choice = { kinds: ['crash', 'pause'], maxWindows: 3, withinMs: 500 } as const;
    for (const { faults } of fc.sample(plansOf(fc.constant(0), choice), { numRuns: 100, seed: 1 })) {
      expect(faults.length).toBeLessThanOrEqual(3);
      expect(faults.every(({ kind, atMs }) => /^(crash|pause)$/.test(kind) && atMs <= 500)).toBe(true);
    }
    for (const { faults } of fc.sample(plansOf(fc.constant(0), { kinds: [] }), 20))
      expect(faults).toEqual([]);
  });
});

describe('plans as they are shrunk', () => {
  const plainest = { members: 1, clockRateError: 0, latency: 'fast', off: [], heal: 'all' };

  test('lose what does not matter', () => {
    const plan = shrunk((candidate) => candidate.workload > 4 && has(candidate, 'pause', 1_000));
    expect(plan.faults).toEqual([{ kind: 'pause', target: 0, atMs: 0, durationMs: 1_001 }]);
    expect(plan.workload).toBe(5);
    expect(plan.knobs).toEqual(plainest);
  });

  test('keep the windows that only together do it', () => {
    const plan = shrunk((candidate) => has(candidate, 'cut-link') && has(candidate, 'no-space'));
    expect(plan.faults.map(({ kind }) => kind).sort()).toEqual(['cut-link', 'no-space']);
  });

  test('come to the mildest kind that does it', () => {
    const cuts = ['cut-replies', 'cut-requests', 'cut-link'] as const;
    const plan = shrunk((candidate) => cuts.some((kind) => has(candidate, kind)));
    expect(plan.faults.map(({ kind }) => kind)).toEqual(['cut-replies']);
  });

  test('keep their seed', () => {
    const seeds = new Set<number>();
    shrunk((plan) => {
      if (!has(plan, 'sleep')) return false;
      seeds.add(plan.seed);
      return true;
    });
    expect(seeds.size).toBe(1);
  });

  test('shrink from a file as well', () => {
    const stored = asStored(sample.find((plan) => has(plan, 'crash')) as Plan<number>);
    expect(shrunk((plan) => plan.seed === stored.seed && has(plan, 'crash'), [stored])).toMatchObject({
      seed: stored.seed,
      knobs: plainest,
      faults: [{ kind: 'crash', target: 0, atMs: 0, durationMs: 20 }],
      workload: 1,
    });
  });
});

test('windows of kinds that are off do nothing, so a plan is the same run without them', async () => {
  const faults = faultKinds.map((kind, index) => ({ kind, target: index, atMs: 10 * index, durationMs: 50 }));
  const knobs = { members: 3, clockRateError: 0, latency: 'fast', heal: 'all' } as const;
  const plan: Plan = { seed: 1, knobs: { ...knobs, off: ['cut-link', 'crash'] }, faults, workload: 1 };
  const timelineOf = async (candidate: Plan) => {
    const world = new World({ plan: candidate, situations: [], recordTimeline: true, stuckAfterMs: 60_000 });
    world.start('process', () => {});
    await world.safetyPhase(() => true, 60_000);
    return world.simulation.timeline.lines;
  };
  const lines = await timelineOf(plan);
  expect(lines.join('\n')).toContain('cut-requests');
  expect(lines.join('\n')).not.toMatch(/ (cut-link|crash) begins/);
  expect(await timelineOf(tidied(plan))).toEqual(lines);
});

test('a situation that was not announced is an error', () => {
  const sometimes = new Sometimes(['seen']);
  sometimes.add('seen');
  sometimes.add('seen', 2);
  expect(sometimes.counts).toEqual(new Map([['seen', 3]]));
  expect(() => sometimes.add('sen')).toThrow('the situation "sen" is not one of the property\'s: seen');
});

test('the seeds of parts are all different', () => {
  const seeds = Array.from({ length: 50 }, (_, seed) =>
    Array.from({ length: 50 }, (_, part) => seedOf(seed, `mutex ${part}`)),
  ).flat();
  expect(new Set(seeds).size).toBe(seeds.length);
});
