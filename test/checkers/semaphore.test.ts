import { describe, expect, it } from 'vitest';
import {
  checkSemaphore,
  type SemaphoreCheck,
  type SemaphoreGrant,
  type SemaphoreRefusal,
} from '../../src/checkers/index.js';
import { brokenBy, evidenceOf, Story } from './story.js';

const prefix = 'semaphore/';
const cfg = 'semaphore/cfg';
const [a, b, c] = ['semaphore/l/a.1.2', 'semaphore/l/b.1.1', 'semaphore/l/c.1.3'] as const;

/** Limit 3 at 2; `a` (2) at 3 until 6, `b` (1) at 4 until 8, `c` (3) at 5 until 9; the resource is written by `a`; limit 2 at 10. */
function sideBySide(): Story {
  const story = new Story();
  story.at(5).put(cfg, '3');
  story.at(10).put(a, '', '7');
  story.at(20).put(b, '', '8');
  story.at(30).put(c, '', '9');
  story.at(40).remove(a);
  story.at(50).put('resource', `4096 ${b}`);
  story.at(60).remove(b);
  story.at(70).remove(c);
  story.at(80).put(cfg, '2');
  return story;
}
const heavy: SemaphoreGrant = {
  ...{ process: 'p1', place: a, weight: 2, token: 3 * 1_024 },
  ...{ grantedAtMs: 12, endedAtMs: 38 },
};
const light: SemaphoreGrant = {
  ...{ process: 'p2', place: b, weight: 1, token: 4 * 1_024 },
  ...{ grantedAtMs: 22, endedAtMs: 40 },
};
const lightAgain: SemaphoreGrant = { ...light, token: light.token + 1, grantedAtMs: 40, endedAtMs: 55 };
const last: SemaphoreGrant = {
  ...{ process: 'p3', place: c, weight: 3, token: 8 * 1_024 },
  ...{ grantedAtMs: 61, endedAtMs: 65 },
};
const all = [heavy, light, lightAgain, last];

function check(grants: readonly SemaphoreGrant[], change: Partial<SemaphoreCheck> = {}) {
  return () => checkSemaphore({ history: sideBySide().history(), prefix, grants, ...change });
}

describe('checkSemaphore', () => {
  it('counts what it checked of a history that keeps every promise', () => {
    const refused: SemaphoreRefusal = { process: 'p4', weight: 4, limit: 3, revision: 5, askedAtMs: 25 };
    const options = { resource: 'resource', drained: true, refusals: [refused] };
    expect(check(all, options)()).toEqual({
      ...{ grants: 4, places: 3, grantedPlaces: 3, waited: 1, coalesced: 1, sideBySide: 1, writes: 1 },
    });
    expect(check([...all].reverse(), options)()).toMatchObject({ grantedPlaces: 3 });
    expect(check([])()).toMatchObject({ grants: 0, places: 3, writes: 0 });
  });

  it('SEMAPHORE-1 a place that never was, was not yet there, or had gone', () => {
    expect(brokenBy(check([{ ...heavy, place: 'semaphore/l/x.1.2' }]))).toBe('SEMAPHORE-1');
    expect(brokenBy(check([{ ...light, token: heavy.token }]))).toBe('SEMAPHORE-1');
    expect(brokenBy(check([{ ...light, token: last.token }]))).toBe('SEMAPHORE-1');
  });

  it('SEMAPHORE-1 weights beyond the limit of that revision', () => {
    const early = { ...last, token: 6 * 1_024 };
    expect(brokenBy(check([heavy, light, early]))).toBe('SEMAPHORE-1');
    expect(evidenceOf(check([heavy, light, early]))).toContain('the limit was 3');
    const story = sideBySide();
    story.put(c);
    const after = { ...last, token: story.revision * 1_024 };
    expect(brokenBy(check([after], { history: story.history() }))).toBe('SEMAPHORE-1');
  });

  it('SEMAPHORE-1 no limit at all, or one that cannot be read', () => {
    for (const spoilt of [undefined, 'many', '-1', '1.5']) {
      const story = new Story();
      if (spoilt !== undefined) story.put(cfg, spoilt);
      const token = story.put(b) * 1_024;
      const history = story.history();
      expect(brokenBy(check([{ ...light, token }], { history }))).toBe('SEMAPHORE-1');
    }
  });

  it('SEMAPHORE-1 a grant of more than its place weighs, and a place that was written again', () => {
    expect(brokenBy(check([{ ...light, weight: 2 }]))).toBe('SEMAPHORE-1');
    const story = sideBySide();
    story.put(c);
    story.put(c);
    expect(brokenBy(check([], { history: story.history() }))).toBe('SEMAPHORE-1');
  });

  it('SEMAPHORE-1 of places that one revision created, the one with the smaller key is the older', () => {
    const story = new Story();
    story.put(cfg, '2');
    const token = story.step({ [b]: { value: '' }, [a]: { value: '' } }) * 1_024;
    const history = story.history();
    expect(brokenBy(check([{ ...heavy, token }], { history }))).toBe('nothing');
    expect(brokenBy(check([{ ...light, token }], { history }))).toBe('SEMAPHORE-2');
    const both = [
      { ...heavy, token },
      { ...light, token },
    ];
    expect(brokenBy(check(both, { history }))).toBe('SEMAPHORE-1');
  });

  it('SEMAPHORE-2 an older place that waits is passed by a lighter one', () => {
    const story = new Story();
    story.put(cfg, '3');
    const first = story.put(a) * 1_024;
    story.put(c);
    const third = story.put(b) * 1_024;
    const grants = [
      { ...heavy, token: first },
      { ...light, token: third },
    ];
    expect(brokenBy(check(grants, { history: story.history() }))).toBe('SEMAPHORE-2');
  });

  it('SEMAPHORE-3 one token twice, two proofs of one place, two who believe in it', () => {
    expect(brokenBy(check([light, light]))).toBe('SEMAPHORE-3');
    expect(brokenBy(check([light, { ...lightAgain, token: 7 * 1_024 }]))).toBe('SEMAPHORE-3');
    expect(brokenBy(check([light, { ...lightAgain, grantedAtMs: 39 }]))).toBe('SEMAPHORE-3');
    const standstills = [{ process: 'p2', fromMs: 30, toMs: 41 }];
    expect(brokenBy(check([light, { ...lightAgain, grantedAtMs: 39 }], { standstills }))).toBe('nothing');
  });

  it('SEMAPHORE-4 a refusal that no limit was the reason of, or one that was past', () => {
    const refused: SemaphoreRefusal = { process: 'p4', weight: 4, limit: 3, revision: 5, askedAtMs: 25 };
    expect(brokenBy(check([], { refusals: [refused] }))).toBe('nothing');
    expect(brokenBy(check([], { refusals: [{ ...refused, weight: 3 }] }))).toBe('SEMAPHORE-4');
    expect(brokenBy(check([], { refusals: [{ ...refused, limit: 2 }] }))).toBe('SEMAPHORE-4');
    expect(brokenBy(check([], { refusals: [{ ...refused, revision: 10 }] }))).toBe('SEMAPHORE-4');
    expect(brokenBy(check([], { refusals: [{ ...refused, askedAtMs: 45 }] }))).toBe('SEMAPHORE-4');
  });

  it('LOCK-4 a place that is left, if everybody has gone', () => {
    const story = sideBySide();
    story.put(c);
    expect(brokenBy(check([], { history: story.history(), drained: true }))).toBe('LOCK-4');
    expect(brokenBy(check([], { history: story.history() }))).toBe('nothing');
  });

  it.each([
    ['by a hold that had ended', [`3072 ${a}`]],
    ['by a hold that was not proved yet', [`9216 ${b}`]],
    ['of an earlier grant of its place after one of a later', [`4097 ${b}`, `4096 ${b}`]],
    ['by nobody', ['4096 somebody']],
    ['with what is no token', ['seven']],
  ])('LOCK-5 a write %s', (_what, values) => {
    const story = new Story();
    story.put(cfg, '3');
    story.put(a);
    story.put(b);
    story.remove(a);
    for (const value of values) story.put('resource', value);
    const history = story.history();
    expect(brokenBy(check([], { history, resource: 'resource' }))).toBe('LOCK-5');
  });

  it('LOCK-5 a write after its outcome had been settled', () => {
    const settled = { ...light, settledAtMs: 45 };
    expect(brokenBy(check([settled], { resource: 'resource' }))).toBe('LOCK-5');
    expect(brokenBy(check([{ ...light, settledAtMs: 50 }], { resource: 'resource' }))).toBe('nothing');
  });
});
