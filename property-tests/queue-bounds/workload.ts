/** What the producers, workers and operators of a bounded queue do in a run: plain data. */
import fc from 'fast-check';
import type { QueueBound } from '../../src/queues/index.js';

export interface ProducerPlan {
  readonly calls: number;
  /** Calls at the same time. */
  readonly burst: number;
  /** Items that a call puts together, at most. */
  readonly most: number;
  readonly gapMs: number;
  readonly patienceMs: number;
  /** Groups are held up for at most so long. */
  readonly holdMs: number;
  /** The reply to its n-th group is lost, and all that follows for a while; 0: none. */
  readonly losesReply: number;
  /** After so long its keep-alives are lost for a while; 0: they are not. */
  readonly muteAfterMs: number;
  /** Its watches break again and again, and are slow. */
  readonly frailWatches: boolean;
  /** Having put its items it stays, with what credit it has. */
  readonly lingers: boolean;
}

export interface WorkerPlan {
  readonly concurrency: number;
  readonly handlerMs: number;
  readonly failing: number;
  readonly startsAfterMs: number;
}

export interface BoundsWorkload {
  readonly bound: QueueBound;
  /** Others that operators decide on, one after another; null: none. */
  readonly changes: readonly (QueueBound | null)[];
  readonly changeEveryMs: number;
  /** The first item is cancelled so often; 0: never. */
  readonly cancelEveryMs: number;
  /** Waiting items that a dispatcher holds in memory. */
  readonly mirror: number;
  readonly ttlMs: number;
  readonly producers: readonly ProducerPlan[];
  readonly workers: readonly WorkerPlan[];
}

const plain = { noNullPrototype: true } as const;

const bound: fc.Arbitrary<QueueBound> = fc.record(
  {
    maxLength: fc.integer({ min: 1, max: 8 }),
    whenFull: fc.constantFrom('wait', 'refuse', 'drop-oldest'),
  },
  plain,
);

const producer: fc.Arbitrary<ProducerPlan> = fc.record(
  {
    calls: fc.integer({ min: 1, max: 20 }),
    burst: fc.integer({ min: 1, max: 6 }),
    most: fc.constantFrom(1, 1, 3),
    gapMs: fc.constantFrom(0, 30, 300),
    // An hour is longer than any run: who waits so long must get in.
    patienceMs: fc.constantFrom(3_600_000, 3_600_000, 400),
    holdMs: fc.constantFrom(0, 0, 300, 1_500),
    losesReply: fc.constantFrom(0, 1, 3),
    muteAfterMs: fc.constantFrom(0, 0, 1_000),
    frailWatches: fc.boolean(),
    lingers: fc.boolean(),
  },
  plain,
);

const worker: fc.Arbitrary<WorkerPlan> = fc.record(
  {
    concurrency: fc.integer({ min: 1, max: 3 }),
    handlerMs: fc.constantFrom(0, 20, 200),
    failing: fc.constantFrom(0, 0.3),
    startsAfterMs: fc.constantFrom(0, 2_000),
  },
  plain,
);

export const boundsWorkload: fc.Arbitrary<BoundsWorkload> = fc.record(
  {
    bound,
    changes: fc.array(fc.option(bound, { freq: 3 }), { maxLength: 3 }),
    changeEveryMs: fc.constantFrom(300, 1_500),
    cancelEveryMs: fc.constantFrom(0, 0, 30),
    mirror: fc.constantFrom(20_000, 4),
    ttlMs: fc.constantFrom(2_000, 3_000),
    producers: fc.array(producer, { minLength: 1, maxLength: 3 }),
    workers: fc.array(worker, { maxLength: 2 }),
  },
  plain,
);
