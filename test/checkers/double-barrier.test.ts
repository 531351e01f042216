import { describe, expect, it } from 'vitest';
import { encodeRound, type RoundRecord } from '../../src/barriers/double/round.js';
import { checkDoubleBarrier, type DoubleBarrierCheck } from '../../src/checkers/index.js';
import { brokenBy, type Change, Story } from './story.js';

const prefix = 'd/';
const left = { 'd/n/left': { value: '' } } as const;
const member = (id: string, lease = '7'): Readonly<Record<string, Change>> => ({
  [`d/p/${id}`]: { value: '', lease },
});
const gone = (id: string): Readonly<Record<string, Change>> => ({ [`d/p/${id}`]: {}, ...left });
const state = (
  round: number,
  phase: RoundRecord['phase'],
  upTo: number,
): Readonly<Record<string, Change>> => ({
  'd/state': { value: encodeRound({ round, phase, upTo, after: 0 }) },
});

/** a and b come at revisions 2 and 3, and are let in at 4. */
function letIn(): Story {
  const story = new Story();
  story.at(100).step({ ...member('a'), 'd/e': { value: '' }, ...state(1, 'entering', 0) });
  story.at(110).step(member('b', '8'));
  story.at(120).step(state(1, 'inside', 3));
  return story;
}

function over(): Story {
  const story = letIn();
  story.at(200).step({ ...gone('a'), 'd/q/a': { value: '', lease: '7' } });
  story.at(210).step(gone('b'));
  story.at(220).step({ ...state(2, 'entering', 3), 'd/q/a': {} });
  return story;
}

const entry = { process: 'p1', member: 'd/p/a', created: 2, round: 1, toldAtMs: 130 };
const exit = { process: 'p1', round: 1, toldAtMs: 230 };

function check(story: Story, change: Partial<DoubleBarrierCheck> = {}) {
  const told = { entries: [], exits: [], breaks: [], refusals: [] };
  const given = { history: story.history(), prefix, size: 2, deadMembers: 'break' as const, ...told };
  return () => checkDoubleBarrier({ ...given, ...change });
}

describe('checkDoubleBarrier', () => {
  it('counts what it checked of a history that keeps every promise', () => {
    const refusals = [{ process: 'p3', round: 1, calledAtMs: 115, toldAtMs: 140 }];
    const counts = check(over(), { entries: [entry], exits: [exit], refusals, drained: true })();
    expect(counts).toEqual({ letIn: 1, over: 1, broken: 0, died: 0, withdrawn: 0, queued: 0 });
  });

  it('DOUBLE-1 let in with too few or too many, or though one had withdrawn', () => {
    expect(brokenBy(check(letIn(), { size: 3 }))).toBe('DOUBLE-1');
    expect(brokenBy(check(letIn(), { size: 1 }))).toBe('DOUBLE-1');
    const short = new Story();
    short.at(100).step({ ...member('a'), 'd/e': { value: '' }, ...state(1, 'entering', 0) });
    short.step(member('b'));
    short.step(gone('a'));
    short.step(state(1, 'inside', 3));
    expect(brokenBy(check(short))).toBe('DOUBLE-1');
    const died = new Story();
    died.at(100).step({ ...member('a'), 'd/e': { value: '' }, ...state(1, 'entering', 0) });
    died.step(member('b'));
    died.remove('d/p/a');
    died.step(state(1, 'inside', 3));
    expect(brokenBy(check(died))).toBe('nothing');
  });

  it('DOUBLE-1 counts the dead only where they count', () => {
    const story = new Story();
    story.at(100).step({ ...member('a'), 'd/e': { value: '' }, ...state(1, 'entering', 0) });
    story.step(member('b'));
    story.remove('d/p/a');
    story.step(member('c'));
    story.step(state(1, 'inside', 5));
    expect(brokenBy(check(story, { size: 3, deadMembers: 'shrink' }))).toBe('nothing');
    expect(brokenBy(check(story, { size: 4, deadMembers: 'shrink' }))).toBe('DOUBLE-1');
    expect(brokenBy(check(story, { size: 2, deadMembers: 'wait' }))).toBe('nothing');
  });

  it('DOUBLE-1 told to be inside too early, or of another round', () => {
    const entries = [
      { ...entry, toldAtMs: 119 },
      { ...entry, round: 2 },
      { ...entry, created: 4 },
      { ...entry, member: 'd/p/x' },
    ];
    for (const wrong of entries) expect(brokenBy(check(letIn(), { entries: [wrong] }))).toBe('DOUBLE-1');
  });

  it('DOUBLE-2 over with somebody inside, or, with break, after a death', () => {
    const early = letIn();
    early.at(200).step(gone('a'));
    early.at(220).step(state(2, 'entering', 3));
    expect(brokenBy(check(early))).toBe('DOUBLE-2');
    const dead = letIn();
    dead.at(200).step(gone('a'));
    dead.at(210).remove('d/p/b');
    dead.at(220).step(state(2, 'entering', 3));
    expect(brokenBy(check(dead))).toBe('DOUBLE-2');
    expect(brokenBy(check(dead, { deadMembers: 'wait' }))).toBe('nothing');
    expect(brokenBy(check(over(), { exits: [{ ...exit, toldAtMs: 219 }] }))).toBe('DOUBLE-2');
  });

  it('DOUBLE-3 broken by no death, or with another policy; or forgotten before all had gone', () => {
    const none = letIn();
    none.at(200).step(state(1, 'broken', 3));
    expect(brokenBy(check(none))).toBe('DOUBLE-3');
    // By a transaction of its own, whatever else that puts.
    const uncounted = letIn();
    uncounted.at(200).step({ 'd/p/b': {}, 'lane/8': { value: '', lease: '8' } });
    uncounted.at(210).step(state(1, 'broken', 3));
    expect(brokenBy(check(uncounted))).toBe('DOUBLE-3');
    const dead = letIn();
    dead.at(200).remove('d/p/b');
    dead.at(210).step(state(1, 'broken', 3));
    const breaks = [{ process: 'p1', round: 1, toldAtMs: 220 }];
    expect(check(dead, { breaks })()).toMatchObject({ broken: 1, died: 1 });
    expect(brokenBy(check(dead, { deadMembers: 'shrink' }))).toBe('DOUBLE-3');
    expect(brokenBy(check(dead, { breaks: [{ process: 'p1', round: 1, toldAtMs: 209 }] }))).toBe('DOUBLE-3');
    expect(brokenBy(check(dead, { exits: [exit] }))).toBe('DOUBLE-2');
    dead.at(220).step(state(2, 'entering', 3));
    expect(brokenBy(check(dead))).toBe('DOUBLE-3');
  });

  it('DOUBLE-4 refused while no round was full', () => {
    const refusals = [
      { process: 'p3', round: 1, calledAtMs: 50, toldAtMs: 119 },
      { process: 'p3', round: 1, calledAtMs: 221, toldAtMs: 300 },
      { process: 'p3', round: 2, calledAtMs: 50, toldAtMs: 300 },
    ];
    for (const wrong of refusals) expect(brokenBy(check(over(), { refusals: [wrong] }))).toBe('DOUBLE-4');
  });

  it('DOUBLE-5 a key that is left', () => {
    expect(brokenBy(check(letIn(), { drained: true }))).toBe('DOUBLE-5');
    const leaver = over();
    leaver.put('d/q/b', '', '8');
    expect(brokenBy(check(leaver, { drained: true }))).toBe('DOUBLE-5');
  });
});
