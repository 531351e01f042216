/** What producers, workers and operators of a queue with delays do in a run: plain data. */
import fc from 'fast-check';
import { type WorkerPlan, workerDraws } from '../support/queues/worker-plan.js';

export interface ProducerPlan {
  readonly items: number;
  /** Put at once, in one revision. */
  readonly burst: number;
  readonly gapMs: number;
  /** Delays that its items take by turns; 0: none. */
  readonly delaysMs: readonly number[];
}

export interface DelaysWorkerPlan extends WorkerPlan {
  /** As dispatcher it stands still, for long enough to be deposed, as its n-th firing below the gate is answered; 0: it does not. */
  readonly fallsAtFiring: number;
  /** What it reads as dispatcher comes up to so much later. */
  readonly slowReadsMs: number;
}

/** One thing that an operator does, so long after the one before. */
export interface Decision {
  readonly afterMs: number;
  readonly does: 'pause' | 'resume' | 'cancel-delayed' | 'cancel-fresh' | 'cancel' | 'purge';
}

export interface DelaysWorkload {
  /** Waiting items, and twice the timers, that a dispatcher holds in memory. */
  readonly mirror: number;
  readonly ttlMs: number;
  readonly mayPurge: boolean;
  readonly compactEveryMs: number;
  readonly producers: readonly ProducerPlan[];
  readonly workers: readonly DelaysWorkerPlan[];
  readonly operators: readonly (readonly Decision[])[];
}

const plain = { noNullPrototype: true } as const;

const producer: fc.Arbitrary<ProducerPlan> = fc.record(
  {
    items: fc.integer({ min: 4, max: 48 }),
    burst: fc.integer({ min: 1, max: 12 }),
    gapMs: fc.constantFrom(0, 30, 300),
    delaysMs: fc.array(fc.constantFrom(0, 0, 1, 40, 300, 1_000, 2_500, 6_000, 7_000), {
      minLength: 1,
      maxLength: 4,
    }),
  },
  plain,
);

const worker: fc.Arbitrary<DelaysWorkerPlan> = fc.record(
  {
    ...workerDraws,
    handlerMs: fc.constantFrom(0, 20, 150, 150, 700),
    failing: fc.constantFrom(0, 0, 0.3),
    fallsAtFiring: fc.constantFrom(0, 1, 2, 3),
    slowReadsMs: fc.constantFrom(0, 200, 1_000),
  },
  plain,
);

const decision: fc.Arbitrary<Decision> = fc.record(
  {
    afterMs: fc.constantFrom(0, 20, 200, 700, 1_500),
    does: fc.constantFrom(
      ...([
        'pause',
        'resume',
        'resume',
        'cancel-delayed',
        'cancel-delayed',
        'cancel-fresh',
        'cancel',
        'purge',
      ] as const),
    ),
  },
  plain,
);

export const delaysWorkload: fc.Arbitrary<DelaysWorkload> = fc.record(
  {
    mirror: fc.constantFrom(20_000, 12, 4, 4),
    ttlMs: fc.constantFrom(2_000, 3_000),
    mayPurge: fc.constantFrom(false, false, true),
    compactEveryMs: fc.constantFrom(0, 0, 300),
    producers: fc.array(producer, { minLength: 1, maxLength: 2 }),
    workers: fc.array(worker, { minLength: 2, maxLength: 3 }),
    operators: fc.array(fc.array(decision, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 2 }),
  },
  plain,
);
