import { describe, expect, it } from 'vitest';
import { encodeOpen } from '../../src/barriers/latch/latch-state.js';
import { checkLatch, type LatchCheck } from '../../src/checkers/index.js';
import { brokenBy, Story } from './story.js';

const prefix = 'latch/';
const [a, b, n, open] = ['latch/c/a', 'latch/c/b', 'latch/n', 'latch/open'] as const;

/** a at 100, b at 200, and c, which opens it, at 300. */
function threeArrive(): Story {
  const story = new Story();
  story.at(100).step({ [a]: { value: '' }, [n]: { value: '3' } });
  story.at(200).step({ [b]: { value: '' }, [n]: { value: '3' } });
  story.at(300).step({ [open]: { value: encodeOpen({ count: 3, by: 'c' }) }, [a]: {}, [b]: {}, [n]: {} });
  return story;
}

const arrival = (
  id: string,
  calledAtMs: number,
  counted: boolean,
  remaining: number,
  atMs = calledAtMs + 20,
) => ({
  process: `p-${id}`,
  id,
  calledAtMs,
  told: { counted, remaining, atMs },
});
const all = [arrival('a', 90, true, 2), arrival('b', 190, true, 1), arrival('c', 290, true, 0)];

function check(story: Story, change: Partial<LatchCheck> = {}) {
  return () =>
    checkLatch({ history: story.history(), prefix, count: 3, arrivals: all, waits: [], ...change });
}

describe('checkLatch', () => {
  it('counts what it checked of a history that keeps every promise', () => {
    const again = [arrival('a', 150, false, 2), arrival('a', 350, false, 0), arrival('d', 350, false, 0)];
    const untold = { process: 'p', id: 'e', calledAtMs: 10 };
    const waits = [{ process: 'w', calledAtMs: 50, returnedAtMs: 301 }];
    const counts = check(threeArrive(), { arrivals: [...all, ...again, untold], waits })();
    expect(counts).toEqual({ arrived: 3, isOpen: true, again: 2 });
  });

  it('LATCH-1 opened by too few, by one that was counted, or twice', () => {
    expect(brokenBy(check(threeArrive(), { count: 4 }))).toBe('LATCH-1');
    const same = new Story();
    same.at(100).step({ [a]: { value: '' }, [n]: { value: '2' } });
    same.at(200).step({ [open]: { value: encodeOpen({ count: 2, by: 'a' }) }, [a]: {}, [n]: {} });
    expect(brokenBy(check(same, { count: 2, arrivals: [] }))).toBe('LATCH-1');
    const twice = threeArrive();
    twice.at(400).put(open, encodeOpen({ count: 3, by: 'd' }));
    expect(brokenBy(check(twice))).toBe('LATCH-1');
  });

  it('LATCH-1 as many as it takes and not open, a count that is wrong, or keys left behind', () => {
    expect(brokenBy(check(threeArrive(), { count: 2, arrivals: [] }))).toBe('LATCH-1');
    const uncounted = new Story();
    uncounted.at(100).put(a, '');
    expect(brokenBy(check(uncounted, { arrivals: [] }))).toBe('LATCH-1');
    const taken = new Story();
    taken.at(100).step({ [a]: { value: '' }, [n]: { value: '3' } });
    taken.at(200).remove(a);
    expect(brokenBy(check(taken, { arrivals: [] }))).toBe('LATCH-1');
    const left = new Story();
    left.at(100).step({ [a]: { value: '' }, [n]: { value: '2' } });
    left.at(200).step({ [open]: { value: encodeOpen({ count: 2, by: 'b' }) }, [n]: {} });
    expect(brokenBy(check(left, { count: 2, arrivals: [] }))).toBe('LATCH-1');
    const late = threeArrive();
    late.at(400).step({ [a]: { value: '' }, [n]: { value: '3' } });
    expect(brokenBy(check(late))).toBe('LATCH-1');
  });

  it('LATCH-2 a wait that returned before', () => {
    const waits = [{ process: 'w', calledAtMs: 50, returnedAtMs: 299 }];
    expect(brokenBy(check(threeArrive(), { waits }))).toBe('LATCH-2');
    const never = new Story();
    expect(brokenBy(check(never, { arrivals: [], waits }))).toBe('LATCH-2');
  });

  it('LATCH-3 what was told is not so', () => {
    const wrong = [
      [arrival('a', 90, true, 2), arrival('a', 95, true, 2)],
      [arrival('x', 90, true, 2)],
      [arrival('a', 110, true, 2)],
      [arrival('x', 90, false, 2)],
      [arrival('a', 90, false, 2)],
      [arrival('a', 90, true, 1)],
      [arrival('a', 90, true, 0)],
    ];
    for (const arrivals of wrong) expect(brokenBy(check(threeArrive(), { arrivals }))).toBe('LATCH-3');
    const lost = { arrivals: [arrival('a', 90, false, 2)], mayBeUntold: true };
    expect(brokenBy(check(threeArrive(), lost))).toBe('nothing');
  });
});
