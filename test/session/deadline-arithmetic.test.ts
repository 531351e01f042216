import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ClockBounds, lifetimeMs, marginMs } from '../../src/session/deadline.js';
import { propertyRuns } from '../support/property-runs.js';

/** Any bounds, and two clocks that keep within them; `part` 1 is at the very limit. */
const clocks = fc
  .record({
    clockRateError: fc.double({ min: 0, max: 0.15, noNaN: true }),
    abortMs: fc.integer({ min: 0, max: 900 }),
    server: fc.oneof(fc.constantFrom(-1, 1), fc.double({ min: -1, max: 1, noNaN: true })),
    client: fc.oneof(fc.constantFrom(-1, 1), fc.double({ min: -1, max: 1, noNaN: true })),
  })
  .map(({ clockRateError, abortMs, server, client }) => ({
    bounds: { clockRateError, abortMs } satisfies ClockBounds,
    serverRate: 1 + clockRateError * server,
    clientRate: 1 + clockRateError * client,
  }));

describe('deadline arithmetic', () => {
  it('SESSION-1 the local deadline and the abort come before the server can expire the lease', () => {
    fc.assert(
      fc.property(
        clocks,
        fc.integer({ min: 2, max: 86_400 }),
        fc.double({ min: 0, max: 60_000, noNaN: true }),
        ({ bounds, serverRate, clientRate }, ttlSeconds, transitMs) => {
          const ttlMs = ttlSeconds * 1_000;
          // True time since the send. The server handles it `transitMs` later and counts the TTL by its own clock.
          const expiresAtMs = transitMs + ttlMs / serverRate;
          const deadlineAtMs = lifetimeMs(ttlMs, bounds) / clientRate;
          expect(deadlineAtMs + bounds.abortMs).toBeLessThanOrEqual(expiresAtMs + 1e-6);
        },
      ),
      propertyRuns(2_000),
    );
  });

  it('the margin is no larger than it must be: at the limit, with no transit, nothing is left over but the abort', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 0.15, noNaN: true }), (clockRateError) => {
        const ttlMs = 10_000;
        const bounds = { clockRateError, abortMs: 0 };
        const deadlineAtMs = (ttlMs - marginMs(ttlMs, bounds)) / (1 - clockRateError);
        expect(deadlineAtMs).toBeCloseTo(ttlMs / (1 + clockRateError), 6);
      }),
      propertyRuns(200),
    );
  });
});
