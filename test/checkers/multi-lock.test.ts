import { describe, expect, it } from 'vitest';
import { checkMultiLock, type MultiLockCheck, type SetGrant } from '../../src/checkers/multi-lock.js';
import type { Grant } from '../../src/checkers/mutex.js';
import { brokenBy, Story } from './story.js';

const [lineA, lineB] = ['lock/a/l/', 'lock/b/l/'] as const;
const alone = `${lineA}m`;
const [setA, setB] = [`${lineA}s`, `${lineB}s`] as const;

/** A mutex has `a` at 2 until 4; a set takes both at 3, holds from 4 and goes at 6. */
function waitedFor(): Story {
  const story = new Story();
  story.put(alone, '', '7');
  story.step({ [setA]: { value: '', lease: '8' }, [setB]: { value: '', lease: '8' } });
  story.remove(alone);
  story.put('resource', String(4 * 1_024));
  story.remove(setA, setB);
  return story;
}
const grants: readonly Grant[] = [{ process: 'p1', place: alone, token: 2_048 }];
const set: SetGrant = {
  process: 'p2',
  parts: [
    { line: lineA, place: setA, token: 4_096 },
    { line: lineB, place: setB, token: 3_072 },
  ],
};

function check(story: Story, sets: readonly SetGrant[], change: Partial<MultiLockCheck> = {}) {
  const locks = [
    { line: lineA, grants, resource: 'resource' },
    { line: lineB, grants: [] },
  ];
  return () => checkMultiLock({ history: story.history(), locks, sets, ...change });
}

function withTokens(a: number, b: number): SetGrant {
  return {
    process: 'p2',
    parts: [
      { line: lineA, place: setA, token: a },
      { line: lineB, place: setB, token: b },
    ],
  };
}

describe('checkMultiLock', () => {
  it('counts what it checked of a history that keeps every promise', () => {
    expect(check(waitedFor(), [set], { drained: true })()).toMatchObject({
      ...{ sets: 1, waited: 1, staggered: 1 },
      locks: [
        { grants: 2, places: 2, writes: 1 },
        { grants: 1, places: 1 },
      ],
    });
  });

  it('MULTI-1 a place behind an older one, or that did not stand', () => {
    expect(brokenBy(check(waitedFor(), [withTokens(3_072, 3_072)]))).toBe('MULTI-1');
    expect(brokenBy(check(waitedFor(), [withTokens(4_096, 2_048)]))).toBe('MULTI-1');
    expect(brokenBy(check(waitedFor(), [withTokens(7_168, 3_072)]))).toBe('MULTI-1');
  });

  it('MULTI-1 a place that had gone before the last of the set was proved, unless somebody took it away', () => {
    const story = new Story();
    story.put(alone);
    story.step({ [setA]: { value: '' }, [setB]: { value: '' } });
    story.remove(setB);
    story.remove(alone);
    story.remove(setA);
    const late = withTokens(5_120, 3_072);
    expect(brokenBy(check(story, [late]))).toBe('MULTI-1');
    expect(brokenBy(check(story, [late], { takenAway: ({ key }) => key === setB }))).toBe('nothing');
  });

  it('MULTI-1 a set that is given up in part', () => {
    const story = new Story();
    story.put(alone);
    story.step({ [setA]: { value: '' }, [setB]: { value: '' } });
    story.remove(alone);
    story.remove(setA);
    story.remove(setB);
    expect(brokenBy(check(story, [set]))).toBe('MULTI-1');
    expect(brokenBy(check(story, [set], { takenAway: ({ key }) => key === setA }))).toBe('nothing');
  });

  it('MULTI-2 places that were taken one after the other', () => {
    const story = new Story();
    story.put(setA);
    story.put(setB);
    story.remove(setA, setB);
    const locks = [
      { line: lineA, grants: [] },
      { line: lineB, grants: [] },
    ];
    expect(brokenBy(check(story, [withTokens(2_048, 3_072)], { locks }))).toBe('MULTI-2');
  });

  it('judges each lock with the grants of mutexes and sets together', () => {
    expect(brokenBy(check(waitedFor(), [{ ...set, process: 'p3' }, set]))).toBe('LOCK-2');
    const story = waitedFor();
    story.put('resource', String(4 * 1_024));
    expect(brokenBy(check(story, [set]))).toBe('LOCK-5');
    story.put(`${lineB}left`);
    const locks = [{ line: lineB, grants: [] }];
    expect(brokenBy(check(story, [], { locks, drained: true }))).toBe('LOCK-4');
  });
});
