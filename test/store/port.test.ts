import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { isQuorateError, type QuorateError } from '../../src/errors.js';
import {
  compare,
  get,
  getPrefix,
  type Key,
  keyOf,
  nested,
  prefixRange,
  put,
  type RangeRequest,
  remove,
  removePrefix,
  type Store,
  textOf,
  txnOf,
} from '../../src/store/index.js';
import { describeStores, type StoreKind, type TestServer, uniqueName } from '../support/stores.js';
import { WatchReader } from '../support/watch-reader.js';

let lastLease = 0;

function newLease(): string {
  lastLease += 1;
  return String(BigInt(Date.now()) * 1_000_000n + BigInt(process.pid % 1_000) * 1_000n + BigInt(lastLease));
}

async function failure(promise: Promise<unknown>): Promise<QuorateError> {
  const error: unknown = await promise.then(
    () => new Error('it did not fail'),
    (reason: unknown) => reason,
  );
  if (!isQuorateError(error)) throw error;
  return error;
}

// Of its own, since it compacts: others, at the same time, would miss their history.
const everyStore: readonly StoreKind[] = [
  ...(['memory', 'simulated', 'embedded'] as const),
  ...(['etcd of its own', 'etcd of its own over grpc-js'] as const),
];

function storePort(server: TestServer): void {
  let store: Store;
  beforeAll(async () => {
    store = await server.connect();
  });

  const write = (key: string, value: string) => store.txn(txnOf({ success: [put(key, value)] }));
  const read = async (key: string, options: Partial<RangeRequest> = {}) =>
    (await store.range({ key: keyOf(key), ...options })).kvs[0];

  describe('transactions', () => {
    it('applies success if all compares hold, and failure otherwise', async () => {
      const key = uniqueName();
      const request = txnOf({
        compare: [compare.create(key, 'equal', 0)],
        success: [put(key, 'first'), get(key)],
        failure: [get(key)],
      });
      const won = await store.txn(request);
      const lost = await store.txn(request);
      expect(won.succeeded).toBe(true);
      expect(won.replies[0]).toEqual({ type: 'put' });
      expect(lost.succeeded).toBe(false);
      expect(lost.revision).toBe(won.revision);
      for (const reply of [won.replies[1], lost.replies[0]]) {
        if (reply?.type !== 'range') throw new Error('a range was asked for');
        expect(reply).toMatchObject({ count: 1, more: false });
        expect(reply.kvs).toHaveLength(1);
        expect(reply.kvs[0]).toMatchObject({
          key,
          createRevision: won.revision,
          modRevision: won.revision,
          version: 1,
          lease: '0',
        });
        expect(textOf(reply.kvs[0]?.value ?? new Uint8Array())).toBe('first');
      }
    });

    it('compares version, create, mod, lease and value, of a key and of a range', async () => {
      const prefix = `${uniqueName()}/`;
      const [a, b] = [`${prefix}a`, `${prefix}b`];
      const { revision: first } = await write(a, 'x');
      const { revision: second } = await write(b, 'x');
      const range = prefixRange(prefix);
      const holds = async (...compares: ReturnType<typeof compare.create>[]) =>
        (await store.txn(txnOf({ compare: compares }))).succeeded;
      expect(await holds(compare.version(a, 'equal', 1), compare.mod(b, 'equal', second))).toBe(true);
      expect(await holds(compare.create(a, 'equal', first), compare.create(a, 'less', second))).toBe(true);
      expect(await holds(compare.value(a, 'equal', 'x'), compare.value(a, 'greater', 'w'))).toBe(true);
      expect(await holds(compare.value(a, 'not-equal', 'y'), compare.lease(a, 'equal', '0'))).toBe(true);
      expect(await holds(compare.lease(a, 'greater', '0'))).toBe(false);
      expect(await holds(compare.value(range, 'equal', 'x'), compare.version(range, 'equal', 1))).toBe(true);
      expect(await holds(compare.create(range, 'less', second))).toBe(false);
      expect(await holds(compare.create(range, 'less', second + 1))).toBe(true);
      expect(await holds(compare.version(`${prefix}absent`, 'equal', 0))).toBe(true);
      expect(await holds(compare.value(`${prefix}absent`, 'equal', ''))).toBe(false);
    });

    it('evaluates nested transactions against the state before, and shows ranges the writes before them', async () => {
      const key = uniqueName();
      const reply = await store.txn(
        txnOf({
          success: [
            put(`${key}/1`, 'new'),
            nested({
              compare: [compare.create(`${key}/1`, 'equal', 0)],
              success: [put(`${key}/2`, 'inner'), getPrefix(`${key}/`)],
              failure: [get(`${key}/1`)],
            }),
          ],
        }),
      );
      const inner = reply.replies[1];
      if (inner?.type !== 'txn') throw new Error('a nested reply was expected');
      expect(inner.succeeded).toBe(true);
      expect(inner.replies[1]).toMatchObject({ type: 'range', count: 2 });
      expect((await read(`${key}/2`))?.modRevision).toBe(reply.revision);
    });

    it('answers previous values where they are asked for', async () => {
      const key = uniqueName();
      await write(key, 'old');
      const replaced = await store.txn(txnOf({ success: [put(key, 'new', { prevKv: true })] }));
      const removed = await store.txn(txnOf({ success: [remove(key, { prevKv: true })] }));
      const gone = await store.txn(txnOf({ success: [remove(key, { prevKv: true })] }));
      const [putReply] = replaced.replies;
      if (putReply?.type !== 'put' || !putReply.prevKv) throw new Error('a previous value was expected');
      expect(textOf(putReply.prevKv.value)).toBe('old');
      expect(removed.replies[0]).toMatchObject({
        type: 'delete',
        deleted: 1,
        prevKvs: [{ key, version: 2 }],
      });
      expect(gone.replies[0]).toEqual({ type: 'delete', deleted: 0, prevKvs: [] });
    });

    it('keeps value or lease with ignoreValue and ignoreLease', async () => {
      const key = uniqueName();
      const lease = newLease();
      await store.leaseGrant({ id: lease, ttlSeconds: 60 });
      const ignoring = (flag: 'ignoreValue' | 'ignoreLease', value: string) =>
        store.txn(txnOf({ success: [{ ...put(key, value), [flag]: true }] }));
      expect(await failure(ignoring('ignoreValue', ''))).toMatchObject({
        code: 'key-not-found',
        outcome: 'not-applied',
      });
      await store.txn(txnOf({ success: [put(key, 'kept', { lease })] }));
      await ignoring('ignoreLease', 'changed');
      expect(await read(key)).toMatchObject({ lease, version: 2 });
      await ignoring('ignoreValue', '');
      const kv = await read(key);
      expect(kv).toMatchObject({ lease: '0', version: 3 });
      expect(textOf(kv?.value ?? new Uint8Array())).toBe('changed');
      await store.leaseRevoke(lease);
    });

    it('refuses what etcd refuses, typed and not applied', async () => {
      const key = uniqueName();
      const code = async (success: Parameters<typeof txnOf>[0]['success']) => {
        const { code, outcome } = await failure(store.txn(txnOf({ success: success ?? [] })));
        return [code, outcome];
      };
      expect(await code([put(key, '1'), put(key, '2')])).toEqual(['duplicate-key', 'not-applied']);
      expect(await code(Array.from({ length: 129 }, (_, i) => put(`${key}/${i}`, '')))).toEqual([
        'too-many-operations',
        'not-applied',
      ]);
      expect(await code([put(key, new Uint8Array(1.6 * 1024 * 1024))])).toEqual([
        'request-too-large',
        'not-applied',
      ]);
      expect(await code([put('', '')])).toEqual(['invalid-argument', 'not-applied']);
      expect(await code([put(key, '', { lease: newLease() })])).toEqual(['lease-not-found', 'not-applied']);
      expect(await code([get(key, { revision: 2 ** 50 })])).toEqual(['future-revision', 'not-applied']);
      expect(await read(key)).toBeUndefined();
    });

    it('refuses what is no request at all', async () => {
      const key = uniqueName();
      const refused = [
        store.txn(txnOf({ success: [{ type: 'put', key: 'key\u2603', value: new Uint8Array() }] })),
        store.txn(txnOf({ success: [put(key, '', { lease: 'mine' })] })),
        store.txn(txnOf({ compare: [compare.mod(key, 'equal', 0.5)] })),
        store.leaseGrant({ id: '07', ttlSeconds: 10 }),
        store.txn(txnOf({}), { timeoutMs: 0 }),
      ];
      for (const error of await Promise.all(refused.map(failure)))
        expect(error).toMatchObject({ code: 'invalid-argument' });
    });
  });

  describe('ranges', () => {
    it('filters, sorts, limits and counts as etcd does', async () => {
      const prefix = `${uniqueName()}/`;
      const revisions: number[] = [];
      for (const name of ['c', 'a', 'b'])
        revisions.push((await write(`${prefix}${name}`, `v-${name}`)).revision);
      await write(`${prefix}a`, 'v-z');
      const names = async (options: Partial<RangeRequest>) => {
        const result = await store.range({ ...prefixRange(prefix), ...options });
        const list = result.kvs.map(({ key }) => key.slice(prefix.length)).join('');
        return `${list} ${result.count} ${result.more}`;
      };
      expect(await names({})).toBe('abc 3 false');
      expect(await names({ limit: 2 })).toBe('ab 3 true');
      expect(await names({ sort: { target: 'key', order: 'descend' }, limit: 1 })).toBe('c 3 true');
      expect(await names({ sort: { target: 'create', order: 'ascend' } })).toBe('cab 3 false');
      expect(await names({ sort: { target: 'mod', order: 'descend' } })).toBe('abc 3 false');
      expect(await names({ sort: { target: 'value', order: 'descend' } })).toBe('acb 3 false');
      expect(await names({ sort: { target: 'version', order: 'descend' }, limit: 1 })).toBe('a 3 true');
      expect(await names({ countOnly: true })).toBe(' 3 false');
      // Others write to the same store: between these there may be more revisions.
      const [, second = 0, third = 0] = revisions;
      expect(await names({ maxCreateRevision: second })).toMatch(/^ac /);
      expect(await names({ minCreateRevision: second })).toMatch(/^ab /);
      expect(await names({ minModRevision: third, maxModRevision: third })).toMatch(/^b /);
      expect(await names({ revision: second })).toBe('ac 2 false');
      expect(await names({ serializable: true })).toBe('abc 3 false');
      const bare = await store.range({ ...prefixRange(prefix), keysOnly: true });
      expect(bare.kvs.map(({ value }) => value.length)).toEqual([0, 0, 0]);
    });

    it('carries any bytes in keys and values', async () => {
      const key: Key = `${uniqueName()}/\0\x7f\x80\xff`;
      const value = Uint8Array.from({ length: 256 }, (_, index) => index);
      await store.txn(txnOf({ success: [{ type: 'put', key, value }] }));
      const kv = (await store.range({ key })).kvs[0];
      expect(kv?.key).toBe(key);
      expect(Array.from(kv?.value ?? [])).toEqual(Array.from(value));
    });

    it('says compacted of a past that is gone, and of compacting it again', async () => {
      const key = uniqueName();
      const { revision } = await write(key, '1');
      const { revision: latest } = await write(key, '2');
      await store.compact(latest);
      expect(await failure(store.range({ key, revision }))).toMatchObject({ code: 'compacted' });
      expect(await failure(store.compact(revision))).toMatchObject({ code: 'compacted' });
      expect(await failure(store.compact(2 ** 50))).toMatchObject({ code: 'future-revision' });
      expect((await read(key, { revision: latest }))?.modRevision).toBe(latest);
    });
  });

  describe('watches', () => {
    const open = (request: Parameters<Store['watch']>[0]) => new WatchReader(store.watch(request));

    it('delivers every revision above `opened`, whole and in order', async () => {
      const prefix = `${uniqueName()}/`;
      const reader = open(prefixRange(prefix));
      const { revision } = await reader.wait('opened');
      await store.txn(txnOf({ success: [put(`${prefix}a`, '1'), put(`${prefix}b`, '1')] }));
      await write(`${prefix}a`, '2');
      await store.txn(txnOf({ success: [removePrefix(prefix)] }));
      const events = await reader.waitEvents(5);
      expect(events.map(({ type, kv }) => `${type} ${kv.key.slice(prefix.length)}`)).toEqual([
        'put a',
        'put b',
        'put a',
        'delete a',
        'delete b',
      ]);
      const perItem = reader
        .all('events')
        .map((item) => new Set(item.events.map(({ kv }) => kv.modRevision)));
      expect(perItem.flatMap((revisions) => [...revisions])).toEqual([
        ...new Set(events.map(({ kv }) => kv.modRevision)),
      ]);
      expect(events.every(({ kv }) => kv.modRevision > revision)).toBe(true);
      const last = events.at(-1);
      expect(last?.kv).toMatchObject({ createRevision: 0, version: 0, lease: '0' });
      expect(last?.kv.value).toHaveLength(0);
      expect(events.every(({ prevKv }) => prevKv === undefined)).toBe(true);
      reader.close();
      await reader.waitEnd();
      expect(reader.failure).toBeUndefined();
    });

    it('starts in the past with fromRevision, and in the future', async () => {
      const key = uniqueName();
      const { revision } = await write(key, '1');
      await write(key, '2');
      const past = open({ key, fromRevision: revision });
      const future = open({ key, fromRevision: revision + 3 });
      await Promise.all([past.wait('opened'), future.wait('opened')]);
      await write(key, '3');
      await write(key, '4');
      expect((await past.waitEvents(4)).map(({ kv }) => kv.version)).toEqual([1, 2, 3, 4]);
      const late = await future.waitEvents(1);
      expect(late.every(({ kv }) => kv.modRevision >= revision + 3)).toBe(true);
      past.close();
      future.close();
    });

    it('leaves out what it shall, and shows previous values if asked to', async () => {
      const key = uniqueName();
      const puts = open({ key, without: ['delete'], prevKv: true });
      const deletes = open({ key, without: ['put'], prevKv: true });
      await Promise.all([puts.wait('opened'), deletes.wait('opened')]);
      await write(key, 'one');
      await write(key, 'two');
      await store.txn(txnOf({ success: [remove(key)] }));
      await Promise.all([puts.waitEvents(2), deletes.waitEvents(1)]);
      expect(puts.events.map(({ prevKv }) => prevKv && textOf(prevKv.value))).toEqual([undefined, 'one']);
      expect(deletes.events.map(({ prevKv }) => prevKv && textOf(prevKv.value))).toEqual(['two']);
      puts.close();
      deletes.close();
    });

    it('says compacted, as its last item, if the past it asks for is gone', async () => {
      const key = uniqueName();
      const { revision } = await write(key, '1');
      const { revision: latest } = await write(key, '2');
      await store.compact(latest);
      const reader = open({ key, fromRevision: revision });
      await reader.waitEnd();
      const compacted = reader.all('compacted')[0];
      expect(compacted?.fromRevision).toBe(revision);
      expect(compacted?.compactRevision).toBeGreaterThanOrEqual(latest);
      expect(reader.items.at(-1)).toBe(compacted);
      expect(reader.failure).toBeUndefined();
    });

    it('WATCH-4 says compacted of a past that begins at the compacted revision, of which deletions are gone', async () => {
      const key = uniqueName();
      await write(key, '1');
      const { revision } = await store.txn(txnOf({ success: [remove(key)] }));
      await store.compact(revision);
      const reader = open({ key, fromRevision: revision });
      await reader.waitEnd();
      const compacted = { type: 'compacted', fromRevision: revision, compactRevision: revision };
      expect(reader.items.at(-1)).toEqual(compacted);
      const next = open({ key, fromRevision: revision + 1 });
      await write(key, '2');
      await next.waitEvents(1);
      expect(next.events.map(({ kv }) => textOf(kv.value))).toEqual(['2']);
      next.close();
    });

    it('serves many watches at once, and closing one leaves the others', async () => {
      const prefix = `${uniqueName()}/`;
      const readers = Array.from({ length: 50 }, (_, index) => open({ key: `${prefix}${index}` }));
      await Promise.all(readers.map((reader) => reader.wait('opened')));
      for (const [index, reader] of readers.entries()) if (index % 2 === 0) reader.close();
      await store.txn(txnOf({ success: readers.map((_, index) => put(`${prefix}${index}`, 'x')) }));
      await Promise.all(
        readers.map((reader, index) => (index % 2 === 0 ? reader.waitEnd() : reader.waitEvents(1))),
      );
      expect(readers.map(({ events }) => events.length)).toEqual(readers.map((_, index) => index % 2));
      for (const reader of readers) reader.close();
    });

    it('refuses a range that can hold no key', async () => {
      const refused = async () => {
        const reader = open({ key: 'b', rangeEnd: 'a' });
        await reader.waitEnd();
        throw reader.failure;
      };
      await expect(refused()).rejects.toMatchObject({ code: 'invalid-argument' });
    });

    it('leaving the loop closes it', async () => {
      const key = uniqueName();
      const watch = store.watch({ key });
      for await (const item of watch) if (item.type === 'opened') break;
      await write(key, 'unheard');
      for await (const _ of store.watch({ key })) break;
      watch.close();
    });
  });

  describe('leases', () => {
    it('grants under our id, once', async () => {
      const id = newLease();
      const granted = await store.leaseGrant({ id, ttlSeconds: 30 });
      expect(granted).toEqual({ id, ttlSeconds: 30 });
      expect(await failure(store.leaseGrant({ id, ttlSeconds: 30 }))).toMatchObject({
        code: 'lease-exists',
        outcome: 'not-applied',
      });
      await store.leaseRevoke(id);
    });

    it('carries ids up to the biggest int64', async () => {
      const id = String(2n ** 63n - 1n - BigInt(newLease()));
      expect(await store.leaseGrant({ id, ttlSeconds: 30 })).toMatchObject({ id });
      expect(await store.leaseKeepAlive(id)).toBe(30);
      const key = uniqueName();
      await store.txn(txnOf({ success: [put(key, '', { lease: id })] }));
      expect((await read(key))?.lease).toBe(id);
      await store.leaseRevoke(id);
    });

    it('keeps alive, tells the time to live, and 0 and -1 of a lease that is not there', async () => {
      const id = newLease();
      await store.leaseGrant({ id, ttlSeconds: 40 });
      const key = uniqueName();
      await store.txn(txnOf({ success: [put(key, '', { lease: id })] }));
      expect(await store.leaseKeepAlive(id)).toBe(40);
      const state = await store.leaseTimeToLive(id, { keys: true });
      expect(state).toMatchObject({ id, grantedTtlSeconds: 40, keys: [key] });
      expect(state.remainingSeconds).toBeGreaterThan(30);
      expect((await store.leaseTimeToLive(id)).keys).toEqual([]);
      await store.leaseRevoke(id);
      expect(await store.leaseKeepAlive(id)).toBe(0);
      expect(await store.leaseTimeToLive(id)).toMatchObject({ remainingSeconds: -1, keys: [] });
      expect(await failure(store.leaseRevoke(id))).toMatchObject({
        code: 'lease-not-found',
        outcome: 'not-applied',
      });
    });

    it('answers many keep-alives at once, each its own', async () => {
      const ids = Array.from({ length: 20 }, newLease);
      await Promise.all(ids.map((id, index) => store.leaseGrant({ id, ttlSeconds: 30 + index })));
      const rounds = [0, 1, 2].flatMap(() => ids);
      const answers = await Promise.all(rounds.map((id) => store.leaseKeepAlive(id)));
      expect(answers).toEqual(rounds.map((id) => 30 + ids.indexOf(id)));
      await Promise.all(ids.map((id) => store.leaseRevoke(id)));
    });

    it('revoking, or expiry, deletes the keys in one revision', async () => {
      const prefix = `${uniqueName()}/`;
      const [revoked, expired] = [newLease(), newLease()];
      const putTwo = (name: string, lease: string) => {
        const success = [1, 2].map((number) => put(`${prefix}${name}${number}`, '', { lease }));
        return store.txn(txnOf({ success }));
      };
      const reader = new WatchReader(store.watch({ ...prefixRange(prefix), without: ['put'] }));
      await reader.wait('opened');
      await store.leaseGrant({ id: revoked, ttlSeconds: 30 });
      await putTwo('r', revoked);
      // Last, and soon after it was granted: it has little time.
      const { ttlSeconds } = await store.leaseGrant({ id: expired, ttlSeconds: 2 });
      await putTwo('x', expired);
      await store.leaseRevoke(revoked);
      const events = await reader.waitEvents(4, ttlSeconds * 1_000 + 15_000);
      const ended = (name: string) => events.filter(({ kv }) => kv.key.startsWith(prefix + name));
      for (const name of ['r', 'x']) {
        expect(ended(name).map(({ kv }) => kv.key.slice(prefix.length))).toEqual([`${name}1`, `${name}2`]);
        expect(new Set(ended(name).map(({ kv }) => kv.modRevision)).size).toBe(1);
      }
      expect(new Set(events.map(({ kv }) => kv.modRevision)).size).toBe(2);
      reader.close();
    });
  });

  describe('calls', () => {
    it('tells version, revision and cluster', async () => {
      const { revision } = await write(uniqueName(), '');
      const status = await store.status();
      expect(status.version).not.toBe('');
      expect(status.revision).toBeGreaterThanOrEqual(revision);
      expect(status.clusterId).not.toBe('');
      expect(await (await server.connect()).status()).toMatchObject({ clusterId: status.clusterId });
    });

    it('refuses with an aborted signal before it sends anything', async () => {
      const key = uniqueName();
      const cause = new Error('enough');
      const error = await failure(
        store.txn(txnOf({ success: [put(key, '')] }), { signal: AbortSignal.abort(cause) }),
      );
      expect(error).toMatchObject({ code: 'aborted', outcome: 'not-applied', cause });
      expect(await read(key)).toBeUndefined();
    });

    it('stops waiting when the signal fires; a write that was sent is then unknown', async () => {
      const key = uniqueName();
      const controller = new AbortController();
      const writing = store.txn(txnOf({ success: [put(key, '')] }), { signal: controller.signal });
      const reading = store.range({ key }, { signal: controller.signal });
      await Promise.resolve();
      controller.abort();
      const [written, got] = await Promise.allSettled([writing, reading]);
      for (const result of [written, got]) {
        if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'aborted' });
      }
    });

    it('fails with closed after close, and ends watches', async () => {
      const other = await server.connect();
      const reader = new WatchReader(other.watch({ key: uniqueName() }));
      await reader.wait('opened');
      await Promise.all([other.close(), other.close()]);
      await other.close();
      await reader.waitEnd();
      const calls = [
        other.range({ key: 'a' }),
        other.txn(txnOf({ success: [put('a', '')] })),
        other.leaseGrant({ id: newLease(), ttlSeconds: 5 }),
        other.leaseKeepAlive('1'),
        other.leaseRevoke('1'),
        other.leaseTimeToLive('1'),
        other.compact(1),
        other.status(),
      ];
      for (const error of await Promise.all(calls.map(failure))) {
        expect(error).toMatchObject({ code: 'closed', outcome: 'not-applied' });
      }
      const late = new WatchReader(other.watch({ key: 'a' }));
      await late.waitEnd();
      expect(late.failure).toMatchObject({ code: 'closed' });
      expect(await read(uniqueName())).toBeUndefined();
    });

    it('fails open calls with closed when it is closed', async () => {
      const other = await server.connect();
      const open = Promise.allSettled(
        Array.from({ length: 20 }, (_, index) => other.range({ key: `k${index}` })),
      );
      await delay(0);
      await other.close();
      for (const result of await open) {
        if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'closed' });
      }
    });
  });
}

describeStores('store port', storePort, everyStore);
