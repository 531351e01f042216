import { describe, expect, it } from 'vitest';
import { encodeGate } from '../../src/barriers/gate-record.js';
import { type BarrierCheck, checkBarrier } from '../../src/checkers/index.js';
import { brokenBy, Story } from './story.js';

const gate = 'barrier/gate';
const value = encodeGate({ label: 'p1', call: '1' });

/** Closed from 100 to 200 by a lease, and from 300 on for good. */
function closedTwice(): Story {
  const story = new Story();
  story.at(10).put('session/7', '', '7');
  story.at(100).put(gate, value, '7');
  story.at(200).remove(gate);
  story.at(300).put(gate, value);
  return story;
}

const opening = { process: 'p1', calledAtMs: 190, closedAt: 3 };
const wait = (calledAtMs: number, returnedAtMs: number) => ({ process: 'w', calledAtMs, returnedAtMs });

function check(story: Story, change: Partial<BarrierCheck> = {}) {
  const given = { history: story.history(), gate, waits: [], closings: [], openings: [opening] };
  return () => checkBarrier({ ...given, ...change });
}

describe('checkBarrier', () => {
  it('counts what it checked of a history that keeps every promise', () => {
    const waits = [wait(20, 21), wait(150, 205), wait(90, 150), wait(250, 310)];
    const closings = [
      { process: 'p1', revision: 3, lease: '7' },
      { process: 'p2', revision: 5, lease: '0' },
    ];
    const counts = check(closedTwice(), { waits, closings })();
    expect(counts).toEqual({ closed: 2, endedByLease: 0, closedAgain: 0, waits: 4, waited: 1 });
  });

  it('BARRIER-1 a wait that was let through a closed gate', () => {
    for (const wrong of [wait(110, 190), wait(310, 5_000)]) {
      expect(brokenBy(check(closedTwice(), { waits: [wrong] }))).toBe('BARRIER-1');
    }
  });

  it('BARRIER-3 a gate that is closed over, or a closing that was none', () => {
    const over = closedTwice();
    over.put(gate, value, '8');
    expect(brokenBy(check(over))).toBe('BARRIER-3');
    const none = [{ process: 'p2', revision: 4, lease: '7' }];
    expect(brokenBy(check(closedTwice(), { closings: none }))).toBe('BARRIER-3');
    const leased = [{ process: 'p2', revision: 5, lease: '7' }];
    expect(brokenBy(check(closedTwice(), { closings: leased }))).toBe('BARRIER-3');
  });

  it('BARRIER-3 an opening that nobody asked for, then, or of that gate', () => {
    for (const wrong of [
      [],
      [{ ...opening, calledAtMs: 201 }],
      [{ ...opening, closedAt: 2 }],
      [{ process: 'p1', calledAtMs: 50, askedByMs: 90 }],
      [{ process: 'p1', calledAtMs: 150, by: 'p2' }],
    ]) {
      expect(brokenBy(check(closedTwice(), { openings: wrong }))).toBe('BARRIER-3');
    }
    for (const right of [
      { process: 'p1', calledAtMs: 50, askedByMs: 110 },
      { process: 'p1', calledAtMs: 150, by: 'p1' },
    ]) {
      expect(brokenBy(check(closedTwice(), { openings: [right] }))).toBe('nothing');
    }
    expect(brokenBy(check(closedTwice(), { openings: [], takenAway: () => true }))).toBe('nothing');
  });

  it('BARRIER-3 a gate opens with its lease, and a persistent one does not', () => {
    const ended = new Story();
    ended.at(10).put('session/7', '', '7');
    ended.at(20).put(gate, value, '7');
    ended.at(30).remove(gate, 'session/7');
    expect(check(ended, { openings: [] })()).toMatchObject({ endedByLease: 1 });
    const persistent = new Story();
    persistent.at(10).put('session/7', '', '7');
    persistent.at(20).put(gate, value);
    persistent.at(30).remove(gate, 'session/7');
    expect(brokenBy(check(persistent, { openings: [] }))).toBe('BARRIER-3');
  });
});
