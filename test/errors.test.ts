import { describe, expect, it } from 'vitest';
import {
  type ErrorCode,
  isPassing,
  isPassingRead,
  type Outcome,
  QuorateError,
  quorateErrorOf,
  shown,
} from '../src/errors.js';

const failed = (code: ErrorCode, outcome: Outcome) => new QuorateError(code, 'it failed', { outcome });

describe('what passes', () => {
  it.each<[ErrorCode, Outcome, { read: boolean; write: boolean }]>([
    ['unavailable', 'not-applied', { read: true, write: true }],
    ['timeout', 'not-applied', { read: true, write: true }],
    ['unavailable', 'unknown', { read: true, write: false }],
    ['timeout', 'unknown', { read: true, write: false }],
    ['no-space', 'not-applied', { read: false, write: true }],
    ['no-space', 'unknown', { read: false, write: false }],
    ['unreachable', 'not-applied', { read: false, write: false }],
    ['compacted', 'not-applied', { read: false, write: false }],
    ['aborted', 'not-applied', { read: false, write: false }],
  ])('%s, %s: %o', (code, outcome, { read, write }) => {
    expect(isPassingRead(failed(code, outcome))).toBe(read);
    expect(isPassing(failed(code, outcome))).toBe(write);
  });

  it('is nothing of another library', () => {
    expect(isPassing(new Error('timeout'))).toBe(false);
    expect(isPassingRead({ code: 'timeout', outcome: 'not-applied' })).toBe(false);
  });
});

describe('an unforeseen failure', () => {
  it('is internal, with what it was as its cause, and one of this library stays what it is', () => {
    const cause = new TypeError('no function');
    expect(quorateErrorOf(cause, 'it broke', 'unknown')).toMatchObject({
      ...{ code: 'internal', message: 'it broke', outcome: 'unknown', cause },
    });
    expect(quorateErrorOf(undefined, 'it broke')).toMatchObject({ code: 'internal', outcome: 'not-applied' });
    const known = failed('fenced', 'not-applied');
    expect(quorateErrorOf(known, 'it broke', 'unknown')).toBe(known);
  });
});

describe('what was given, in a message', () => {
  class Client {
    readonly name = 'c';
  }

  it.each<[string, unknown, string]>([
    ['a text that could be a number', '5', '"5"'],
    ['an empty text', '', '""'],
    ['a number', 5, '5'],
    ['a bigint', 5n, '5n'],
    ['no number', Number.NaN, 'NaN'],
    ['nothing', null, 'null'],
    ['an object', { time: Number.NaN }, '{"time":"NaN"}'],
    ['an array', [1, 'a'], '[1,"a"]'],
    ['an object of a class', new Client(), 'a Client'],
    ['a promise', Promise.resolve(1), 'a promise'],
    ['a function', () => 'long source', 'a function'],
    ['a symbol', Symbol('s'), 'Symbol(s)'],
    ['an object without a prototype', Object.create(null), '{}'],
  ])('%s', (_, given, expected) => {
    expect(shown(given)).toBe(expected);
  });

  it('is short, and never fails', () => {
    expect(shown('x'.repeat(100_000))).toMatch(/^"x{99}… \(100002 characters\)$/);
    const circle: Record<string, unknown> = {};
    circle['self'] = circle;
    expect(shown(circle)).toBe('of type object');
    const nasty = new Proxy(
      {},
      {
        get: () => {
          throw new Error('no');
        },
      },
    );
    expect(shown(nasty)).toBe('of type object');
  });
});
