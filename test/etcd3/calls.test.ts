import { setTimeout as delay } from 'node:timers/promises';
import { Etcd3 } from 'etcd3';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { isQuorateError, type QuorateError } from '../../src/errors.js';
import { type Etcd3StoreOptions, openEtcd3Store } from '../../src/etcd3/index.js';
import { compare, get, put, type Store, txnOf } from '../../src/store/index.js';
import { freePort } from '../support/etcd-process.js';
import { uniqueName } from '../support/stores.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { WatchReader } from '../support/watch-reader.js';
import { OwnEtcd } from './own-etcd.js';
import { transports } from './transports.js';

async function failure(promise: Promise<unknown>): Promise<QuorateError> {
  const error: unknown = await promise.then(
    () => new Error('it did not fail'),
    (reason: unknown) => reason,
  );
  if (!isQuorateError(error)) throw error;
  return error;
}

async function settled(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'ok',
    (error: QuorateError) => `${error.code} ${error.outcome}`,
  );
}

describe.skipIf(inject('etcdEndpoint') === '').each(transports)('calls to etcd, over %s', (transport) => {
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

  async function proxyOf(endpoint: string): Promise<TcpProxy> {
    const proxy = await TcpProxy.start(endpoint);
    undo.push(() => proxy.close());
    return proxy;
  }

  async function open(options: Etcd3StoreOptions): Promise<Store> {
    const store = await openEtcd3Store(options.etcd3 === undefined ? { transport, ...options } : options);
    undo.push(() => store.close());
    return store;
  }

  async function proxied(options: Partial<Etcd3StoreOptions> = {}) {
    const proxy = await proxyOf(etcd.endpoint);
    return { proxy, store: await open({ hosts: proxy.endpoint, ...options }) };
  }

  const writing = (key: string) => txnOf({ success: [put(key, '')] });
  const versionOf = async (key: string) => (await direct.range({ key })).kvs[0]?.version;

  it('B8 a write whose reply is lost is unknown, and is not sent again', async () => {
    const { proxy, store } = await proxied();
    const key = uniqueName();
    proxy.loseReplies();
    const lost = settled(store.txn(writing(key)));
    while ((await versionOf(key)) === undefined) await delay(5);
    proxy.heal();
    expect(await lost).toBe('unavailable unknown');
    await delay(500);
    expect(await versionOf(key)).toBe(1);
  });

  it('B8 a client that is handed in does not bring its retries along', async () => {
    const proxy = await proxyOf(etcd.endpoint);
    const client = new Etcd3({ hosts: proxy.endpoint });
    undo.push(() => client.close());
    const store = await open({ etcd3: client });
    const key = uniqueName();
    proxy.loseReplies();
    const lost = settled(store.txn(writing(key)));
    while ((await versionOf(key)) === undefined) await delay(5);
    proxy.heal();
    expect(await lost).toBe('unavailable unknown');
    await delay(500);
    expect(await versionOf(key)).toBe(1);
    await store.close();
    expect((await client.get(key).exec()).kvs).toHaveLength(1);
  });

  it('a read whose reply is lost in a cut is asked again', async () => {
    const { proxy, store } = await proxied();
    proxy.loseReplies();
    const reading = store.range({ key: uniqueName() });
    const readingToo = store.txn(txnOf({ success: [get('k')] }));
    await delay(100);
    proxy.heal();
    expect((await reading).count).toBe(0);
    expect((await readingToo).succeeded).toBe(true);
  });

  it('B9 one reset fails the calls under way and no later one', async () => {
    const { proxy, store } = await proxied();
    await store.leaseGrant({ id: '9009', ttlSeconds: 60 });
    const reader = new WatchReader(store.watch({ key: uniqueName() }));
    await reader.wait('opened');
    await store.leaseKeepAlive('9009');
    proxy.cut();
    await reader.wait('interrupted');
    const outcomes: string[] = [];
    for (let index = 0; index < 20; index += 1)
      outcomes.push(await settled(store.txn(writing(uniqueName()))));
    expect(outcomes).toEqual(outcomes.map(() => 'ok'));
    expect(await store.leaseKeepAlive('9009')).toBe(60);
    await store.leaseRevoke('9009');
    reader.close();
  });

  it('B15 a call that meets its deadline disturbs neither watch nor other calls', async () => {
    const { proxy, store } = await proxied();
    const key = uniqueName();
    const reader = new WatchReader(store.watch({ key }));
    await reader.wait('opened');
    proxy.delay(150);
    expect(await failure(store.txn(writing(key), { timeoutMs: 50 }))).toMatchObject({
      code: 'timeout',
      outcome: 'unknown',
    });
    expect(await settled(store.txn(writing(key)))).toBe('ok');
    await reader.waitEvents(2);
    expect(reader.all('interrupted')).toEqual([]);
    reader.close();
  });

  it('a signal ends a call; a write that was sent is then unknown', async () => {
    const { proxy, store } = await proxied();
    proxy.delay(1_000);
    const cause = new Error('enough');
    const controller = new AbortController();
    const { signal } = controller;
    const write = failure(store.txn(writing(uniqueName()), { signal }));
    const read = failure(store.range({ key: 'a' }, { signal }));
    const keepAlive = failure(store.leaseKeepAlive('1', { signal }));
    await delay(100);
    controller.abort(cause);
    expect(await write).toMatchObject({ code: 'aborted', outcome: 'unknown', cause });
    expect(await read).toMatchObject({ code: 'aborted', outcome: 'not-applied', cause });
    expect(await keepAlive).toMatchObject({ code: 'aborted', outcome: 'unknown', cause });
  });

  it('B16 a dead host among several fails no call', async () => {
    const dead = `127.0.0.1:${await freePort()}`;
    for (const hosts of [
      [dead, etcd.endpoint],
      [etcd.endpoint, dead],
    ]) {
      const store = await open({ hosts });
      const outcomes = await Promise.all(
        Array.from({ length: 50 }, (_, index) =>
          settled(index % 2 ? store.txn(writing(uniqueName())) : store.range({ key: 'a' })),
        ),
      );
      expect(outcomes).toEqual(outcomes.map(() => 'ok'));
    }
  });

  it('B16 a host that dies hands over to the next, also to leases and watches', async () => {
    const [first, second] = [await proxyOf(etcd.endpoint), await proxyOf(etcd.endpoint)];
    const store = await open({ hosts: [first.endpoint, second.endpoint] });
    const key = uniqueName();
    const reader = new WatchReader(store.watch({ key }));
    await reader.wait('opened');
    await store.leaseGrant({ id: '9016', ttlSeconds: 60 });
    expect(await store.leaseKeepAlive('9016')).toBe(60);
    await first.refuse();
    await reader.wait('opened', 2);
    const outcomes = await Promise.all(Array.from({ length: 10 }, () => settled(store.txn(writing(key)))));
    expect(outcomes).toEqual(outcomes.map(() => 'ok'));
    expect(await store.leaseKeepAlive('9016')).toBe(60);
    await reader.waitEvents(10);
    await store.leaseRevoke('9016');
    reader.close();
  });

  it('B16 a host that falls silent costs a read half its time, and later calls nothing', async () => {
    const [first, second] = [await proxyOf(etcd.endpoint), await proxyOf(etcd.endpoint)];
    const store = await open({ hosts: [first.endpoint, second.endpoint] });
    first.blackHole();
    expect(await settled(store.range({ key: 'a' }, { timeoutMs: 1_500 }))).toBe('ok');
    expect(await settled(store.txn(writing(uniqueName()), { timeoutMs: 1_000 }))).toBe('ok');
  });

  it('a server that refuses connections: unavailable, and provably not applied', async () => {
    const { proxy, store } = await proxied();
    await proxy.refuse();
    const key = uniqueName();
    const errors = await Promise.all([
      failure(store.txn(writing(key))),
      failure(store.leaseGrant({ id: '9001', ttlSeconds: 5 })),
      failure(store.range({ key })),
      failure(store.leaseKeepAlive('9001')),
    ]);
    for (const error of errors.slice(1)) expect(error).toMatchObject({ code: 'unavailable' });
    // The first calls may still have met the connection as it was reset.
    const later = await failure(store.txn(writing(key)));
    expect(later).toMatchObject({ code: 'unavailable', outcome: 'not-applied' });
    expect(later.message).toContain(proxy.endpoint);
    await proxy.accept();
    const end = Date.now() + 5_000;
    while ((await settled(store.txn(writing(key)))) !== 'ok') {
      expect(Date.now()).toBeLessThan(end);
      await delay(50);
    }
  });

  it('a stopped server: deadlines are typed, and calls work when it goes on', async () => {
    const own = await OwnEtcd.start();
    undo.push(() => own.remove());
    const store = await open({ hosts: own.endpoint, callTimeoutMs: 500 });
    const patient = { timeoutMs: 10_000 };
    await store.leaseGrant({ id: '9002', ttlSeconds: 60 }, patient);
    expect(await store.leaseKeepAlive('9002', patient)).toBe(60);
    own.pause();
    const outcomes = await Promise.all([
      settled(store.txn(writing('stopped'))),
      settled(store.range({ key: 'stopped' })),
      settled(store.leaseKeepAlive('9002')),
      settled(store.status({ timeoutMs: 100 })),
    ]);
    own.resume();
    expect(outcomes).toEqual([
      'timeout unknown',
      'timeout not-applied',
      'timeout unknown',
      'timeout not-applied',
    ]);
    expect(await settled(store.txn(writing('goes on'), patient))).toBe('ok');
    expect(await store.leaseKeepAlive('9002', patient)).toBe(60);
  });

  it('a keep-alive that is cut fails as unavailable, and the next one works', async () => {
    const { proxy, store } = await proxied();
    await store.leaseGrant({ id: '9003', ttlSeconds: 60 });
    expect(await store.leaseKeepAlive('9003')).toBe(60);
    proxy.delay(500);
    const cut = [settled(store.leaseKeepAlive('9003')), settled(store.leaseKeepAlive('77777'))];
    await delay(50);
    proxy.heal();
    proxy.cut();
    expect(await Promise.all(cut)).toEqual(['unavailable unknown', 'unavailable unknown']);
    expect(await Promise.all([store.leaseKeepAlive('9003'), store.leaseKeepAlive('77777')])).toEqual([60, 0]);
    await store.leaseRevoke('9003');
  });

  it('a reply to a keep-alive that gave up is not taken for the next one', async () => {
    const { proxy, store } = await proxied();
    await store.leaseGrant({ id: '9004', ttlSeconds: 60 });
    expect(await store.leaseKeepAlive('9004')).toBe(60);
    const controller = new AbortController();
    proxy.delay(300);
    const given = settled(store.leaseKeepAlive('9004', { signal: controller.signal }));
    await delay(20);
    controller.abort();
    expect(await given).toBe('aborted unknown');
    await direct.leaseRevoke('9004');
    expect(await store.leaseKeepAlive('9004')).toBe(0);
  });

  it('a compare decides alone between two stores', async () => {
    const { store } = await proxied();
    const key = uniqueName();
    const claim = txnOf({ compare: [compare.create(key, 'equal', 0)], success: [put(key, '')] });
    const replies = await Promise.all(
      Array.from({ length: 40 }, (_, index) => (index % 2 ? store : direct).txn(claim)),
    );
    expect(replies.filter(({ succeeded }) => succeeded)).toHaveLength(1);
  });

  it('refuses a request beyond what the server reads, typed and not applied', async () => {
    const value = new Uint8Array(3 * 1024 * 1024);
    expect(await failure(direct.txn(txnOf({ success: [put(uniqueName(), value)] })))).toMatchObject({
      code: 'request-too-large',
      outcome: 'not-applied',
    });
  });

  it('says no-space when the quota is used up', async () => {
    const own = await OwnEtcd.start({ extraArguments: ['--quota-backend-bytes', '200000'] });
    undo.push(() => own.remove());
    const store = await open({ hosts: own.endpoint });
    // The size that counts is that of the last commit to disk, a tenth of a second ago.
    let outcome = 'ok';
    for (let index = 0; index < 200 && outcome === 'ok'; index += 1) {
      outcome = await settled(store.txn(txnOf({ success: [put('k', new Uint8Array(50_000))] })));
      await delay(20);
    }
    // etcd applies what it so refuses, as often as not.
    expect(outcome).toBe('no-space unknown');
    expect((await store.range({ key: 'k' })).count).toBe(1);
  });
});
