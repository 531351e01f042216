/** What producers, consumers and operators of the queue do in a run: plain data. */
import fc from 'fast-check';

export interface ProducerPlan {
  readonly calls: number;
  /** Calls made at once, without waiting for one another. */
  readonly burst: number;
  /** A burst is one `enqueueMany`. */
  readonly inOne: boolean;
  readonly gapMs: number;
  /** How long a call is waited for. */
  readonly patienceMs: number;
  /** Every second call has one of so many idempotency keys, which all producers share; 0: none has. */
  readonly keys: number;
  /** A call with a key whose outcome is unknown is made again. */
  readonly persists: boolean;
  /** Some calls wait for their schema. */
  readonly slowSchema: boolean;
  /** Its nth group with a key is held up for so long before it is sent; 0: none is. */
  readonly holdMs: number;
  readonly holdNth: number;
  /** The reply to that group is lost instead. */
  readonly losesReply: boolean;
}

export interface ConsumerPlan {
  readonly gapMs: number;
  /** By this share, items go to the dead letters. */
  readonly buries: number;
  /** It moves the gate so often; 0: never. */
  readonly gateEveryMs: number;
}

export type Act =
  | 'close'
  | 'reopen'
  | 'purge'
  | 'redrive-one'
  | 'redrive-at-once'
  | 'redrive-all'
  | 'remove'
  | 'drain';

export interface OperatorPlan {
  readonly acts: readonly { readonly what: Act; readonly afterMs: number }[];
  readonly patienceMs: number;
}

export interface ProducersWorkload {
  readonly windowMs: number;
  /** History is compacted so often until all is healed; 0: only by faults. */
  readonly compactEveryMs: number;
  readonly producers: readonly ProducerPlan[];
  readonly consumers: readonly ConsumerPlan[];
  readonly operators: readonly OperatorPlan[];
}

const plain = { noNullPrototype: true } as const;

const producer: fc.Arbitrary<ProducerPlan> = fc.record(
  {
    calls: fc.integer({ min: 1, max: 24 }),
    burst: fc.integer({ min: 1, max: 8 }),
    inOne: fc.constantFrom(false, false, true),
    gapMs: fc.constantFrom(0, 30, 300, 1_000),
    patienceMs: fc.constantFrom(20_000, 20_000, 300, 10),
    keys: fc.constantFrom(0, 1, 3, 8, 8),
    persists: fc.boolean(),
    slowSchema: fc.constantFrom(false, false, true),
    holdMs: fc.constantFrom(0, 200, 6_000, 6_000),
    holdNth: fc.integer({ min: 1, max: 4 }),
    losesReply: fc.constantFrom(false, false, true),
  },
  plain,
);

const consumer: fc.Arbitrary<ConsumerPlan> = fc.record(
  {
    gapMs: fc.constantFrom(20, 100, 700),
    buries: fc.constantFrom(0, 0.5, 1, 1),
    gateEveryMs: fc.constantFrom(0, 0, 0, 400),
  },
  plain,
);

const act: fc.Arbitrary<OperatorPlan['acts'][number]> = fc.record(
  {
    what: fc.constantFrom<Act>(
      ...(['close', 'reopen', 'reopen', 'purge', 'purge', 'remove', 'drain'] as const),
      ...(['redrive-one', 'redrive-at-once', 'redrive-at-once', 'redrive-all'] as const),
    ),
    afterMs: fc.constantFrom(0, 50, 300, 1_500),
  },
  plain,
);

const operator: fc.Arbitrary<OperatorPlan> = fc.record(
  {
    acts: fc.array(act, { minLength: 1, maxLength: 8 }),
    patienceMs: fc.constantFrom(20_000, 20_000, 1_000, 6),
  },
  plain,
);

export const producersWorkload: fc.Arbitrary<ProducersWorkload> = fc.record(
  {
    windowMs: fc.constantFrom(2_000, 3_000, 4_500),
    compactEveryMs: fc.constantFrom(0, 0, 250),
    producers: fc.array(producer, { minLength: 1, maxLength: 3 }),
    consumers: fc.array(consumer, { minLength: 1, maxLength: 2 }),
    operators: fc.array(operator, { minLength: 1, maxLength: 2 }),
  },
  plain,
);
