import { describe, expect, it } from 'vitest';
import { Batch, type Candidate } from '../../src/commit/batch.js';
import { footprintOf } from '../../src/commit/footprint.js';
import {
  compare,
  get,
  getPrefix,
  nested,
  prefixRange,
  put,
  remove,
  removePrefix,
  sizeOf,
  type TxnRequest,
  txnCost,
  txnOf,
} from '../../src/store/index.js';

const limits = { maxOps: 128, maxBytes: 1_000_000 };

function candidate(request: TxnRequest): Candidate {
  return { footprint: footprintOf(request), ops: txnCost(request), bytes: sizeOf(request) };
}

function admission(first: Partial<TxnRequest>, second: Partial<TxnRequest>): string {
  const batch = new Batch(limits);
  expect(batch.admit(candidate(txnOf(first)))).toBe('admitted');
  return batch.admit(candidate(txnOf(second)));
}

const join = (id: string) => ({
  compare: [compare.create(`line/${id}`, 'equal', 0), compare.create('anchor', 'equal', 7)],
  success: [put(`line/${id}`, ''), getPrefix('line/')],
  failure: [get(`line/${id}`)],
});
const guardedCreate = (key: string) => ({
  compare: [compare.create(key, 'equal', 0), compare.create('anchor', 'equal', 7)],
  success: [put(key, 'v')],
  failure: [get(key)],
});

const whole = { key: '\0', rangeEnd: '\0' };
const pairs: [string, Partial<TxnRequest>, Partial<TxnRequest>, 'admitted' | 'conflict'][] = [
  ['guarded creates of different keys under one anchor', guardedCreate('a'), guardedCreate('b'), 'admitted'],
  ['guarded creates of one key', guardedCreate('a'), guardedCreate('a'), 'conflict'],
  ['two joins of one line', join('a'), join('b'), 'conflict'],
  ['put then delete of one key', { success: [put('k', '1')] }, { success: [remove('k')] }, 'conflict'],
  ['delete then put of one key', { success: [remove('k')] }, { success: [put('k', '1')] }, 'conflict'],
  ['two deletes of one key', { success: [remove('k')] }, { success: [remove('k')] }, 'conflict'],
  [
    'two reads of one key',
    { success: [get('k'), put('a', '')] },
    { success: [get('k'), put('b', '')] },
    'admitted',
  ],
  [
    'compare of a key written before',
    { success: [put('k', '')] },
    { compare: [compare.mod('k', 'equal', 3)], success: [put('a', '')] },
    'conflict',
  ],
  [
    'write of a key compared before',
    { compare: [compare.mod('k', 'equal', 3)], success: [put('a', '')] },
    { success: [put('k', '')] },
    'conflict',
  ],
  [
    'write into a range read before',
    { success: [put('a', ''), getPrefix('p/')] },
    { success: [put('p/1', '')] },
    'conflict',
  ],
  [
    'write beside a range read before',
    { success: [put('a', ''), getPrefix('p/')] },
    { success: [put('p0', '')] },
    'admitted',
  ],
  [
    'range over a key written before',
    { success: [put('p/1', '')] },
    { success: [put('a', ''), getPrefix('p/')] },
    'conflict',
  ],
  [
    'range compare over a key written before',
    { success: [put('p/1', '')] },
    { compare: [compare.create(prefixRange('p/'), 'equal', 0)], success: [put('a', '')] },
    'conflict',
  ],
  [
    'range compare beside a key written before',
    { success: [put('q/1', '')] },
    { compare: [compare.create(prefixRange('p/'), 'equal', 0)], success: [put('a', '')] },
    'admitted',
  ],
  [
    'read of a key in a range deleted before',
    { success: [removePrefix('p/')] },
    { success: [put('a', ''), get('p/5')] },
    'conflict',
  ],
  [
    'deletion of a range read in before',
    { success: [put('a', ''), get('p/5')] },
    { success: [removePrefix('p/')] },
    'conflict',
  ],
  [
    'deletion of a range that meets one compared before',
    { compare: [compare.create(prefixRange('p/'), 'equal', 0)], success: [put('a', '')] },
    { success: [removePrefix('p/7')] },
    'conflict',
  ],
  [
    'deletion of a key in a range deleted before',
    { success: [removePrefix('p/')] },
    { success: [remove('p/7')] },
    'conflict',
  ],
  [
    'deleted ranges that overlap',
    { success: [removePrefix('p/1')] },
    { success: [removePrefix('p/')] },
    'conflict',
  ],
  [
    'deleted ranges apart',
    { success: [removePrefix('p/1')] },
    { success: [removePrefix('p/2')] },
    'admitted',
  ],
  [
    'deletion of everything',
    { success: [put('k', '')] },
    { success: [{ type: 'delete', ...whole }] },
    'conflict',
  ],
  [
    'writes in branches that exclude each other',
    { success: [put('k', '')] },
    { success: [put('a', '')], failure: [put('k', '')] },
    'conflict',
  ],
  [
    'a write deep below',
    { success: [nested({ failure: [nested({ success: [put('k', '')] })] })] },
    { compare: [compare.value('k', 'equal', 'x')], success: [put('a', '')] },
    'conflict',
  ],
  [
    'a compare deep below',
    { success: [put('k', '')] },
    {
      success: [nested({ failure: [nested({ compare: [compare.value('k', 'equal', 'x')] })] }), put('a', '')],
    },
    'conflict',
  ],
  [
    'a read of the past of a key written before',
    { success: [put('k', '')] },
    { success: [get('k', { revision: 4 }), put('a', '')] },
    'admitted',
  ],
  [
    'a range that holds nothing',
    { success: [put('k', '')] },
    { success: [{ type: 'range', key: 'z', rangeEnd: 'a' }, put('a', '')] },
    'admitted',
  ],
];

describe('COMMIT-1 admission', () => {
  it.each(pairs)('%s', (_title, first, second, expected) => {
    expect(admission(first, second)).toBe(expected);
  });

  it('a refused member leaves no trace', () => {
    const batch = new Batch(limits);
    batch.admit(candidate(txnOf(guardedCreate('a'))));
    expect(batch.admit(candidate(txnOf({ success: [put('a', ''), put('b', '')] })))).toBe('conflict');
    expect(batch.admit(candidate(txnOf(guardedCreate('b'))))).toBe('admitted');
  });

  it.each([
    [1, 126],
    [3, 124],
    [28, 99],
    [126, 1],
  ])('members of %i operations fit %i times', (ops, members) => {
    const batch = new Batch(limits);
    const verdicts = Array.from({ length: members + 1 }, (_, member) =>
      batch.admit(
        candidate(txnOf({ success: Array.from({ length: ops }, (_op, op) => put(`${member}/${op}`, '')) })),
      ),
    );
    const fitting = Math.min(members, 127 - ops);
    expect(verdicts.filter((verdict) => verdict === 'admitted')).toHaveLength(fitting);
    expect(verdicts[fitting]).toBe('full');
  });

  it('stops at the limit of bytes', () => {
    const batch = new Batch(limits);
    const big = (key: string) => candidate(txnOf({ success: [put(key, new Uint8Array(300_000))] }));
    expect(['a', 'b', 'c', 'd'].map((key) => batch.admit(big(key)))).toEqual([
      'admitted',
      'admitted',
      'admitted',
      'full',
    ]);
  });
});
