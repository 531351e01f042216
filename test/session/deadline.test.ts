import { describe, expect, it } from 'vitest';
import { AgeClock } from '../../src/runtime/index.js';
import { checkClockBounds, checkTtl, lifetimeMs, marginMs } from '../../src/session/deadline.js';
import { ManualRuntime } from '../support/manual-runtime.js';

const usual = { clockRateError: 0.01, abortMs: 300 };

describe('margin', () => {
  it.each([
    [0.0005, 9.995],
    [0.01, 198.02],
    [0.05, 952.38],
  ])('SESSION-1 at a rate error of %d takes %d ms off ten seconds, and the time to abort', (rate, drift) => {
    expect(marginMs(10_000, { clockRateError: rate, abortMs: 0 })).toBeCloseTo(drift, 2);
    expect(marginMs(10_000, { clockRateError: rate, abortMs: 300 })).toBeCloseTo(drift + 300, 2);
    expect(lifetimeMs(10_000, { clockRateError: rate, abortMs: 300 })).toBeCloseTo(9_700 - drift, 2);
  });
});

describe('checkTtl', () => {
  it('rounds up to whole seconds', () => {
    expect(checkTtl(2_000, usual)).toBe(2);
    expect(checkTtl(2_001, usual)).toBe(3);
    expect(checkTtl(10_000, usual)).toBe(10);
  });

  it.each([0, -1, 1_999.9, Number.NaN, Number.POSITIVE_INFINITY, 86_400_001, '5000', null])(
    'refuses %s',
    (ttlMs) => {
      expect(() => checkTtl(ttlMs, usual)).toThrowError(
        expect.objectContaining({ code: 'invalid-argument', message: expect.stringContaining('ttlMs') }),
      );
    },
  );

  it('refuses a TTL of which the margin leaves less than half', () => {
    expect(checkTtl(2_000, { clockRateError: 0, abortMs: 1_000 })).toBe(2);
    expect(() => checkTtl(2_000, { clockRateError: 0, abortMs: 1_001 })).toThrowError(
      expect.objectContaining({ code: 'invalid-argument', message: expect.stringContaining('margin') }),
    );
    expect(() => checkTtl(10_000, { clockRateError: 0.4, abortMs: 0 })).toThrowError(
      expect.objectContaining({ code: 'invalid-argument' }),
    );
  });
});

describe('checkClockBounds', () => {
  it.each([
    { clockRateError: -0.01, abortMs: 300 },
    { clockRateError: 1, abortMs: 300 },
    { clockRateError: Number.NaN, abortMs: 300 },
    { clockRateError: 0.01, abortMs: -1 },
    { clockRateError: 0.01, abortMs: Number.POSITIVE_INFINITY },
  ])('refuses %o', (bounds) => {
    expect(() => checkClockBounds(bounds)).toThrowError(
      expect.objectContaining({ code: 'invalid-argument' }),
    );
  });
});

describe('AgeClock', () => {
  it('counts the sleep of the machine', async () => {
    const runtime = new ManualRuntime();
    const clock = new AgeClock(runtime);
    const since = clock.now();
    runtime.sleepMachine();
    await runtime.advance(5_000);
    runtime.wakeMachine();
    expect(clock.ageMs(since)).toBe(5_000);
  });

  it('SESSION-1 a step of the wall clock back makes nothing younger, however small', async () => {
    const runtime = new ManualRuntime();
    const clock = new AgeClock(runtime);
    runtime.stepWall(49);
    const since = clock.now();
    runtime.stepWall(-49);
    await runtime.advance(1_000);
    expect(clock.ageMs(since)).toBeGreaterThanOrEqual(1_000);
  });

  it.each([-5_000, -45, -10])(
    'SESSION-1 a step by %d ms does not hide an earlier sleep, however short',
    async (step) => {
      const runtime = new ManualRuntime();
      const clock = new AgeClock(runtime);
      const since = clock.now();
      runtime.sleepMachine();
      await runtime.advance(45);
      runtime.wakeMachine();
      expect(clock.ageMs(since)).toBe(45);
      runtime.stepWall(step);
      clock.ageMs(since);
      await runtime.advance(1_000);
      expect(clock.ageMs(since)).toBe(1_045);
    },
  );

  it('counts nothing twice where the wall clock is read in whole milliseconds', async () => {
    const runtime = new ManualRuntime();
    const wallMs = runtime.wallMs.bind(runtime);
    runtime.wallMs = () => Math.floor(wallMs());
    const clock = new AgeClock(runtime);
    const since = clock.now();
    for (let look = 0; look < 2_000; look += 1) {
      await runtime.advance(0.37);
      clock.ageMs(since);
    }
    expect(clock.ageMs(since)).toBeGreaterThanOrEqual(739);
    expect(clock.ageMs(since)).toBeLessThan(742);
  });

  it('SESSION-1 a step back does not hide an earlier sleep that was noticed', async () => {
    const runtime = new ManualRuntime();
    const clock = new AgeClock(runtime);
    const since = clock.now();
    runtime.sleepMachine();
    await runtime.advance(5_000);
    runtime.wakeMachine();
    expect(clock.ageMs(since)).toBe(5_000);
    runtime.stepWall(-5_000);
    expect(clock.ageMs(since)).toBe(5_000);
    await runtime.advance(100);
    expect(clock.ageMs(since)).toBe(5_100);
  });
});
