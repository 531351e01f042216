import { describe, expect, it } from 'vitest';
import { checkWatch, recordHistory, type WatchCheck, type WatchReport } from '../../src/checkers/index.js';
import { MemoryServer } from '../../src/memory/index.js';
import { type KeyEvent, prefixRange, put, remove, txnOf, type WatchItem } from '../../src/store/index.js';
import { brokenBy, evidenceOf, Story } from './story.js';

/** Under `w/`: put a at 2, a and b at 3, nothing at 4, delete a at 5, put b at 6. */
function told(): Story {
  const story = new Story();
  story.put('w/a', 'one');
  story.step({ 'w/a': { value: 'two' }, 'w/b': { value: 'x' }, other: { value: '' } });
  story.put('other');
  story.remove('w/a');
  story.put('w/b', 'y');
  return story;
}
const history = told().history();

function eventsOf(...revisions: readonly number[]): KeyEvent[] {
  return revisions.flatMap((revision) =>
    (history.entryAt(revision)?.events ?? []).filter(({ kv }) => kv.key.startsWith('w/')),
  );
}

function news(...revisions: readonly number[]): WatchReport {
  return { type: 'events', revision: revisions.at(-1) ?? 0, events: eventsOf(...revisions) };
}
const opened = (revision: number): WatchReport => ({ type: 'opened', revision });
const cut: WatchReport = { type: 'interrupted' };

function check(reports: readonly WatchReport[], change: Partial<WatchCheck> = {}) {
  return () => checkWatch({ history, range: prefixRange('w/'), reports, ...change });
}
const fromTheStart = { fromRevision: 1, completeTo: 6 };

describe('checkWatch', () => {
  it('counts what it checked of a watch that kept every promise', () => {
    const reports = [
      opened(1),
      news(2, 3),
      cut,
      opened(3),
      news(5, 6),
      { type: 'progress', revision: 6 } as const,
    ];
    expect(check(reports, fromTheStart)()).toEqual({ reports: 6, revisions: 4, cuts: 1, gaps: 0, missed: 0 });
  });

  it('begins above what was opened if no revision was asked for', () => {
    expect(check([opened(4), news(5), news(6)], { completeTo: 6 })()).toMatchObject({
      revisions: 2,
      missed: 0,
    });
    expect(brokenBy(check([opened(4), news(3)]))).toBe('WATCH-4');
    expect(brokenBy(check([opened(1), news(2)], { fromRevision: 3 }))).toBe('WATCH-4');
  });

  it('leaves out what it was asked to, and knows single keys', () => {
    const puts = [2, 3, 6].flatMap((revision) => eventsOf(revision));
    const items = [opened(1), { type: 'events', revision: 6, events: puts } as const];
    expect(check(items, { ...fromTheStart, without: ['delete'] })()).toMatchObject({ revisions: 3 });
    const ofA = [2, 3, 5].flatMap((revision) => eventsOf(revision).filter(({ kv }) => kv.key === 'w/a'));
    const single = [opened(1), { type: 'events', revision: 5, events: ofA } as const];
    expect(check(single, { ...fromTheStart, range: { key: 'w/a' } })()).toMatchObject({ revisions: 3 });
  });

  it('takes the key before with an event, or without it', () => {
    const [event] = eventsOf(5);
    const [before] = eventsOf(3);
    if (!event || !before) throw new Error('the story has events');
    const deleted = (prevKv: KeyEvent['kv']): WatchReport => {
      return { type: 'events', revision: 5, events: [{ ...event, prevKv }] };
    };
    expect(brokenBy(check([opened(4), deleted(before.kv)]))).toBe('nothing');
    expect(brokenBy(check([opened(4), deleted({ ...before.kv, version: 1 })]))).toBe('WATCH-4');
  });

  it('counts what a gap that was said took away', () => {
    const reports = [opened(1), news(2), cut, opened(5), news(6)];
    const expected = { gaps: 1, missed: 2, revisions: 2 };
    expect(check(reports, { kind: 'shared', completeTo: 6 })()).toMatchObject(expected);
    expect(check(reports, { kind: 'from-now', completeTo: 6 })()).toMatchObject(expected);
    const compacted = { type: 'compacted', fromRevision: 3, compactRevision: 5 } as const;
    expect(check([opened(1), news(2), cut, compacted], fromTheStart)()).toMatchObject({ gaps: 1, missed: 2 });
  });

  it('WATCH-1 something is never delivered by a watch that stands open', () => {
    expect(brokenBy(check([opened(1), news(2, 3)], fromTheStart))).toBe('WATCH-1');
    expect(brokenBy(check([opened(1), news(2, 3)], { fromRevision: 1, completeTo: 4 }))).toBe('nothing');
    expect(brokenBy(check([opened(1), news(2, 3), cut], fromTheStart))).toBe('nothing');
    expect(brokenBy(check([opened(1), news(2, 3), { type: 'failed' }], fromTheStart))).toBe('nothing');
    expect(brokenBy(check([], fromTheStart))).toBe('nothing');
    expect(evidenceOf(check([opened(1), news(2, 3)], { ...fromTheStart, reader: 'p1' }))).toBe(
      'p1 was never told of revision 5 (delete w/a), up to revision 6',
    );
  });

  it.each<[string, WatchReport[]]>([
    ['before it was opened', [news(2)]],
    ['after a cut', [opened(1), news(2), cut, news(3)]],
    ['as progress after a cut', [opened(1), news(2), cut, { type: 'progress', revision: 2 }]],
  ])('WATCH-2 news %s', (_what, reports) => {
    expect(brokenBy(check(reports, { fromRevision: 1 }))).toBe('WATCH-2');
  });

  it('WATCH-3 revisions that go back', () => {
    expect(brokenBy(check([opened(1), news(2, 3), cut, opened(1), news(2)], { fromRevision: 1 }))).toBe(
      'WATCH-3',
    );
    const older = [opened(4), cut, opened(3)];
    expect(brokenBy(check(older, { kind: 'shared' }))).toBe('WATCH-3');
    expect(brokenBy(check(older, { kind: 'from-now' }))).toBe('nothing');
    expect(brokenBy(check([opened(1), news(2, 3), cut, opened(2)], { kind: 'shared' }))).toBe('WATCH-3');
  });

  it.each<[string, WatchReport[], Partial<WatchCheck>?]>([
    ['skips a revision', [opened(1), news(3)]],
    ['skips revisions over a cut', [opened(1), news(2), cut, opened(5), news(6)]],
    ['delivers a revision again', [opened(1), news(2), news(2)]],
    [
      'delivers half of a revision',
      [opened(1), news(2), { type: 'events', revision: 3, events: eventsOf(3).slice(1) }],
    ],
    [
      'delivers a revision in two parts',
      [
        ...[opened(1), news(2)],
        { type: 'events', revision: 3, events: eventsOf(3).slice(0, 1) },
        { type: 'events', revision: 3, events: eventsOf(3).slice(1) },
      ],
    ],
    [
      'delivers one key twice',
      [opened(1), { type: 'events', revision: 2, events: [...eventsOf(2), ...eventsOf(2)] }],
    ],
    [
      'delivers what did not happen',
      [opened(4), { type: 'events', revision: 6, events: [...eventsOf(5), ...other(6)] }],
    ],
    ['delivers what happens later', [opened(6), { type: 'events', revision: 7, events: other(7) }]],
    ['delivers another value', [opened(5), { type: 'events', revision: 6, events: other(6) }]],
    ['calls itself of another revision', [opened(1), { type: 'events', revision: 3, events: eventsOf(2) }]],
    ['delivers nothing', [opened(1), { type: 'events', revision: 2, events: [] }]],
    ['makes progress past what it did not deliver', [opened(1), news(2), { type: 'progress', revision: 3 }]],
    ['opens anew without a cut', [opened(1), news(2), opened(5)], { kind: 'shared' }],
    ['says too small a gap', [opened(1), cut, { type: 'compacted', fromRevision: 3, compactRevision: 5 }]],
    ['goes on after its end', [opened(1), { type: 'failed' }, opened(1)]],
  ])('WATCH-4 a watch that %s', (_what, reports, change = { fromRevision: 1 }) => {
    expect(brokenBy(check(reports, change))).toBe('WATCH-4');
  });

  it('is content with a watch of a store', async () => {
    const server = new MemoryServer();
    const store = server.connect();
    const items: WatchItem[] = [];
    const reading = (async () => {
      for await (const item of store.watch({ ...prefixRange('w/'), prevKv: true })) {
        items.push(item);
        if (item.type === 'events' && item.revision >= 61) return;
      }
    })();
    for (let round = 0; round < 59; round += 1) {
      const change = round % 5 === 3 ? remove('w/a') : put(round % 3 === 0 ? 'w/a' : 'w/b', String(round));
      await store.txn(txnOf({ success: [change, put('other', String(round))] }));
    }
    await store.txn(txnOf({ success: [put('w/last', '')] }));
    await reading;
    const recorded = await recordHistory(store).stop(61);
    const options = { history: recorded, range: prefixRange('w/'), reports: items, completeTo: 61 };
    expect(checkWatch(options).revisions).toBeGreaterThan(40);
    expect(brokenBy(() => checkWatch({ ...options, reports: items.slice(0, -1) }))).toBe('WATCH-1');
    await server.close();
  });
});

/** Events of `w/b` that never were. */
function other(revision: number): KeyEvent[] {
  const [event] = eventsOf(6);
  if (event === undefined) throw new Error('the story has revision 6');
  return [{ ...event, kv: { ...event.kv, modRevision: revision, value: new Uint8Array([7]) } }];
}
