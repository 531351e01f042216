import { describe, expect, it } from 'vitest';
import {
  begunAnew,
  broken,
  decodeGeneration,
  encodeGeneration,
  fateOf,
  firstGeneration,
  type Generation,
  type GenerationRecord,
  passed,
} from '../../../src/barriers/cyclic/generation.js';

/** As it is read after it was written at this revision. */
function written(record: GenerationRecord, revision: number): Generation {
  const kv = { key: 'k', value: encodeGeneration(record), lease: '0', version: 1 };
  return decodeGeneration({ ...kv, createRevision: 1, modRevision: revision });
}

/** Generations of two arrivals each, at 10 n + 1 and 10 n + 2, of which each ended at 10 n + 5. */
function after(generations: number): Generation {
  let now = written(firstGeneration(2, 'break', 0), 5);
  for (let index = 0; index < generations; index += 1) {
    now = written(passed(now, 10 * (index + 1) + 2), 10 * (index + 1) + 5);
  }
  return now;
}

describe('a generation', () => {
  it('CYCLIC-2 tells what became of an arrival by its revision, however many have passed since', () => {
    for (const count of [1, 2, 30, 64]) {
      const now = after(count);
      for (let index = 0; index < count; index += 1) {
        for (const arrivedAt of [10 * (index + 1) + 1, 10 * (index + 1) + 2]) {
          expect(fateOf(now, arrivedAt)).toEqual({ status: 'passed', generation: index });
        }
      }
      // Who came when all were there.
      expect(fateOf(now, 10 * count + 3)).toEqual({ status: 'pending' });
    }
  });

  it('CYCLIC-2 never takes what is forgotten for a pass', () => {
    const now = after(100);
    const passes = Array.from({ length: 100 }, (_, index) => fateOf(now, 10 * (index + 1) + 2));
    expect(passes.slice(-64).every(({ status }) => status === 'passed')).toBe(true);
    for (const fate of passes.slice(0, 30)) {
      expect(fate).toMatchObject({ status: 'broken', broken: { reason: 'forgotten' } });
    }
    // A key that was deleted, and is there again.
    const anew = { ...written(firstGeneration(2, 'break', 500), 510), created: 510 };
    const passedAnew = { ...written(passed(anew, 512), 515), created: 510 };
    expect(fateOf(passedAnew, 400)).toMatchObject({ status: 'broken', broken: { reason: 'forgotten' } });
    expect(fateOf(passedAnew, 510)).toEqual({ status: 'passed', generation: 0 });
    expect(fateOf(anew, 400)).toMatchObject({ status: 'broken', broken: { reason: 'forgotten' } });
    expect(fateOf(anew, 510)).toEqual({ status: 'pending' });
  });

  it('CYCLIC-2 keeps apart what was reset and what passed', () => {
    const two = after(2);
    const reset = written(begunAnew(two, 0), 31);
    expect(fateOf(reset, 30)).toMatchObject({ status: 'broken', generation: 2, broken: { reason: 'reset' } });
    expect(fateOf(reset, 31)).toMatchObject({ status: 'broken' });
    expect(fateOf(reset, 32)).toEqual({ status: 'pending' });
    expect(fateOf(reset, 22)).toEqual({ status: 'passed', generation: 1 });
    const on = written(passed(reset, 42), 45);
    expect(fateOf(on, 30)).toMatchObject({ status: 'broken', generation: 2 });
    expect(fateOf(on, 40)).toEqual({ status: 'passed', generation: 3 });
    expect(fateOf(on, 12)).toEqual({ status: 'passed', generation: 0 });
  });

  it('CYCLIC-2 tells all who are of a broken one why, also those who come to it', () => {
    const now = written(broken(after(1), { reason: 'gave-up', by: 'p' }), 20);
    for (const arrivedAt of [13, 19, 25]) {
      expect(fateOf(now, arrivedAt)).toEqual({
        ...{ status: 'broken', generation: 1, broken: { reason: 'gave-up', by: 'p' } },
      });
    }
    expect(fateOf(now, 12)).toEqual({ status: 'passed', generation: 0 });
  });
});
