import fc from 'fast-check';
import {
  bytesOf,
  type Compare,
  type KeyRange,
  type Op,
  put,
  type TxnRequest,
  txnOf,
} from '../../src/store/index.js';

const keys = ['k0', 'k1', 'k2', 'k3', 'k4', 'm0', 'm1'];
const key = fc.constantFrom(...keys);
const range: fc.Arbitrary<KeyRange> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ key }) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      { key: 'k', rangeEnd: 'l' },
      { key: 'k1', rangeEnd: 'k3' },
      { key: 'm', rangeEnd: 'n' },
    ),
  },
  { weight: 1, arbitrary: fc.constantFrom({ key: 'k', rangeEnd: '\0' }, { key: '\0', rangeEnd: '\0' }) },
);
const result = fc.constantFrom('equal', 'not-equal', 'greater', 'less' as const);

const compares: fc.Arbitrary<Compare> = fc.oneof(
  fc
    .record({
      range,
      result,
      target: fc.constantFrom('create', 'mod', 'version' as const),
      operand: fc.integer({ min: 0, max: 6 }),
    })
    .map(({ range: subject, ...rest }): Compare => ({ ...subject, ...rest })),
  fc.record({ range, result, operand: fc.constantFrom('1', '5', 'x') }).map(
    ({ range: subject, result: how, operand }): Compare => ({
      ...subject,
      result: how,
      target: 'value',
      operand: bytesOf(operand),
    }),
  ),
);

/** Half of an object's optional fields, at random. */
const rangeOptions = fc.record(
  {
    limit: fc.integer({ min: 0, max: 2 }),
    revision: fc.constantFrom(0, 2, 3),
    sort: fc.record({
      target: fc.constantFrom('key', 'mod', 'create', 'version' as const),
      order: fc.constantFrom('ascend', 'descend' as const),
    }),
    keysOnly: fc.boolean(),
    countOnly: fc.boolean(),
    minModRevision: fc.integer({ min: 0, max: 12 }),
    maxCreateRevision: fc.integer({ min: 0, max: 20 }),
  },
  { requiredKeys: [] },
);

function op(depth: number): fc.Arbitrary<Op> {
  const leaf: fc.WeightedArbitrary<Op>[] = [
    {
      weight: 5,
      arbitrary: fc.record({
        type: fc.constant('put' as const),
        key,
        value: fc.constantFrom('1', '5', 'x').map(bytesOf),
        prevKv: fc.boolean(),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        type: fc.constant('put' as const),
        key,
        value: fc.constant(new Uint8Array()),
        ignoreValue: fc.constant(true),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ range, prevKv: fc.boolean() }).map(
        ({ range: subject, prevKv }): Op => ({
          type: 'delete',
          ...(subject.rangeEnd === '\0' ? { key: 'k', rangeEnd: 'l' } : subject),
          prevKv,
        }),
      ),
    },
    {
      weight: 5,
      arbitrary: fc
        .record({ range, options: rangeOptions })
        .map(({ range: subject, options }): Op => ({ type: 'range', ...subject, ...options })),
    },
  ];
  if (depth === 0) return fc.oneof(...leaf);
  return fc.oneof(...leaf, {
    weight: 2,
    arbitrary: request(depth - 1).map((inner): Op => ({ type: 'txn', ...inner })),
  });
}

function request(depth: number): fc.Arbitrary<TxnRequest> {
  const ops = fc.array(op(depth), { maxLength: 3 });
  return fc.record({ compare: fc.array(compares, { maxLength: 2 }), success: ops, failure: ops });
}

/** Some transaction over a few keys, of few enough shapes that many of them conflict. */
export const randomRequest: fc.Arbitrary<TxnRequest> = fc.oneof(
  { weight: 3, arbitrary: request(1) },
  {
    weight: 2,
    arbitrary: key.map((one) =>
      txnOf({
        compare: [{ key: one, target: 'create', result: 'equal', operand: 0 }],
        success: [put(one, '1')],
        failure: [{ type: 'range', key: one }],
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: fc
      .record({ key, lease: fc.constant('12345') })
      .map(({ key: one, lease }) => txnOf({ success: [put(one, '1', { lease })] })),
  },
);

/**
 * The same with a put of `marker` in both branches, so that history shows when it was applied. `isOneSided`: only in the
 * first, so that where its compares do not hold it does what it would do anyway, which must be no writing.
 */
export function marked(inner: TxnRequest, marker: string, isOneSided = false): TxnRequest {
  return {
    compare: inner.compare,
    success: [put(marker, 'success'), ...inner.success],
    failure: isOneSided ? inner.failure : [put(marker, 'failure'), ...inner.failure],
  };
}
