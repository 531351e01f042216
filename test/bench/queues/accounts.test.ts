import { describe, expect, test } from 'vitest';
import {
  account,
  earliestUs,
  latenciesMs,
  parseHandled,
  ratePerSecond,
  sumOf,
  together,
} from '../../../bench/queues/accounts.js';

const jobs = { first: 100, count: 4 };
/** Each job handled at its number, in microseconds. */
const events = (...numbers: number[]) => numbers.map((job) => ({ job, atUs: job }));
const handled = (starts: number[], acknowledgements = starts) => ({
  starts: events(...starts),
  acknowledgements: events(...acknowledgements),
});

describe('what became of each job', () => {
  const sound = { enqueued: 4, once: 4, lost: 0, repeated: 0, invented: 0 };

  test('all were handled once, in whatever order', () => {
    expect(account(jobs, handled([103, 100, 102, 101]), 0)).toEqual(sound);
  });

  test('what is still in the queue is not lost', () => {
    expect(account(jobs, handled([100, 101]), 2)).toEqual({ ...sound, once: 2 });
  });

  test('what is neither acknowledged nor in the queue is lost, though it was started', () => {
    expect(account(jobs, handled([100, 101, 102, 103], [100, 101, 102]), 0)).toEqual({
      ...sound,
      once: 3,
      lost: 1,
    });
    expect(account(jobs, handled([100, 101]), 1)).toEqual({ ...sound, once: 2, lost: 1 });
  });

  test('a job that hides behind the repetition of another is lost all the same', () => {
    expect(account(jobs, handled([100, 101, 102, 102]), 0)).toEqual({
      ...sound,
      once: 2,
      lost: 1,
      repeated: 1,
    });
  });

  test('a second start is a repetition, and so is a second acknowledgement', () => {
    const all = [100, 101, 102, 103];
    expect(account(jobs, handled([...all, 101], all), 0)).toEqual({ ...sound, once: 3, repeated: 1 });
    expect(account(jobs, handled(all, [...all, 103, 103]), 0)).toEqual({ ...sound, once: 3, repeated: 1 });
  });

  test('what is acknowledged and yet in the queue will be repeated', () => {
    expect(account(jobs, handled([100, 101, 102, 103]), 1)).toEqual({ ...sound, repeated: 1 });
  });

  test('a job that nobody put in was invented, and hides no loss', () => {
    expect(account(jobs, handled([99, 100, 101, 104]), 0)).toEqual({
      enqueued: 4,
      once: 2,
      lost: 2,
      repeated: 0,
      invented: 2,
    });
  });

  test('accounts add up', () => {
    const one = account(jobs, handled([100, 100, 101, 7]), 0);
    expect(sumOf([one, account(jobs, handled([100, 101, 102, 103]), 0)])).toEqual({
      enqueued: 8,
      once: 5,
      lost: 2,
      repeated: 1,
      invented: 1,
    });
  });
});

describe('what participants answer', () => {
  test('starts and acknowledgements of all processes', () => {
    const all = together([parseHandled([4, 1, 10, 2, 20, 1, 30]), parseHandled([0])]);
    expect(all).toEqual({
      starts: [
        { job: 1, atUs: 10 },
        { job: 2, atUs: 20 },
      ],
      acknowledgements: [{ job: 1, atUs: 30 }],
    });
  });

  test('an answer that was cut short is no answer', () => {
    expect(() => parseHandled([4, 1, 10])).toThrow('4 numbers of starts');
    expect(() => parseHandled([2, 1, 10, 1])).toThrow('2 numbers of starts');
    expect(() => parseHandled([2, 1, Number.NaN])).toThrow('2 numbers of starts');
  });
});

test('a rate counts acknowledgements up to the last one', () => {
  const two = {
    starts: [],
    acknowledgements: [
      { job: 2, atUs: 2_500_000 },
      { job: 1, atUs: 600_000 },
    ],
  };
  expect(ratePerSecond(two, 500_000)).toBe(1);
  expect(earliestUs(two.acknowledgements)).toBe(600_000);
});

test('latencies: from the call to the first start, after the warm-up; what never started took forever', () => {
  const asked = [0, 1_000, 2_000, 3_000];
  const starts = [
    { job: 100, atUs: 900_000 },
    { job: 102, atUs: 6_000 },
    { job: 101, atUs: 3_000 },
    { job: 101, atUs: 2_000 },
  ];
  const handledLate = { starts, acknowledgements: [] };
  expect(latenciesMs(jobs, asked, handledLate, 1)).toEqual({ p50: 4, p99: Number.POSITIVE_INFINITY });
  expect(latenciesMs({ first: 100, count: 3 }, asked, handledLate, 1)).toEqual({ p50: 1, p99: 4 });
});
