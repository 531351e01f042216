import { describe, expect, it } from 'vitest';
import {
  checkElection,
  type ElectionCheck,
  type LeaderReport,
  type SeenTerm,
} from '../../src/checkers/index.js';
import { encodeLeader } from '../../src/election/leader-record.js';
import { textOf } from '../../src/store/index.js';
import { brokenBy, Story } from './story.js';

const prefix = 'election/e/';
const [a, b] = [`${prefix}l/a`, `${prefix}l/b`] as const;
const [leader, state] = [`${prefix}leader`, `${prefix}state`] as const;

function says(place: string, said: string, term?: number): Uint8Array {
  const record = { place, label: 'a label', ...(term === undefined ? {} : { term }) };
  return encodeLeader(record, new TextEncoder().encode(said));
}

/** `a` wins alone at 2, `b` waits from 3, `a` writes at 4 and 5 and resigns at 6, `b` wins at 7 and proclaims at 8. */
function handedOver(): Story {
  const story = new Story();
  story.at(10).step({ [a]: { value: '', lease: '7' }, [leader]: { value: says(a, 'hello'), lease: '7' } });
  story.at(20).put(b, '', '8');
  story.at(30).put(leader, says(a, 'news', 2_048), '7');
  story.at(40).put(state, '2048:done');
  story.at(50).remove(a, leader);
  story.at(60).put(leader, says(b, 'mine'), '8');
  story.at(70).put(leader, says(b, 'more', 7_168), '8');
  return story;
}
const first: SeenTerm = {
  ...{ process: 'p1', place: a, term: 2_048, lastCheckpoint: undefined, wonAtMs: 12, endedAtMs: 45 },
};
const second: SeenTerm = { process: 'p2', place: b, term: 7_168, lastCheckpoint: '2048:done', wonAtMs: 62 };
const termOfCheckpoint = (value: Uint8Array) => Number(textOf(value).split(':')[0]);

function check(terms: readonly SeenTerm[], change: Partial<ElectionCheck> = {}) {
  return () => checkElection({ history: handedOver().history(), prefix, terms, ...change });
}

function after(change: (story: Story) => void): Partial<ElectionCheck> {
  const story = handedOver();
  change(story);
  return { history: story.history(), termOfCheckpoint };
}

describe('checkElection', () => {
  it('counts what it checked of a history that keeps every promise', () => {
    const views: LeaderReport[] = [
      { status: 'leader', term: 2_048, revision: 4, value: 'news' },
      { status: 'none', revision: 6 },
      { status: 'unknown' },
      { status: 'leader', term: 7_168, revision: 8, value: new TextEncoder().encode('more') },
    ];
    const options = {
      ...{ observers: [{ views, mustEndAt: 7_168 }], termOfCheckpoint },
      ...{ beliefsMustNotOverlap: true, termsInOrderOfWin: true },
    };
    expect(check([first, second], options)()).toEqual({
      ...{ terms: 2, wins: 2, handovers: 1, proclamations: 2, checkpoints: 1, checkpointsFound: 1 },
      ...{ views: 4, leadersSeen: 2, unknowns: 1, beliefs: 2 },
    });
  });

  it('ELECTION-1 a win that an older candidate outlived, or whose place had gone, heard of or not', () => {
    const older = new Story();
    older.put(b);
    older.put(a);
    older.put(leader, says(a, ''));
    expect(brokenBy(check([], { history: older.history() }))).toBe('ELECTION-1');
    expect(
      brokenBy(
        check(
          [],
          after((story) => story.put(leader, says(a, 'late'))),
        ),
      ),
    ).toBe('ELECTION-1');
    expect(
      brokenBy(
        check(
          [],
          after((story) => story.put(leader, says('nobody', ''))),
        ),
      ),
    ).toBe('ELECTION-1');
  });

  it('ELECTION-1 a term of which there is no win, or the win of another', () => {
    expect(brokenBy(check([{ ...first, term: 4_096 }]))).toBe('ELECTION-1');
    expect(brokenBy(check([{ ...first, term: 5_120 }]))).toBe('ELECTION-1');
    expect(brokenBy(check([{ ...second, place: a }]))).toBe('ELECTION-1');
  });

  it('ELECTION-1 a place that was written again', () => {
    expect(
      brokenBy(
        check(
          [],
          after((story) => story.put(b)),
        ),
      ),
    ).toBe('ELECTION-1');
  });

  it('a leader that did not hear of its win may win once more', () => {
    const story = new Story();
    story.put(a);
    story.put(leader, says(a, ''));
    const again = story.put(leader, says(a, ''));
    const term = { ...first, term: again * 1_024 };
    expect(check([term], { history: story.history() })()).toMatchObject({ wins: 2, handovers: 0 });
  });

  it('ELECTION-2 a term twice, or terms that go back if that must not be', () => {
    expect(brokenBy(check([first, second, second]))).toBe('ELECTION-2');
    const late = { ...first, wonAtMs: 70 };
    expect(brokenBy(check([late, second], { termsInOrderOfWin: true }))).toBe('ELECTION-2');
    expect(brokenBy(check([late, second]))).toBe('nothing');
    expect(brokenBy(check([second, first], { termsInOrderOfWin: true }))).toBe('nothing');
    const { wonAtMs: _, ...untimed } = first;
    expect(brokenBy(check([second, untimed], { termsInOrderOfWin: true }))).toBe('ELECTION-2');
    expect(brokenBy(check([untimed, second], { termsInOrderOfWin: true }))).toBe('nothing');
  });

  it.each<[string, LeaderReport[], number?]>([
    ['a leader at a revision without one', [{ status: 'leader', term: 2_048, revision: 3 }]],
    ['another term', [{ status: 'leader', term: 3_072, revision: 2 }]],
    ['what the leader had not said', [{ status: 'leader', term: 2_048, revision: 4, value: 'hello' }]],
    ['none where there was one', [{ status: 'none', revision: 3 }]],
    [
      'an older leader after a newer',
      [
        { status: 'leader', term: 7_168, revision: 7 },
        { status: 'unknown' },
        { status: 'leader', term: 2_048, revision: 4 },
      ],
    ],
    [
      'none of before after a leader',
      [
        { status: 'leader', term: 7_168, revision: 7 },
        { status: 'none', revision: 6 },
      ],
    ],
    ['no last leader', [{ status: 'leader', term: 2_048, revision: 4 }], 7_168],
    ['nothing', [], 7_168],
    ['unknown at the end', [{ status: 'leader', term: 7_168, revision: 7 }, { status: 'unknown' }], 7_168],
  ])('ELECTION-3 an observer that is told %s', (_what, views, mustEndAt) => {
    const observers = [{ views, ...(mustEndAt === undefined ? {} : { mustEndAt }) }];
    expect(brokenBy(check([], { observers }))).toBe('ELECTION-3');
  });

  it('an observer may be told the same leader again after a doubt', () => {
    const known: LeaderReport = { status: 'leader', term: 2_048, revision: 4 };
    const observers = [{ views: [known, { status: 'unknown' } as const, known] }];
    expect(check([], { observers })()).toMatchObject({ leadersSeen: 2 });
  });

  it('ELECTION-4 another checkpoint than the newest before the win', () => {
    expect(brokenBy(check([{ ...second, lastCheckpoint: undefined }]))).toBe('ELECTION-4');
    expect(brokenBy(check([{ ...second, lastCheckpoint: '2048:begun' }]))).toBe('ELECTION-4');
    expect(brokenBy(check([{ ...first, lastCheckpoint: '2048:done' }]))).toBe('ELECTION-4');
    const bytes = new TextEncoder().encode('2048:done');
    expect(brokenBy(check([{ ...second, lastCheckpoint: bytes }]))).toBe('nothing');
  });

  it.each<[string, (story: Story) => void]>([
    ['proclaims after its place went', (story) => story.put(leader, says(a, 'still here', 2_048))],
    ['proclaims under a term that it has not won', (story) => story.put(leader, says(b, 'hm', 8_192))],
    ['deletes the leader key of another', (story) => story.remove(leader)],
    ['writes a checkpoint after its place went', (story) => story.put(state, '2048:more')],
    ['writes a checkpoint of a term that nobody won', (story) => story.put(state, '9216:more')],
  ])('ELECTION-5 a leader that %s', (_what, change) => {
    expect(brokenBy(check([], after(change)))).toBe('ELECTION-5');
  });

  it('ELECTION-5 what a leader writes in the revision in which its place goes was still guarded by it', () => {
    const last = { [state]: { value: '7168:last' }, [leader]: { value: says(b, 'bye', 7_168) } };
    const change = after((story) => story.step({ ...last, [b]: {} }));
    expect(check([], change)()).toMatchObject({ proclamations: 3, checkpoints: 2 });
    const late = after((story) => {
      story.step({ ...last, [b]: {} });
      story.put(state, '7168:later');
    });
    expect(brokenBy(check([], late))).toBe('ELECTION-5');
  });

  it('the leader key may go when its place has gone, and hold what is not ours', () => {
    const change = after((story) => {
      story.remove(b);
      story.remove(leader);
      story.put(leader, 'not ours');
      story.remove(leader);
    });
    expect(brokenBy(check([], change))).toBe('nothing');
  });

  it('ELECTION-6 beliefs that overlap in true time, if clocks were within their bound', () => {
    const late = { ...first, endedAtMs: 63 };
    expect(brokenBy(check([late, second], { beliefsMustNotOverlap: true }))).toBe('ELECTION-6');
    expect(brokenBy(check([late, second]))).toBe('nothing');
    const standstills = [{ process: 'p1', fromMs: 55, toMs: 63 }];
    expect(brokenBy(check([late, second], { beliefsMustNotOverlap: true, standstills }))).toBe('nothing');
    const { wonAtMs: _, ...untimed } = first;
    expect(check([untimed], { beliefsMustNotOverlap: true })).toThrow(/has no wonAtMs/);
  });
});
