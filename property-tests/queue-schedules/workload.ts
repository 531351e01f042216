/** What a run of schedules is made of: plain data. */
import fc from 'fast-check';
import type { MissedTicks } from '../../src/queues/index.js';
import type { Frailty } from '../support/queues/frailty.js';
import type { Hesitation } from '../support/queues/hesitation.js';

/** A worker that may dispatch, and so tick. It hesitates as it is about to decide ticks. */
export interface WorkerPlan extends Frailty, Hesitation {
  readonly handlerMs: number;
  /** It is closed after so long and joins again; 0: it is not. */
  readonly closeAfterMs: number;
  /** What it decides arrives so much later, while it does other things. */
  readonly lateMs: number;
}

export interface SetSchedule {
  readonly type: 'set';
  readonly name: string;
  readonly rule: { readonly everyMs: number } | { readonly cron: string };
  readonly missed: MissedTicks;
}

/** One thing that an operator does, so long after the one before. */
export interface Decision {
  readonly afterMs: number;
  readonly does:
    | SetSchedule
    /** Sets it to what it is: as it ticks, as a program does that starts. */
    | { readonly type: 'set-at-tick' | 'remove'; readonly name: string }
    | { readonly type: 'close' | 'reopen' | 'pause' | 'resume' };
}

export interface SchedulesWorkload {
  readonly mirror: number;
  readonly ttlMs: number;
  readonly first: readonly SetSchedule[];
  readonly workers: readonly WorkerPlan[];
  readonly operators: readonly (readonly Decision[])[];
  /** Items that others put beside, so that the gate moves, and how far apart. */
  readonly others: number;
  readonly othersEveryMs: number;
}

const plain = { noNullPrototype: true } as const;

const set: fc.Arbitrary<SetSchedule> = fc.record(
  {
    type: fc.constant('set' as const),
    name: fc.constantFrom('a', 'b'),
    rule: fc.constantFrom(
      ...([
        { everyMs: 1_000 },
        { everyMs: 1_000 },
        { everyMs: 3_000 },
        { cron: '*/2 * * * * *' },
        { cron: '*/7 * * * * *' },
      ] as const),
    ),
    missed: fc.constantFrom<MissedTicks>('skip', 'one', { atMost: 3 }),
  },
  plain,
);

const worker: fc.Arbitrary<WorkerPlan> = fc.record(
  {
    handlerMs: fc.constantFrom(0, 20, 150, 700),
    closeAfterMs: fc.constantFrom(0, 0, 0, 1_500),
    muteAfterMs: fc.constantFrom(0, 0, 500, 1_500),
    frailWatches: fc.constantFrom(false, false, false, true),
    hesitateMs: fc.constantFrom(0, 1_500, 4_000, 8_000),
    hesitateNth: fc.integer({ min: 1, max: 4 }),
    lateMs: fc.constantFrom(0, 0, 500, 1_500),
  },
  plain,
);

const name = fc.constantFrom('a', 'b');
const decision: fc.Arbitrary<Decision> = fc.record(
  {
    afterMs: fc.constantFrom(0, 200, 700, 1_500, 6_500),
    does: fc.oneof(
      set,
      name.map((of) => ({ type: 'set-at-tick' as const, name: of })),
      name.map((of) => ({ type: 'remove' as const, name: of })),
      fc
        .constantFrom(...(['close', 'reopen', 'reopen', 'pause', 'resume'] as const))
        .map((type) => ({ type })),
    ),
  },
  plain,
);

export const schedulesWorkload: fc.Arbitrary<SchedulesWorkload> = fc.record(
  {
    mirror: fc.constantFrom(20_000, 4, 4),
    ttlMs: fc.constantFrom(2_000, 3_000),
    first: fc.array(set, { minLength: 1, maxLength: 2 }),
    workers: fc.array(worker, { minLength: 1, maxLength: 3 }),
    operators: fc.array(fc.array(decision, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 2 }),
    others: fc.constantFrom(0, 40, 150),
    othersEveryMs: fc.constantFrom(30, 300),
  },
  plain,
);
