import { describe, expect, it } from 'vitest';
import { cut, cutByRevision, type EventBatch, WatchQueue, weightOf } from '../../src/embedded/watch-queue.js';
import type { KeyEvent } from '../../src/store/index.js';

const event = (modRevision: number, bytes = 36): KeyEvent => ({
  type: 'put',
  kv: { key: 'k', value: new Uint8Array(bytes - 1), createRevision: 1, modRevision, version: 1, lease: '0' },
});
const batch = (watch: string, ...revisions: number[]): EventBatch<string> => ({
  watch,
  events: revisions.map((revision) => event(revision)),
  headerRevision: revisions.at(-1) ?? 0,
});
const weight = weightOf(event(1));
const queue = (events = 100) =>
  new WatchQueue<string>({ maxWeight: events * weight, maxMessageWeight: 3 * weight });
const revisionsOf = (item: ReturnType<WatchQueue<string>['shift']>) =>
  item !== undefined && 'watch' in item ? [item.watch, ...item.events.map((e) => e.kv.modRevision)] : item;
const reply = { header: { revision: 1 }, watch_id: 1 };

describe('the queue of a watch stream', () => {
  it('joins adjacent batches of one watch up to a message, and keeps the order of all', () => {
    const waiting = queue();
    for (const item of [batch('a', 2), batch('a', 3), batch('b', 4), batch('a', 5)]) waiting.pushEvents(item);
    waiting.pushMessage(reply);
    for (const revision of [6, 7, 8, 9]) waiting.pushEvents(batch('a', revision));
    const out = [];
    while (waiting.length > 0) out.push(revisionsOf(waiting.shift()));
    expect(out).toEqual([['a', 2, 3], ['b', 4], ['a', 5], reply, ['a', 6, 7, 8], ['a', 9]]);
  });

  it('never cuts a revision, however big', () => {
    const revisions = [2, 2, 3, 4, 4, 4, 4, 4, 5].map((revision) => event(revision));
    const parts = cutByRevision(revisions, 3 * weight).map((part) => part.map((e) => e.kv.modRevision));
    expect(parts).toEqual([[2, 2, 3], [4, 4, 4, 4, 4], [5]]);
  });

  it('cuts a revision into fragments where that is asked for', () => {
    expect(cut([event(2), event(2), event(2), event(2)], 3 * weight).map((part) => part.length)).toEqual([
      3, 1,
    ]);
  });

  it('takes no more than its weight, but one batch of any weight when it is empty', () => {
    const waiting = queue(4);
    expect(waiting.pushEvents(batch('a', 2, 3, 4, 5, 6))).toBe(true);
    expect(waiting.pushEvents(batch('a', 7))).toBe(false);
    while (waiting.length > 0) waiting.shift();
    expect(waiting.pushEvents(batch('a', 7))).toBe(true);
  });

  it('has room again for what was dropped with a watch', () => {
    const waiting = queue(4);
    waiting.pushEvents(batch('a', 2, 3));
    waiting.pushEvents(batch('b', 4, 5));
    waiting.dropEvents('a');
    expect(waiting.pushEvents(batch('c', 6, 7))).toBe(true);
    expect(waiting.pushEvents(batch('c', 8))).toBe(false);
    expect([revisionsOf(waiting.shift()), revisionsOf(waiting.shift()), waiting.shift()]).toEqual([
      ['b', 4, 5],
      ['c', 6, 7],
      undefined,
    ]);
  });

  it('stays in order through many pushes and shifts', () => {
    const waiting = queue(10_000);
    const out: number[] = [];
    for (let revision = 2; revision < 5_000; revision += 1) {
      waiting.pushEvents(batch(String(revision % 2), revision));
      if (revision % 3 === 0)
        out.push(...(revisionsOf(waiting.shift()) as (string | number)[]).slice(1).map(Number));
    }
    while (waiting.length > 0)
      out.push(...(revisionsOf(waiting.shift()) as (string | number)[]).slice(1).map(Number));
    expect(out).toEqual(Array.from({ length: 4_998 }, (_, i) => i + 2));
  });
});
