import { describe, expect, it } from 'vitest';
import { type AtomicValueCheck, checkAtomicValue, type ValueCall } from '../../src/checkers/index.js';
import { compare } from '../../src/store/index.js';
import { brokenBy, Story } from './story.js';

const key = 'n/value/v/v';
const process = 'p1';

/** a at revision 2 and 10 ms, b at 3 and 20 ms, nothing from 4 and 30 ms on, c at 5 and 40 ms. */
function told(): Story {
  const story = new Story();
  story.at(10).put(key, 'a');
  story.at(20).put(key, 'b');
  story.at(30).remove(key);
  story.at(40).put(key, 'c');
  return story;
}
const a: ValueCall = {
  ...{ process, do: 'set', text: 'a', outcome: 'done', revision: 2, beganAtMs: 5, endedAtMs: 12 },
};
const b: ValueCall = {
  ...{ process, do: 'update', text: 'b', outcome: 'done', revision: 3, beganAtMs: 15, endedAtMs: 22 },
  found: { revision: 2, text: 'a' },
};
const gone: ValueCall = {
  ...{ process, do: 'delete', outcome: 'done', wasThere: true, beganAtMs: 25, endedAtMs: 32 },
};
const c: ValueCall = { process, do: 'compare-and-set', text: 'c', outcome: 'unknown', beganAtMs: 35 };
const calls = [a, b, gone, c];

function check(change: Partial<AtomicValueCheck> = {}, story = told()) {
  return () => checkAtomicValue({ history: story.history(), key, calls, ...change });
}

function got(found: ValueCall['found'], beganAtMs: number, endedAtMs: number): ValueCall {
  return { process: 'p2', do: 'get', outcome: 'done', found: found ?? null, beganAtMs, endedAtMs };
}

describe('checkAtomicValue', () => {
  it('counts what it checked of a history that keeps every promise', () => {
    const reads = [got(null, 1, 8), got({ revision: 2, text: 'a' }, 11, 19), got(null, 33, 38)];
    const refused: ValueCall = {
      ...{
        process: 'p3',
        do: 'compare-and-set',
        text: 'x',
        outcome: 'refused',
        beganAtMs: 18,
        endedAtMs: 24,
      },
      found: { revision: 3, text: 'b' },
    };
    const counts = check({ calls: [...calls, ...reads, refused] })();
    expect(counts).toEqual({ writes: 3, untold: 1, views: 0, changes: 0, gaps: 0, isUnsearched: false });
  });

  it('VALUE-1 an answer that was not so within its call', () => {
    for (const read of [
      got({ revision: 2, text: 'a' }, 21, 24),
      got({ revision: 3, text: 'b' }, 11, 19),
      got({ revision: 3, text: 'a' }, 15, 25),
      got(null, 21, 29),
      got({ revision: 9, text: 'z' }, 1, 50),
    ]) {
      expect(brokenBy(check({ calls: [...calls, read] }))).toBe('VALUE-1');
    }
    expect(brokenBy(check({ calls: [{ ...a, beganAtMs: 11 }, b, gone, c] }))).toBe('VALUE-1');
    expect(brokenBy(check({ calls: [{ ...a, endedAtMs: 9 }, b, gone, c] }))).toBe('VALUE-1');
  });

  it('VALUE-1 answers that no order explains, though each was so within its call', () => {
    // The first read ends before the second begins, and finds what came later.
    const late = got({ revision: 3, text: 'b' }, 19, 22);
    const early = got({ revision: 2, text: 'a' }, 22.5, 24);
    const slow: ValueCall = { ...b, beganAtMs: 15, endedAtMs: 30 };
    const story = new Story();
    story.put(key, 'a');
    story.put(key, 'b');
    const untimed = [
      { ...a, beganAtMs: 0, endedAtMs: 1 },
      { ...slow, beganAtMs: 2, endedAtMs: 30 },
      { ...late, beganAtMs: 3, endedAtMs: 4 },
    ];
    expect(brokenBy(check({ calls: untimed }, story))).toBe('nothing');
    expect(brokenBy(check({ calls: [...untimed, { ...early, beganAtMs: 5, endedAtMs: 6 }] }, story))).toBe(
      'VALUE-1',
    );
  });

  it('VALUE-2 a write that nobody asked for, was applied twice, or otherwise than its caller was told', () => {
    expect(brokenBy(check({ calls: [a, b, gone] }))).toBe('VALUE-2');
    expect(brokenBy(check({ calls: [a, b, gone, { ...c, outcome: 'not-applied' }] }))).toBe('VALUE-2');
    expect(brokenBy(check({ calls: [a, b, gone, { ...c, outcome: 'refused', found: null }] }))).toBe(
      'VALUE-2',
    );
    expect(brokenBy(check({ calls: [{ ...a, revision: 3 }, b, gone, c] }))).toBe('VALUE-2');
    const twice = told();
    twice.put(key, 'a');
    expect(brokenBy(check({}, twice))).toBe('VALUE-2');
    const never: ValueCall = { ...a, text: 'd', revision: 9 };
    expect(brokenBy(check({ calls: [...calls, never] }))).toBe('VALUE-2');
  });

  it('VALUE-3 a write that replaced another state than the one that it was made from', () => {
    const stale = { ...b, found: null };
    expect(brokenBy(check({ calls: [a, stale, gone, c] }))).toBe('VALUE-3');
    const swapped: ValueCall = {
      ...c,
      outcome: 'done',
      revision: 5,
      endedAtMs: 42,
      found: { revision: 3, text: 'b' },
    };
    expect(brokenBy(check({ calls: [a, b, gone, swapped] }))).toBe('VALUE-3');
    expect(brokenBy(check({ calls: [a, b, gone, { ...swapped, found: null }] }))).toBe('nothing');
  });

  it('VALUE-4 a view that goes back, was never so, or is not the last', () => {
    const views = [
      { status: 'present', revision: 2, text: 'a' },
      { status: 'unknown' },
      { status: 'absent', revision: 4 },
      { status: 'present', revision: 5, text: 'c' },
    ] as const;
    const watch = (seen: readonly (typeof views)[number][], isStanding = true) =>
      brokenBy(check({ watchers: [{ process, views: seen, isStanding }] }));
    expect(watch(views)).toBe('nothing');
    expect(check({ watchers: [{ process, views, isStanding: true }] })().views).toBe(4);
    expect(watch(views.slice(0, 3))).toBe('VALUE-4');
    expect(watch(views.slice(0, 3), false)).toBe('nothing');
    expect(watch([...views, views[1]])).toBe('VALUE-4');
    expect(watch([])).toBe('VALUE-4');
    expect(watch([views[3], views[0]], false)).toBe('VALUE-4');
    expect(watch([{ status: 'absent', revision: 3 } as unknown as (typeof views)[2]], false)).toBe('VALUE-4');
    expect(watch([{ status: 'present', revision: 3, text: 'a' } as never], false)).toBe('VALUE-4');
    expect(watch([{ status: 'present', revision: 4, text: 'b' } as never], false)).toBe('VALUE-4');
  });

  it('VALUE-5 a change that is left out, repeated or invented, and a gap that is not what it says', () => {
    const state = { type: 'state', revision: 2, text: 'a' } as const;
    const set = { type: 'set', revision: 3, text: 'b' } as const;
    const deleted = { type: 'deleted', revision: 4 } as const;
    const last = { type: 'set', revision: 5, text: 'c' } as const;
    const gap = { type: 'gap', fromRevision: 3, toRevision: 4 } as const;
    const after = { type: 'state', revision: 4, text: null } as const;
    const read = (changes: readonly object[], more: object = {}) =>
      brokenBy(check({ readers: [{ process, changes: changes as never, isStanding: true, ...more }] }));
    expect(read([state, set, deleted, last])).toBe('nothing');
    expect(read([set, deleted, last], { after: 2 })).toBe('nothing');
    expect(read([state, gap, after, last])).toBe('nothing');
    expect(
      check({ readers: [{ process, changes: [state, gap, after, last], isStanding: true }] })(),
    ).toMatchObject({
      changes: 3,
      gaps: 1,
    });
    expect(read([state, gap, last])).toBe('nothing');
    expect(read([state, set, deleted])).toBe('VALUE-5');
    expect(read([state, set, deleted], { isStanding: false })).toBe('nothing');
    expect(read([])).toBe('VALUE-5');
    expect(read([state, deleted, last])).toBe('VALUE-5');
    expect(read([state, set, set, deleted, last])).toBe('VALUE-5');
    expect(read([state, { ...set, text: 'z' }, deleted, last])).toBe('VALUE-5');
    expect(read([set, deleted, last])).toBe('VALUE-5');
    expect(read([{ ...state, text: 'z' }, set, deleted, last])).toBe('VALUE-5');
    expect(read([state, set, state, set, deleted, last])).toBe('VALUE-5');
    expect(read([state, { ...gap, fromRevision: 4 }, after, last])).toBe('VALUE-5');
    expect(read([state, gap, { ...after, revision: 5, text: 'c' }])).toBe('VALUE-5');
    expect(read([gap, after, last])).toBe('VALUE-5');
  });

  it('VALUE-6 a write under a guard that had ended', () => {
    const story = new Story();
    const guarded = 'lock/l/1';
    story.at(1).put(guarded, '', '7');
    story.at(10).put(key, 'a');
    story.at(15).remove(guarded);
    story.at(20).put(key, 'b');
    const under = (target: 'create' | 'mod', operand: number) => compare[target](guarded, 'equal', operand);
    const first = { ...a, revision: 3, guard: under('mod', 2) };
    const second: ValueCall = { ...b, revision: 5, found: { revision: 3, text: 'a' } };
    expect(brokenBy(check({ calls: [first, second] }, story))).toBe('nothing');
    expect(brokenBy(check({ calls: [{ ...first, guard: under('create', 2) }, second] }, story))).toBe(
      'nothing',
    );
    expect(brokenBy(check({ calls: [first, { ...second, guard: under('create', 2) }] }, story))).toBe(
      'VALUE-6',
    );
    expect(brokenBy(check({ calls: [{ ...first, guard: under('mod', 1) }, second] }, story))).toBe('VALUE-6');
  });
});
