import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type CounterCall,
  type CounterReply,
  checkLinearizable,
  counterModel,
  type FencedLockCall,
  type FencedLockReply,
  fencedLockModel,
  type Operation,
  type RegisterCall,
  type RegisterReply,
  registerModel,
  type SequentialModel,
} from '../../src/checkers/index.js';
import { seededRandom } from '../support/faulty-store.js';
import { propertyRuns } from '../support/property-runs.js';

type RegisterOperation = Operation<RegisterCall, RegisterReply>;

function operation<Call, Reply>(
  call: Call,
  calledAt: number,
  returnedAt?: number,
  reply?: Reply,
): Operation<Call, Reply> {
  return {
    ...{ call, calledAt },
    ...(returnedAt === undefined ? {} : { returnedAt }),
    ...(reply === undefined ? {} : { reply }),
  };
}

const write = (value: string, calledAt: number, returnedAt?: number): RegisterOperation =>
  operation({ do: 'write', value } as const, calledAt, returnedAt);
const read = (found: string | null, calledAt: number, returnedAt: number): RegisterOperation =>
  operation({ do: 'read' } as const, calledAt, returnedAt, { found });

function verdictOf(operations: readonly RegisterOperation[]): string {
  return checkLinearizable(registerModel, operations).verdict;
}

describe('checkLinearizable', () => {
  it('finds an order of calls that overlap', () => {
    expect(verdictOf([])).toBe('linearizable');
    expect(verdictOf([write('a', 1, 4), read(null, 2, 3), read('a', 2, 5)])).toBe('linearizable');
    expect(verdictOf([write('a', 1, 2), write('b', 1, 2), read('a', 3, 4), read('a', 5, 6)])).toBe(
      'linearizable',
    );
  });

  it('refutes what no order explains, and says how far it came', () => {
    expect(verdictOf([write('a', 1, 2), read(null, 3, 4)])).toBe('not-linearizable');
    expect(verdictOf([write('a', 1, 9), read('a', 2, 3), read(null, 4, 5)])).toBe('not-linearizable');
    expect(verdictOf([read('a', 1, 2)])).toBe('not-linearizable');
    const operations = [write('a', 1, 2), read('a', 3, 4), read('b', 5, 6)];
    expect(checkLinearizable(registerModel, operations)).toMatchObject({
      ...{
        verdict: 'not-linearizable',
        longest: operations.slice(0, 2),
        state: '"a"',
        stuck: [operations[2]],
      },
    });
  });

  it('takes calls at the same moment for overlapping ones', () => {
    expect(verdictOf([write('a', 1, 2), read(null, 2, 3)])).toBe('linearizable');
    expect(verdictOf([write('a', 1, 2), read(null, 2.001, 3)])).toBe('not-linearizable');
  });

  it('lets a call of unknown outcome take effect late, or never, but not before it began', () => {
    expect(verdictOf([write('a', 1), read(null, 5, 6)])).toBe('linearizable');
    expect(verdictOf([write('a', 1), read(null, 2, 3), read('a', 5, 6)])).toBe('linearizable');
    expect(verdictOf([write('a', 1), read('a', 2, 3), read(null, 5, 6)])).toBe('not-linearizable');
    expect(verdictOf([read('a', 1, 2), write('a', 3)])).toBe('not-linearizable');
    const order = checkLinearizable(registerModel, [write('a', 1), write('b', 1), read('b', 5, 6)]);
    expect(order).toMatchObject({ order: [{ call: { value: 'b' } }, { call: { do: 'read' } }] });
  });

  it('refuses a call that returned before it began', () => {
    expect(() => verdictOf([write('a', 2, 1)])).toThrow(/accepted: a return after the call/);
  });

  it('answers out-of-budget, and not that all is well, where it would take longer', () => {
    const writes = Array.from({ length: 12 }, (_, n) => write(String(n), 1, 100));
    const operations = [...writes, read('0', 101, 102), read('1', 103, 104)];
    expect(checkLinearizable(registerModel, operations, { budget: 1_000 })).toEqual({
      ...{ verdict: 'out-of-budget', steps: 1_000 },
    });
    expect(checkLinearizable(registerModel, operations).verdict).toBe('not-linearizable');
  });

  it('needs no more steps for many writes of unknown outcome that nobody saw', () => {
    const unknown = Array.from({ length: 200 }, (_, n) => write(`unknown ${n}`, n));
    const seen = Array.from({ length: 200 }, (_, n) =>
      read(n < 100 ? null : 'unknown 42', 300 + 2 * n, 301 + 2 * n),
    );
    const { verdict, steps } = checkLinearizable(registerModel, [...unknown, ...seen]);
    expect({ verdict, isSmall: steps < 2_000 }).toEqual({ verdict: 'linearizable', isSmall: true });
  });
});

describe('models', () => {
  const counter = (call: CounterCall, at: number, reply?: CounterReply) => operation(call, at, at + 1, reply);
  const lock = (call: FencedLockCall, at: number, reply?: FencedLockReply) =>
    operation(call, at, at + 1, reply);
  const verdict = <S, C, R>(model: SequentialModel<S, C, R>, operations: readonly Operation<C, R>[]) =>
    checkLinearizable(model, operations).verdict;

  it('a register writes under a compare only if that holds', () => {
    const set = (expected: string | null, wrote: boolean, at: number) =>
      operation({ do: 'compare-and-set', expected, value: 'x' } as const, at, at + 1, { wrote });
    expect(verdict(registerModel, [set(null, true, 1), set(null, false, 3), read('x', 5, 6)])).toBe(
      'linearizable',
    );
    expect(verdict(registerModel, [set(null, true, 1), set(null, true, 3)])).toBe('not-linearizable');
    expect(verdict(registerModel, [set('y', true, 1)])).toBe('not-linearizable');
    expect(verdict(registerModel, [set(null, false, 1)])).toBe('not-linearizable');
  });

  it('a counter counts every addition once', () => {
    const [add, get] = [{ do: 'add', by: 2 } as const, { do: 'get' } as const];
    expect(
      verdict(counterModel, [
        counter(add, 1, { count: 2 }),
        counter(add, 3, {}),
        counter(get, 5, { count: 4 }),
      ]),
    ).toBe('linearizable');
    expect(verdict(counterModel, [counter(add, 1, { count: 2 }), counter(add, 3, { count: 2 })])).toBe(
      'not-linearizable',
    );
    const unsure = operation<CounterCall, CounterReply>(add, 1);
    expect(
      verdict(counterModel, [unsure, counter(get, 3, { count: 0 }), counter(get, 5, { count: 2 })]),
    ).toBe('linearizable');
    expect(verdict(counterModel, [unsure, counter(get, 3, { count: 4 })])).toBe('not-linearizable');
  });

  it('a lock has one holder, growing tokens, and lets its holder alone write', () => {
    const acquire = { do: 'acquire' } as const;
    const held = [
      lock(acquire, 1, { token: 5 }),
      lock({ do: 'write', token: 5 }, 3, { applied: true }),
      lock({ do: 'release', token: 5 }, 5),
      lock(acquire, 7, { token: 6 }),
      lock({ do: 'write', token: 5 }, 9, { applied: false }),
    ];
    expect(verdict(fencedLockModel, held)).toBe('linearizable');
    expect(verdict(fencedLockModel, [...held, lock(acquire, 11, { token: 7 })])).toBe('not-linearizable');
    const expiry = operation<FencedLockCall, FencedLockReply>({ do: 'expire' }, 2);
    expect(verdict(fencedLockModel, [...held, expiry, lock(acquire, 11, { token: 7 })])).toBe('linearizable');
    expect(verdict(fencedLockModel, [...held, expiry, lock(acquire, 11, { token: 6 })])).toBe(
      'not-linearizable',
    );
    expect(verdict(fencedLockModel, [...held, lock({ do: 'write', token: 6 }, 11, { applied: false })])).toBe(
      'not-linearizable',
    );
    const lost = operation<FencedLockCall, FencedLockReply>(acquire, 6);
    expect(verdict(fencedLockModel, [...held, expiry, lost])).toBe('linearizable');
  });
});

/** Tries every choice of the calls of unknown outcome, in every order. */
function bruteForce<S, C, R>(
  model: SequentialModel<S, C, R>,
  operations: readonly Operation<C, R>[],
): boolean {
  const search = (state: S, left: readonly Operation<C, R>[]): boolean => {
    if (left.every(({ returnedAt }) => returnedAt === undefined)) return true;
    return left.some((one) => {
      if (left.some(({ returnedAt = Number.POSITIVE_INFINITY }) => returnedAt < one.calledAt)) return false;
      const next = model.step(state, one.call, one.reply);
      return (
        next !== undefined &&
        search(
          next,
          left.filter((other) => other !== one),
        )
      );
    });
  };
  return search(model.initial, operations);
}

const span = fc.record({ calledAt: fc.nat(12), takes: fc.option(fc.nat(6), { nil: undefined }) });
function timed<C, R>(calls: fc.Arbitrary<{ call: C; reply: R }>): fc.Arbitrary<Operation<C, R>[]> {
  const one = fc
    .record({ said: calls, span })
    .map(({ said: { call, reply }, span: { calledAt, takes } }) =>
      takes === undefined
        ? operation<C, R>(call, calledAt)
        : operation(call, calledAt, calledAt + takes, reply),
    );
  return fc.array(one, { maxLength: 7 });
}
const value = fc.constantFrom('a', 'b');
const found = fc.constantFrom(null, 'a', 'b');
const registerCalls: fc.Arbitrary<{ call: RegisterCall; reply: RegisterReply }> = fc.oneof(
  fc.record({ call: fc.constant({ do: 'read' as const }), reply: fc.record({ found }) }),
  fc.record({ call: fc.record({ do: fc.constant('write' as const), value }), reply: fc.constant({}) }),
  fc.record({
    call: fc.record({ do: fc.constant('compare-and-set' as const), expected: found, value }),
    reply: fc.record({ wrote: fc.boolean() }),
  }),
);
const counterCalls: fc.Arbitrary<{ call: CounterCall; reply: CounterReply }> = fc.record({
  call: fc.constantFrom<CounterCall[]>({ do: 'get' }, { do: 'add', by: 1 }, { do: 'add', by: 2 }),
  reply: fc.record({ count: fc.nat(4) }),
});
const token = fc.integer({ min: 1, max: 3 });
const lockCalls: fc.Arbitrary<{ call: FencedLockCall; reply: FencedLockReply }> = fc.oneof(
  fc.record({ call: fc.constant({ do: 'acquire' as const }), reply: fc.record({ token }) }),
  fc.record({ call: fc.record({ do: fc.constant('release' as const), token }), reply: fc.constant({}) }),
  fc.record({ call: fc.constant({ do: 'expire' as const }), reply: fc.constant({}) }),
  fc.record({
    call: fc.record({ do: fc.constant('write' as const), token }),
    reply: fc.record({ applied: fc.boolean() }),
  }),
);

describe('against brute force', () => {
  it.each([
    ['register', registerModel, timed(registerCalls)],
    ['counter', counterModel, timed(counterCalls)],
    ['fenced lock', fencedLockModel, timed(lockCalls)],
  ] as [string, SequentialModel<unknown, unknown, unknown>, fc.Arbitrary<Operation<unknown, unknown>[]>][])(
    'a %s is judged alike, and an order that is answered is one',
    (_what, model, histories) => {
      const seen = { linearizable: 0, 'not-linearizable': 0, 'out-of-budget': 0 };
      fc.assert(
        fc.property(histories, (operations) => {
          const result = checkLinearizable(model, operations);
          seen[result.verdict] += 1;
          expect(result.verdict === 'linearizable').toBe(bruteForce(model, operations));
          if (result.verdict !== 'linearizable') return;
          let state: unknown = model.initial;
          for (const [index, { call, reply, calledAt }] of result.order.entries()) {
            state = model.step(state, call, reply);
            expect(state).toBeDefined();
            const later = result.order.slice(index + 1);
            expect(later.every(({ returnedAt = calledAt }) => returnedAt >= calledAt)).toBe(true);
          }
          const returned = operations.filter(({ returnedAt }) => returnedAt !== undefined);
          expect(returned.every((one) => result.order.includes(one))).toBe(true);
        }),
        propertyRuns(1_500),
      );
      expect(seen['out-of-budget']).toBe(0);
      expect(Math.min(seen.linearizable, seen['not-linearizable'])).toBeGreaterThan(100);
    },
  );
});

/** Clients that call one after the other; each call takes effect somewhere between its beginning and its return. */
function clientsOf(count: number, callsEach: number, values: number, unknownShare = 0): RegisterOperation[] {
  const random = seededRandom(7);
  const drawn = Array.from({ length: count }, () => {
    let now = random();
    return Array.from({ length: callsEach }, () => {
      const calledAt = now;
      const effectAt = calledAt + random();
      const returnedAt = effectAt + random();
      now = returnedAt + random() * 0.2;
      return { calledAt, effectAt, returnedAt, writes: random() < 0.5, isUnknown: random() < unknownShare };
    });
  }).flat();
  let state: string | null = null;
  return drawn
    .sort((left, right) => left.effectAt - right.effectAt)
    .map(({ calledAt, returnedAt, writes, isUnknown }, index) => {
      if (!writes) return read(state, calledAt, returnedAt);
      const written = String(values === 0 ? index : Math.floor(random() * values));
      // Half of the unknown ones had no effect.
      if (!isUnknown || random() < 0.5) state = written;
      return isUnknown ? write(written, calledAt) : write(written, calledAt, returnedAt);
    });
}

describe('at length', () => {
  it.each([
    ['five clients with 2,000 calls each, every value once', clientsOf(5, 2_000, 0), 150_000],
    ['five clients with 2,000 calls each, of five values', clientsOf(5, 2_000, 5), 300_000],
    [
      'five clients with 400 calls each, one write in twenty of unknown outcome',
      clientsOf(5, 400, 0, 0.05),
      2_000_000,
    ],
  ])('%s', (_what, operations, mostSteps) => {
    const { verdict, steps } = checkLinearizable(registerModel, operations);
    expect({ verdict, isCheap: steps < mostSteps }, `${steps} steps`).toEqual({
      verdict: 'linearizable',
      isCheap: true,
    });
  });

  it('finds the one read that is wrong among ten thousand calls', () => {
    const operations = clientsOf(5, 2_000, 0);
    const wrong = operations.findLastIndex(({ call }) => call.do === 'read');
    const lied = operations.with(wrong, {
      ...(operations[wrong] as RegisterOperation),
      reply: { found: 'never' },
    });
    expect(checkLinearizable(registerModel, lied)).toMatchObject({ verdict: 'not-linearizable' });
  });
});
