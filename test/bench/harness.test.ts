import { expect, test } from 'vitest';
import { compared, isReached, median, percentile } from '../../bench/harness.js';

test('a percentile is the nearest rank, whatever the order', () => {
  const hundred = Array.from({ length: 100 }, (_unused, index) => 100 - index);
  expect(percentile(hundred, 0.5)).toBe(50);
  expect(percentile(hundred, 0.99)).toBe(99);
  expect(percentile(hundred, 1)).toBe(100);
  expect(percentile([10, 2], 0.5)).toBe(2);
  expect(percentile([7], 0.01)).toBe(7);
  expect(percentile([], 0.5)).toBeNaN();
});

test('a median lies between two middle ones', () => {
  expect(median([9, 1, 5])).toBe(5);
  expect(median([10, 2, 4, 100])).toBe(7);
  expect(median([])).toBeNaN();
});

test('a goal is judged by the ratio of the medians, its bound included', () => {
  const row = (ours: number, goal: { atLeast: number } | { atMost: number }) =>
    isReached(compared('what', '/s', [0, ours, 1_000], 'peer', [10, 10, 10], goal));
  expect(row(10, { atLeast: 1 })).toBe(true);
  expect(row(9.9, { atLeast: 1 })).toBe(false);
  expect(row(13, { atMost: 1.3 })).toBe(true);
  expect(row(13.1, { atMost: 1.3 })).toBe(false);
  expect(isReached(compared('what', '/s', [1], 'peer', [2]))).toBeUndefined();
});
