/** What those who enqueue, wait and cancel do in a run, and what workers do: plain data. */
import fc from 'fast-check';

export interface ClientPlan {
  readonly items: number;
  readonly gapMs: number;
  /** Results are kept for so long; 0: none is asked for. */
  readonly resultMs: number;
  /** Of each item; 0: as the workers have it. */
  readonly attempts: number;
  /** Items are too long for the record that assigns them. */
  readonly long: boolean;
  /** So many items apart, one whose handler ends its worker's session; 0: none. */
  readonly poison: number;
  /** So many items apart, one whose handler always fails. 0: none. */
  readonly hopeless: number;
  /** After at most so long each job is waited for; -1: none is. */
  readonly waitsWithinMs: number;
  /** This share is cancelled. */
  readonly cancelling: number;
  readonly cancelsWithinMs: number;
  /** Between reading a job and cancelling it passes some time. */
  readonly hesitates: boolean;
  /** Its watches break again and again, and are slow. */
  readonly frailWatches: boolean;
}

export interface WorkerPlan {
  readonly concurrency: number;
  readonly prefetch: number;
  /** Handlers do so many jobs at a time; 0: one, and no batch is made. */
  readonly batch: number;
  readonly lingerMs: number;
  /** By this share, a batch in which a job has failed throws, rather than telling of each. */
  readonly throwing: number;
  readonly handlerMs: number;
  /** Handlers fail by this share. */
  readonly failing: number;
  /** By this share, they reject their job. */
  readonly rejecting: number;
  /** With so many follow-ups, every second one for another queue. */
  readonly followUps: number;
  /** By this share, handlers only return where a result is asked for. */
  readonly returning: number;
  readonly tellsProgress: boolean;
  /** Handlers go on when their signal fires. */
  readonly stubborn: boolean;
  /** Writes with follow-ups are held up until the gate has passed them, as far as it will. */
  readonly laggard: boolean;
  /** After so long its keep-alives are lost for a while; 0: they are not. */
  readonly muteAfterMs: number;
  /** The reply to its n-th dead letter, or acknowledgement with follow-ups, is lost, and all that follows for a while; 0: none. */
  readonly losesReply: number;
}

export interface OutcomesWorkload {
  /** Waiting items that a dispatcher holds in memory. */
  readonly mirror: number;
  readonly ttlMs: number;
  /** History is compacted so often until all is healed; 0: only by faults. */
  readonly compactEveryMs: number;
  /** The other queue is closed and opened again so often; 0: never closed. */
  readonly closesEveryMs: number;
  readonly clients: readonly ClientPlan[];
  readonly workers: readonly WorkerPlan[];
}

const plain = { noNullPrototype: true } as const;

const client: fc.Arbitrary<ClientPlan> = fc.record(
  {
    items: fc.integer({ min: 1, max: 12 }),
    gapMs: fc.constantFrom(0, 30, 300, 1_000),
    resultMs: fc.constantFrom(60_000, 1_000, 0),
    attempts: fc.constantFrom(0, 1, 2),
    long: fc.constantFrom(false, false, true),
    poison: fc.constantFrom(0, 0, 4),
    hopeless: fc.constantFrom(0, 3),
    waitsWithinMs: fc.constantFrom(-1, 0, 200, 4_000),
    cancelling: fc.constantFrom(0, 0.3, 0.8),
    cancelsWithinMs: fc.constantFrom(50, 500, 3_000),
    hesitates: fc.boolean(),
    frailWatches: fc.boolean(),
  },
  plain,
);

const worker: fc.Arbitrary<WorkerPlan> = fc.record(
  {
    concurrency: fc.integer({ min: 1, max: 3 }),
    prefetch: fc.constantFrom(0, 2, 6),
    batch: fc.constantFrom(0, 0, 3),
    lingerMs: fc.constantFrom(0, 0, 40, 400),
    throwing: fc.constantFrom(0, 0.5),
    handlerMs: fc.constantFrom(0, 20, 150, 1_000),
    failing: fc.constantFrom(0, 0.2, 0.5),
    rejecting: fc.constantFrom(0, 0.1, 0.4),
    followUps: fc.integer({ min: 0, max: 3 }),
    returning: fc.constantFrom(0, 0.5),
    tellsProgress: fc.boolean(),
    stubborn: fc.boolean(),
    laggard: fc.boolean(),
    muteAfterMs: fc.constantFrom(0, 0, 500, 1_500),
    losesReply: fc.constantFrom(0, 1, 2, 4),
  },
  plain,
);

export const outcomesWorkload: fc.Arbitrary<OutcomesWorkload> = fc.record(
  {
    mirror: fc.constantFrom(20_000, 4),
    ttlMs: fc.constantFrom(2_000, 3_000),
    compactEveryMs: fc.constantFrom(0, 250),
    closesEveryMs: fc.constantFrom(0, 700, 2_000),
    clients: fc.array(client, { minLength: 1, maxLength: 2 }),
    workers: fc.array(worker, { minLength: 1, maxLength: 2 }),
  },
  plain,
);
