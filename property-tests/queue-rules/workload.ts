/** What producers, workers and operators of the queue's rules do in a run: plain data. */
import fc from 'fast-check';
import type { QueueLimits } from '../../src/queues/index.js';
import { type WorkerPlan, workerPlan } from '../support/queues/worker-plan.js';

export interface ProducerPlan {
  readonly items: number;
  /** Put at once, in one revision. */
  readonly burst: number;
  readonly gapMs: number;
  /** Items take their ordering keys by turns: 0 for none. */
  readonly keys: number;
  /** The same for groups. */
  readonly groups: number;
  /** So many items apart, one whose handler fails until all is healed; 0: none. */
  readonly poison: number;
}

/** One thing that an operator does, so long after the one before. */
export interface Decision {
  readonly afterMs: number;
  readonly does:
    | { readonly type: 'pause' | 'resume' | 'cancel' }
    | { readonly type: 'limit'; readonly limits: QueueLimits }
    /** Pauses just as an assignment leaves a dispatcher. */
    | { readonly type: 'pause-at-assignment' };
}

export interface RulesWorkload {
  /** Waiting items that a dispatcher holds in memory. */
  readonly mirror: number;
  readonly ttlMs: number;
  readonly limits: QueueLimits;
  readonly producers: readonly ProducerPlan[];
  readonly workers: readonly WorkerPlan[];
  readonly operators: readonly (readonly Decision[])[];
}

const plain = { noNullPrototype: true } as const;

const producer: fc.Arbitrary<ProducerPlan> = fc.record(
  {
    items: fc.integer({ min: 4, max: 24 }),
    burst: fc.integer({ min: 1, max: 8 }),
    gapMs: fc.constantFrom(0, 30, 300),
    keys: fc.constantFrom(0, 1, 2, 3),
    groups: fc.constantFrom(0, 1, 2),
    poison: fc.constantFrom(0, 0, 5),
  },
  plain,
);

const limits: fc.Arbitrary<QueueLimits> = fc
  .record(
    {
      concurrency: fc.constantFrom(undefined, 1, 3, 6),
      groupConcurrency: fc.constantFrom(undefined, 1, 2),
      groups: fc.constantFrom(undefined, undefined, { g0: 0 }, { g1: 3 }),
      rate: fc.constantFrom(
        ...[undefined, undefined, undefined],
        ...[
          { count: 4, perMs: 1_000, burst: 8 },
          { count: 10, perMs: 500 },
          { count: 1, perMs: 30, burst: 6 },
        ],
      ),
    },
    plain,
  )
  .map((drawn) => JSON.parse(JSON.stringify(drawn)) as QueueLimits);

const decision: fc.Arbitrary<Decision> = fc.record(
  {
    afterMs: fc.constantFrom(0, 20, 200, 700, 1_500),
    does: fc.oneof(
      fc.constantFrom(
        ...([
          { type: 'pause' },
          { type: 'resume' },
          { type: 'resume' },
          { type: 'pause-at-assignment' },
        ] as const),
        ...([{ type: 'cancel' }, { type: 'cancel' }, { type: 'cancel' }] as const),
      ),
      limits.map((drawn) => ({ type: 'limit' as const, limits: drawn })),
    ),
  },
  plain,
);

export const rulesWorkload: fc.Arbitrary<RulesWorkload> = fc.record(
  {
    mirror: fc.constantFrom(20_000, 12, 4),
    ttlMs: fc.constantFrom(2_000, 3_000),
    limits,
    producers: fc.array(producer, { minLength: 1, maxLength: 2 }),
    workers: fc.array(workerPlan, { minLength: 1, maxLength: 3 }),
    operators: fc.array(fc.array(decision, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 2 }),
  },
  plain,
);
