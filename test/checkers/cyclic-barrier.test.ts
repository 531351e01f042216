import { describe, expect, it } from 'vitest';
import type { GenerationRecord } from '../../src/barriers/cyclic/generation.js';
import {
  type CyclicBarrierCheck,
  checkCyclicBarrier,
  type SeenAction,
  type ToldCyclicWait,
} from '../../src/checkers/index.js';
import { brokenBy, Story } from './story.js';

const prefix = 'b/';
const [generation, elect, leaves] = ['b/generation', 'b/elect', 'b/leaves'] as const;
const [x, y, z] = ['b/m/x', 'b/m/y', 'b/m/z'] as const;
const of = (label: string) => JSON.stringify({ session: 's', label });

const first: GenerationRecord = {
  ...{ generation: 0, parties: 2, required: 2, deadMembers: 'break', since: 1 },
  ...{ lost: 0, last: 'none', past: [] },
};
const says = (change: Partial<GenerationRecord>) => JSON.stringify({ ...first, ...change });
const second = (since: number, change: Partial<GenerationRecord> = {}) =>
  says({ generation: 1, since, last: 'passed', ...change });

/** Two arrive, at 2 and 3. */
function full(change: Partial<GenerationRecord> = {}): Story {
  const story = new Story();
  story.at(10).step({ [x]: { value: of('p'), lease: '7' }, [generation]: { value: says(change) } });
  story.at(20).put(y, of('q'), '8');
  return story;
}

/** And pass, at 4. */
function passed(): Story {
  const story = full();
  story.at(30).put(generation, second(3));
  return story;
}

const told = (label: string, change: Partial<ToldCyclicWait> = {}): ToldCyclicWait => ({
  ...{ label, calledAtMs: 5, toldAtMs: 35, outcome: 'passed', generation: 0 },
  ...change,
});

function check(story: Story, change: Partial<CyclicBarrierCheck> = {}) {
  return () => checkCyclicBarrier({ history: story.history(), prefix, waits: [], ...change });
}

describe('checkCyclicBarrier', () => {
  it('counts what it checked of a history that keeps every promise', () => {
    const story = passed();
    story.at(40).step({ [x]: {}, [leaves]: { value: '' } });
    story.at(50).step({ [y]: {}, [leaves]: { value: '' } });
    const waits = [told('p'), told('q')];
    expect(check(story, { waits, drained: true })()).toMatchObject({ passed: 1, broken: 0, toldPassed: 2 });
  });

  it('CYCLIC-1 a generation that passed too soon, or whose number is not the next', () => {
    const early = new Story();
    early.at(10).step({ [x]: { value: of('p'), lease: '7' }, [generation]: { value: says({}) } });
    early.at(20).put(generation, second(2));
    expect(brokenBy(check(early))).toBe('CYCLIC-1');
    const late = full();
    late.at(30).put(generation, second(4));
    expect(brokenBy(check(late))).toBe('CYCLIC-1');
    const gone = full();
    gone.at(25).remove(x);
    gone.at(30).put(z, of('r'), '9');
    gone.at(40).put(generation, second(5));
    expect(brokenBy(check(gone))).toBe('nothing');
    const twice = passed();
    twice.at(40).put(generation, second(3));
    expect(brokenBy(check(twice))).not.toBe('nothing');
    const ahead = full();
    ahead.at(30).put(generation, second(3, { generation: 2 }));
    expect(brokenBy(check(ahead))).toBe('CYCLIC-1');
    const wasBroken = full();
    wasBroken.at(25).step({ [elect]: { value: '{}', lease: '7' } });
    wasBroken.at(26).step({
      [elect]: {},
      [generation]: { value: says({ broken: { reason: 'action-failed', by: 'p' } }) },
    });
    wasBroken.at(30).put(generation, second(3));
    expect(brokenBy(check(wasBroken))).toBe('CYCLIC-1');
  });

  it('CYCLIC-2 what was told of no arrival, of another generation, too early, or twice', () => {
    const story = passed();
    expect(brokenBy(check(story, { waits: [told('r')] }))).toBe('CYCLIC-2');
    expect(brokenBy(check(story, { waits: [told('p', { generation: 1 })] }))).toBe('CYCLIC-2');
    expect(brokenBy(check(story, { waits: [told('p', { toldAtMs: 29 })] }))).toBe('CYCLIC-2');
    expect(brokenBy(check(story, { waits: [told('p', { calledAtMs: 11 })] }))).toBe('CYCLIC-2');
    expect(brokenBy(check(story, { waits: [told('p'), told('p')] }))).toBe('CYCLIC-2');
    expect(brokenBy(check(story, { waits: [told('p', { outcome: 'broken' })] }))).toBe('CYCLIC-2');
    const late = full();
    late.at(25).put(z, of('r'), '9');
    late.at(30).put(generation, second(3));
    expect(brokenBy(check(late, { waits: [told('r')] }))).toBe('CYCLIC-2');
    expect(check(late)()).toMatchObject({ carriedOver: 1 });
    late.at(40).put(x, of('p'), '7');
    late.at(50).put(generation, says({ generation: 2, since: 6, last: 'passed' }));
    const waits = [told('r', { generation: 1, toldAtMs: 55 }), told('q')];
    expect(brokenBy(check(late, { waits }))).toBe('nothing');
  });

  it('CYCLIC-2 an arrival of before the key was deleted passes nothing', () => {
    const story = full();
    story.at(30).remove(generation);
    story.at(40).step({ [x]: { value: of('p'), lease: '7' }, [generation]: { value: says({ since: 4 }) } });
    story.at(50).put(z, of('r'), '9');
    story.at(60).put(generation, second(6));
    const wait = told('q', { toldAtMs: 70 });
    expect(brokenBy(check(story, { waits: [wait] }))).toBe('CYCLIC-2');
    const forgotten = { ...wait, outcome: 'broken', generation: -1, reason: 'forgotten' } as const;
    expect(brokenBy(check(story, { waits: [forgotten] }))).toBe('nothing');
    expect(brokenBy(check(passed(), { waits: [forgotten] }))).toBe('CYCLIC-2');
  });

  const run: SeenAction = { label: 'q', generation: 0, beganAtMs: 32, endedAtMs: 38, failed: false };
  const claim = JSON.stringify({ id: 'i', label: 'q', generation: 0, upTo: 3 });

  function acted(): Story {
    const story = full();
    story.at(30).put(elect, claim, '8');
    story.at(40).step({ [elect]: {}, [generation]: { value: second(3) } });
    return story;
  }

  it('CYCLIC-3 a pass without its action, with two, with one that failed or was not over, and an action without a claim', () => {
    expect(brokenBy(check(acted(), { actions: [run] }))).toBe('nothing');
    expect(brokenBy(check(passed(), { actions: [] }))).toBe('CYCLIC-3');
    expect(brokenBy(check(acted(), { actions: [] }))).toBe('CYCLIC-3');
    expect(brokenBy(check(acted(), { actions: [run, { ...run, beganAtMs: 33 }] }))).toBe('CYCLIC-3');
    expect(brokenBy(check(acted(), { actions: [{ ...run, failed: true }] }))).toBe('CYCLIC-3');
    expect(brokenBy(check(acted(), { actions: [{ ...run, endedAtMs: 41 }] }))).toBe('CYCLIC-3');
    const { endedAtMs: _, ...open } = run;
    expect(brokenBy(check(acted(), { actions: [open] }))).toBe('CYCLIC-3');
    expect(brokenBy(check(acted(), { actions: [run, { ...run, label: 'p' }] }))).toBe('CYCLIC-3');
  });

  it('CYCLIC-3 a generation that another one ends while its action goes on', () => {
    const story = full();
    story.at(30).put(elect, claim, '8');
    story.at(35).remove(x);
    story.at(36).put(generation, says({ broken: { reason: 'member-lost', by: 'p' }, lost: 1 }));
    const died = () => {
      const other = full();
      other.at(30).put(elect, claim, '8');
      return other;
    };
    story.at(40).step({ [elect]: {}, lane: { value: '7' } });
    expect(brokenBy(check(story, { actions: [run] }))).toBe('CYCLIC-3');
    const lost = died();
    lost.at(40).remove(elect);
    expect(brokenBy(check(lost, { actions: [run] }))).toBe('nothing');
    const byHand = died();
    byHand.at(40).remove(generation);
    byHand.at(41).step({ [elect]: {}, lane: { value: '7' } });
    expect(brokenBy(check(byHand, { actions: [run] }))).toBe('nothing');
  });

  it('CYCLIC-1 a claim of a generation that is not full', () => {
    const story = full({ required: 2 });
    story.at(30).put(elect, JSON.stringify({ id: 'i', label: 'q', generation: 0, upTo: 2 }), '8');
    expect(brokenBy(check(story, { actions: [] }))).toBe('CYCLIC-1');
  });

  it('CYCLIC-4 a generation that is broken for no cause, or against its policy', () => {
    const lost = says({ broken: { reason: 'member-lost', by: 'p' }, lost: 1 });
    const idle = full({ parties: 3, required: 3 });
    idle.at(30).put(generation, lost);
    expect(brokenBy(check(idle))).toBe('CYCLIC-4');
    const died = full({ parties: 3, required: 3 });
    died.at(25).remove(x);
    died.at(30).put(generation, lost);
    expect(brokenBy(check(died))).toBe('nothing');
    const left = full({ parties: 3, required: 3 });
    left.at(25).step({ [x]: {}, [leaves]: { value: '' } });
    left.at(30).put(generation, lost);
    expect(brokenBy(check(left))).toBe('CYCLIC-4');
    const other = full({ parties: 3, required: 3, deadMembers: 'wait' });
    other.at(25).remove(x);
    other.at(30).put(generation, says({ deadMembers: 'wait', broken: { reason: 'member-lost', by: 'p' } }));
    expect(brokenBy(check(other))).toBe('CYCLIC-4');
    const enough = full({ parties: 2, required: 1 });
    enough.at(25).remove(x);
    enough.at(30).put(generation, says({ required: 1, broken: { reason: 'member-lost', by: 'p' }, lost: 1 }));
    expect(brokenBy(check(enough))).toBe('CYCLIC-4');
    const failed = full();
    failed.at(30).put(generation, says({ broken: { reason: 'action-failed', by: 'p' } }));
    expect(brokenBy(check(failed))).toBe('CYCLIC-4');
  });

  it('CYCLIC-4 one who gives up breaks it in the same revision, and nobody else does for it', () => {
    const record = { parties: 3, required: 3 };
    const gaveUp = says({ ...record, broken: { reason: 'gave-up', by: 'p' } });
    const whole = full(record);
    whole.at(30).step({ [x]: {}, [leaves]: { value: '' }, [generation]: { value: gaveUp } });
    expect(brokenBy(check(whole))).toBe('nothing');
    const silent = full(record);
    silent.at(30).step({ [x]: {}, [leaves]: { value: '' } });
    expect(brokenBy(check(silent))).toBe('CYCLIC-4');
    const nobody = full(record);
    nobody.at(30).put(generation, gaveUp);
    expect(brokenBy(check(nobody))).toBe('CYCLIC-4');
  });

  it('CYCLIC-4 a generation that takes fewer or more without a cause, or too few', () => {
    const base = { parties: 3, required: 3, deadMembers: 'shrink' } as const;
    const died = () => {
      const story = full(base);
      story.at(25).put(z, of('r'), '9');
      story.at(26).remove(x);
      return story;
    };
    const right = died();
    right.at(30).put(generation, says({ ...base, required: 2, lost: 1 }));
    expect(check(right)()).toMatchObject({ shrunk: 1 });
    right.at(35).put(x, of('p2'), '10');
    right.at(40).put(generation, says({ ...base, lost: 1 }));
    expect(check(right)()).toMatchObject({ grown: 1 });
    const few = died();
    few.at(30).put(generation, says({ ...base, required: 1, lost: 1 }));
    expect(brokenBy(check(few))).toBe('CYCLIC-4');
    const again = died();
    again.at(30).put(generation, says({ ...base, required: 2, lost: 0 }));
    expect(brokenBy(check(again))).toBe('CYCLIC-4');
    const none = full(base);
    none.at(30).put(generation, says({ ...base, required: 2, lost: 1 }));
    expect(brokenBy(check(none))).toBe('CYCLIC-4');
  });

  it('CYCLIC-4 a reset that nobody called for, or that forgets who is asked for', () => {
    const reset = (change: Partial<GenerationRecord> = {}) => {
      const story = full();
      story.at(30).put(generation, says({ generation: 1, since: 3, last: 'broken', ...change }));
      return story;
    };
    expect(brokenBy(check(reset()))).toBe('nothing');
    expect(brokenBy(check(reset(), { resets: [] }))).toBe('CYCLIC-4');
    expect(brokenBy(check(reset(), { resets: [{ beganAtMs: 29, endedAtMs: 31 }] }))).toBe('nothing');
    expect(brokenBy(check(reset(), { resets: [{ beganAtMs: 31 }] }))).toBe('CYCLIC-4');
    expect(brokenBy(check(reset({ required: 1 })))).toBe('CYCLIC-4');
  });

  it('CYCLIC-5 a member or an elect that is left', () => {
    expect(brokenBy(check(passed(), { drained: true }))).toBe('CYCLIC-5');
    const elected = full();
    elected.at(30).put(elect, claim, '8');
    elected.at(31).remove(x, y);
    expect(brokenBy(check(elected, { drained: true }))).toBe('CYCLIC-5');
  });
});
