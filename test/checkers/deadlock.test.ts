import { describe, expect, it } from 'vitest';
import { checkDeadlocks, type DeadlockCheck, type ToldDeadlock } from '../../src/checkers/deadlock.js';
import { brokenBy, evidenceOf, Story } from './story.js';

const lines = ['lock/a/l/', 'lock/b/l/', 'lock/c/l/'] as const;
const [a, b, c] = lines;

function says(owner?: string): string {
  return JSON.stringify({ session: 's', label: 'p', owner });
}

/** One has a and waits for b from 30 ms on; two has b and, by its place of 40 ms, waits for a, until 100 ms. */
function twoInACircle(): Story {
  const story = new Story();
  story.at(10).put(`${a}1`, says('one'));
  story.at(20).put(`${b}2`, says('two'));
  story.at(30).put(`${b}1`, says('one'));
  story.at(40).put(`${a}2`, says('two'));
  story.at(100).remove(`${a}2`);
  return story;
}

const told: ToldDeadlock = { process: 'p', owner: 'two', line: a, askedAtMs: 35, toldAtMs: 110 };

function check(story: Story, one: Partial<ToldDeadlock> = {}, change: Partial<DeadlockCheck> = {}) {
  return () => checkDeadlocks({ history: story.history(), lines, told: [{ ...told, ...one }], ...change });
}

describe('checkDeadlocks', () => {
  it('says how many owners each circle had', () => {
    expect(check(twoInACircle(), {}, { stoodMs: 59 })()).toEqual({ sizes: [2] });
    const story = new Story();
    story.at(1).put(`${a}1`, says('one'));
    story.at(2).put(`${b}2`, says('two'));
    story.at(3).put(`${c}3`, says('three'));
    story.at(4).put(`${b}1`, says('one'));
    story.at(5).put(`${c}2`, says('two'));
    story.at(6).put(`${a}3`, says('three'));
    expect(check(story, { owner: 'three', askedAtMs: 5 })()).toEqual({ sizes: [3] });
  });

  it('DEADLOCK-1 somebody who was in no circle, or had not closed it', () => {
    expect(brokenBy(check(twoInACircle(), { owner: 'one', line: b, askedAtMs: 25 }))).toBe('DEADLOCK-1');
    expect(brokenBy(check(twoInACircle(), { owner: 'three' }))).toBe('DEADLOCK-1');
    expect(brokenBy(check(twoInACircle(), { line: b }))).toBe('DEADLOCK-1');
    // Of an earlier wait.
    expect(brokenBy(check(twoInACircle(), { askedAtMs: 50 }))).toBe('DEADLOCK-1');
    expect(evidenceOf(check(twoInACircle(), { owner: 'three' }))).toMatch(/by no place/);
  });

  it('DEADLOCK-1 a circle that was seen once, and had not stood for long', () => {
    expect(brokenBy(check(twoInACircle(), {}, { stoodMs: 61 }))).toBe('DEADLOCK-1');
    expect(brokenBy(check(twoInACircle(), { toldAtMs: 80 }, { stoodMs: 45 }))).toBe('DEADLOCK-1');
    expect(brokenBy(check(twoInACircle(), { toldAtMs: 80 }, { stoodMs: 40 }))).toBe('nothing');
  });

  it('DEADLOCK-1 a line in which others stand for nobody, or come later', () => {
    const story = new Story();
    story.at(10).put(`${a}1`, says());
    story.at(20).put(`${b}2`, says('two'));
    story.at(30).put(`${b}1`, says('one'));
    story.at(40).put(`${a}2`, says('two'));
    story.at(50).put(`${a}1b`, says('one'));
    expect(brokenBy(check(story))).toBe('DEADLOCK-1');
  });

  it('takes a place that is handed over for that of its new owner, from then on', () => {
    const story = new Story();
    story.at(10).put(`${a}1`, says('other'));
    story.at(20).put(`${b}2`, says('two'));
    story.at(30).put(`${b}1`, says('one'));
    story.at(40).put(`${a}2`, says('two'));
    story.at(60).put(`${a}1`, says('one'));
    expect(check(story, {}, { stoodMs: 50 })()).toEqual({ sizes: [2] });
    expect(brokenBy(check(story, { toldAtMs: 100 }, { stoodMs: 50 }))).toBe('DEADLOCK-1');
  });

  it('DEADLOCK-2 a circle that still stands at the end', () => {
    const story = twoInACircle();
    const end = { atMs: 500, longestMs: 100 };
    expect(brokenBy(check(story, {}, { end }))).toBe('nothing');
    story.at(300).put(`${a}2`, says('two'));
    expect(brokenBy(check(story, {}, { end, told: [] }))).toBe('DEADLOCK-2');
    expect(brokenBy(check(story, {}, { end: { atMs: 500, longestMs: 250 }, told: [] }))).toBe('nothing');
  });

  it('refuses a history without times', () => {
    const story = new Story();
    story.put(`${a}1`, says('one'));
    expect(check(story)).toThrow(/accepted: a history with times/);
  });
});
