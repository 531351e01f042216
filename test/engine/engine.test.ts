import { describe, expect, test } from 'vitest';
import { Engine, type EngineWatchItem } from '../../src/engine/index.js';
import { isQuorateError } from '../../src/errors.js';
import {
  bytesOf,
  compare,
  get,
  getPrefix,
  type KeyEvent,
  nested,
  type Op,
  put,
  remove,
  removePrefix,
  type TxnRequest,
  textOf,
  txnOf,
  type WatchRequest,
} from '../../src/store/index.js';

function codeOf(call: () => unknown): string | undefined {
  try {
    call();
  } catch (error) {
    if (isQuorateError(error)) return `${error.code}, ${error.outcome}`;
    throw error;
  }
  return undefined;
}

const write = (engine: Engine, ...ops: Op[]) => engine.txn(txnOf({ success: ops }));
const everything = { key: '\0', rangeEnd: '\0' };

function valueAt(engine: Engine, key: string, revision = 0): string | undefined {
  const [kv] = engine.range({ key, revision }).kvs;
  return kv && textOf(kv.value);
}

function watching(engine: Engine, request: WatchRequest): EngineWatchItem[] {
  const items: EngineWatchItem[] = [];
  engine.watch(request, (item) => items.push(item));
  return items;
}

function eventsOf(items: readonly EngineWatchItem[]): readonly KeyEvent[] {
  return items.flatMap((item) => (item.type === 'events' ? item.events : []));
}

describe('revisions', () => {
  test('an empty store is at revision 1; what writes nothing makes none', () => {
    const engine = new Engine();
    expect(engine.revision).toBe(1);
    expect(write(engine, get('a'), remove('a')).revision).toBe(1);
    engine.leaseGrant('1', 10, 0);
    expect(engine.revision).toBe(1);
  });

  test('a transaction makes one revision; versions and create revisions count the life of a key', () => {
    const engine = new Engine();
    expect(write(engine, put('a', '1'), put('b', '1')).revision).toBe(2);
    write(engine, put('a', '2'));
    write(engine, remove('a'));
    write(engine, put('a', '3'));
    const { kvs } = engine.range(everything);
    expect(kvs.map((kv) => [kv.key, kv.createRevision, kv.modRevision, kv.version])).toEqual([
      ['a', 5, 5, 1],
      ['b', 2, 2, 1],
    ]);
    expect([2, 3, 4, 5].map((revision) => valueAt(engine, 'a', revision))).toEqual([
      '1',
      '2',
      undefined,
      '3',
    ]);
  });

  test('keys are ordered as bytes, the last byte included', () => {
    const engine = new Engine();
    const key = (text: string): Op => ({ type: 'put', key: text, value: new Uint8Array() });
    write(engine, key('\xff'), key('a\0'), key('a'), key('\x80'));
    expect(engine.range(everything).kvs.map((kv) => kv.key)).toEqual(['a', 'a\0', '\x80', '\xff']);
  });
});

describe('transactions', () => {
  test('compares of all depths see the state before; ranges see the writes before them', () => {
    const engine = new Engine();
    const reply = engine.txn(
      txnOf({
        success: [
          put('a', '1'),
          nested({
            compare: [compare.create('a', 'equal', 0)],
            success: [getPrefix('a')],
            failure: [put('b', '')],
          }),
        ],
      }),
    );
    expect(reply.replies[1]).toMatchObject({ succeeded: true, replies: [{ count: 1 }] });
  });

  test('a value compare on a missing key is false whatever the operator', () => {
    const engine = new Engine();
    for (const result of ['equal', 'not-equal', 'greater', 'less'] as const) {
      expect(engine.txn(txnOf({ compare: [compare.value('a', result, '')] })).succeeded).toBe(false);
    }
  });

  test('a range compare must hold for every key; an empty range counts as 0', () => {
    const engine = new Engine();
    const range = { key: 'a', rangeEnd: 'b' };
    const holds = (operand: number) =>
      engine.txn(txnOf({ compare: [compare.mod(range, 'less', operand)] })).succeeded;
    expect([holds(1), holds(0)]).toEqual([true, false]);
    write(engine, put('a1', ''));
    write(engine, put('a2', ''));
    expect([holds(4), holds(3)]).toEqual([true, false]);
  });

  test('ignoreValue and ignoreLease keep what is there', () => {
    const engine = new Engine();
    engine.leaseGrant('1', 10, 0);
    write(engine, put('a', 'kept', { lease: '1' }));
    write(engine, { ...put('a', ''), ignoreValue: true, lease: '0' });
    expect(engine.range({ key: 'a' }).kvs[0]).toMatchObject({ lease: '0', value: bytesOf('kept') });
    write(engine, put('a', 'old', { lease: '1' }));
    write(engine, { ...put('a', 'new'), ignoreLease: true });
    expect(engine.range({ key: 'a' }).kvs[0]).toMatchObject({ lease: '1', value: bytesOf('new') });
  });
});

describe('refusals apply nothing', () => {
  const refusals: readonly (readonly [string, Partial<TxnRequest>, string])[] = [
    [
      'an unknown lease on the taken path',
      { success: [put('x', ''), put('y', '', { lease: '5' })] },
      'lease-not-found',
    ],
    [
      'ignoreValue of a missing key',
      { success: [put('x', ''), { ...put('y', ''), ignoreValue: true }] },
      'key-not-found',
    ],
    ['a future revision', { success: [put('x', ''), get('y', { revision: 99 })] }, 'future-revision'],
    ['two puts of a key', { success: [put('x', ''), put('x', '')] }, 'duplicate-key'],
    ['an empty key', { success: [put('x', ''), get('')] }, 'invalid-argument'],
    [
      'an empty key in a compare',
      { compare: [compare.create('', 'equal', 0)], success: [put('x', '')] },
      'invalid-argument',
    ],
    ['a compacted revision', { success: [put('x', ''), get('y', { revision: 2 })] }, 'compacted'],
    // etcd 3.4 overlooks this delete when it looks for duplicates, and then panics.
    [
      'ignoreValue of a key that the transaction deletes',
      {
        success: [
          put('0', ''),
          { type: 'delete', key: 'a', rangeEnd: '\0' },
          { ...put('a', ''), ignoreValue: true },
        ],
      },
      'key-not-found',
    ],
  ];

  test.each(refusals)('%s', (_, request, code) => {
    const engine = new Engine();
    engine.leaseGrant('1', 10, 0);
    write(engine, put('a', '1', { lease: '1' }), put('b', '1'));
    write(engine, put('b', '2'));
    engine.compact(3);
    const before = engine.snapshot();
    expect(codeOf(() => engine.txn(txnOf(request)))).toBe(`${code}, not-applied`);
    expect(engine.snapshot()).toEqual(before);
    expect(write(engine, put('a', '3')).revision).toBe(4);
    expect([engine.range(everything).count, engine.keyCount]).toEqual([2, 2]);
  });

  test('an unknown lease on the path that is not taken is no reason', () => {
    const engine = new Engine();
    const request = txnOf({
      compare: [compare.create('a', 'greater', 0)],
      success: [put('a', '', { lease: '5' })],
    });
    expect(engine.txn(request).succeeded).toBe(false);
  });
});

describe('compaction', () => {
  test('reads at the compacted revision work, below it they fail', () => {
    const engine = new Engine();
    for (const value of ['1', '2', '3']) write(engine, put('a', value));
    engine.compact(3);
    expect(valueAt(engine, 'a', 3)).toBe('2');
    expect(codeOf(() => engine.range({ key: 'a', revision: 2 }))).toBe('compacted, not-applied');
    expect(codeOf(() => engine.compact(3))).toBe('compacted, not-applied');
    expect(codeOf(() => engine.compact(5))).toBe('future-revision, not-applied');
  });

  test('the newest version of each key stays, unless it is deleted', () => {
    const engine = new Engine();
    write(engine, put('a', '1'), put('b', '1'));
    write(engine, put('a', '2'), remove('b'));
    write(engine, put('c', '1'));
    engine.compact(4);
    const kept = engine.snapshot().versions.map(({ key, revision }) => [key, revision]);
    expect(kept).toEqual([
      ['a', 3],
      ['c', 4],
    ]);
  });
});

describe('leases', () => {
  test('a lease has at least 2 seconds, at most 9,000,000,000, and an id of its own', () => {
    const engine = new Engine();
    expect(engine.leaseGrant('7', 1, 0)).toEqual({ id: '7', ttlSeconds: 2 });
    expect(codeOf(() => engine.leaseGrant('7', 5, 0))).toBe('lease-exists, not-applied');
    expect(codeOf(() => engine.leaseGrant('8', 9_000_000_001, 0))).toBe('invalid-argument, not-applied');
    expect(codeOf(() => engine.leaseGrant('007', 5, 0))).toBe('invalid-argument, not-applied');
    expect(engine.leaseGrant('0', 5, 0).id).toBe('1');
    expect(new Engine({ newLeaseId: () => '99' }).leaseGrant('0', 5, 0).id).toBe('99');
  });

  test('the end of a lease deletes all its keys in one revision, and a put moves a key away', () => {
    const engine = new Engine();
    engine.leaseGrant('1', 5, 0);
    engine.leaseGrant('2', 9, 0);
    write(engine, put('b', '', { lease: '1' }), put('a', '', { lease: '1' }), put('c', '', { lease: '1' }));
    write(engine, put('c', '', { lease: '2' }));
    const items = watching(engine, { ...everything });
    expect(engine.nextExpiryMs()).toBe(5_000);
    expect(engine.expireLeases(4_999)).toEqual([]);
    expect(engine.expireLeases(5_000)).toEqual(['1']);
    expect(eventsOf(items).map(({ type, kv }) => [type, kv.key, kv.modRevision])).toEqual([
      ['delete', 'a', 4],
      ['delete', 'b', 4],
    ]);
    expect(engine.leaseTimeToLive('2', 1_500, { keys: true })).toEqual({
      id: '2',
      grantedTtlSeconds: 9,
      remainingSeconds: 7,
      keys: ['c'],
    });
    engine.leaseRevoke('2');
    expect([engine.keyCount, engine.revision]).toEqual([0, 5]);
  });

  test('a lease that is gone answers 0 to a keep-alive and -1 to time-to-live; its revocation fails', () => {
    const engine = new Engine();
    expect(engine.leaseKeepAlive('1', 0)).toBe(0);
    expect(engine.leaseTimeToLive('1', 0)).toMatchObject({ remainingSeconds: -1 });
    expect(codeOf(() => engine.leaseRevoke('1'))).toBe('lease-not-found, not-applied');
  });

  test('nobody renews a lease past its deadline, even before it was expired', () => {
    const engine = new Engine();
    engine.leaseGrant('1', 5, 0);
    write(engine, put('a', '', { lease: '1' }));
    expect(engine.leaseKeepAlive('1', 4_999)).toBe(5);
    expect(engine.leaseKeepAlive('1', 9_999)).toBe(0);
    expect([engine.keyCount, engine.leases()]).toEqual([0, []]);
  });

  test('a change of leader gives every lease its full time again', () => {
    const engine = new Engine();
    engine.leaseGrant('1', 5, 0);
    engine.leaseGrant('2', 3, 1_000);
    engine.restartLeases(2_500);
    expect(engine.leases()).toEqual(['2', '1']);
    expect(engine.nextExpiryMs()).toBe(5_500);
  });

  test('a deletion takes the key from its lease, so that a later key of that name is not its own', () => {
    const engine = new Engine();
    engine.leaseGrant('1', 5, 0);
    write(engine, put('a', '', { lease: '1' }));
    write(engine, remove('a'));
    write(engine, put('a', 'new'));
    engine.leaseRevoke('1');
    expect(valueAt(engine, 'a')).toBe('new');
  });
});

describe('watches', () => {
  test('history first, then what happens; each revision whole and in the order of its writes', () => {
    const engine = new Engine();
    write(engine, put('a', '1'), put('b', '1'));
    const items = watching(engine, { ...everything, fromRevision: 2, prevKv: true });
    write(engine, put('b', '2'), remove('a'));
    expect(
      items.map((item) => (item.type === 'events' ? [item.revision, item.events.length] : item.type)),
    ).toEqual(['opened', [2, 2], [3, 2]]);
    expect(
      eventsOf(items).map(({ type, kv, prevKv }) => [type, kv.key, prevKv && textOf(prevKv.value)]),
    ).toEqual([
      ['put', 'a', undefined],
      ['put', 'b', undefined],
      ['put', 'b', '1'],
      ['delete', 'a', '1'],
    ]);
    expect(eventsOf(items).at(-1)?.kv).toEqual({
      key: 'a',
      value: new Uint8Array(0),
      createRevision: 0,
      modRevision: 3,
      version: 0,
      lease: '0',
    });
  });

  test('a watch from the future waits for its first revision', () => {
    const engine = new Engine();
    const items = watching(engine, { key: 'a', fromRevision: 3 });
    write(engine, put('a', '1'));
    write(engine, put('a', '2'));
    expect(eventsOf(items).map(({ kv }) => kv.modRevision)).toEqual([3]);
  });

  test('a watch from below the compacted revision says so and ends; prevKv that is gone is left out', () => {
    const engine = new Engine();
    for (const value of ['1', '2', '3']) write(engine, put('a', value));
    engine.compact(3);
    const late = watching(engine, { key: 'a', fromRevision: 2 });
    const edge = watching(engine, { key: 'a', fromRevision: 3, prevKv: true });
    write(engine, put('a', '4'));
    expect(late.slice(1)).toEqual([{ type: 'compacted', fromRevision: 2, compactRevision: 3 }]);
    expect(eventsOf(edge).map(({ prevKv }) => prevKv && textOf(prevKv.value))).toEqual([undefined, '2', '3']);
  });

  test('filters leave out kinds of event; a closed watch is told nothing; progress names the revision', () => {
    const engine = new Engine();
    const items: EngineWatchItem[] = [];
    const watch = engine.watch({ key: 'a', without: ['put'] }, (item) => items.push(item));
    write(engine, put('a', ''));
    write(engine, remove('a'));
    watch.requestProgress();
    watch.close();
    write(engine, put('a', ''));
    write(engine, removePrefix(''));
    watch.requestProgress();
    expect(items.map((item) => ('revision' in item ? [item.type, item.revision] : item.type))).toEqual([
      ['opened', 1],
      ['events', 3],
      ['progress', 3],
    ]);
  });

  test('long history comes in batches of whole revisions', () => {
    const engine = new Engine();
    for (let index = 0; index < 2_500; index += 1) write(engine, put('a', ''), put('b', ''));
    const items = watching(engine, { ...everything, fromRevision: 2 });
    expect(
      items.flatMap((item) => (item.type === 'events' ? [[item.revision, item.headerRevision]] : [])),
    ).toEqual([
      [1_001, 2_501],
      [2_001, 2_501],
      [2_501, 2_501],
    ]);
  });
});

describe('hash', () => {
  test('names a history: equal for a restored engine, different for another', () => {
    const engine = new Engine();
    write(engine, put('a', '1'), put('b', ''));
    const then = engine.hash();
    write(engine, remove('a'));
    expect(engine.hash()).not.toBe(then);
    expect(engine.hash(2)).toBe(then);
    expect(Engine.restore(engine.snapshot(), 0).hash()).toBe(engine.hash());
    engine.compact(2);
    expect(codeOf(() => engine.hash(2))).toBe('compacted, not-applied');
    expect(codeOf(() => engine.hash(9))).toBe('future-revision, not-applied');
  });
});
