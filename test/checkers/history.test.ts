import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { History, recordHistory } from '../../src/checkers/index.js';
import { MemoryServer } from '../../src/memory/index.js';
import {
  type HistoryEntry,
  nested,
  put,
  remove,
  type Store,
  textOf,
  txnOf,
  type WatchItem,
} from '../../src/store/index.js';
import { Story } from './story.js';

/** `a` lives twice, `b` once, and `ab` for ever. */
function told(): Story {
  const story = new Story();
  story.at(10).put('a', 'one', '7');
  story.at(20).step({ a: { value: 'two', lease: '8' }, b: { value: 'x' } });
  story.at(30).remove('a');
  story.at(40).step({ a: { value: 'three' }, ab: { value: 'y' } });
  story.at(50).remove('a', 'b');
  return story;
}

describe('History', () => {
  it('tells the lives of keys under a prefix, the oldest first', () => {
    const history = told().history();
    expect(history.lives('a')).toEqual([
      { key: 'a', from: 2, to: 4, lease: '8', puts: 2, fromMs: 10, toMs: 30 },
      { key: 'a', from: 5, to: 6, lease: '0', puts: 1, fromMs: 40, toMs: 50 },
      { key: 'ab', from: 5, to: Number.POSITIVE_INFINITY, lease: '0', puts: 1, fromMs: 40 },
    ]);
    expect(history.lives('').map(({ key }) => key)).toEqual(['a', 'b', 'a', 'ab']);
    expect(history.lives('c')).toEqual([]);
  });

  it('tells the life that goes on at a revision, its end excluded', () => {
    const history = told().history();
    expect([1, 2, 3, 4, 5, 6].map((revision) => history.lifeAt('a', revision)?.from)).toEqual([
      ...[undefined, 2, 2, undefined, 5, undefined],
    ]);
  });

  it('tells the first deletion of a key, and the first after a revision', () => {
    const history = told().history();
    expect(history.firstDeletion('a')).toEqual({ revision: 4, atMs: 30 });
    expect(history.firstDeletion('a', 4)).toEqual({ revision: 6, atMs: 50 });
    expect(history.firstDeletion('ab')).toBeUndefined();
  });

  it('tells times only where it has them', () => {
    const story = new Story();
    story.put('a');
    expect(story.history().timeOf(2)).toBeUndefined();
    expect(told().history().timeOf(3)).toBe(20);
    expect(told().history().timeOf(99)).toBeUndefined();
  });

  it.each([
    ['revisions that go back', [3, 2]],
    ['a revision twice', [2, 2]],
    ['a revision that is none', [0]],
  ])('refuses %s', (_what, revisions) => {
    const entries = revisions.map((revision) => ({ revision, events: [] }));
    expect(() => new History(entries)).toThrow(/accepted: entries in ascending order/);
  });

  it('refuses an event of another revision, and two of one key in one revision', () => {
    const [first, second] = told().entries;
    const [event] = first?.events ?? [];
    if (!first || !second || !event) throw new Error('the story has entries');
    expect(() => new History([{ ...first, revision: 9 }])).toThrow(/event of revision 2 under revision 9/);
    expect(() => new History([{ ...first, events: [event, event] }])).toThrow(
      /two events of a in revision 2/,
    );
  });

  it('takes a put and a delete of one key in one transaction, as etcd does', () => {
    const { engine } = new MemoryServer();
    const entries: HistoryEntry[] = [];
    engine.watch({ key: '\0', rangeEnd: '\0' }, (item) => {
      if (item.type === 'events') entries.push({ revision: item.revision, events: item.events });
    });
    engine.txn(
      txnOf({ success: [nested({ success: [put('a', '1')] }), nested({ success: [remove('a')] })] }),
    );
    engine.txn(txnOf({ success: [put('a', '2')] }));
    const history = new History(entries);
    expect(history.entryAt(2)?.events).toHaveLength(2);
    expect(history.valueAt('a', 2)).toBeUndefined();
    expect(history.lifeAt('a', 2)).toBeUndefined();
    expect(history.lives('a').map(({ from, to }) => [from, to])).toEqual([
      [2, 2],
      [3, Number.POSITIVE_INFINITY],
    ]);
  });

  it('knows the state at every revision as the replay goes through it, and as the engine has it', () => {
    const change = fc.record({ key: fc.constantFrom('a', 'ab', 'b', 'c'), value: fc.option(fc.string()) });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 40 }), (changes) => {
        const { engine } = new MemoryServer();
        const story = new Story();
        for (const { key, value } of changes) {
          const { revision } = engine.txn(
            txnOf({ success: [value === null ? remove(key) : put(key, value)] }),
          );
          if (revision > story.revision) story.step({ [key]: value === null ? {} : { value } });
        }
        const history = story.history();
        for (const { entry, before } of history.replay()) {
          const past = engine.range({ key: 'a', rangeEnd: '\0', revision: entry.revision - 1 || 1 }).kvs;
          expect(history.rangeAt({ key: 'a', rangeEnd: '\0' }, entry.revision - 1)).toEqual(past);
          expect([...before.values()].sort((l, r) => (l.key < r.key ? -1 : 1))).toEqual(past);
        }
        const { kvs } = engine.range({ key: 'ab', rangeEnd: 'c' });
        expect(history.rangeAt({ key: 'ab', rangeEnd: 'c' }, engine.revision)).toEqual(kvs);
        expect(history.lastRevision).toBe(
          changes.length === 0 ? 0 : story.revision === 1 ? 0 : engine.revision,
        );
      }),
    );
  });
});

describe('recordHistory', () => {
  it('records every revision from the first, of before it began too, and survives compaction', async () => {
    const server = new MemoryServer();
    const store = server.connect();
    await store.txn(txnOf({ success: [put('a', 'one')] }));
    const recording = recordHistory(store);
    await store.txn(txnOf({ success: [put('a', 'two'), put('b', 'x')] }));
    await recordingUpTo(store, 3);
    await store.compact(3);
    const { revision } = await store.txn(txnOf({ success: [remove('a')] }));
    const history = await recording.stop(revision);
    expect(history.entries.map((entry) => [entry.revision, entry.events.length])).toEqual([
      [2, 1],
      [3, 2],
      [4, 1],
    ]);
    expect(textOf(history.valueAt('a', 3)?.value ?? new Uint8Array())).toBe('two');
    await server.close();
  });

  it('ends where it is told to, and answers at once for what is recorded', async () => {
    const server = new MemoryServer();
    const store = server.connect();
    const recording = recordHistory(store);
    for (const key of ['a', 'b', 'c']) await store.txn(txnOf({ success: [put(key, '')] }));
    expect((await recording.stop(3)).lastRevision).toBe(3);
    await server.close();
  });

  it('is empty for a store in which nothing happened', async () => {
    const server = new MemoryServer();
    expect((await recordHistory(server.connect()).stop(1)).entries).toEqual([]);
    await server.close();
  });

  it('says so when history was compacted before it began', async () => {
    const server = new MemoryServer();
    const store = server.connect();
    for (const key of ['a', 'b', 'c']) await store.txn(txnOf({ success: [put(key, '')] }));
    await store.compact(4);
    await expect(recordHistory(store).stop(4)).rejects.toMatchObject({ code: 'compacted' });
    await server.close();
  });

  it('gives up when told to, and when the store is closed', async () => {
    const server = new MemoryServer();
    const signal = AbortSignal.timeout(20);
    await expect(recordHistory(server.connect()).stop(5, { signal })).rejects.toMatchObject({
      code: 'aborted',
    });
    const recording = recordHistory(server.connect());
    const stopped = expect(recording.stop(5)).rejects.toMatchObject({ code: 'closed' });
    await server.close();
    await stopped;
  });

  it('does not believe a watch that leaves a revision out', async () => {
    const [, , third] = told().entries;
    const items: WatchItem[] = [
      { type: 'opened', revision: 1 },
      { type: 'events', revision: 4, events: third?.events ?? [] },
    ];
    const recording = recordHistory({ watch: () => scripted(items) } as unknown as Store);
    await expect(recording.stop(4)).rejects.toThrow(/from revision 1 to 4, without a gap being said/);
  });
});

async function recordingUpTo(store: Store, revision: number): Promise<void> {
  const watch = store.watch({ key: '\0', rangeEnd: '\0', fromRevision: 1 });
  for await (const item of watch) if (item.type === 'events' && item.revision >= revision) return;
}

function scripted(items: readonly WatchItem[]) {
  return {
    close() {},
    async *[Symbol.asyncIterator]() {
      yield* items;
    },
  };
}
