import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AgeClock, type ClockBounds, lifetimeMs, marginMs } from '../src/session/deadline.js';
import { Keeper } from '../src/session/keeper.js';
import { ManualRuntime, ManualTime, settle } from '../test/support/manual-runtime.js';
import { propertyRuns } from '../test/support/property-runs.js';

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

type Step =
  | { readonly do: 'advance'; readonly ms: number }
  | { readonly do: 'pause'; readonly ms: number }
  | { readonly do: 'sleep'; readonly ms: number }
  | { readonly do: 'step-wall'; readonly ms: number }
  /** From here on, this becomes of keep-alives. */
  | {
      readonly do: 'network';
      readonly requests: boolean;
      readonly replies: boolean;
      readonly delayMs: number;
    };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.integer({ min: 1, max: 6_000 }) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant('pause' as const), ms: fc.integer({ min: 1, max: 15_000 }) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant('sleep' as const), ms: fc.integer({ min: 1, max: 15_000 }) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant('step-wall' as const),
        ms: fc.integer({ min: -20_000, max: 3_000 }),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant('network' as const),
        requests: fc.boolean(),
        replies: fc.boolean(),
        delayMs: fc.integer({ min: 0, max: 3_000 }),
      }),
    },
  ),
  { minLength: 1, maxLength: 25 },
);

/** The server's side of one lease: it expires by the server's clock, and never comes back. */
class Lease {
  readonly #time: ManualTime;
  readonly #lifeMs: number;
  #expiresAtMs: number;

  constructor(time: ManualTime, ttlMs: number, serverRate: number) {
    this.#time = time;
    this.#lifeMs = ttlMs / serverRate;
    this.#expiresAtMs = time.nowMs + this.#lifeMs;
  }

  get expiresAtMs(): number {
    return this.#expiresAtMs;
  }

  renew(): boolean {
    if (this.#time.nowMs >= this.#expiresAtMs) return false;
    this.#expiresAtMs = this.#time.nowMs + this.#lifeMs;
    return true;
  }
}

describe('the keeper', () => {
  it('SESSION-1 never says live within the abort time of the expiry, under cuts, delays, pauses, sleep and steps of the wall clock', async () => {
    let livePastAFault = 0;
    let lost = 0;
    await fc.assert(
      fc.asyncProperty(clocks, fc.integer({ min: 3, max: 12 }), steps, async (given, ttlSeconds, plan) => {
        const { bounds, serverRate, clientRate } = given;
        const ttlMs = ttlSeconds * 1_000;
        fc.pre(marginMs(ttlMs, bounds) <= ttlMs / 2);
        const time = new ManualTime();
        const network = new ManualRuntime({ time });
        const runtime = new ManualRuntime({ time, rate: clientRate });
        const lease = new Lease(time, ttlMs, serverRate);
        const clock = new AgeClock(runtime);
        let link = { requests: true, replies: true, delayMs: 5 };
        const keeper = new Keeper({
          store: {
            leaseKeepAlive: () =>
              new Promise((resolve) => {
                const { requests, replies, delayMs } = link;
                if (!requests) return;
                network.setTimer(delayMs / 2, () => {
                  const renewed = lease.renew();
                  if (replies) network.setTimer(delayMs / 2, () => resolve(renewed ? ttlSeconds : 0));
                });
              }),
          },
          ...{ runtime, clock, bounds, leaseId: '1', granted: { sentAt: clock.now(), ttlMs } },
        });
        const check = () => {
          if (!keeper.isLive()) return;
          expect(
            time.nowMs + bounds.abortMs,
            'live, but its keys may be gone before it has stopped',
          ).toBeLessThanOrEqual(lease.expiresAtMs + 1e-3);
        };
        keeper.signal.addEventListener('abort', () => {
          lost += 1;
        });
        for (const step of plan) {
          if (step.do === 'network') link = step;
          if (step.do === 'step-wall') runtime.stepWall(step.ms);
          if (step.do === 'pause') runtime.pause();
          if (step.do === 'sleep') runtime.sleepMachine();
          for (let passed = 0; 'ms' in step && step.do !== 'step-wall' && passed < step.ms; passed += 500) {
            await time.advance(Math.min(500, step.ms - passed));
            // A process that is paused or asleep checks nothing; its first act afterwards may be a check.
            if (step.do === 'advance') check();
          }
          if (step.do === 'pause') runtime.resume();
          if (step.do === 'sleep') runtime.wakeMachine();
          check();
          if (step.do !== 'advance' && keeper.isLive()) livePastAFault += 1;
        }
        keeper.end('closed');
        await settle();
        expect(runtime.timerCount).toBe(0);
      }),
      propertyRuns(400),
    );
    expect(livePastAFault, 'sometimes a session survives a fault').toBeGreaterThan(20);
    expect(lost, 'sometimes a session is lost').toBeGreaterThan(20);
  });
});
