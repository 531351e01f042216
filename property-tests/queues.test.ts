import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type QueuePlan, simulate } from '../test/queues/simulation.js';
import { propertyRuns } from '../test/support/property-runs.js';

const plans: fc.Arbitrary<QueuePlan> = fc.record({
  seed: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
  faultRate: fc.constantFrom(0, 0.05, 0.2),
  mirror: fc.constantFrom(4, 12, 20_000),
  producers: fc.array(
    fc.record({
      items: fc.integer({ min: 1, max: 60 }),
      burst: fc.integer({ min: 1, max: 12 }),
      gapMs: fc.constantFrom(0, 20, 200),
    }),
    { minLength: 1, maxLength: 3 },
  ),
  workers: fc.array(
    fc.record({
      concurrency: fc.integer({ min: 1, max: 4 }),
      prefetch: fc.constantFrom(0, 1, 6, 500),
      handlerMs: fc.constantFrom(0, 20, 150, 1_000, 3_000),
      failing: fc.constantFrom(0, 0.1, 0.4),
      stubborn: fc.boolean(),
    }),
    { minLength: 1, maxLength: 4 },
  ),
  disturbances: fc.array(
    fc.record({
      atMs: fc.integer({ min: 20, max: 4_000 }),
      kind: fc.constantFrom('kill', 'pause', 'cut', 'mute', 'close'),
      process: fc.nat({ max: 6 }),
      forMs: fc.constantFrom(50, 400, 1_500, 2_500, 6_000),
    }),
    { maxLength: 6 },
  ),
});

it('QUEUE-1 to QUEUE-8 hold for whatever producers, workers and faults', async () => {
  const reached = { takenBack: 0, left: 0, gateMoves: 0 };
  await fc.assert(
    fc.asyncProperty(plans, async (plan) => {
      const { counts, events } = await simulate(plan);
      reached.takenBack += counts.takenBack;
      reached.gateMoves += counts.gateMoves;
      reached.left += events.left ?? 0;
    }),
    propertyRuns(60),
  );
  expect(Object.entries(reached).filter(([, count]) => count === 0)).toEqual([]);
}, 120_000);
