import { describe, expect, it } from 'vitest';
import { FleetRules } from '../../../src/queues/dispatch/choice/fleet-rules.js';
import { TokenBucket } from '../../../src/queues/dispatch/choice/token-bucket.js';
import { openControl, type QueueLimits } from '../../../src/queues/records/index.js';

function limited(mod: number, limits: QueueLimits) {
  return { mod, control: { ...openControl, limits } };
}

const all = Number.POSITIVE_INFINITY;

describe('a bucket of tokens', () => {
  it('QUEUE-12 begins empty, fills evenly, and holds no more than its burst', () => {
    const bucket = new TokenBucket({ count: 10, perMs: 1_000, burst: 3 }, 500);
    expect(bucket.available(500)).toBe(0);
    expect(bucket.nextAtMs()).toBe(600);
    expect(bucket.available(599.9)).toBe(0);
    expect(bucket.available(600)).toBe(1);
    expect(bucket.nextAtMs()).toBeUndefined();
    bucket.take(1, 650);
    expect(bucket.nextAtMs()).toBe(700);
    expect(bucket.available(60_000)).toBe(3);
    // A clock that stands or goes back gives nothing, and takes nothing.
    expect(bucket.available(1_000)).toBe(3);
    bucket.take(5, 60_000);
    expect(bucket.available(60_100)).toBe(0);
    expect(bucket.available(60_300)).toBe(1);
  });
});

describe('the rules of a fleet', () => {
  it('QUEUE-9 allow nothing while the queue is paused', () => {
    const rules = new FleetRules();
    expect(rules.allowance(7, 0)).toBe(all);
    rules.learn({ mod: 5, control: { ...openControl, paused: true } }, 5, 0);
    expect(rules.allowance(0, 0)).toBe(0);
    expect(rules.wakeAtMs()).toBeUndefined();
    expect(rules.mod).toBe(5);
  });

  it('QUEUE-9 pass over news that are older than what is known', () => {
    const rules = new FleetRules();
    expect(rules.learn({ mod: 5, control: { ...openControl, paused: true } }, 9, 0)).toBe(true);
    expect(rules.learn({ mod: 4, control: openControl }, 4, 0)).toBe(false);
    expect(rules.mod).toBe(5);
    // Deleted by hand: of no revision, but newer.
    expect(rules.learn({ mod: 0, control: openControl }, 10, 0)).toBe(true);
    expect(rules.allowance(0, 0)).toBe(all);
  });

  it('QUEUE-11 leave so many places as are not taken, and none where more are', () => {
    const rules = new FleetRules();
    rules.learn(limited(2, { concurrency: 4, groupConcurrency: 2, groups: { big: 9, none: 0 } }), 2, 0);
    expect([3, 4, 6].map((inHand) => rules.allowance(inHand, 0))).toEqual([1, 0, 0]);
    expect(['big', 'none', 'other', 'constructor'].map((group) => rules.limitOf(group))).toEqual([
      9, 0, 2, 2,
    ]);
  });

  it('QUEUE-12 begin with nothing saved up, and again at each change of the rate alone', () => {
    const rules = new FleetRules();
    const rate = { count: 10, perMs: 1_000 };
    rules.learn(limited(2, { rate }), 2, 1_000);
    expect(rules.startsOnly).toBe(true);
    expect(rules.allowance(0, 1_000)).toBe(0);
    expect(rules.wakeAtMs()).toBe(1_100);
    expect(rules.allowance(0, 1_500)).toBe(5);
    rules.learn(limited(3, { rate, concurrency: 3 }), 3, 1_500);
    expect(rules.allowance(0, 1_500)).toBe(3);
    rules.learn(limited(4, { rate: { count: 20, perMs: 1_000 } }), 4, 1_500);
    expect(rules.allowance(0, 1_500)).toBe(0);
    rules.learn(limited(5, {}), 5, 1_500);
    expect(rules.startsOnly).toBe(false);
    expect(rules.allowance(0, 1_500)).toBe(all);
  });

  it('QUEUE-12 pay when the reply comes, for what was given out under the present rate', () => {
    const rules = new FleetRules();
    rules.learn(limited(2, { rate: { count: 10, perMs: 1_000 } }), 2, 0);
    expect(rules.allowance(0, 1_000)).toBe(10);
    // The write was long on its way: what came meanwhile beyond the burst does not pay for it.
    rules.given(10, 2, 3_000);
    expect(rules.allowance(0, 3_000)).toBe(0);
    rules.learn(limited(3, { rate: { count: 10, perMs: 1_000 }, concurrency: 99 }), 3, 3_000);
    rules.given(2, 2, 4_000);
    expect(rules.allowance(0, 4_000)).toBe(8);
    rules.learn(limited(7, { rate: { count: 1, perMs: 1_000 } }), 7, 4_000);
    rules.given(10, 2, 4_000);
    expect(rules.allowance(0, 5_000)).toBe(1);
  });
});
