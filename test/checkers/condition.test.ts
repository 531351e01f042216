import { describe, expect, it } from 'vitest';
import { type ConditionCheck, checkCondition, type EndedWait } from '../../src/checkers/condition.js';
import type { Grant } from '../../src/checkers/mutex.js';
import { brokenBy, Story } from './story.js';

const [line, waiters] = ['lock/l/', 'condition/w/'] as const;
const [first, notifier, second] = [`${line}1`, `${line}n`, `${line}2`] as const;
const [v, w] = [`${waiters}v`, `${waiters}w`] as const;
const [placeV, placeW] = [`${line}v`, `${line}w`] as const;

/** The sessions' own keys. */
function begun(): Story {
  const story = new Story();
  for (const lease of ['7', '8', '9']) story.put(`session/${lease}`, '', lease);
  return story;
}

function grant(process: string, place: string, revision: number): Grant {
  return { process, place, token: revision * 1_024 };
}

/** Two wait, one after the other, from 6 and 8 on; the notifier holds from 9 on. */
function twoWait(): Story {
  const story = begun();
  story.put(first, '', '7');
  story.step({ [first]: {}, [v]: { value: '', lease: '7' } });
  story.put(second, '', '8');
  story.step({ [second]: {}, [w]: { value: '', lease: '8' } });
  story.at(100).put(notifier, '', '9');
  return story;
}
const begins = [grant('p1', first, 5), grant('p2', second, 7), grant('p3', notifier, 9)];
const call = { process: 'p3', place: notifier, token: 9 * 1_024, beganAtMs: 90, endedAtMs: 120 };

function notified(): Story {
  const story = twoWait();
  story.step({ [v]: {}, [placeV]: { value: '', lease: '7' } });
  story.at(200).remove(notifier);
  return story;
}

function check(story: Story, change: Partial<ConditionCheck> = {}) {
  const given = { history: story.history(), line, waiters, grants: begins, waits: [], ...change };
  return () => checkCondition(given);
}

const back: EndedWait = {
  process: 'p1',
  before: { place: first, token: 5 * 1_024 },
  after: { place: placeV, token: 11 * 1_024 },
};

describe('checkCondition', () => {
  it('counts what it checked of a history that keeps every promise', () => {
    const story = notified();
    story.remove(placeV);
    story.remove(w);
    const grants = [...begins, grant('p1', placeV, 11)];
    const counts = check(story, { grants, waits: [back], calls: [call], drained: true })();
    expect(counts).toMatchObject({ waits: 2, notified: 1, passedOn: 0, leftOver: 0, died: 0, grants: 4 });
  });

  it('CONDITION-1 a wait that began after the lock was given up, or without it, or by another', () => {
    const after = begun();
    after.put(first, '', '7');
    after.remove(first);
    after.put(v, '', '7');
    expect(brokenBy(check(after, { grants: [] }))).toBe('CONDITION-1');
    const behind = begun();
    behind.put(second, '', '8');
    behind.put(first, '', '7');
    behind.step({ [first]: {}, [v]: { value: '', lease: '7' } });
    expect(brokenBy(check(behind, { grants: [] }))).toBe('CONDITION-1');
    const other = begun();
    other.put(first, '', '7');
    other.step({ [first]: {}, [v]: { value: '', lease: '8' } });
    expect(brokenBy(check(other, { grants: [] }))).toBe('CONDITION-1');
  });

  it('CONDITION-2 a notification past an older waiter, or to another lease', () => {
    const past = twoWait();
    past.step({ [w]: {}, [placeW]: { value: '', lease: '8' } });
    expect(brokenBy(check(past))).toBe('CONDITION-2');
    const other = twoWait();
    other.step({ [v]: {}, [placeV]: { value: '', lease: '8' } });
    expect(brokenBy(check(other))).toBe('CONDITION-2');
  });

  it('CONDITION-2 a notification by nobody who held the lock, or called then', () => {
    expect(brokenBy(check(notified(), { calls: [] }))).toBe('CONDITION-2');
    expect(brokenBy(check(notified(), { calls: [{ ...call, endedAtMs: 95 }] }))).toBe('CONDITION-2');
    expect(brokenBy(check(notified(), { calls: [{ ...call, beganAtMs: 150 }] }))).toBe('CONDITION-2');
    expect(brokenBy(check(notified(), { calls: [{ ...call, place: first, token: 5_120 }] }))).toBe(
      'CONDITION-2',
    );
    expect(brokenBy(check(notified(), { calls: [call] }))).toBe('nothing');
    const { endedAtMs: _, ...open } = call;
    expect(brokenBy(check(notified(), { calls: [open] }))).toBe('nothing');
  });

  it('CONDITION-2 a notification that is given up while another waits', () => {
    const swallowed = notified();
    swallowed.remove(placeV);
    swallowed.put('session/7', '', '7');
    expect(brokenBy(check(swallowed))).toBe('CONDITION-2');
    expect(brokenBy(check(swallowed, { takenAway: ({ key }) => key === placeV }))).toBe('nothing');
  });

  it('counts notifications that were passed on, left over, or died', () => {
    const passed = notified();
    passed.step({ [placeV]: {}, [w]: {}, [placeW]: { value: '', lease: '8' } });
    expect(check(passed, { calls: [call] })()).toMatchObject({ notified: 2, passedOn: 1 });
    const left = twoWait();
    left.remove(w);
    left.step({ [v]: {}, [placeV]: { value: '', lease: '7' } });
    left.remove(placeV);
    expect(check(left)()).toMatchObject({ leftOver: 1, died: 0 });
    const died = notified();
    died.remove(placeV, 'session/7', 'session/7b');
    expect(check(died)()).toMatchObject({ leftOver: 0, died: 1 });
  });

  it('CONDITION-3 a wait that comes back without the lock, or with what it had before', () => {
    const early = { ...back, after: { place: placeV, token: 10 * 1_024 } };
    expect(brokenBy(check(notified(), { waits: [early] }))).toBe('CONDITION-3');
    const none = { ...back, after: { place: `${line}x`, token: 11 * 1_024 } };
    expect(brokenBy(check(notified(), { waits: [none] }))).toBe('CONDITION-3');
    const same = { ...back, after: back.before };
    expect(brokenBy(check(notified(), { waits: [same] }))).toBe('CONDITION-3');
    expect(brokenBy(check(notified(), { waits: [back] }))).toBe('nothing');
  });

  it('LOCK-4 a waiter that is left, and LOCK-1 as of any mutex', () => {
    const left = twoWait();
    left.remove(notifier);
    expect(brokenBy(check(left, { drained: true }))).toBe('LOCK-4');
    expect(brokenBy(check(notified(), { grants: [...begins, grant('p1', placeV, 10)] }))).toBe('LOCK-1');
  });
});
