import { describe, expect, it } from 'vitest';
import { Tail } from '../../../src/pubsub/channel/tail.js';
import type { ChannelItem } from '../../../src/pubsub/index.js';

function item(revision: number, index = 0): ChannelItem<string> {
  return { type: 'message', channel: 'c', revision, index, payload: `${revision}.${index}` };
}

describe('Tail', () => {
  it('has what was added, by number, until it goes', () => {
    const tail = new Tail<string>();
    for (let at = 0; at < 3_000; at += 1) {
      tail.add(item(10 + at), 1);
      if (tail.head - tail.base > 100) tail.shift();
    }
    expect([tail.base, tail.head, tail.floor]).toEqual([2_900, 3_000, 2_909]);
    expect(tail.at(2_900)).toEqual(item(2_910));
    expect(tail.at(2_999)).toEqual(item(3_009));
    expect(() => tail.at(2_899)).toThrow();
    expect(() => tail.at(3_000)).toThrow();
    expect(tail.firstAbove(2_909)).toBe(2_900);
    expect(tail.firstAbove(3_000)).toBe(2_991);
    expect(tail.firstAbove(9_999)).toBe(3_000);
    tail.clear();
    expect([tail.base, tail.head, tail.floor]).toEqual([3_000, 3_000, 3_009]);
    tail.add(item(4_000), 1);
    expect(tail.at(3_000)).toEqual(item(4_000));
    tail.shift();
    expect([tail.base, tail.head, tail.floor]).toEqual([3_001, 3_001, 4_000]);
  });

  it('goes on behind a whole revision, of which some has gone', () => {
    const tail = new Tail<string>();
    for (const [revision, index] of [
      [5, 0],
      [5, 1],
      [5, 2],
      [7, 0],
      [7, 1],
      [9, 0],
    ] as const) {
      tail.add(item(revision, index), 1);
    }
    tail.shift();
    expect(tail.floor).toBe(5);
    expect(tail.at(tail.firstAbove(5))).toEqual(item(7));
    expect(tail.at(tail.firstAbove(6))).toEqual(item(7));
    expect(tail.at(tail.firstAbove(7))).toEqual(item(9));
  });

  it('says when it weighs too much, but keeps one', () => {
    const tail = new Tail<string>();
    tail.add(item(1), 20_000_000);
    expect(tail.isOverweight).toBe(false);
    tail.add(item(2), 1);
    expect(tail.isOverweight).toBe(true);
    tail.shift();
    expect(tail.isOverweight).toBe(false);
  });
});
