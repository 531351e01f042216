import { describe, expect, it } from 'vitest';
import { differenceOf } from '../../src/checkers/deep-equal.js';
import { type CommitsCheck, checkCommits, type ObservedTxn } from '../../src/checkers/index.js';
import {
  bytesOf,
  compare,
  get,
  getPrefix,
  put,
  remove,
  type TxnReply,
  type TxnRequest,
  txnOf,
} from '../../src/store/index.js';
import { brokenBy, type Change, evidenceOf, Story } from './story.js';

const lanePrefix = 'lane/';

function marked(marker: string, request: Partial<TxnRequest>): Pick<ObservedTxn, 'marker' | 'request'> {
  const { compare: compares, success, failure } = txnOf(request);
  const said = put(marker, '');
  return { marker, request: { compare: compares, success: [said, ...success], failure: [said, ...failure] } };
}

/** The reply of a transaction that succeeded and of which only the marker's put says nothing more. */
function replied(revision: number, replies: TxnReply['replies'] = []): Pick<ObservedTxn, 'reply'> {
  return { reply: { revision, succeeded: true, replies: [{ type: 'put' }, ...replies] } };
}

/** Two in revision 2, in one lane; a third at 3 that deletes what the first put. */
function grouped(): Story {
  const story = new Story();
  const lane: Record<string, Change> = { 'lane/1': { value: '1', lease: '7' } };
  story.step({ ...lane, 'm/1': { value: '' }, a: { value: 'x' }, 'm/2': { value: '' }, b: { value: 'y' } });
  story.step({ 'lane/1': { value: '2', lease: '7' }, 'm/3': { value: '' }, a: {} });
  return story;
}
const first: ObservedTxn = {
  ...marked('m/1', { success: [put('a', 'x')] }),
  ...replied(2, [{ type: 'put' }]),
};
const second: ObservedTxn = {
  ...marked('m/2', { success: [put('b', 'y')] }),
  ...replied(2, [{ type: 'put' }]),
};
const third: ObservedTxn = {
  ...marked('m/3', { compare: [compare.create('a', 'equal', 2)], success: [remove('a')] }),
  ...replied(3, [{ type: 'delete', deleted: 1, prevKvs: [] }]),
};
const all = [first, second, third];

function without({ marker, request }: ObservedTxn): Pick<ObservedTxn, 'marker' | 'request'> {
  return { marker, request };
}

function check(observed: readonly ObservedTxn[], story = grouped(), change: Partial<CommitsCheck> = {}) {
  return () => checkCommits({ history: story.history(), observed, lanePrefix, ...change });
}

describe('checkCommits', () => {
  it('counts what it checked of a history that keeps every promise', () => {
    const unsure: ObservedTxn = { ...without(third), error: { code: 'timeout', outcome: 'unknown' } };
    const refused: ObservedTxn = {
      ...marked('m/4', { success: [put('c', 'z')] }),
      error: { code: 'lease-not-found', outcome: 'not-applied' },
    };
    expect(check(all)()).toEqual({
      ...{ observed: 3, replied: 3, refused: 0, unknown: 0, unknownApplied: 0, groups: 1, largestGroup: 2 },
    });
    expect(check([first, second, unsure, refused])()).toMatchObject({
      ...{ replied: 2, refused: 1, unknown: 1, unknownApplied: 1 },
    });
    expect(check([first, second, without(third)])()).toMatchObject({ unknown: 1, unknownApplied: 1 });
  });

  it('evaluates ranges of the past, of what the transaction wrote, and of the lane, as the store does', () => {
    const story = grouped();
    story.step({ 'lane/1': { value: '3', lease: '7' }, 'm/4': { value: '' }, c: { value: 'z' } });
    const history = story.history();
    const request = {
      compare: [compare.value('lane/1', 'equal', '2')],
      success: [put('c', 'z'), get('a', { revision: 2 }), getPrefix('', { keysOnly: true })],
    };
    const kvs = ['b', 'c', 'lane/1', 'm/1', 'm/2', 'm/3', 'm/4'].map((key) => ({
      ...history.valueAt(key, 4),
      value: new Uint8Array(),
    }));
    const replies = [
      { type: 'put' },
      { type: 'range', kvs: [history.valueAt('a', 2)], count: 1, more: false },
      { type: 'range', kvs, count: 7, more: false },
    ] as TxnReply['replies'];
    const fourth = { ...marked('m/4', request), ...replied(4, replies) };
    expect(check([...all, fourth], story)()).toMatchObject({ replied: 4 });
  });

  it('COMMIT-1 a reply that is not that of the transaction alone', () => {
    const lied = { ...third, ...replied(3, [{ type: 'delete', deleted: 2, prevKvs: [] }]) };
    expect(brokenBy(check([first, second, lied]))).toBe('COMMIT-1');
    expect(evidenceOf(check([first, second, lied]))).toBe(
      'the transaction of m/3, applied at revision 3, was answered otherwise: reply.replies.1.deleted is 2, expected 1',
    );
    const failed = {
      ...third,
      reply: { revision: 3, succeeded: false, replies: third.reply?.replies ?? [] },
    };
    expect(brokenBy(check([first, second, failed]))).toBe('COMMIT-1');
  });

  it('COMMIT-1 a transaction that looks at what another of its group writes', () => {
    const looks = {
      ...marked('m/2', { compare: [compare.create('a', 'equal', 0)], success: [put('b', 'y')] }),
    };
    expect(brokenBy(check([first, { ...looks, ...replied(2, [{ type: 'put' }]) }, third]))).toBe('COMMIT-1');
  });

  it('COMMIT-2 an answer without an effect, or with one at another revision', () => {
    const never = { ...marked('m/9', {}), ...replied(3) };
    expect(brokenBy(check([...all, never]))).toBe('COMMIT-2');
    expect(brokenBy(check([first, second, { ...third, ...replied(4) }]))).toBe('COMMIT-2');
  });

  it('COMMIT-2 an effect without an answer: refused, and applied', () => {
    const refused = { ...without(third), error: { code: 'timeout', outcome: 'not-applied' } as const };
    expect(brokenBy(check([first, second, refused]))).toBe('COMMIT-2');
  });

  it('COMMIT-2 an effect twice, of a transaction that was never answered', () => {
    const story = new Story();
    for (const round of [1, 2]) story.step({ 'm/1': { value: '' }, a: { value: String(round) } });
    expect(brokenBy(check([without(first)], story))).toBe('COMMIT-2');
  });

  it.each<[string, (story: Story) => unknown]>([
    ['a change that no transaction made', (story) => story.put('z', '')],
    ['a deletion that no transaction made', (story) => story.remove('b')],
    [
      'a change beside what a transaction made',
      (story) => story.step({ 'm/4': { value: '' }, z: { value: '' } }),
    ],
    ['less than a transaction makes', (story) => story.step({ 'm/4': { value: '' } })],
    ['another value', (story) => story.step({ 'm/4': { value: '' }, c: { value: 'u' } })],
    ['another lease', (story) => story.step({ 'm/4': { value: '' }, c: { value: 'z', lease: '9' } })],
  ])('COMMIT-2 %s', (_what, change) => {
    const story = grouped();
    change(story);
    const fourth = marked('m/4', { success: [put('c', 'z')] });
    expect(brokenBy(check([...all, fourth], story))).toBe('COMMIT-2');
  });

  it('takes lanes, and what it is told to be foreign, for nobody’s doing', () => {
    const story = grouped();
    story.remove('lane/1');
    story.put('foreign', '');
    expect(brokenBy(check(all, story))).toBe('COMMIT-2');
    expect(brokenBy(check(all, story, { isForeign: (key) => key === 'foreign' }))).toBe('nothing');
  });

  it('takes the end of a lease for nobody’s doing, if all its keys go and nothing else', () => {
    const leased = () => {
      const story = grouped();
      const request = { success: [put('d', '', { lease: '9' }), put('e', '', { lease: '9' })] };
      const fourth = { ...marked('m/4', request), ...replied(4, [{ type: 'put' }, { type: 'put' }]) };
      const kept = { value: '', lease: '9' };
      story.step({ 'lane/1': { value: '3', lease: '7' }, 'm/4': { value: '' }, d: kept, e: kept });
      return { story, observed: [...all, fourth] };
    };
    const [whole, part, more] = [leased(), leased(), leased()];
    whole.story.remove('d', 'e');
    expect(brokenBy(check(whole.observed, whole.story))).toBe('nothing');
    part.story.remove('d');
    expect(brokenBy(check(part.observed, part.story))).toBe('COMMIT-2');
    more.story.remove('d', 'e', 'b');
    expect(brokenBy(check(more.observed, more.story))).toBe('COMMIT-2');
  });

  it('COMMIT-3 unknown with a code that does not excuse it', () => {
    const unsure = (code: string): ObservedTxn => ({
      ...without(third),
      error: { code, outcome: 'unknown' },
    });
    expect(brokenBy(check([first, second, unsure('unavailable')]))).toBe('COMMIT-3');
    expect(brokenBy(check([first, second, unsure('compacted')]))).toBe('nothing');
    const strict = { unknownCodes: ['timeout'] };
    expect(brokenBy(check([first, second, unsure('compacted')], grouped(), strict))).toBe('COMMIT-3');
  });

  it('COMMIT-4 a late attempt that is applied once more', () => {
    const story = grouped();
    story.step({ 'm/1': { value: '' }, a: { value: 'x' } });
    expect(brokenBy(check(all, story))).toBe('COMMIT-4');
  });
});

describe('differences', () => {
  it('are told by where they are', () => {
    expect(differenceOf({ a: [1, { b: 2 }] }, { a: [1, { b: 3 }] }, 'it')).toBe('it.a.1.b is 2, expected 3');
    expect(differenceOf([1], [1, 2], 'it')).toBe('it is [1], expected [1,2]');
    expect(differenceOf(undefined, { a: 1 }, 'it')).toBe('it is nothing, expected {"a":1}');
    expect(differenceOf({}, [], 'it')).toBe('it is {}, expected []');
  });

  it('do not count how bytes come, nor what is absent', () => {
    expect(differenceOf({ a: Buffer.from('x'), b: undefined }, { a: bytesOf('x') }, 'it')).toBeUndefined();
    expect(differenceOf(Buffer.from('x'), bytesOf('y'), 'it')).toBe('it is "x", expected "y"');
  });
});
