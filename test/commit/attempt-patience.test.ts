import { describe, expect, it } from 'vitest';
import { AttemptPatience } from '../../src/commit/attempt-patience.js';
import { QuorateError } from '../../src/errors.js';

const lost = new QuorateError('timeout', 'lost by a test', { outcome: 'unknown' });

describe('the patience of attempts', () => {
  const scene = (longestMs = 2_000) => {
    const patience = new AttemptPatience(longestMs);
    const waited: number[] = [];
    const attempt = (tookMs: number, error?: Error, bytes = 0) => {
      waited.push(patience.msFor(bytes));
      if (error === undefined) patience.replied(tookMs, bytes);
      else patience.failed(error);
    };
    return { waited, attempt };
  };

  it('grows while nothing is answered, and no further than it may', () => {
    const { waited, attempt } = scene();
    for (let round = 0; round < 4; round += 1) attempt(0, lost);
    expect(waited).toEqual([500, 1_000, 2_000, 2_000]);
    const short = scene(300);
    short.attempt(0, lost);
    short.attempt(5);
    short.attempt(5);
    expect(short.waited).toEqual([300, 300, 300]);
  });

  it('is that of the last reply, so that a store that is slow is not asked twice each time', () => {
    const { waited, attempt } = scene();
    attempt(0, lost);
    attempt(300);
    attempt(300);
    attempt(5);
    attempt(5);
    expect(waited).toEqual([500, 1_000, 1_200, 1_200, 500]);
  });

  it('learns nothing from a request that failed at once', () => {
    const { waited, attempt } = scene();
    attempt(0, lost);
    attempt(1, new QuorateError('unavailable', 'reset by a test', { outcome: 'unknown' }));
    attempt(1);
    expect(waited).toEqual([500, 1_000, 1_000]);
  });

  it('gives a large group the time to get through, and learns nothing of the store from that', () => {
    const { waited, attempt } = scene();
    attempt(900, undefined, 1_000_000);
    attempt(1_300, undefined, 1_000_000);
    attempt(5);
    expect(waited).toEqual([1_500, 1_500, 1_200]);
    attempt(0, lost);
    attempt(0, lost, 1_000_000);
    expect(waited.slice(3)).toEqual([500, 2_000]);
  });
});
