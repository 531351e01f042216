import { describe, expect, it } from 'vitest';
import { type CountCall, type CounterCheck, checkCounter } from '../../src/checkers/index.js';
import { brokenBy, Story } from './story.js';

const key = 'n/counter/c/n';

/** 3 at first, then 5, 4 and 0. */
function told(...counts: readonly number[]): Story {
  const story = new Story();
  for (const count of counts) story.put(key, String(count));
  return story;
}

function check(calls: readonly CountCall[], story = told(5, 4, 0), change: Partial<CounterCheck> = {}) {
  const history = story.history();
  return () => checkCounter({ history, key, initial: 3, min: 0, max: 9, calls, ...change });
}

const add = (by: number, at: number, reply?: CountCall['reply']): CountCall => ({
  ...{ process: 'p', call: { do: 'add', by }, calledAt: at },
  ...(reply === undefined ? {} : { reply, returnedAt: at + 1 }),
});
const two = add(2, 1, { count: 5 });
const less = add(-1, 3, { count: 4 });
const reset: CountCall = {
  process: 'p',
  call: { do: 'reset', to: 0 },
  calledAt: 5,
  returnedAt: 6,
  reply: { count: 4 },
};

describe('checkCounter', () => {
  it('counts what it checked of a history that keeps every promise', () => {
    expect(check([two, less, reset])()).toEqual({ writes: 3, isUnsearched: false });
    const over = add(9, 4, { isOver: true });
    const swap = (expected: number, wrote: boolean, count: number, at: number): CountCall => ({
      ...{ process: 'q', call: { do: 'compare-and-set', expected, to: 0 }, calledAt: at, returnedAt: at + 1 },
      reply: { wrote, count },
    });
    expect(brokenBy(check([two, less, over, swap(4, true, 0, 5)]))).toBe('nothing');
    expect(brokenBy(check([two, less, over, swap(5, false, 4, 5), reset]))).toBe('nothing');
    expect(brokenBy(check([two, less, over, swap(5, true, 0, 5)]))).toBe('COUNTER-1');
    expect(brokenBy(check([two, less, swap(4, false, 4, 5), reset]))).toBe('COUNTER-1');
  });

  it('COUNTER-1 an addition that counted twice, was lost, or was answered with another count', () => {
    expect(brokenBy(check([two, less], told(5, 4)))).toBe('nothing');
    expect(brokenBy(check([two, less], told(5, 7, 6)))).toBe('COUNTER-1');
    expect(brokenBy(check([two, less], told(5)))).toBe('COUNTER-1');
    expect(brokenBy(check([two, add(-1, 3, { count: 5 })], told(5, 4)))).toBe('COUNTER-1');
    expect(brokenBy(check([two, less, { ...reset, reply: { count: 5 } }]))).toBe('COUNTER-1');
  });

  it('COUNTER-1 one of unknown outcome counts once, or not at all', () => {
    const unknown = add(2, 1);
    expect(brokenBy(check([unknown, less], told(5, 4)))).toBe('nothing');
    expect(brokenBy(check([unknown, add(-1, 3, { count: 2 })], told(2)))).toBe('nothing');
    expect(brokenBy(check([unknown, add(-1, 3, { count: 6 })], told(5, 7, 6)))).toBe('COUNTER-1');
  });

  it('COUNTER-1 a call that was refused though there was room, and COUNTER-2 a count out of its bounds', () => {
    expect(brokenBy(check([two, add(4, 3, { isOver: true })], told(5)))).toBe('COUNTER-1');
    expect(brokenBy(check([two, add(5, 3, { isOver: true })], told(5)))).toBe('nothing');
    expect(brokenBy(check([two, add(5, 3, { count: 10 })], told(5, 10)))).toBe('COUNTER-2');
    expect(brokenBy(check([add(-4, 1)], told(-1)))).toBe('COUNTER-2');
  });

  it('says so where it could not search', () => {
    expect(check([two, less, reset], undefined, { budget: 2 })().isUnsearched).toBe(true);
  });
});
