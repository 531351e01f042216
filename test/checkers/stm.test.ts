import { describe, expect, it } from 'vitest';
import { checkStm, type SeenTransaction, type StmCheck } from '../../src/checkers/stm.js';
import { prefixRange } from '../../src/store/index.js';
import { brokenBy, Story } from './story.js';

const data = prefixRange('d/');
const line = 'stm/a/l/';

/** Two keys put, at 2 and 3. */
function begun(): Story {
  const story = new Story().at(10);
  story.put('d/a', 'a1');
  story.at(20).put('d/b', 'b1');
  return story;
}

const first: SeenTransaction = {
  ...{ process: 'p0', isolation: 'serializable-snapshot', reads: [], ranges: [], revision: 2 },
  ...{ writes: new Map([['d/a', 'a1']]), beganAtMs: 5, endedAtMs: 15 },
};
const second: SeenTransaction = {
  ...{ process: 'p0', isolation: 'serializable-snapshot', reads: [], ranges: [], revision: 3 },
  ...{ writes: new Map([['d/b', 'b1']]), beganAtMs: 15, endedAtMs: 25 },
};

/** Reads both and writes the first, at 4. */
const third: SeenTransaction = {
  ...{ process: 'p1', isolation: 'serializable-snapshot', ranges: [], revision: 4 },
  reads: [
    { key: 'd/a', value: 'a1' },
    { key: 'd/b', value: 'b1' },
    { key: 'd/c', value: undefined },
  ],
  ...{ writes: new Map([['d/a', 'a2']]), beganAtMs: 22, firstReadAtMs: 24, endedAtMs: 40 },
};

function told(): Story {
  const story = begun();
  story.at(30).put('d/a', 'a2');
  return story;
}

function check(story: Story, more: Partial<SeenTransaction> = {}, change: Partial<StmCheck> = {}) {
  const committed = [first, second, { ...third, ...more }];
  return () => checkStm({ history: story.history(), data, committed, lines: 'stm/', ...change });
}

const whole = (...entries: (readonly [string, string])[]) => ({
  range: data,
  entries: entries.map(([key, value]) => ({ key, value })),
});
const asItWas = [whole(['d/a', 'a1'], ['d/b', 'b1'])];

describe('checkStm', () => {
  it('counts what it checked of a history that keeps every promise', () => {
    const story = begun();
    story.at(25).put(`${line}1`, '', '7');
    const third5 = { ...third, revision: 5, ranges: asItWas };
    story.at(30).step({ 'd/a': { value: 'a2' }, [`${line}1`]: {} });
    const look: SeenTransaction = {
      ...{ ...third5, writes: new Map(), ranges: [whole(['d/a', 'a2'], ['d/b', 'b1'])] },
      ...{ reads: [{ key: 'd/a', value: 'a2' }], beganAtMs: 25, endedAtMs: 45 },
    };
    const committed = [first, second, third5, look];
    const runs = [third5, look];
    const counts = checkStm({
      history: story.history(),
      ...{ data, committed, runs, lines: 'stm/', drained: true },
    });
    expect(counts).toEqual({
      ...{ committed: 4, readOnly: 1, shared: 0, unsettledApplied: 0, places: 1, leftWithCommit: 1 },
    });
  });

  it('STM-1 a read of another state, a phantom, a key that went, or a limit that is not one', () => {
    expect(brokenBy(check(told()))).toBe('nothing');
    expect(brokenBy(check(told(), { reads: [{ key: 'd/a', value: 'a0' }] }))).toBe('STM-1');
    expect(brokenBy(check(told(), { reads: [{ key: 'd/c', value: 'c1' }] }))).toBe('STM-1');
    expect(brokenBy(check(told(), { reads: [{ key: 'd/b', value: undefined }] }))).toBe('STM-1');
    expect(brokenBy(check(told(), { ranges: asItWas }))).toBe('nothing');
    expect(brokenBy(check(told(), { ranges: [whole(['d/a', 'a1'])] }))).toBe('STM-1');
    expect(brokenBy(check(told(), { ranges: [{ ...whole(['d/a', 'a1']), limit: 1 }] }))).toBe('nothing');
    const one = { ranges: [whole(['d/a', 'a1'], ['d/b', 'b1'], ['d/c', 'c1'])] };
    expect(brokenBy(check(told(), one))).toBe('STM-1');
    expect(brokenBy(check(told(), { isolation: 'serializable', reads: [{ key: 'd/a', value: 'a2' }] }))).toBe(
      'STM-1',
    );
  });

  it('STM-1 what took effect outside of its call', () => {
    expect(brokenBy(check(told(), { beganAtMs: 31 }))).toBe('STM-1');
    expect(brokenBy(check(told(), { endedAtMs: 29 }))).toBe('STM-1');
    const look = { writes: new Map(), reads: [{ key: 'd/b', value: 'b1' }] };
    const alone = begun();
    expect(brokenBy(check(alone, { ...look, revision: 3 }))).toBe('nothing');
    const later = begun();
    later.at(21).put('other', '');
    expect(brokenBy(check(later, { ...look, revision: 3 }))).toBe('STM-1');
    expect(brokenBy(check(later, { ...look, revision: 4 }))).toBe('nothing');
  });

  it('STM-2 writes that are missing, changed, doubled, of nobody, or of one that was not committed', () => {
    expect(brokenBy(check(begun()))).toBe('STM-2');
    expect(brokenBy(check(told(), { writes: new Map([['d/a', 'other']]) }))).toBe('STM-2');
    expect(brokenBy(check(told(), { writes: new Map([['d/a', undefined]]) }))).toBe('STM-2');
    expect(brokenBy(check(told(), { reads: [], beganAtMs: 15, revision: 3 }))).toBe('STM-2');
    const half = new Map([...third.writes, ['d/b', 'b2']]);
    expect(brokenBy(check(told(), { writes: half }))).toBe('STM-2');
    const twice = told();
    twice.at(35).put('d/a', 'a2');
    expect(brokenBy(check(twice))).toBe('STM-2');
    const gone = told();
    gone.remove('d/b');
    expect(brokenBy(check(gone))).toBe('STM-2');
    expect(brokenBy(check(told(), { writes: new Map([...third.writes, ['d/z', undefined]]) }))).toBe(
      'nothing',
    );
  });

  it('STM-2 two that claim one write', () => {
    const both = { committed: [first, second, third, { ...third, process: 'p2' }] };
    expect(brokenBy(check(told(), {}, both))).toBe('STM-2');
  });

  it('STM-2 one of which nobody knows is applied whole, once, or not', () => {
    const unsettled = [{ process: 'p2', writes: new Map([...third.writes, ['d/c', 'c1']]) }];
    const never = begun();
    const none = { committed: [first, second], unsettled };
    expect(check(never, {}, none)()).toMatchObject({ unsettledApplied: 0 });
    expect(brokenBy(check(told(), {}, none))).toBe('STM-2');
    const whole = begun();
    whole.step({ 'd/a': { value: 'a2' }, 'd/c': { value: 'c1' } });
    expect(check(whole, {}, none)()).toMatchObject({ unsettledApplied: 1 });
    whole.step({ 'd/a': { value: 'a2' }, 'd/c': { value: 'c1' } });
    expect(brokenBy(check(whole, {}, none))).toBe('STM-2');
  });

  it('STM-3 a run that saw a mixture, whatever became of it', () => {
    const mixed = {
      ...{ process: 'p2', isolation: 'serializable' as const, ranges: [] },
      reads: [
        { key: 'd/a', value: 'a2' },
        { key: 'd/b', value: undefined },
      ],
    };
    expect(brokenBy(check(told(), {}, { runs: [mixed] }))).toBe('STM-3');
    expect(brokenBy(check(told(), {}, { runs: [{ ...mixed, isolation: 'repeatable-reads' }] }))).toBe(
      'nothing',
    );
    expect(brokenBy(check(told(), {}, { runs: [{ ...mixed, reads: mixed.reads.slice(1) }] }))).toBe(
      'nothing',
    );
    const ranges = [whole(['d/b', 'b1'])];
    expect(brokenBy(check(told(), {}, { runs: [{ ...mixed, reads: [], ranges }] }))).toBe('STM-3');
  });

  it('STM-4 a put under a transaction that writes the same key unread', () => {
    const story = begun();
    const own: SeenTransaction = { ...first, revision: 4, writes: new Map([['d/c', 'c1']]), endedAtMs: 30 };
    story.at(26).put('d/c', 'c1');
    story.at(30).put('d/c', 'c2');
    const blind = { revision: 5, reads: [{ key: 'd/a', value: 'a1' }], writes: new Map([['d/c', 'c2']]) };
    const all = (more: Partial<SeenTransaction>) => ({
      committed: [first, second, own, { ...third, ...blind, ...more }],
    });
    expect(brokenBy(check(story, {}, all({})))).toBe('STM-4');
    expect(brokenBy(check(story, {}, all({ isolation: 'serializable' })))).toBe('nothing');
    expect(brokenBy(check(story, {}, all({ firstReadAtMs: 27 })))).toBe('nothing');
  });

  it('STM-5 reads that weaker levels do not allow', () => {
    const repeatable = { isolation: 'repeatable-reads' as const };
    expect(brokenBy(check(told(), { ...repeatable, ranges: [whole(['d/a', 'a1'])] }))).toBe('nothing');
    expect(brokenBy(check(told(), { ...repeatable, ranges: [whole(['d/a', 'a0'])] }))).toBe('STM-5');
    expect(brokenBy(check(told(), { ...repeatable, reads: [{ key: 'd/a', value: 'a2' }] }))).toBe('STM-5');
    const committed = { isolation: 'read-committed' as const };
    expect(brokenBy(check(told(), { ...committed, reads: [{ key: 'd/a', value: 'a2' }] }))).toBe('nothing');
    expect(brokenBy(check(told(), { ...committed, reads: [{ key: 'd/a', value: 'a1' }] }))).toBe('nothing');
    expect(brokenBy(check(told(), { ...committed, reads: [{ key: 'd/a', value: 'never' }] }))).toBe('STM-5');
    expect(brokenBy(check(told(), { ...committed, reads: [{ key: 'd/b', value: undefined }] }))).toBe(
      'STM-5',
    );
    expect(brokenBy(check(told(), { ...committed, ranges: [whole(['d/a', 'never'])] }))).toBe('STM-5');
  });

  it('STM-6 a guard that had gone, or came again', () => {
    const story = new Story().at(1);
    story.put('session', '', '7');
    story.at(10).put('d/a', 'a1');
    const one = (created: number) => ({ ...first, revision: 3, guardedBy: [{ key: 'session', created }] });
    const committed = (created: number) => ({ committed: [one(created)] });
    expect(brokenBy(check(story, {}, committed(2)))).toBe('nothing');
    expect(brokenBy(check(story, {}, committed(1)))).toBe('STM-6');
    const gone = new Story().at(1);
    gone.put('session', '', '7');
    gone.remove('session');
    gone.at(10).put('d/a', 'a1');
    expect(brokenBy(check(gone, {}, { committed: [{ ...one(2), revision: 4 }] }))).toBe('STM-6');
  });

  it('LOCK-4 a place that is left in a line', () => {
    const story = told();
    story.put(`${line}1`, '', '7');
    expect(brokenBy(check(story))).toBe('nothing');
    expect(brokenBy(check(story, {}, { drained: true }))).toBe('LOCK-4');
  });
});
