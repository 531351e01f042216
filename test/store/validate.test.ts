import { describe, expect, test } from 'vitest';
import { isQuorateError } from '../../src/errors.js';
import { encodeTxn } from '../../src/etcd3/encode.js';
import {
  compare,
  get,
  nested,
  type Op,
  put,
  remove,
  removePrefix,
  sizeOf,
  type TxnRequest,
  txnCost,
  txnOf,
  validateTxn,
} from '../../src/store/index.js';
import { OperationSource } from '../support/operations.js';

function refusal(request: Partial<TxnRequest>): string {
  try {
    validateTxn(txnOf(request));
  } catch (error) {
    if (isQuorateError(error)) return error.code;
    throw error;
  }
  return 'accepted';
}

describe('writing a key twice', () => {
  const inThen = (...ops: Op[]) => nested({ success: ops });
  const inElse = (...ops: Op[]) => nested({ failure: ops });
  const fromKey: Op = { type: 'delete', key: 'a', rangeEnd: '\0' };

  test.each<[string, Op[], string]>([
    ['two puts', [put('a', ''), put('a', '')], 'duplicate-key'],
    ['put and delete on a level', [put('a', ''), remove('a')], 'duplicate-key'],
    ['delete and put on a level', [remove('a'), put('a', '')], 'duplicate-key'],
    ['a range delete over a put', [removePrefix('a'), put('ab', '')], 'duplicate-key'],
    ['two deletes', [remove('a'), removePrefix('a')], 'accepted'],
    [
      'puts in then and else of one nested',
      [nested({ success: [put('a', '')], failure: [put('a', '')] })],
      'accepted',
    ],
    ['puts in branches of two nested', [inThen(put('a', '')), inElse(put('a', ''))], 'duplicate-key'],
    ['an outer and a nested put', [inElse(put('a', '')), put('a', '')], 'duplicate-key'],
    ['a nested put, then a sibling delete', [inThen(put('a', '')), inThen(remove('a'))], 'accepted'],
    ['a nested delete, then a sibling put', [inThen(remove('a')), inThen(put('a', ''))], 'duplicate-key'],
    ['an outer delete under a nested put', [inThen(put('a', '')), remove('a')], 'duplicate-key'],
    ['a delete up to the end of all keys', [fromKey, put('b', '')], 'accepted'],
    ['a range delete without keys', [{ type: 'delete', key: 'c', rangeEnd: 'a' }, put('b', '')], 'accepted'],
  ])('%s: etcd 3.4 says', (_, ops, expected) => {
    expect(refusal({ success: ops })).toBe(expected);
    expect(refusal({ failure: ops })).toBe(expected);
  });

  test('in then and else of the outermost level is no offence', () => {
    expect(refusal({ success: [put('a', '')], failure: [put('a', '')] })).toBe('accepted');
  });
});

describe('limits', () => {
  const gets = (count: number): Op[] => Array.from({ length: count }, () => get('a'));

  test('count the longest list of each level along the deepest path', () => {
    expect(
      txnCost(
        txnOf({ success: gets(3), failure: [nested({ success: gets(4) }), nested({ failure: gets(2) })] }),
      ),
    ).toBe(7);
    expect(refusal({ success: gets(128) })).toBe('accepted');
    expect(refusal({ success: gets(129) })).toBe('too-many-operations');
    expect(refusal({ success: [...gets(123), nested({ success: gets(4) })] })).toBe('accepted');
    expect(refusal({ success: [...gets(124), nested({ success: gets(4) })] })).toBe('too-many-operations');
    const wide = Array.from({ length: 100 }, () => nested({ success: gets(28) }));
    expect(refusal({ success: wide })).toBe('accepted');
  });

  test('a request above 1.5 MiB is refused', () => {
    expect(refusal({ success: [put('a', new Uint8Array(1_572_000))] })).toBe('accepted');
    expect(refusal({ success: [put('a', new Uint8Array(1_572_864))] })).toBe('request-too-large');
  });

  test('the size is never below that on the wire, and hardly above', () => {
    const source = new OperationSource(7);
    const known = { revision: 3_000, compactRevision: 5, kvs: [] };
    for (let run = 0; run < 300; run += 1) {
      const request = source.txn(known);
      const wire = encodeTxn(request).length;
      expect(sizeOf(request)).toBeGreaterThanOrEqual(wire);
      expect(sizeOf(request)).toBeLessThan(wire * 3 + 64);
    }
  });
});

describe('wrong operands', () => {
  test.each<[string, Partial<TxnRequest>]>([
    ['a value with ignoreValue', { success: [{ ...put('a', '1'), ignoreValue: true }] }],
    ['a lease with ignoreLease', { success: [{ ...put('a', '', { lease: '1' }), ignoreLease: true }] }],
    ['text that is no byte string', { success: [{ type: 'put', key: 'é😀', value: new Uint8Array() }] }],
    ['a lease id that is no number', { compare: [compare.lease('a', 'equal', 'x')] }],
    ['a negative revision', { success: [get('a', { revision: -1 })] }],
    ['a fraction of a limit', { failure: [get('a', { limit: 1.5 })] }],
    ['an operand that is no number', { compare: [compare.mod('a', 'equal', Number.NaN)] }],
    ['an empty key deep down', { success: [nested({ failure: [remove('')] })] }],
  ])('%s', (_, request) => {
    expect(refusal(request)).toBe('invalid-argument');
  });
});

describe('what is no transaction', () => {
  const key = 'a';
  const value = new Uint8Array();
  test.each<[string, unknown, RegExp]>([
    ['a text for a list', { success: 'ab' }, /success of a transaction is "ab"; accepted: an array/],
    ['an operation that is in no list', { failure: put('a', '') }, /failure of a transaction is/],
    ['a number for an operation', { success: [5] }, /an operation is 5; accepted/],
    ['an operation of no type', { success: [{ type: 'putt', key, value }] }, /an operation is .*"putt"/],
    ['a value as text', { success: [{ type: 'put', key, value: 'b' }] }, /the value of a put is "b"/],
    ['no value', { success: [{ type: 'put', key }] }, /the value of a put is undefined/],
    ['a key that is a number', { success: [{ type: 'delete', key: 5 }] }, /a key is 5/],
    ['a nested one without lists', { success: [{ type: 'txn' }] }, /compare of a transaction is undefined/],
  ])('%s is refused, saying what is wrong', (_, request, expected) => {
    const refused = () => validateTxn(txnOf(request as Partial<TxnRequest>));
    expect(refused).toThrow(expected);
    expect(refusal(request as Partial<TxnRequest>)).toBe('invalid-argument');
  });

  test.each<[string, () => Op, RegExp]>([
    ['a number as a value', () => put('a', 5 as never), /a value is 5; accepted: a text or a Uint8Array/],
    ['no value', () => put('a', undefined as never), /a value is undefined/],
    ['no key to put', () => put(undefined as never, ''), /a key is undefined; accepted: a text/],
    ['no key to read', () => get(undefined as never), /a key is undefined/],
    ['no key to delete', () => remove(5 as never), /a key is 5/],
  ])('%s is refused before it is sent', (_, make, expected) => {
    expect(make).toThrow(expected);
    expect(make).toThrow(expect.objectContaining({ code: 'invalid-argument' }));
  });
});
