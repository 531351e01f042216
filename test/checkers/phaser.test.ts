import { describe, expect, it } from 'vitest';
import { checkPhaser, type PhaserCheck, type ToldPhase } from '../../src/checkers/index.js';
import { brokenBy, Story } from './story.js';

const prefix = 'f/';
const phase = 'f/phase';
const [x, y, z] = ['f/m/x', 'f/m/y', 'f/m/z'] as const;
const of = (label: string) => JSON.stringify({ session: 's', label });
const says = (number: number) => JSON.stringify({ phase: number });

/** Two register, at 2 and 3, and arrive, at 4 and 5. */
function arrived(): Story {
  const story = new Story();
  story.at(10).put(x, of('p'), '7');
  story.at(20).put(y, of('q'), '8');
  story.at(30).put(x, of('p'), '7');
  story.at(40).put(y, of('q'), '8');
  return story;
}

/** And the phase ends, at 6. */
function ended(): Story {
  const story = arrived();
  story.at(50).put(phase, says(1));
  return story;
}

const told = (what: ToldPhase['what'], change: Partial<ToldPhase> = {}): ToldPhase => ({
  ...{ label: 'p', what, phase: 0, calledAtMs: 5, toldAtMs: 60 },
  ...change,
});

function check(story: Story, change: Partial<PhaserCheck> = {}) {
  return () => checkPhaser({ history: story.history(), prefix, told: [], ...change });
}

describe('checkPhaser', () => {
  it('counts what it checked of a history that keeps every promise', () => {
    const story = ended();
    story.at(60).put(x, of('p'), '7');
    story.at(70).remove(y);
    story.at(80).put(phase, says(2));
    story.at(90).remove(x);
    const all = [told('registered'), told('arrived'), told('over', { phase: 1, after: 0 })];
    expect(check(story, { told: all, drained: true })()).toEqual({
      ...{ phases: 2, registrations: 2, arrivals: 3, endedWithoutTheGone: 1 },
    });
  });

  it('PHASER-1 a phase that ends while somebody has not arrived in it', () => {
    const newcomer = arrived();
    newcomer.at(45).put(z, of('r'), '9');
    newcomer.at(50).put(phase, says(1));
    expect(brokenBy(check(newcomer))).toBe('PHASER-1');
    const before = ended();
    before.at(60).put(x, of('p'), '7');
    before.at(70).put(phase, says(2));
    expect(brokenBy(check(before))).toBe('PHASER-1');
  });

  it('PHASER-2 a phase that is left out or written twice', () => {
    const ahead = arrived();
    ahead.at(50).put(phase, says(2));
    expect(brokenBy(check(ahead))).toBe('PHASER-2');
    const again = ended();
    again.at(60).put(phase, says(1));
    expect(brokenBy(check(again))).toBe('PHASER-2');
  });

  it('PHASER-2 an arrival that counts twice', () => {
    const twice = arrived();
    twice.at(45).put(x, of('p'), '7');
    expect(brokenBy(check(twice))).toBe('PHASER-2');
    const next = ended();
    next.at(60).put(x, of('p'), '7');
    expect(brokenBy(check(next))).toBe('nothing');
  });

  it('PHASER-2 somebody that was told another phase than its own', () => {
    const story = ended();
    const wrong: readonly ToldPhase[] = [
      told('registered', { phase: 1 }),
      told('arrived', { phase: 1 }),
      told('arrived', { label: 'r' }),
      told('arrived', { calledAtMs: 31 }),
      told('arrived', { toldAtMs: 29 }),
    ];
    for (const one of wrong) expect(brokenBy(check(story, { told: [one] }))).toBe('PHASER-2');
    const repeated = told('arrived', { calledAtMs: 31, firstCalledAtMs: 25 });
    expect(brokenBy(check(story, { told: [repeated] }))).toBe('nothing');
  });

  it('PHASER-3 somebody that was told of an end before it, or of one that never was', () => {
    const story = ended();
    const wrong: readonly ToldPhase[] = [
      told('over', { phase: 1, toldAtMs: 49 }),
      told('over', { phase: 2 }),
      told('over', { phase: 1, after: 1 }),
    ];
    for (const one of wrong) expect(brokenBy(check(story, { told: [one] }))).toBe('PHASER-3');
  });

  it('PHASER-4 a member that is left', () => {
    expect(brokenBy(check(ended(), { drained: true }))).toBe('PHASER-4');
  });
});
