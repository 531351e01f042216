import { describe, expect, test } from 'vitest';
import {
  bytesOf,
  compare,
  compareHolds,
  evaluateRange,
  evaluateTxn,
  get,
  type KeyValue,
  nested,
  put,
  type RangeOp,
  type TxnView,
  txnOf,
} from '../../src/store/index.js';

const kv = (key: string, fields: Partial<KeyValue> = {}): KeyValue => ({
  key,
  value: bytesOf(key),
  createRevision: 2,
  modRevision: 2,
  version: 1,
  lease: '0',
  ...fields,
});

const kvs = [
  kv('a', { modRevision: 9, createRevision: 3, value: bytesOf('z') }),
  kv('b', { modRevision: 5, createRevision: 5 }),
  kv('c', { modRevision: 5, createRevision: 2, version: 4 }),
];

function keysOf(op: Omit<RangeOp, 'type' | 'key'>): string {
  return evaluateRange({ key: 'a', ...op }, kvs)
    .kvs.map(({ key }) => key)
    .join('');
}

describe('evaluateRange', () => {
  test('filters by revisions; the count is that before the filters', () => {
    expect(keysOf({ minModRevision: 6 })).toBe('a');
    expect(keysOf({ maxModRevision: 5, minCreateRevision: 3 })).toBe('b');
    expect(keysOf({ maxCreateRevision: 2 })).toBe('c');
    expect(evaluateRange({ key: 'a', minModRevision: 6 }, kvs)).toMatchObject({ count: 3, more: false });
  });

  test('sorts by every target in both directions; keys that tie stay in key order', () => {
    expect(keysOf({ sort: { target: 'key', order: 'descend' } })).toBe('cba');
    expect(keysOf({ sort: { target: 'mod', order: 'ascend' } })).toBe('bca');
    expect(keysOf({ sort: { target: 'mod', order: 'descend' } })).toBe('abc');
    expect(keysOf({ sort: { target: 'create', order: 'ascend' } })).toBe('cab');
    expect(keysOf({ sort: { target: 'version', order: 'descend' } })).toBe('cab');
    expect(keysOf({ sort: { target: 'value', order: 'ascend' } })).toBe('bca');
  });

  test('limits after sorting and filtering, and says if there is more', () => {
    const sort = { target: 'key', order: 'descend' } as const;
    expect(evaluateRange({ key: 'a', limit: 2, sort }, kvs)).toMatchObject({ count: 3, more: true });
    expect(keysOf({ limit: 2, sort })).toBe('cb');
    expect(evaluateRange({ key: 'a', limit: 1, minModRevision: 6 }, kvs)).toMatchObject({ more: false });
  });

  test('countOnly gives no keys, keysOnly no values', () => {
    expect(evaluateRange({ key: 'a', countOnly: true, limit: 1 }, kvs)).toEqual({
      type: 'range',
      kvs: [],
      count: 3,
      more: false,
    });
    expect(
      evaluateRange({ key: 'a', keysOnly: true }, kvs).kvs.every(({ value }) => value.length === 0),
    ).toBe(true);
    expect(kvs.every(({ value }) => value.length > 0)).toBe(true);
  });
});

describe('compareHolds', () => {
  test('must hold for every key', () => {
    expect(compareHolds(compare.mod('a', 'greater', 4), kvs)).toBe(true);
    expect(compareHolds(compare.mod('a', 'greater', 5), kvs)).toBe(false);
  });

  test('takes a missing key as 0, as no lease, and as a value that compares as nothing', () => {
    expect(compareHolds(compare.version('a', 'less', 1), [])).toBe(true);
    expect(compareHolds(compare.lease('a', 'equal', '0'), [])).toBe(true);
    expect(compareHolds(compare.lease('a', 'less', '9'), [])).toBe(true);
    expect(compareHolds(compare.value('a', 'not-equal', 'x'), [])).toBe(false);
  });

  test('compares lease ids as numbers and values as bytes', () => {
    const leased = [kv('a', { lease: '9223372036854775807', value: bytesOf('b') })];
    expect(compareHolds(compare.lease('a', 'greater', '9223372036854775806'), leased)).toBe(true);
    expect(compareHolds(compare.lease('a', 'greater', '99'), leased)).toBe(true);
    expect(compareHolds(compare.value('a', 'greater', 'aa'), leased)).toBe(true);
  });
});

describe('evaluateTxn', () => {
  test('decides every level, checks the puts and then the ranges of the taken path, and only then writes', () => {
    const steps: string[] = [];
    const view: TxnView = {
      read: ({ key }) => {
        steps.push(`read ${key}`);
        return [];
      },
      readAt: () => [],
      put: ({ key }) => {
        steps.push(`put ${key}`);
        return undefined;
      },
      delete: () => [],
      check: ({ type, key }) => {
        steps.push(`check ${type} ${key}`);
      },
    };
    const reply = evaluateTxn(
      txnOf({
        success: [
          get('r'),
          put('p', ''),
          nested({
            compare: [compare.create('q', 'greater', 0)],
            success: [put('no', '')],
            failure: [put('yes', '')],
          }),
        ],
      }),
      view,
    );
    expect(steps).toEqual([
      'read q',
      'check put p',
      'check put yes',
      'check range r',
      'read r',
      'put p',
      'put yes',
    ]);
    expect(reply.replies.map(({ type }) => type)).toEqual(['range', 'put', 'txn']);
  });
});
