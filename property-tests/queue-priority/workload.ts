/** What producers and workers of a priority queue do in a run: plain data. */
import fc from 'fast-check';
import { type QueueWorkload, queueWorkload } from '../queue/workload.js';

export interface PriorityWorkload extends QueueWorkload {
  /** Items have one of these. */
  readonly priorities: readonly number[];
  /** All items of a call have the same. */
  readonly alike: boolean;
  /** The share of items that have an ordering key, all the same. */
  readonly keyed: number;
  /** By up to this, what dispatchers' watches tell comes late. */
  readonly watchLagMs: number;
}

const plain = { noNullPrototype: true } as const;

const own = fc.record(
  {
    /** Less than what is enqueued, as a rule: then levels make room for one another. */
    mirror: fc.constantFrom(20_000, 8, 4, 4),
    priorities: fc.uniqueArray(fc.integer({ min: 0, max: 31 }), { minLength: 2, maxLength: 8 }),
    alike: fc.boolean(),
    keyed: fc.constantFrom(0, 0, 0.2),
  },
  plain,
);

/** What reads or watches of dispatchers tell comes late; writes of items come just before a gate passes them; bursts are long. */
const emphasis = fc.record(
  {
    late: fc.constantFrom('nothing', 'reads', 'reads', 'watches', 'watches'),
    lateWrites: fc.boolean(),
    longBursts: fc.boolean(),
  },
  plain,
);
const longestLagMs = 400;

export const priorityWorkload: fc.Arbitrary<PriorityWorkload> = fc
  .tuple(queueWorkload, own, emphasis)
  .map(([workload, drawn, { late, lateWrites, longBursts }]) => ({
    ...workload,
    ...drawn,
    watchLagMs: late === 'watches' ? longestLagMs : 0,
    producers: workload.producers.map((plan) => ({
      ...plan,
      laggard: plan.laggard || lateWrites,
      ...(longBursts ? { items: plan.items + 8, burst: plan.burst + 4, inOne: true } : {}),
    })),
    workers: workload.workers.map((plan) => ({
      ...plan,
      laggard: late === 'reads' || (late === 'nothing' && plan.laggard),
    })),
  }));
