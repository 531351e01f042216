import { expect, test } from 'vitest';
import {
  type Acquisition,
  handOvers,
  handOversMs,
  longestWaitInTurns,
  overtaken,
  parseAcquisitions,
  within,
} from '../../../bench/locks/acquisitions.js';

const turn = (client: string, requested: number, granted: number, released: number): Acquisition => ({
  process: Number(client.split('.')[0]),
  client,
  requested,
  granted,
  released,
});

test('what a contender printed, after its first line', () => {
  expect(parseAcquisitions(3, 'ready\n0 1 2 3\n1 4 5 6\n')).toEqual([
    turn('3.0', 1, 2, 3),
    turn('3.1', 4, 5, 6),
  ]);
  expect(() => parseAcquisitions(3, 'ready\n0 1 2\n')).toThrow('0 1 2');
});

test('those granted in the measured time, in the order of their grants', () => {
  const [early, first, second, late] = [
    turn('0.0', 0, 9, 10),
    turn('0.0', 0, 10, 11),
    turn('1.0', 0, 19, 20),
    turn('0.0', 0, 20, 21),
  ];
  expect(within([late, second, early, first], 10, 20)).toEqual([first, second]);
});

test('a hand-over goes to another client, and is timed where that one waited', () => {
  const turns = [
    turn('0.0', 0, 1_000, 2_000),
    turn('0.0', 2_500, 3_000, 4_000),
    turn('1.0', 0, 5_500, 6_000),
    turn('0.0', 9_000, 9_500, 9_900),
  ];
  expect(handOvers(turns)).toHaveLength(2);
  expect(handOversMs(turns)).toEqual([1.5]);
});

test('two who held it at once are told by a negative hand-over', () => {
  expect(handOversMs([turn('0.0', 0, 1_000, 4_000), turn('1.0', 0, 3_000, 5_000)])).toEqual([-1]);
});

test('a grant past somebody who had waited longer is counted', () => {
  const turns = [
    turn('0.0', 0, 1, 2),
    turn('2.0', 9_000, 10_000, 10_001),
    turn('1.0', 1_000, 11_000, 11_001),
  ];
  expect(overtaken(turns, 5)).toBeCloseTo(1 / 3);
  expect(overtaken(turns, 9)).toBe(0);
  expect(overtaken([], 5)).toBe(0);
});

test('the longest wait is counted in turns of other processes', () => {
  const order = ['0.0', '1.0', '1.1', '2.0', '0.0', '1.0', '0.1'];
  expect(longestWaitInTurns(order.map((client, at) => turn(client, at, at, at)))).toBe(2);
});
