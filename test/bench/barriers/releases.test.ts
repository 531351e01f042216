import { expect, test } from 'vitest';
import { delaysMs, parseReturns } from '../../../bench/barriers/releases.js';

const release = (round: number, sentUs: number) => ({ round, sentUs, answeredUs: sentUs + 500 });

test('what a process of waiters printed, after its first line', () => {
  expect(parseReturns('ready\n0 1500\n1 9000\n')).toEqual([
    { round: 0, returnedUs: 1_500 },
    { round: 1, returnedUs: 9_000 },
  ]);
  expect(() => parseReturns('ready\n0 soon\n')).toThrow('0 soon');
});

test('delays are from the sending of the release, without the rounds to warm up', () => {
  const returns = parseReturns('ready\n0 100\n0 200\n1 5000\n1 7500\n');
  const options = { waiters: 2, first: 1 };
  expect(delaysMs([release(0, 50), release(1, 4_000)], returns, options)).toEqual([1, 3.5]);
});

test('a wait that is missing, or returned too early, is no figure', () => {
  const returns = parseReturns('ready\n0 100\n0 200\n');
  expect(() => delaysMs([release(0, 50)], returns, { waiters: 3, first: 0 })).toThrow('2 of 3');
  expect(() => delaysMs([release(0, 150)], returns, { waiters: 2, first: 0 })).toThrow('1 returned');
});
