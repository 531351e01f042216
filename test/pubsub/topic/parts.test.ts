import { describe, expect, it } from 'vitest';
import { isQuorateError } from '../../../src/errors.js';
import { decodeFrame, encodeFrame } from '../../../src/pubsub/topic/frame.js';
import { frameKey, listedFrame, listedFrames } from '../../../src/pubsub/topic/frame-name.js';
import { assign } from '../../../src/pubsub/topic/group/assignment.js';
import { type Cursor, cursorAt, decodeCursor, encodeCursor } from '../../../src/pubsub/topic/group/cursor.js';
import { decodeDeadLetter, encodeDeadLetter } from '../../../src/pubsub/topic/group/dead-letter.js';
import { Progress } from '../../../src/pubsub/topic/group/progress.js';
import { WorkQueue } from '../../../src/pubsub/topic/group/work-queue.js';
import { TopicKeys } from '../../../src/pubsub/topic/keys.js';
import { hashOf, partitionOf } from '../../../src/pubsub/topic/partitioner.js';
import { beginning, endOf } from '../../../src/pubsub/topic/position.js';
import type { LoggedMessage } from '../../../src/pubsub/topic/reading/partition-reader.js';
import { excessOf, mayExceed } from '../../../src/pubsub/topic/retention/excess.js';
import { bytesOf, textOf } from '../../../src/store/index.js';

const upTo = (count: number) => Array.from({ length: count }, (_, n) => n);

function message(revision: number, index = 0, key?: string): LoggedMessage {
  return { revision, index, key, payload: bytesOf('x'), publishedAtMs: 1, ordinal: revision * 10 + index };
}

const kv = (key: string, createRevision: number, value: string | Uint8Array = '') => ({
  ...{ key, createRevision, modRevision: createRevision, version: 1, lease: '0' },
  value: bytesOf(value),
});

describe('frames', () => {
  it('hold messages with and without keys, empty ones too', () => {
    const messages = [
      { key: undefined, payload: bytesOf('one') },
      { key: '', payload: bytesOf('') },
      { key: 'schlüssel', payload: bytesOf('zwei') },
    ];
    const read = decodeFrame(encodeFrame(messages));
    expect(read.map(({ key, payload }) => [key, textOf(payload)])).toEqual([
      [undefined, 'one'],
      ['', ''],
      ['schlüssel', 'zwei'],
    ]);
    expect(decodeFrame(encodeFrame([]))).toEqual([]);
  });

  it('refuse what is none', () => {
    const whole = encodeFrame([{ key: 'k', payload: bytesOf('value') }]);
    for (const bytes of [
      bytesOf(''),
      bytesOf('{}'),
      whole.subarray(0, 4),
      whole.subarray(0, whole.length - 1),
    ]) {
      let thrown: unknown;
      try {
        decodeFrame(bytes);
      } catch (error) {
        thrown = error;
      }
      expect(isQuorateError(thrown, 'codec')).toBe(true);
    }
  });

  it('say in their names what is in them, and are listed in the order of revisions', () => {
    const keys = new TopicKeys('ns/topic/t/');
    const name = {
      publisher: 'ff00',
      number: 3,
      messages: 17,
      bytes: 4_000,
      publishedAtMs: 1_700_000_000_123,
    };
    const key = frameKey(keys, 2, 5, name);
    expect(key).toBe('ns/topic/t/m/0002/00000005/ff00.3.11.fa0.18bcfe5687b');
    expect(listedFrame(kv(key, 9))).toEqual({ key, revision: 9, ...name });
    for (const other of ['a', 'a.1.1.1', 'a.1.1.1.x', '.1.1.1.1', 'a.1.1.1.1.1']) {
      expect(listedFrame(kv(`ns/topic/t/m/0002/00000005/${other}`, 1))).toBeUndefined();
    }
    const listed = listedFrames([kv('p/b.1.1.1.1', 7), kv('p/a.1.1.1.1', 9), kv('p/odd', 8)]);
    expect(listed.map(({ revision }) => revision)).toEqual([7, 9]);
  });
});

describe('partitions', () => {
  it('TOPIC-2 are the same for a key for ever', () => {
    expect(hashOf('')).toBe(2_872_998_923);
    expect(['a', 'b', 'order-7', 'ü'].map((key) => partitionOf(key, 8))).toEqual([3, 2, 4, 6]);
    const counts = upTo(8).map(() => 0);
    for (const n of upTo(8_000)) {
      const partition = partitionOf(`key-${n}`, 8);
      counts[partition] = (counts[partition] ?? 0) + 1;
    }
    for (const count of counts) expect(Math.abs(count - 1_000)).toBeLessThan(150);
  });

  it('are shared evenly, and move little when members come and go', () => {
    expect(assign([], 3)).toEqual([undefined, undefined, undefined]);
    for (const members of [1, 2, 3, 5, 16, 20]) {
      const plan = assign(
        upTo(members).map((n) => `m${n}`),
        16,
      );
      const loads = upTo(members).map((n) => plan.filter((member) => member === `m${n}`).length);
      expect(Math.max(...loads) - Math.min(...loads)).toBeLessThanOrEqual(1);
    }
    const before = assign(['a', 'b', 'c', 'd'], 64);
    expect(assign(['d', 'c', 'b', 'a'], 64)).toEqual(before);
    const after = assign(['a', 'b', 'c'], 64);
    const moved = upTo(64).filter((n) => before[n] !== 'd' && before[n] !== after[n]);
    expect(moved.length).toBeLessThan(24);
  });
});

describe('the progress of an owner', () => {
  it('TOPIC-5 passes what is done in front, and nothing else', () => {
    const progress = new Progress(cursorAt(beginning, 0));
    const entries = upTo(4).map((n) => progress.add(message(5, n)));
    const [first, second, third] = entries;
    if (second !== undefined) progress.finish(second);
    if (third !== undefined) progress.finish(third);
    expect(progress.cursor(7)).toMatchObject({
      ...{ after: beginning, count: 0, done: [{ revision: 5, first: 1, last: 2 }], term: 7 },
    });
    if (first !== undefined) progress.finish(first);
    expect(progress.cursor(7)).toMatchObject({ after: { revision: 5, index: 2 }, count: 52, done: [] });
    expect(progress.size).toBe(1);
  });

  it('TOPIC-6 knows what was done before, also of what it has not read again', () => {
    const done = [
      { revision: 5, first: 1, last: 2 },
      { revision: 9, first: 0, last: 1 },
    ];
    const failures = [
      { revision: 5, index: 0, times: 2 },
      { revision: 9, index: 2, times: 1 },
    ];
    const progress = new Progress({ ...cursorAt({ revision: 4, index: 0 }, 3), done, failures });
    expect(progress.cursor(1)).toMatchObject({ done, failures });
    const first = progress.add(message(5, 0));
    expect(first?.failures).toBe(2);
    expect(progress.add(message(5, 1))).toBeUndefined();
    expect(progress.cursor(1)).toMatchObject({ done, failures });
    expect(progress.add(message(5, 2))).toBeUndefined();
    if (first !== undefined) progress.finish(first);
    expect(progress.cursor(1)).toMatchObject({ after: { revision: 5, index: 2 }, done: [done[1]] });
  });

  it('TOPIC-9 passes a gap once all before it is done, and does not count what was done as missing', () => {
    const done = [{ revision: 8, first: 0, last: 1 }];
    const progress = new Progress({ ...cursorAt({ revision: 4, index: 0 }, 3), done });
    const first = progress.add(message(5, 0));
    const gap = { partition: 0, after: { revision: 5, index: 0 }, toRevision: 9, messages: 5 };
    expect(progress.skip(gap, 20)).toEqual({ ...gap, messages: 3 });
    // What was done in the first gap is not done in the next one too.
    const next = { ...gap, after: endOf(9), toRevision: 10, messages: 2 };
    expect(progress.skip(next, 22)).toEqual(next);
    expect(progress.cursor(1).after).toEqual({ revision: 4, index: 0 });
    if (first !== undefined) progress.finish(first);
    expect(progress.cursor(1)).toMatchObject({ after: endOf(10), count: 22, done: [] });
    expect(progress.skip({ ...gap, after: endOf(10), toRevision: 11, messages: 0 }, 22)).toBeUndefined();
  });
});

describe('cursors and dead letters', () => {
  it('are read as they were written', () => {
    const cursor: Cursor = {
      after: endOf(12),
      count: undefined,
      done: [{ revision: 13, first: 0, last: 4 }],
      failures: [{ revision: 14, index: 2, times: 3 }],
      stopped: { revision: 14, index: 2, reason: 'no' },
      term: 11,
    };
    expect(decodeCursor(kv('c', 1, encodeCursor(cursor)))).toEqual(cursor);
    const plain = cursorAt(beginning, 0);
    expect(decodeCursor(kv('c', 1, encodeCursor(plain)))).toEqual(plain);
    for (const text of ['', 'null', '{}', '{"after":[1],"term":0}', '{"after":[1,"x"],"term":0}']) {
      expect(() => decodeCursor(kv('c', 1, text))).toThrow('malformed cursor');
    }
    const letter = decodeDeadLetter(encodeDeadLetter(message(5, 1, 'k'), 3, 'no'));
    expect(letter).toMatchObject({ key: 'k', publishedAtMs: 1, attempts: 3, reason: 'no' });
    expect(textOf(letter.payload)).toBe('x');
    expect(() => decodeDeadLetter(bytesOf('x'))).toThrow('malformed dead letter');
  });
});

describe('the work of an owner', () => {
  it('TOPIC-4 is one after the other for a key, and as it comes for others', () => {
    const queue = new WorkQueue();
    const entry = (n: number, key?: string) => ({ message: message(n, 0, key), failures: 0, isDone: false });
    const entries = [entry(1, 'a'), entry(2, 'a'), entry(3, 'b'), entry(4), entry(5), entry(6, 'a')];
    for (const one of entries) queue.add(one);
    const taken = () => queue.take()?.message.revision;
    expect([taken(), taken(), taken(), taken(), taken()]).toEqual([1, 3, 4, 5, undefined]);
    const [first, second] = entries;
    if (first !== undefined) queue.again(first);
    expect(taken()).toBe(1);
    expect(taken()).toBeUndefined();
    if (first !== undefined) queue.finish(first);
    expect(taken()).toBe(2);
    if (second !== undefined) queue.finish(second);
    expect(taken()).toBe(6);
    expect(queue.isEmpty).toBe(true);
  });
});

describe('retention', () => {
  const frame = (revision: number, messages: number, bytes: number, publishedAtMs: number) => ({
    ...{ key: `k${revision}`, publisher: 'p', number: revision },
    ...{ revision, messages, bytes, publishedAtMs },
  });
  const frames = [frame(1, 4, 100, 50), frame(2, 4, 100, 10), frame(3, 4, 100, 90)];
  const total = { messages: 12, bytes: 300 };
  const gone = (retention: Parameters<typeof excessOf>[0], nowMs = 100) =>
    excessOf(retention, total, frames, nowMs).map(({ revision }) => revision);

  it('TOPIC-8 keeps the newest messages, with the rest of the frame that crosses the limit', () => {
    expect(gone({ maxMessages: 12 })).toEqual([]);
    expect(gone({ maxMessages: 9 })).toEqual([]);
    expect(gone({ maxMessages: 8 })).toEqual([1]);
    expect(gone({ maxMessages: 1 })).toEqual([1, 2]);
  });

  it('TOPIC-8 keeps so many bytes, and the newest frame in any case', () => {
    expect(gone({ maxBytes: 300 })).toEqual([]);
    expect(gone({ maxBytes: 299 })).toEqual([1]);
    expect(gone({ maxBytes: 1 })).toEqual([1, 2]);
  });

  it('TOPIC-8 keeps so long, and takes nothing for older than what came before it', () => {
    expect(gone({ maxAgeMs: 50 }, 100)).toEqual([]);
    expect(gone({ maxAgeMs: 50 }, 101)).toEqual([1, 2]);
    expect(gone({ maxAgeMs: 50 }, 141)).toEqual([1, 2, 3]);
    expect(gone({})).toEqual([]);
  });

  it('looks no further where nothing can exceed', () => {
    expect(mayExceed({}, total, 0, 1e9)).toBe(false);
    expect(mayExceed({ maxMessages: 12 }, total, 0, 1e9)).toBe(false);
    expect(mayExceed({ maxMessages: 11 }, total, 0, 1e9)).toBe(true);
    expect(mayExceed({ maxBytes: 299 }, total, 0, 1e9)).toBe(true);
    expect(mayExceed({ maxAgeMs: 1_000 }, total, 0, 1_001)).toBe(true);
  });
});
