import { describe, expect, it } from 'vitest';
import {
  checkReplica,
  type MapCall,
  type ReplicaCheck,
  type ReplicaSight,
  type SeenMapBatch,
  type SeenMapEntry,
  type ToldReplica,
} from '../../src/checkers/index.js';
import { brokenBy, Story } from './story.js';

const entries = 'n/map/m/e/';

/** a and b at 2 and 10 ms; a again at 3 and 20 ms; b away at 4 and 30 ms; a that cannot be read at 5 and 40 ms; c at 6 and 50 ms. */
function told(): Story {
  const story = new Story();
  story.at(10).put(`${entries}a`, 't1');
  story.at(20).put(`${entries}a`, 't2');
  story.at(30).put('elsewhere', 'x');
  story.at(35).put(`${entries}b`, 't3');
  story.at(40).remove(`${entries}a`);
  story.at(50).put(`${entries}b`, '!4');
  return story;
}

const a1: SeenMapEntry = { name: 'a', revision: 2, text: 't1' };
const a2: SeenMapEntry = { name: 'a', revision: 3, text: 't2' };
const b3: SeenMapEntry = { name: 'b', revision: 5, text: 't3' };

function look(revision: number, shown: readonly SeenMapEntry[], atMs = 60, stalenessMs = 60): ReplicaSight {
  return { what: 'look', revision, entries: shown, atMs, stalenessMs };
}

function batch(revision: number, ...changes: SeenMapBatch['changes']): SeenMapBatch {
  return { type: 'revision', revision, changes };
}

const second = batch(3, { name: 'a', previous: a1, current: a2 });
const third = batch(5, { name: 'b', previous: null, current: b3 });
const fourth = batch(6, { name: 'a', previous: a2, current: null });
const fifth = batch(7, { name: 'b', previous: b3, current: b3, unreadable: 7 });
const seen = (one: SeenMapBatch): ReplicaSight => ({ what: 'batch', ...one });
const all = [look(2, [a1]), ...[second, third, fourth, fifth].map(seen), look(7, [b3])];
const first: SeenMapBatch = {
  type: 'reset',
  revision: 2,
  changes: [{ name: 'a', previous: null, current: a1 }],
};

function replica(change: Partial<ToldReplica> = {}): ToldReplica {
  return { process: 'p1', sights: all, followers: [], clockRateError: 0, isStanding: true, ...change };
}

function check(change: Partial<ToldReplica> = {}, options: Partial<ReplicaCheck> = {}) {
  const isReadable = (text: string) => !text.startsWith('!');
  const isForeign = () => true;
  const history = told().history();
  return () =>
    checkReplica({ history, entries, isReadable, isForeign, replicas: [replica(change)], ...options });
}

describe('checkReplica', () => {
  it('counts what it checked of a replica that keeps every promise', () => {
    const reset: SeenMapBatch = {
      type: 'reset',
      revision: 7,
      changes: [
        { name: 'a', previous: a2, current: null },
        { name: 'b', previous: null, current: null, unreadable: 7 },
      ],
    };
    const followers = [
      [first, second, third, fourth, fifth],
      [
        first,
        {
          type: 'reset' as const,
          revision: 7,
          changes: [
            { name: 'a', previous: a1, current: null },
            { name: 'b', previous: null, current: b3, unreadable: 7 },
          ],
        },
      ],
    ];
    expect(check({ followers })()).toEqual({
      ...{ batches: 4, resets: 0, gaps: 0, looks: 2, conflated: 3, untold: 0 },
    });
    const sights = [look(2, [a1]), seen(second), seen(reset), look(7, [])];
    expect(check({ sights })()).toMatchObject({ batches: 2, resets: 1, gaps: 1 });
  });

  it('REPLICA-1 what is not the state of its revision, or goes back', () => {
    for (const wrong of [
      [look(2, [])],
      [look(2, [a1, b3])],
      [look(2, [{ ...a1, text: 't9' }])],
      [look(3, [a1])],
      [...all.slice(0, 3), look(5, [a2])],
      [...all.slice(0, 3), look(3, [a2])],
    ]) {
      expect(brokenBy(check({ sights: wrong }))).toBe('REPLICA-1');
    }
  });

  it('REPLICA-2 what was not told, told twice, in part, or out of order', () => {
    const [start] = all as [ReplicaSight];
    for (const wrong of [
      [start, seen(third)],
      [start, seen(second), seen(second)],
      [start, seen(third), seen(second)],
      [start, seen(batch(3))],
      [start, seen(second), look(5, [a2, b3])],
      [start, seen(second), seen({ ...third, type: 'reset', revision: 6 })],
      all.slice(0, 3),
    ]) {
      expect(brokenBy(check({ sights: wrong }))).toBe('REPLICA-2');
    }
    for (const follower of [
      [first, third],
      [first, second, second],
      [first, second, third, fourth],
      [first, second, batch(5)],
      [{ ...first, changes: [] }],
      [first, { ...fifth, type: 'reset' as const }],
      [first, second, third, fourth, batch(7, { name: 'b', previous: b3, current: b3 })],
      [
        first,
        second,
        third,
        fourth,
        batch(7, ...fifth.changes, { name: 'z', previous: null, current: null }),
      ],
    ]) {
      expect(brokenBy(check({ followers: [follower] }))).toBe('REPLICA-2');
    }
  });

  it('REPLICA-2 that what could never be read is gone is told too', () => {
    const story = told();
    story.at(70).put(`${entries}c`, '!5');
    story.at(80).remove(`${entries}c`);
    const bad = batch(8, { name: 'c', previous: null, current: null, unreadable: 8 });
    const gone = batch(9, { name: 'c', previous: null, current: null });
    const judged = (sights: readonly ReplicaSight[], follower: readonly SeenMapBatch[]) =>
      check({ sights, followers: [follower] }, { history: story.history() });
    const sights = [...all, seen(bad), seen(gone), look(9, [b3])];
    const each = [first, second, third, fourth, fifth];
    expect(judged(sights, [...each, bad, gone])).not.toThrow();
    expect(judged(sights, [...each, { ...gone, type: 'reset', changes: [] }])).not.toThrow();
    expect(brokenBy(judged([...all, seen(bad), look(9, [b3])], each))).toBe('REPLICA-2');
    expect(brokenBy(judged(sights, [...each, bad, { ...gone, changes: [] }]))).toBe('REPLICA-2');
    const stale = { ...bad, type: 'reset' as const, revision: 9 };
    expect(brokenBy(judged(sights, [...each, stale]))).toBe('REPLICA-2');
  });

  it('REPLICA-3 what is not there though it had been committed before', () => {
    expect(check({ sights: [look(2, [a1], 25, 6)], isStanding: false })).not.toThrow();
    expect(brokenBy(check({ sights: [look(2, [a1], 25, 1)], isStanding: false }))).toBe('REPLICA-3');
    const slow = { sights: [look(2, [a1], 25, 1)], isStanding: false, clockRateError: 0.9 };
    expect(check(slow)).not.toThrow();
    const synced: ReplicaSight = { what: 'sync', calledAtMs: 36, revision: 3 };
    expect(brokenBy(check({ sights: [look(2, [a1]), synced], isStanding: false }))).toBe('REPLICA-3');
    const early: ReplicaSight = { what: 'sync', calledAtMs: 34, revision: 3 };
    expect(check({ sights: [look(2, [a1]), early], isStanding: false })).not.toThrow();
  });

  it('REPLICA-6 what cannot be read, or is not the last that could', () => {
    const until = all.slice(0, 4);
    const dropped = batch(7, { name: 'b', previous: b3, current: null, unreadable: 7 });
    expect(brokenBy(check({ sights: [...until, seen(dropped)] }))).toBe('REPLICA-6');
    const bad: SeenMapEntry = { name: 'b', revision: 7, text: '!4' };
    expect(brokenBy(check({ sights: [...all.slice(0, 5), look(7, [bad])] }))).toBe('REPLICA-6');
  });
});

describe('checkReplica of calls', () => {
  const call: MapCall = {
    ...{ process: 'p1', do: 'set', writes: [{ name: 'a', text: 't1' }], reads: [], outcome: 'done' },
    ...{ revision: 2, shownAt: 2, beganAtMs: 5, endedAtMs: 12 },
  };
  const others: MapCall[] = [
    {
      ...{ ...call, do: 'compare-and-set', writes: [{ name: 'a', text: 't2' }], revision: 3, shownAt: 7 },
      ...{ reads: [{ name: 'a', revision: 2 }], beganAtMs: 15, endedAtMs: 22 },
    },
    { ...call, writes: [{ name: 'b', text: 't3' }], outcome: 'unknown' },
    {
      ...{ ...call, do: 'delete', writes: [{ name: 'a', text: null }], revision: 6, shownAt: 7 },
      ...{ beganAtMs: 36, endedAtMs: 45 },
    },
  ];
  const judged = (...calls: MapCall[]) =>
    check({}, { replicas: [], calls, isForeign: (text) => text.startsWith('!') });

  it('counts those that were never told', () => {
    expect(judged(call, ...others)()).toMatchObject({ untold: 1 });
  });

  it('REPLICA-4 a write that was not applied as was told', () => {
    for (const wrong of [
      { ...call, revision: 3 },
      { ...call, outcome: 'not-applied' as const },
      { ...call, outcome: 'refused' as const },
      { ...call, shownAt: 1 },
      { ...call, writes: [{ name: 'b', text: 't1' }] },
      { ...call, writes: [...call.writes, { name: 'b', text: 't9' }] },
      { ...call, writes: [...call.writes, { name: 'a', text: null }] },
      { ...call, writes: [] },
    ]) {
      expect(brokenBy(judged(wrong, ...others))).toBe('REPLICA-4');
    }
    const story = told();
    story.at(70).put(`${entries}a`, 't1');
    const twice = judged(call, ...others);
    expect(twice).not.toThrow();
    const isForeign = (text: string) => text.startsWith('!');
    const again = check({}, { replicas: [], calls: [call, ...others], isForeign, history: story.history() });
    expect(brokenBy(again)).toBe('REPLICA-4');
  });

  it('REPLICA-5 a write that replaced another state, and an answer that was never so', () => {
    const [swapped, unknown, deleted] = others as [MapCall, MapCall, MapCall];
    const stale = { ...swapped, reads: [{ name: 'a', revision: 0 }] };
    expect(brokenBy(judged(call, stale, unknown, deleted))).toBe('REPLICA-5');
    const found = (beganAtMs: number, endedAtMs: number, ...reads: MapCall['reads']): MapCall => {
      return {
        process: 'p2',
        do: 'update',
        writes: [],
        reads,
        outcome: 'done',
        revision: 1,
        beganAtMs,
        endedAtMs,
      };
    };
    const all3 = [call, ...others];
    expect(judged(...all3, found(11, 19, { name: 'a', revision: 2 }))).not.toThrow();
    expect(
      judged(...all3, found(1, 9, { name: 'a', revision: 0 }, { name: 'b', revision: 0 })),
    ).not.toThrow();
    expect(brokenBy(judged(...all3, found(21, 29, { name: 'a', revision: 2 })))).toBe('REPLICA-5');
    const neverTogether = found(1, 60, { name: 'a', revision: 2 }, { name: 'b', revision: 5 });
    expect(brokenBy(judged(...all3, neverTogether))).toBe('REPLICA-5');
  });
});
