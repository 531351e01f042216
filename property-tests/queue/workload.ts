/** What producers and workers of the queue do in a run: plain data. */
import fc from 'fast-check';

export interface ProducerPlan {
  readonly items: number;
  /** Calls made at once, without waiting for one another. */
  readonly burst: number;
  /** A burst is one `enqueueMany`. */
  readonly inOne: boolean;
  readonly gapMs: number;
  /** How long a call is waited for. */
  readonly patienceMs: number;
  /** So many calls apart, an item whose handler fails until all is healed; 0: none. */
  readonly poison: number;
  /** So many calls apart, an item too long for the record that assigns it; 0: none. */
  readonly long: number;
  /** Between its second look at the gate and the write that follows it is cut off for so long; 0: it is not. */
  readonly cutOffMs: number;
  /** Half of its writes are held up until the gate is about to pass them. */
  readonly laggard: boolean;
}

export interface WorkerPlan {
  readonly concurrency: number;
  readonly prefetch: number;
  readonly handlerMs: number;
  /** Handlers fail by this share. */
  readonly failing: number;
  /** By this share, handlers first complete their job under a condition that does not hold. */
  readonly refused: number;
  /** Handlers go on when their signal fires, and acknowledge however late. */
  readonly stubborn: boolean;
  /** It is closed after so long, with this much grace, and joins again; 0: it is not. */
  readonly closeAfterMs: number;
  readonly graceMs: number;
  /** From the moment at which it is closed the store has no space for so long. */
  readonly noSpaceMs: number;
  /** Its watches break again and again, and are slow. */
  readonly frailWatches: boolean;
  /** After so long its keep-alives are lost for a while, so that it loses its session and goes on; 0: they are not. */
  readonly muteAfterMs: number;
  /** What it reads to dispatch comes late, behind what its watch has told meanwhile. */
  readonly laggard: boolean;
  /** As dispatcher it stands still for so long while it reads a window, or writes, for the n-th time; 0: it does not. */
  readonly hesitateMs: number;
  readonly hesitateAt: 'window' | 'dispatch';
  /** `leader-change`: it does not stand still, but the cluster's leader changes at that moment. */
  readonly hesitateBy: 'pause' | 'leader-change';
  readonly hesitateNth: number;
}

export interface QueueWorkload {
  /** Waiting items that a dispatcher holds in memory. */
  readonly mirror: number;
  readonly ttlMs: number;
  /** History is compacted so often until all is healed; 0: only by faults. */
  readonly compactEveryMs: number;
  /** Everything takes up to 300 ms each way. */
  readonly slowLinks: boolean;
  readonly producers: readonly ProducerPlan[];
  readonly workers: readonly WorkerPlan[];
}

const plain = { noNullPrototype: true } as const;

const producer: fc.Arbitrary<ProducerPlan> = fc.record(
  {
    items: fc.integer({ min: 1, max: 24 }),
    burst: fc.integer({ min: 1, max: 8 }),
    inOne: fc.boolean(),
    gapMs: fc.constantFrom(0, 30, 300, 1_000),
    patienceMs: fc.constantFrom(20_000, 3_000, 300, 10),
    poison: fc.constantFrom(0, 0, 5),
    long: fc.constantFrom(0, 0, 6),
    cutOffMs: fc.constantFrom(0, 0, 1_500, 9_000),
    laggard: fc.constantFrom(false, false, true),
  },
  plain,
);

const worker: fc.Arbitrary<WorkerPlan> = fc.record(
  {
    concurrency: fc.integer({ min: 1, max: 3 }),
    prefetch: fc.constantFrom(0, 1, 6),
    handlerMs: fc.constantFrom(0, 20, 150, 1_000, 3_000),
    failing: fc.constantFrom(0, 0, 0.1, 0.4),
    refused: fc.constantFrom(0, 0, 0.3),
    stubborn: fc.boolean(),
    closeAfterMs: fc.constantFrom(0, 0, 400, 2_500),
    graceMs: fc.constantFrom(0, 200, 2_000),
    noSpaceMs: fc.constantFrom(0, 0, 1_000, 3_000),
    frailWatches: fc.constantFrom(false, false, false, true),
    muteAfterMs: fc.constantFrom(0, 0, 500, 1_500),
    laggard: fc.constantFrom(false, false, true),
    hesitateMs: fc.constantFrom(0, 0, 1_500, 4_000),
    hesitateAt: fc.constantFrom('window', 'dispatch', 'dispatch'),
    hesitateBy: fc.constantFrom('pause', 'pause', 'leader-change'),
    hesitateNth: fc.integer({ min: 1, max: 8 }),
  },
  plain,
);

export const queueWorkload: fc.Arbitrary<QueueWorkload> = fc.record(
  {
    mirror: fc.constantFrom(20_000, 12, 4),
    ttlMs: fc.constantFrom(2_000, 3_000),
    compactEveryMs: fc.constantFrom(0, 250),
    slowLinks: fc.constantFrom(false, false, true),
    producers: fc.array(producer, { minLength: 1, maxLength: 3 }),
    workers: fc.array(worker, { minLength: 1, maxLength: 3 }),
  },
  plain,
);
