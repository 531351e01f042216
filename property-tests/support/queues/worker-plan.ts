/** Workers that take what they are given, fail at some of it, come and go, and stand still as they dispatch: plain data. */
import fc from 'fast-check';
import type { WorkerOptions } from '../../../src/queues/index.js';
import type { Runtime } from '../../../src/runtime/index.js';
import type { Frailty } from './frailty.js';
import type { Hesitation } from './hesitation.js';

export interface WorkerPlan extends Frailty, Hesitation {
  readonly concurrency: number;
  readonly prefetch: number;
  readonly handlerMs: number;
  /** Handlers fail by this share. */
  readonly failing: number;
  /** It is closed after so long and joins again; 0: it is not. */
  readonly closeAfterMs: number;
}

/** In the order in which they are drawn. */
export const workerDraws = {
  concurrency: fc.integer({ min: 1, max: 4 }),
  prefetch: fc.constantFrom(0, 1, 6),
  handlerMs: fc.constantFrom(0, 20, 150, 1_000),
  failing: fc.constantFrom(0, 0, 0.2, 0.5),
  closeAfterMs: fc.constantFrom(0, 0, 0, 1_500),
  muteAfterMs: fc.constantFrom(0, 0, 500, 1_500),
  frailWatches: fc.constantFrom(false, false, false, true),
  hesitateMs: fc.constantFrom(0, 0, 1_500, 4_000),
  hesitateNth: fc.integer({ min: 1, max: 12 }),
};

export const workerPlan: fc.Arbitrary<WorkerPlan> = fc.record(workerDraws, { noNullPrototype: true });

/** Who comes when all is healed and nobody else is left to work. */
export const freshWorker: WorkerPlan = {
  ...{ concurrency: 4, prefetch: 4, handlerMs: 5, failing: 0, closeAfterMs: 0, muteAfterMs: 0 },
  ...{ frailWatches: false, hesitateMs: 0, hesitateNth: 1 },
};

/** Handlers take no longer than about that once all is healed. */
const healedHandlerMs = 10;

/** How long a handler takes this time: half as long as planned, or half as long again, or anything between. */
export function handlerTakesMs(
  plan: { readonly handlerMs: number },
  runtime: Runtime,
  isHealed: boolean,
): number {
  const handlerMs = isHealed ? Math.min(plan.handlerMs, healedHandlerMs) : plan.handlerMs;
  return handlerMs * (0.5 + runtime.random());
}

/** `mirror`: waiting items that it holds in memory while it dispatches. */
export function workerOptions(
  { concurrency, prefetch }: Pick<WorkerPlan, 'concurrency' | 'prefetch'>,
  mirror: number,
): WorkerOptions {
  return { concurrency, prefetch, mirror, retryDelay: { firstMs: 50, longestMs: 400 } };
}
