import { describe, expect, it } from 'vitest';
import { checkIds, type GivenIds } from '../../src/checkers/index.js';
import { brokenBy, Story } from './story.js';

const key = 'n/ids/i/next';

/** 1 to 4 are reserved at 10 ms, 5 to 8 at 20 ms. */
function told(): Story {
  const story = new Story();
  story.at(10).put(key, '5');
  story.at(20).put(key, '9');
  return story;
}

function check(given: readonly GivenIds[], first = 1) {
  return () => checkIds({ history: told().history(), key, first, given });
}

const one = { process: 'p1', allocator: 'p1.0', ids: [1, 2], call: 1, atMs: 12 };
const two = { process: 'p2', allocator: 'p2.0', ids: [5], call: 1, atMs: 21 };

describe('checkIds', () => {
  it('counts what it checked of a history that keeps every promise', () => {
    expect(check([one, two, { ...one, ids: [3], call: 2, atMs: 30 }])()).toEqual({
      ids: 4,
      blocks: 2,
      left: 4,
    });
  });

  it('IDS-1 an id that was given twice', () => {
    expect(brokenBy(check([one, { ...two, ids: [2] }]))).toBe('IDS-1');
    expect(brokenBy(check([{ ...one, ids: [1, 1] }]))).toBe('IDS-1');
  });

  it('IDS-2 an id that does not follow those before it', () => {
    expect(brokenBy(check([{ ...one, ids: [2, 1] }]))).toBe('IDS-2');
    expect(
      brokenBy(
        check([
          { ...one, call: 2 },
          { ...one, ids: [3], call: 1 },
        ]),
      ),
    ).toBe('IDS-2');
    expect(
      brokenBy(
        check([
          { ...one, call: 2 },
          { ...one, ids: [3], call: 1, allocator: 'p1.1' },
        ]),
      ),
    ).toBe('nothing');
  });

  it('IDS-3 an id that was not reserved yet, or is below the first', () => {
    expect(brokenBy(check([{ ...two, atMs: 19 }]))).toBe('IDS-3');
    expect(brokenBy(check([{ ...two, ids: [9] }]))).toBe('IDS-3');
    expect(brokenBy(check([one], 2))).toBe('IDS-3');
    const { atMs: _, ...untimed } = two;
    expect(brokenBy(check([untimed]))).toBe('nothing');
  });
});
