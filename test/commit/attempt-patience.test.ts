import { describe, expect, it } from 'vitest';
import { AttemptPatience } from '../../src/commit/attempt-patience.js';
import { QuorateError } from '../../src/errors.js';
import { ManualRuntime } from '../support/manual-runtime.js';

const lost = new QuorateError('timeout', 'lost by a test', { outcome: 'unknown' });

describe('the patience of attempts', () => {
  const scene = (longestMs = 2_000) => {
    const runtime = new ManualRuntime();
    const patience = new AttemptPatience(runtime, longestMs);
    const waited: number[] = [];
    const attempt = (tookMs: number, error?: Error) =>
      patience
        .attempt(async (timeoutMs) => {
          waited.push(timeoutMs);
          runtime.pass(tookMs);
          if (error) throw error;
        })
        .catch(() => {});
    return { waited, attempt };
  };

  it('grows while nothing is answered, and no further than it may', async () => {
    const { waited, attempt } = scene();
    for (let round = 0; round < 4; round += 1) await attempt(0, lost);
    expect(waited).toEqual([500, 1_000, 2_000, 2_000]);
    const short = scene(300);
    await short.attempt(0, lost);
    await short.attempt(5);
    await short.attempt(5);
    expect(short.waited).toEqual([300, 300, 300]);
  });

  it('is that of the last reply, so that a store that is slow is not asked twice each time', async () => {
    const { waited, attempt } = scene();
    await attempt(0, lost);
    await attempt(300);
    await attempt(300);
    await attempt(5);
    await attempt(5);
    expect(waited).toEqual([500, 1_000, 1_200, 1_200, 500]);
  });

  it('learns nothing from a request that failed at once', async () => {
    const { waited, attempt } = scene();
    await attempt(0, lost);
    await attempt(1, new QuorateError('unavailable', 'reset by a test', { outcome: 'unknown' }));
    await attempt(1);
    expect(waited).toEqual([500, 1_000, 1_000]);
  });
});
