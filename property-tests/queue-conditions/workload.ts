/** What producers, workers and controllers of a condition queue do in a run: plain data. */
import fc from 'fast-check';
import {
  all,
  any,
  type ConditionDefinition,
  done,
  equals,
  gate,
  present,
  type QueueCondition,
  size,
} from '../../src/queues/index.js';
import { type WorkerPlan, workerPlan } from '../support/queues/worker-plan.js';

/** Tasks of a run, of which one comes after those that are named before it, if at all. */
export const tasks = ['t0', 't1', 't2', 't3'] as const;
export const gateName = 'open';
export const openValue = true;

export interface ProducerPlan {
  readonly items: number;
  /** Put at once, in one revision. */
  readonly burst: number;
  readonly gapMs: number;
  /** So many items apart, one that is a task; 0: none. Tasks come in turn, the last first. */
  readonly taskEvery: number;
  /** So many of its writes apart, one that waits until a release leaves a dispatcher; 0: none. */
  readonly lateEvery: number;
}

/** One thing that a controller does, so long after the one before, and just as a release or an assignment leaves, or the n-th item was looked for, if `with` says so. */
export interface Decision {
  readonly afterMs: number;
  readonly with: 'nothing' | 'release' | 'assignment' | 'look';
  readonly does:
    | { readonly type: 'gate'; readonly isOpen: boolean }
    | { readonly type: 'done'; readonly task: string }
    | { readonly type: 'cancel' | 'purge' }
    | { readonly type: 'define'; readonly definition: ConditionDefinition };
}

export interface ConditionsWorkload {
  /** Waiting items that a dispatcher holds in memory. */
  readonly mirror: number;
  readonly ttlMs: number;
  readonly definition: ConditionDefinition;
  readonly producers: readonly ProducerPlan[];
  readonly workers: readonly WorkerPlan[];
  readonly controllers: readonly (readonly Decision[])[];
}

const plain = { noNullPrototype: true } as const;
const isOpen = gate(gateName, equals(openValue));

const condition: fc.Arbitrary<QueueCondition> = fc.constantFrom(
  ...[size(1), size(2), size(3), size(3), size(5), size(5), isOpen],
  ...[present('t0', 't1'), present('t2'), all(size(2), isOpen), all(size(4), isOpen), any(size(6), isOpen)],
  ...[any(size(2), isOpen), any(size(3), isOpen), any(size(3), isOpen)],
  ...[
    all(present('t0'), size(3)),
    any(present('t1'), size(4)),
    any(size(2), present('t2', 't3')),
    any(size(3), present('t0', 't2')),
    any(done('t1'), size(4)),
    all(done('t0'), size(2)),
  ],
);

const graph: fc.Arbitrary<NonNullable<ConditionDefinition['tasks']>> = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 0, max: 2 })), { maxLength: 4 })
  .map((edges) => {
    const before: Record<string, string[]> = Object.fromEntries(tasks.map((task) => [task, []]));
    for (const [to, from] of edges) if (from < to) before[`t${to}`]?.push(`t${from}`);
    return before;
  });

/** Each task after all before it. */
const chain: NonNullable<ConditionDefinition['tasks']> = Object.fromEntries(
  tasks.map((task, index) => [task, tasks.slice(0, index)]),
);

const definition: fc.Arbitrary<ConditionDefinition> = fc
  .record(
    {
      when: fc.oneof({ weight: 5, arbitrary: condition }, { weight: 1, arbitrary: fc.constant(null) }),
      release: fc.constantFrom(
        'batches' as const,
        'batches' as const,
        'batches' as const,
        'latched' as const,
      ),
      tasks: graph,
    },
    plain,
  )
  .map(({ when, ...rest }) => (when === null ? rest : { when, ...rest }));

const producer: fc.Arbitrary<ProducerPlan> = fc.record(
  {
    items: fc.integer({ min: 4, max: 24 }),
    burst: fc.integer({ min: 1, max: 5 }),
    gapMs: fc.constantFrom(0, 0, 30, 300),
    taskEvery: fc.constantFrom(0, 1, 2, 3),
    lateEvery: fc.constantFrom(0, 0, 2, 4),
  },
  plain,
);

const does: fc.Arbitrary<Decision['does']> = fc.oneof(
  { weight: 3, arbitrary: fc.boolean().map((open) => ({ type: 'gate' as const, isOpen: open })) },
  { weight: 1, arbitrary: fc.constantFrom(...tasks).map((task) => ({ type: 'done' as const, task })) },
  { weight: 3, arbitrary: fc.constant({ type: 'cancel' as const }) },
  { weight: 1, arbitrary: fc.constant({ type: 'purge' as const }) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(definition, fc.constantFrom({}, { tasks: chain }, { tasks: chain }))
      .map(([drawn, other]) => ({ type: 'define' as const, definition: { ...drawn, ...other } })),
  },
);

const decision: fc.Arbitrary<Decision> = fc.record(
  {
    afterMs: fc.constantFrom(0, 20, 200, 700, 1_500),
    with: fc.constantFrom(...(['nothing', 'release', 'release', 'assignment', 'look', 'look'] as const)),
    does,
  },
  plain,
);

export const conditionsWorkload: fc.Arbitrary<ConditionsWorkload> = fc.record(
  {
    mirror: fc.constantFrom(20_000, 12, 4),
    ttlMs: fc.constantFrom(2_000, 3_000),
    definition,
    producers: fc.array(producer, { minLength: 1, maxLength: 3 }),
    workers: fc.array(workerPlan, { minLength: 1, maxLength: 3 }),
    controllers: fc.array(fc.array(decision, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 2 }),
  },
  plain,
);
