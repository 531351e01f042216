import { describe, expect, it } from 'vitest';
import { checkMutex, type Grant, type MutexCheck } from '../../src/checkers/index.js';
import { brokenBy, evidenceOf, Story } from './story.js';

const line = 'lock/l/';
const [a, b, c] = ['lock/l/a', 'lock/l/b', 'lock/l/c'] as const;

/** `a` at 2 until 5, `b` at 3 until 6; the resource is written by `a` at 4. */
function handedOver(): Story {
  const story = new Story();
  story.at(10).put(a, '', '7');
  story.at(20).put(b, '', '8');
  story.at(30).put('resource', '2048');
  story.at(40).remove(a);
  story.at(60).remove(b);
  return story;
}
const first: Grant = { process: 'p1', place: a, token: 2_048, grantedAtMs: 12, endedAtMs: 35 };
const local: Grant = { process: 'p1', place: a, token: 2_049, grantedAtMs: 35, endedAtMs: 39 };
const second: Grant = { process: 'p2', place: b, token: 5_120, grantedAtMs: 41, endedAtMs: 55 };

function check(grants: readonly Grant[], change: Partial<MutexCheck> = {}) {
  return () => checkMutex({ history: handedOver().history(), line, grants, ...change });
}
const everything = {
  ...{ resource: 'resource', drained: true, beliefsMustNotOverlap: true, tokensInOrderOfGrant: true },
};

describe('checkMutex', () => {
  it('counts what it checked of a history that keeps every promise', () => {
    expect(check([first, local, second], everything)()).toEqual({
      ...{ grants: 3, places: 2, grantedPlaces: 2, waited: 1, coalesced: 1, writes: 1, beliefs: 3 },
    });
    expect(check([])()).toMatchObject({ grants: 0, places: 2, writes: 0, beliefs: 0 });
  });

  it('takes grants in any order, and places whose key is used again', () => {
    const story = handedOver();
    const again = story.put(a, '', '7');
    const third = { process: 'p1', place: a, token: again * 1_024 };
    const options = { history: story.history(), line, grants: [third, second, first] };
    expect(checkMutex(options)).toMatchObject({ grantedPlaces: 3 });
  });

  it('LOCK-1 a place that never was, was not yet there, or had gone', () => {
    expect(brokenBy(check([{ ...first, place: c }]))).toBe('LOCK-1');
    expect(brokenBy(check([{ ...second, token: 2_048 }]))).toBe('LOCK-1');
    expect(brokenBy(check([{ ...second, token: 6_144 }]))).toBe('LOCK-1');
    expect(brokenBy(check([{ ...second, token: 9_999 * 1_024 }]))).toBe('LOCK-1');
  });

  it('LOCK-1 an older place that held the lock, or of which nothing is known', () => {
    const early = { ...second, token: 4_096 };
    expect(brokenBy(check([first, early]))).toBe('LOCK-1');
    expect(brokenBy(check([early]))).toBe('LOCK-1');
    expect(evidenceOf(check([first, early]))).toBe(
      'p2 was granted token 4096 (proof revision 4) by lock/l/b at 41 ms, ' +
        'lock/l/b (created at revision 3 [20 ms], on lease 8, deleted at revision 6 [60 ms]), ' +
        'but at that revision an older place stood: ' +
        'lock/l/a (created at revision 2 [10 ms], on lease 7, deleted at revision 5 [40 ms]), ' +
        'of p1 was granted token 2048 (proof revision 2) by lock/l/a at 12 ms',
    );
  });

  it('LOCK-1 a place that was written again', () => {
    const story = handedOver();
    story.put(c);
    story.put(c);
    expect(brokenBy(check([], { history: story.history() }))).toBe('LOCK-1');
  });

  it('LOCK-7 an older place whose turn came only when the younger one had gone', () => {
    const story = new Story();
    story.put(a);
    story.put(b);
    story.remove(b);
    const history = story.history();
    const overtaking = { process: 'p2', place: b, token: 3_072 };
    const overtaken = { process: 'p1', place: a, token: 4_096 };
    expect(brokenBy(check([overtaking, overtaken], { history }))).toBe('LOCK-7');
    expect(brokenBy(check([overtaking, { ...overtaken, token: 3_073 }], { history }))).toBe('LOCK-1');
  });

  it('LOCK-2 one token for two grants', () => {
    expect(brokenBy(check([first, first]))).toBe('LOCK-2');
  });

  it('LOCK-2 tokens that go back in the order of the grants, if that must not be', () => {
    const late = { ...first, grantedAtMs: 50 };
    expect(brokenBy(check([second, late], { tokensInOrderOfGrant: true }))).toBe('LOCK-2');
    expect(brokenBy(check([second, late]))).toBe('nothing');
    expect(brokenBy(check([second, first], { tokensInOrderOfGrant: true }))).toBe('nothing');
    const untimed = [second, first].map(({ process, place, token }) => ({ process, place, token }));
    expect(brokenBy(check(untimed, { tokensInOrderOfGrant: true }))).toBe('LOCK-2');
    expect(brokenBy(check(untimed.reverse(), { tokensInOrderOfGrant: true }))).toBe('nothing');
  });

  it('LOCK-4 a place that is left, if everybody has gone', () => {
    const story = handedOver();
    story.put(c);
    expect(brokenBy(check([], { history: story.history(), drained: true }))).toBe('LOCK-4');
    expect(brokenBy(check([], { history: story.history() }))).toBe('nothing');
  });

  it.each([
    ['of an older hold after one of a newer', ['5120', '2048']],
    ['by a hold that had ended', ['2048']],
    ['by a hold that was not proved yet', ['9216']],
    ['by nobody', ['1024']],
    ['with what is no token', ['seven']],
  ])('LOCK-5 a write %s', (_what, values) => {
    const story = new Story();
    story.put(a);
    story.put(b);
    story.put('x');
    story.remove(a);
    for (const value of values) story.put('resource', value);
    const history = story.history();
    expect(brokenBy(check([], { history, resource: 'resource' }))).toBe('LOCK-5');
  });

  it('LOCK-5 a write in the revision that ends its hold was still guarded by it', () => {
    const story = new Story();
    story.put(a);
    story.step({ [a]: {}, resource: { value: '2048' } });
    expect(check([], { history: story.history(), resource: 'resource' })()).toMatchObject({ writes: 1 });
    story.put('resource', '2048');
    expect(brokenBy(check([], { history: story.history(), resource: 'resource' }))).toBe('LOCK-5');
  });

  it('LOCK-5 a write that is applied after its outcome was settled', () => {
    const resource = 'resource';
    expect(brokenBy(check([{ ...first, settledAtMs: 29 }], { resource }))).toBe('LOCK-5');
    expect(brokenBy(check([{ ...first, settledAtMs: 30 }], { resource }))).toBe('nothing');
  });

  it('LOCK-5 the deletion of the resource says nothing', () => {
    const story = handedOver();
    story.remove('resource');
    expect(check([first], { history: story.history(), resource: 'resource' })()).toMatchObject({ writes: 1 });
  });

  it('LOCK-9 beliefs that overlap in true time, if clocks were within their bound', () => {
    const late = { ...first, endedAtMs: 42 };
    expect(brokenBy(check([late, second], { beliefsMustNotOverlap: true }))).toBe('LOCK-9');
    expect(brokenBy(check([late, second]))).toBe('nothing');
    expect(evidenceOf(check([late, second], { beliefsMustNotOverlap: true }))).toContain('both for 1 ms');
    const { endedAtMs: _, ...still } = second;
    expect(brokenBy(check([first, still], { beliefsMustNotOverlap: true }))).toBe('nothing');
    expect(brokenBy(check([{ ...first, grantedAtMs: 60 }, still], { beliefsMustNotOverlap: true }))).toBe(
      'nothing',
    );
    const forEver = { process: 'p1', place: a, token: 2_048, grantedAtMs: 12 };
    expect(brokenBy(check([forEver, second], { beliefsMustNotOverlap: true }))).toBe('LOCK-9');
  });

  it('LOCK-9 a belief that ended in a standstill, or at its end, ended at its beginning', () => {
    const late = { ...first, endedAtMs: 45 };
    const still = (fromMs: number, toMs?: number) =>
      brokenBy(
        check([late, second], {
          beliefsMustNotOverlap: true,
          standstills: [{ process: 'p1', fromMs, ...(toMs === undefined ? {} : { toMs }) }],
        }),
      );
    expect(still(41, 45)).toBe('nothing');
    expect(still(41)).toBe('nothing');
    expect(still(42, 45)).toBe('LOCK-9');
    expect(still(30, 44)).toBe('LOCK-9');
  });

  it('asks for the times that it needs', () => {
    const untimed = { process: 'p1', place: a, token: 2_048 };
    expect(check([untimed], { beliefsMustNotOverlap: true })).toThrow(/has no grantedAtMs/);
  });

  it('takes a long history in a time that grows with its length alone', () => {
    const story = new Story();
    const grants: Grant[] = [];
    let waiting = `${line}0`;
    story.put(waiting);
    for (let turn = 1; turn <= 20_000; turn += 1) {
      const next = `${line}${turn % 50}`;
      story.put(next);
      const proof = story.remove(waiting);
      grants.push({ process: 'p', place: next, token: proof * 1_024 });
      waiting = next;
    }
    expect(checkMutex({ history: story.history(), line, grants })).toMatchObject({ grants: 20_000 });
  });
});
