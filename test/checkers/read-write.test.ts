import { describe, expect, it } from 'vitest';
import { checkReadWrite, type ReadWriteCheck, type ReadWriteGrant } from '../../src/checkers/index.js';
import { brokenBy, evidenceOf, Story } from './story.js';

const line = 'rwlock/l/';
const r = (stem: string) => `${line}r/${stem}`;
const w = (stem: string) => `${line}w/${stem}`;
const both = (stem: string) => ({ [r(stem)]: { value: '' }, [w(stem)]: { value: '' } });
const at = (revision: number, local = 0) => revision * 1_024 + local;

/**
 * Readers a and b at 2 and 3; a writer c waits from 4 and holds at 7, when both have gone; reader d waits from 5 and holds at
 * 8, by the downgrade of c, which goes at 9; d upgrades at 10, and writes until it has gone at 11.
 */
function whole(): Story {
  const story = new Story();
  story.at(10).put(r('a'));
  story.at(20).put(r('b'));
  story.at(30).step(both('c'));
  story.at(40).put(r('d'));
  story.at(50).remove(r('a'));
  story.at(60).remove(r('b'));
  story.at(70).remove(w('c'));
  story.at(80).remove(r('c'));
  story.at(90).put(w('d'));
  story.at(100).remove(r('d'), w('d'));
  return story;
}
const a: ReadWriteGrant = {
  ...{ process: 'p1', readKey: r('a'), token: at(2), grantedAtMs: 11, endedAtMs: 49 },
};
const a2: ReadWriteGrant = { ...a, token: at(2, 1), grantedAtMs: 12 };
const b: ReadWriteGrant = {
  ...{ process: 'p2', readKey: r('b'), token: at(3), grantedAtMs: 21, endedAtMs: 59 },
};
const c: ReadWriteGrant = {
  ...{ process: 'p3', readKey: r('c'), writeKey: w('c'), token: at(7), grantedAtMs: 61, endedAtMs: 69 },
};
const c2: ReadWriteGrant = {
  ...{ process: 'p3', readKey: r('c'), token: at(7, 1), turnedFrom: at(7), grantedAtMs: 71, endedAtMs: 79 },
};
const d: ReadWriteGrant = {
  ...{ process: 'p4', readKey: r('d'), token: at(8), grantedAtMs: 72, endedAtMs: 90 },
};
const d2: ReadWriteGrant = {
  ...{ process: 'p4', readKey: r('d'), writeKey: w('d'), token: at(10), turnedFrom: at(8) },
  ...{ grantedAtMs: 91, endedAtMs: 99 },
};
const all = [a, a2, b, c, c2, d, d2];

function check(grants: readonly ReadWriteGrant[], change: Partial<ReadWriteCheck> = {}) {
  return () => checkReadWrite({ history: whole().history(), line, grants, ...change });
}

describe('checkReadWrite', () => {
  it('counts what it checked of a history that keeps every promise', () => {
    const upgrades = [{ process: 'p4', readKey: r('d'), fromMs: 85, toMs: 91, isRefused: false }];
    expect(check(all, { drained: true, beliefsMustNotOverlap: true, upgrades })()).toEqual({
      ...{ readGrants: 5, writeGrants: 2, together: 2, waitedForReaders: 1, waitedForWriters: 1 },
      ...{ upgrades: 1, writes: 0, beliefs: 7 },
    });
    expect(check([...all].reverse())()).toMatchObject({ readGrants: 5 });
    expect(check([])()).toMatchObject({ readGrants: 0, upgrades: 1 });
  });

  it('RW-1 a key that never was, was not yet there, or had gone', () => {
    expect(brokenBy(check([{ ...a, readKey: r('x') }]))).toBe('RW-1');
    expect(brokenBy(check([{ ...b, token: at(2) }]))).toBe('RW-1');
    expect(brokenBy(check([{ ...a, token: at(6) }]))).toBe('RW-1');
    expect(brokenBy(check([a, b, { ...c, token: at(8) }]))).toBe('RW-1');
    expect(brokenBy(check([d, { ...d2, token: at(9) }]))).toBe('RW-1');
  });

  it('RW-1 a writer beside a reader that holds, and a reader beside a writer', () => {
    expect(brokenBy(check([a, b, { ...c, token: at(6) }]))).toBe('RW-1');
    expect(brokenBy(check([a, b, c, { ...d, token: at(7) }]))).toBe('RW-1');
    expect(evidenceOf(check([b, { ...c, token: at(6) }]))).toBe(
      'p3 was granted token 6144 (proof revision 6) to write by rwlock/l/w/c and rwlock/l/r/c at 61 ms, ' +
        'but at that revision an older place stood: ' +
        'rwlock/l/r/b (created at revision 3 [20 ms], without a lease, deleted at revision 7 [60 ms])',
    );
  });

  it('RW-1 an upgrade that did not wait for the readers that held', () => {
    const story = new Story();
    story.put(r('a'));
    story.put(r('b'));
    story.put(w('a'));
    const history = story.history();
    const upgraded = { ...d2, readKey: r('a'), writeKey: w('a'), token: at(4), turnedFrom: at(2) };
    const reader = { ...b, token: at(3) };
    expect(brokenBy(check([a, reader, upgraded], { history }))).toBe('RW-1');
    expect(brokenBy(check([a, reader], { history }))).toBe('nothing');
  });

  it('RW-1 a write key that was written again', () => {
    const story = whole();
    story.step(both('x'));
    story.put(w('x'));
    expect(brokenBy(check([], { history: story.history() }))).toBe('RW-1');
  });

  it('RW-2 a reader past a writer that waits, and a writer past one', () => {
    expect(brokenBy(check([a, b, c, { ...d, token: at(5) }]))).toBe('RW-2');
    expect(brokenBy(check([a, b, { ...d, token: at(5) }]))).toBe('RW-2');
    const story = new Story();
    story.step(both('x'));
    story.step(both('y'));
    story.remove(r('y'), w('y'));
    const history = story.history();
    const overtaking = { process: 'p', readKey: r('y'), writeKey: w('y'), token: at(3) };
    const overtaken = { process: 'q', readKey: r('x'), writeKey: w('x'), token: at(4) };
    expect(brokenBy(check([overtaking, overtaken], { history }))).toBe('RW-2');
    expect(brokenBy(check([overtaking], { history }))).toBe('RW-2');
    expect(brokenBy(check([overtaking, { ...overtaken, token: at(2) }], { history }))).toBe('RW-1');
  });

  it('takes a writer for gone whose read key somebody has deleted, though its write key stands', () => {
    const story = new Story();
    story.step(both('x'));
    story.remove(r('x'));
    story.step(both('y'));
    const history = story.history();
    const orphaned = { process: 'q', readKey: r('x'), writeKey: w('x'), token: at(2) };
    const next = { process: 'p', readKey: r('y'), writeKey: w('y'), token: at(4) };
    const downgraded = { process: 'p', readKey: r('y'), token: at(4, 1), turnedFrom: at(4) };
    expect(brokenBy(check([orphaned, next, downgraded], { history }))).toBe('nothing');
  });

  it('RW-3 a hold that was turned into one of another place', () => {
    const story = whole();
    const again = story.put(r('c'));
    const history = story.history();
    const requeued = { ...c2, token: at(again) };
    expect(brokenBy(check([a, b, c, requeued], { history }))).toBe('RW-3');
    expect(brokenBy(check([{ ...d2, turnedFrom: at(3) }]))).toBe('RW-3');
    expect(brokenBy(check([a, b, c, { ...d, turnedFrom: at(7) }]))).toBe('RW-3');
  });

  it('RW-3 an upgrade past one who queued', () => {
    const story = new Story();
    story.put(r('a'));
    story.step(both('b'));
    story.put(w('a'));
    expect(brokenBy(check([], { history: story.history() }))).toBe('RW-3');
  });

  it('RW-3 an upgrade that was refused though nobody else wanted to write', () => {
    const refused = { process: 'p1', readKey: r('a'), fromMs: 12, toMs: 20, isRefused: true };
    expect(brokenBy(check([], { upgrades: [refused] }))).toBe('RW-3');
    expect(brokenBy(check([], { upgrades: [{ ...refused, toMs: 31 }] }))).toBe('nothing');
    const beside = { ...refused, fromMs: 15, toMs: 16, isRefused: false };
    expect(brokenBy(check([], { upgrades: [refused, beside] }))).toBe('nothing');
    expect(brokenBy(check([], { upgrades: [refused, { ...beside, readKey: r('b') }] }))).toBe('RW-3');
  });

  it("LOCK-2 a writer's token twice, or a place's; readers of two places may have one token", () => {
    expect(brokenBy(check([a, b, c, { ...c2, token: at(7) }]))).toBe('LOCK-2');
    expect(brokenBy(check([a, a]))).toBe('LOCK-2');
    const late = new Story();
    late.step({ [r('a')]: { value: '' }, [r('b')]: { value: '' } });
    const same = { ...b, token: at(2) };
    expect(brokenBy(check([a, same], { history: late.history() }))).toBe('nothing');
  });

  it('LOCK-2 tokens that go back over a writer, where beliefs are checked', () => {
    const times = { grantedAtMs: 200, endedAtMs: 201 };
    const strict = { beliefsMustNotOverlap: true };
    expect(brokenBy(check([a, b, c, { ...d, ...times }, d2], strict))).toBe('LOCK-2');
    expect(brokenBy(check([a, b, { ...c, ...times }, d], strict))).toBe('LOCK-2');
    expect(brokenBy(check([{ ...a, grantedAtMs: 22 }, b], strict))).toBe('nothing');
  });

  it('LOCK-4 a key that is left, if everybody has gone', () => {
    for (const left of [r('x'), w('x')]) {
      const story = whole();
      story.put(left);
      expect(brokenBy(check([], { history: story.history(), drained: true }))).toBe('LOCK-4');
      expect(brokenBy(check([], { history: story.history() }))).toBe('nothing');
    }
  });

  it.each([
    ['by nobody', [`${at(1)} ${r('x')}`]],
    ['with what is no token', ['seven']],
    ['by a hold without its read key', [`${at(4)} ${r('b')} ${w('b')}`]],
    ['by a hold without its write key', [`${at(3)} ${r('c')} ${w('c')}`]],
    ['by a reader that is gone', [`${at(3)} ${r('a')}`]],
    ['by a hold that was not proved yet', [`${at(99)} ${r('b')} ${w('b')}`]],
    ['of an older hold after a writer', [`${at(4, 1)} ${r('c')} ${w('c')}`, `${at(4)} ${r('c')}`]],
    ['of a writer after a newer', [`${at(4, 1)} ${r('c')}`, `${at(4)} ${r('c')} ${w('c')}`]],
  ])('LOCK-5 a write %s', (_what, values) => {
    const story = new Story();
    story.put(r('a'));
    story.step(both('b'));
    story.step(both('c'));
    story.remove(r('a'), r('b'));
    if (!values.some((value) => value.includes(r('c')) && !value.startsWith('3072'))) story.remove(w('c'));
    for (const value of values) story.put('resource', value);
    const history = story.history();
    expect(brokenBy(check([], { history, resource: 'resource' }))).toBe('LOCK-5');
  });

  it('LOCK-5 a write after its outcome was settled; readers write in any order', () => {
    const story = new Story();
    story.put(r('a'));
    story.put(r('b'));
    story.at(50).put('resource', `${at(3)} ${r('b')}`);
    story.at(60).put('resource', `${at(2)} ${r('a')}`);
    const history = story.history();
    const options = { history, resource: 'resource' };
    expect(check([{ ...a, settledAtMs: 61 }, b], options)()).toMatchObject({ writes: 2 });
    expect(brokenBy(check([{ ...a, settledAtMs: 59 }, b], options))).toBe('LOCK-5');
  });

  it('LOCK-9 a belief beside that of a writer; those of readers may overlap', () => {
    const strict = { beliefsMustNotOverlap: true };
    expect(brokenBy(check([{ ...a, endedAtMs: 62 }, b, c], strict))).toBe('LOCK-9');
    expect(brokenBy(check([a, b, c, { ...d, grantedAtMs: 68 }], strict))).toBe('LOCK-9');
    const { endedAtMs: _never, ...forEver } = b;
    expect(brokenBy(check([a, forEver, c], strict))).toBe('LOCK-9');
    expect(brokenBy(check([a, forEver], strict))).toBe('nothing');
    const standstills = [{ process: 'p2', fromMs: 30 }];
    expect(brokenBy(check([a, forEver, c], { ...strict, standstills }))).toBe('nothing');
    const { grantedAtMs: _untimed, ...untimed } = a;
    expect(check([untimed], strict)).toThrow(/has no grantedAtMs/);
  });
});
