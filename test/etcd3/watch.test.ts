import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { type Etcd3StoreOptions, openEtcd3Store } from '../../src/etcd3/index.js';
import {
  keyOf,
  prefixRange,
  put,
  removePrefix,
  type Store,
  txnOf,
  type WatchItem,
  type WatchRequest,
} from '../../src/store/index.js';
import { uniqueName } from '../support/stores.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { WatchReader } from '../support/watch-reader.js';
import { OwnEtcd } from './own-etcd.js';
import { transports } from './transports.js';

describe.skipIf(inject('etcdEndpoint') === '').each(transports)('watches over etcd, over %s', (transport) => {
  let etcd: OwnEtcd;
  let direct: Store;
  const undo: (() => unknown)[] = [];

  beforeAll(async () => {
    etcd = await OwnEtcd.start();
    direct = await openEtcd3Store({ transport, hosts: etcd.endpoint });
  });
  afterEach(async () => {
    for (const step of undo.splice(0).reverse()) await step();
  });
  afterAll(async () => {
    await direct?.close();
    await etcd?.remove();
  });

  /** A proxy of its own and a store that sees the server only through it. */
  async function proxied(
    options: Partial<Etcd3StoreOptions> = {},
  ): Promise<{ proxy: TcpProxy; store: Store; watch(request: WatchRequest): WatchReader }> {
    const proxy = await TcpProxy.start(etcd.endpoint);
    undo.push(() => proxy.close());
    const store = await openEtcd3Store({ transport, hosts: proxy.endpoint, ...options });
    undo.push(() => store.close());
    return {
      proxy,
      store,
      watch: (request) => {
        const reader = new WatchReader(store.watch(request));
        undo.push(() => reader.close());
        return reader;
      },
    };
  }

  const write = async (key: string, value = '') =>
    (await direct.txn(txnOf({ success: [put(key, value)] }))).revision;

  async function writeMany(prefix: string, count: number, value = ''): Promise<number> {
    const first = await write(`${prefix}0`, value);
    for (let done = 1; done < count; ) {
      const batch = Array.from({ length: Math.min(200, count - done) }, (_, index) => done + index);
      await Promise.all(batch.map((index) => write(`${prefix}${index}`, value)));
      done += batch.length;
    }
    return first;
  }

  function expectGapless(reader: WatchReader, first: number, count: number): void {
    const revisions = reader.events.map(({ kv }) => kv.modRevision);
    expect(revisions).toEqual(Array.from({ length: count }, (_, index) => first + index));
  }

  it('B1 a cut during catch-up loses no event, and repeats none', async () => {
    const prefix = `${uniqueName()}/`;
    const count = 3_000;
    const first = await writeMany(prefix, count, 'x'.repeat(100));
    const { proxy, watch } = await proxied();
    proxy.cutAfter(350_000);
    const reader = watch({ ...prefixRange(prefix), fromRevision: first });
    await reader.waitEvents(count);
    expectGapless(reader, first, count);
    expect(reader.all('interrupted')).toHaveLength(1);
    expect(reader.all('opened')).toHaveLength(2);
  });

  it('B1 cuts again and again beside a writer lose no event', async () => {
    const prefix = `${uniqueName()}/`;
    const { proxy, watch } = await proxied();
    const reader = watch(prefixRange(prefix));
    await reader.wait('opened');
    const first = await write(`${prefix}0`);
    for (let round = 1; round <= 5; round += 1) {
      const writing = Promise.all(Array.from({ length: 200 }, (_, index) => write(`${prefix}${index}`)));
      proxy.cut();
      await writing;
      await reader.wait('opened', round + 1);
    }
    await reader.waitEvents(1_001);
    expectGapless(reader, first, 1_001);
  });

  it('B2 history waits for a reader that comes late', async () => {
    const prefix = `${uniqueName()}/`;
    const first = await writeMany(prefix, 100);
    const { store } = await proxied();
    const late = store.watch({ ...prefixRange(prefix), fromRevision: first });
    await delay(300);
    const reader = new WatchReader(late);
    await reader.waitEvents(100);
    expect(reader.items[0]?.type).toBe('opened');
    expectGapless(reader, first, 100);
    reader.close();
  });

  it('B3 a catch-up message above 4 MiB arrives', async () => {
    const key = uniqueName();
    const first = await write(key, 'x'.repeat(500_000));
    for (let index = 1; index < 20; index += 1) await write(key, 'x'.repeat(500_000));
    const { watch } = await proxied();
    const reader = watch({ key, fromRevision: first });
    await reader.waitEvents(20);
    expectGapless(reader, first, 20);
  });

  it('B4 compaction during a cut is told, with the revision from which events are missing', async () => {
    const key = uniqueName();
    const { proxy, watch } = await proxied();
    const reader = watch({ key });
    const fresh = watch({ key, resume: 'now' });
    await Promise.all([reader.wait('opened'), fresh.wait('opened')]);
    const seen = await write(key);
    await Promise.all([reader.waitEvents(1), fresh.waitEvents(1)]);
    await proxy.refuse();
    await reader.wait('interrupted');
    await write(key);
    const latest = await write(key);
    await direct.compact(latest);
    await proxy.accept();
    await reader.waitEnd();
    expect(reader.items.at(-1)).toEqual({
      type: 'compacted',
      fromRevision: seen + 1,
      compactRevision: latest,
    });
    const reopened = await fresh.wait('opened', 2);
    expect(reopened.revision).toBeGreaterThanOrEqual(latest);
    const after = await write(key);
    await fresh.waitEvents(2);
    expect(fresh.events.map(({ kv }) => kv.modRevision)).toEqual([seen, after]);
  });

  it('B5 closing a watch that the server has ended hurts no other', async () => {
    const key = uniqueName();
    const first = await write(key);
    await direct.compact(await write(key));
    const { watch } = await proxied();
    const alive = watch({ key });
    await alive.wait('opened');
    const gone = watch({ key, fromRevision: first });
    await gone.waitEnd();
    gone.close();
    gone.close();
    await write(key);
    await alive.waitEvents(1);
    expect(alive.all('interrupted')).toEqual([]);
  });

  it('B13 a connection that is silently dead is noticed, and the watch goes on', async () => {
    const key = uniqueName();
    const { proxy, watch } = await proxied();
    const reader = watch({ key });
    await reader.wait('opened');
    proxy.blackHole();
    const missed = await write(key);
    const noticed = reader.wait('interrupted', 1, 15_000);
    await noticed;
    proxy.heal();
    await reader.waitEvents(1);
    expect(reader.events[0]?.kv.modRevision).toBe(missed);
  });

  it('says interrupted once an outage, however long', async () => {
    const { proxy, watch } = await proxied();
    const reader = watch({ key: uniqueName() });
    await reader.wait('opened');
    await proxy.refuse();
    await delay(1_000);
    await proxy.accept();
    await reader.wait('opened', 2);
    expect(reader.items.map(({ type }) => type)).toEqual(['opened', 'interrupted', 'opened']);
  });

  it('opened during an outage, it says interrupted and then opens', async () => {
    const key = uniqueName();
    const { proxy, watch } = await proxied();
    await proxy.refuse();
    const reader = watch({ key });
    await reader.wait('interrupted');
    await proxy.accept();
    await reader.wait('opened');
    await write(key);
    await reader.waitEvents(1);
  });

  it('never splits a revision, whatever its size', async () => {
    const prefix = `${uniqueName()}/`;
    const { proxy, watch } = await proxied();
    const reader = watch(prefixRange(prefix));
    await reader.wait('opened');
    const keys = Array.from({ length: 100 }, (_, index) => put(`${prefix}${index}`, 'x'.repeat(5_000)));
    proxy.cutAfter(200_000);
    await direct.txn(txnOf({ success: keys }));
    await direct.txn(txnOf({ success: [removePrefix(prefix)] }));
    await reader.waitEvents(200);
    expect(reader.events).toHaveLength(200);
    for (const item of reader.all('events')) {
      expect(item.events.length % 100).toBe(0);
    }
  });

  it('tells progress where it is asked for it', async () => {
    const own = await OwnEtcd.start({
      extraArguments: ['--experimental-watch-progress-notify-interval', '200ms'],
    });
    undo.push(() => own.remove());
    const store = await openEtcd3Store({ transport, hosts: own.endpoint });
    undo.push(() => store.close());
    const asked = new WatchReader(store.watch({ key: 'a', progress: true }));
    const unasked = new WatchReader(store.watch({ key: 'a' }));
    await Promise.all([asked.wait('opened'), unasked.wait('opened')]);
    const { revision } = await store.txn(txnOf({ success: [put('b', '')] }));
    await asked.until(() => asked.all('progress').some((item) => item.revision >= revision), 'progress');
    expect(unasked.all('progress')).toEqual([]);
  });

  it('goes on without loss after the server was killed and started again', async () => {
    const own = await OwnEtcd.start();
    undo.push(() => own.remove());
    const store = await openEtcd3Store({ transport, hosts: own.endpoint });
    undo.push(() => store.close());
    const reader = new WatchReader(store.watch(prefixRange('k')));
    await reader.wait('opened');
    const { revision } = await store.txn(txnOf({ success: [put('k1', '')] }));
    await reader.waitEvents(1);
    await own.kill();
    await reader.wait('interrupted');
    await own.start();
    const other = await openEtcd3Store({ transport, hosts: own.endpoint });
    undo.push(() => other.close());
    await other.txn(txnOf({ success: [put('k2', '')] }));
    await reader.wait('opened', 2);
    await other.txn(txnOf({ success: [put('k3', '')] }));
    await reader.waitEvents(3);
    expect(reader.events.map(({ kv }) => [kv.key, kv.modRevision])).toEqual([
      ['k1', revision],
      ['k2', revision + 1],
      ['k3', revision + 2],
    ]);
  });

  it('a slow reader of one watch does not hold up another', async () => {
    const prefix = `${uniqueName()}/`;
    const { store, watch } = await proxied();
    const unread = store.watch(prefixRange(prefix));
    undo.push(() => unread.close());
    const reader = watch(prefixRange(prefix));
    await reader.wait('opened');
    await writeMany(prefix, 1_000);
    await reader.waitEvents(1_000);
    const late = new WatchReader(unread);
    await late.waitEvents(1_000);
    expect(late.events.map(({ kv }) => kv.key)).toEqual(reader.events.map(({ kv }) => kv.key));
  });

  it('a reader that lags far behind is parked, and misses nothing', async () => {
    const key = uniqueName();
    const { store } = await proxied();
    const watchers = async () =>
      Number(/^etcd_debugging_mvcc_watcher_total (\d+)$/m.exec(await etcd.metrics())?.[1]);
    const before = await watchers();
    const lagging = store.watch({ key })[Symbol.asyncIterator]();
    await lagging.next();
    expect(await watchers()).toBe(before + 1);
    const count = 60;
    const first = await write(key, 'x'.repeat(400_000));
    for (let index = 1; index < count; index += 1) await write(key, 'x'.repeat(400_000));
    while ((await watchers()) !== before) await delay(20);
    const revisions: number[] = [];
    while (revisions.length < count) {
      const item: WatchItem | undefined = (await lagging.next()).value;
      expect(item?.type).toBe('events');
      if (item?.type === 'events') revisions.push(...item.events.map(({ kv }) => kv.modRevision));
    }
    expect(revisions).toEqual(Array.from({ length: count }, (_, index) => first + index));
    expect(await watchers()).toBe(before + 1);
    await lagging.return?.(undefined);
  });

  it('refuses a second reader', async () => {
    const watch = direct.watch({ key: keyOf(uniqueName()) });
    const first = new WatchReader(watch);
    await first.wait('opened');
    const second = new WatchReader(watch);
    await second.waitEnd();
    expect(second.failure).toMatchObject({ code: 'invalid-argument' });
    const key = uniqueName();
    expect(first.ended).toBe(false);
    await write(key);
    first.close();
  });
});
