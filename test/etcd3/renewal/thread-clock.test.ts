import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ThreadClock } from '../../../src/etcd3/renewal/thread-clock.js';
import { sharedMonotonicMs } from '../../../src/runtime/thread.js';
import { propertyRuns } from '../../support/property-runs.js';

it('SESSION-12 translates no moment to a later one, whatever happens between two readings of clocks', () => {
  fc.assert(
    fc.property(
      fc.double({ min: -1e9, max: 1e9, noNaN: true }),
      fc.array(fc.oneof(fc.constant(0), fc.double({ min: 0, max: 50, noNaN: true })), {
        minLength: 64,
        maxLength: 64,
      }),
      fc.double({ min: 0, max: 1e6, noNaN: true }),
      (originMs, gaps, laterMs) => {
        let nowMs = 0;
        const read = () => {
          nowMs += gaps.shift() ?? 0;
          return nowMs;
        };
        const clock = new ThreadClock(
          () => read() + originMs,
          () => read(),
        );
        const shared = nowMs + laterMs;
        const own = shared + originMs;
        expect(clock.toOwn(shared)).toBeLessThanOrEqual(own + 1e-6);
        expect(clock.toShared(own)).toBeLessThanOrEqual(shared + 1e-6);
      },
    ),
    propertyRuns(300),
  );
});

it('loses next to nothing by the clocks of this process', () => {
  const clock = new ThreadClock(() => performance.now(), sharedMonotonicMs);
  const before = sharedMonotonicMs();
  const own = performance.now();
  const after = sharedMonotonicMs();
  expect(clock.toShared(own)).toBeGreaterThan(before - 1);
  expect(clock.toShared(own)).toBeLessThanOrEqual(after);
  expect(clock.toOwn(after)).toBeGreaterThan(own - 1);
});
