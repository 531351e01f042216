import { describe, expect, it } from 'vitest';
import { Continuity } from '../../../src/pubsub/channel/continuity.js';
import { bytesOf, type KeyEvent, noLease } from '../../../src/store/index.js';

function event(
  key: string,
  type: KeyEvent['type'],
  revision: number,
  version: number,
  create: number,
): KeyEvent {
  const kv = { key, value: bytesOf(''), lease: noLease, version };
  return { type, kv: { ...kv, modRevision: revision, createRevision: create } };
}

const putOf = (key: string, revision: number, version: number, create = 5) =>
  event(key, 'put', revision, version, create);

describe('Continuity', () => {
  it('CHANNEL-4 a version that is not the next shows what is missing of that key', () => {
    const seen = new Continuity();
    expect(seen.see(putOf('a', 10, 3))).toBeUndefined();
    expect(seen.see(putOf('b', 11, 1))).toBeUndefined();
    expect(seen.see(putOf('a', 12, 4))).toBeUndefined();
    expect(seen.see(putOf('a', 20, 6))).toEqual({ fromRevision: 13, toRevision: 19 });
    expect(seen.see(putOf('b', 21, 2))).toBeUndefined();
    expect(seen.see(putOf('a', 22, 7))).toBeUndefined();
  });

  it('a deletion that was seen begins anew, and one that was not is a gap', () => {
    const seen = new Continuity();
    seen.see(putOf('a', 10, 3));
    expect(seen.see(event('a', 'delete', 11, 0, 0))).toBeUndefined();
    expect(seen.knows('a')).toBe(false);
    expect(seen.see(putOf('a', 12, 1, 12))).toBeUndefined();
    expect(seen.knows('a')).toBe(true);
    expect(seen.see(putOf('a', 20, 2, 15))).toEqual({ fromRevision: 13, toRevision: 19 });
  });

  it('what is not known is no proof: neither of a gap, nor that there is none', () => {
    const seen = new Continuity();
    expect(seen.isNext(putOf('a', 10, 1).kv)).toBe(true);
    expect(seen.isNext(putOf('a', 10, 2).kv)).toBe(false);
    seen.see(putOf('a', 10, 2));
    expect(seen.isNext(putOf('a', 12, 3).kv)).toBe(true);
    expect(seen.isNext(putOf('a', 12, 4).kv)).toBe(false);
    expect(seen.isNext(putOf('a', 12, 3, 11).kv)).toBe(false);
    seen.forget();
    expect(seen.see(putOf('a', 20, 9))).toBeUndefined();
  });

  it('keeps a bounded number of keys', () => {
    const seen = new Continuity();
    for (let at = 0; at < 10_001; at += 1) seen.see(putOf(`k${at}`, 10 + at, 1, 10 + at));
    expect(seen.knows('k0')).toBe(false);
    expect(seen.knows('k10000')).toBe(true);
  });
});
