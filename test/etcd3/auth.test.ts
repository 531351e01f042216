import { setTimeout as delay } from 'node:timers/promises';
import { Etcd3 } from 'etcd3';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { openEtcd3Store } from '../../src/etcd3/index.js';
import { Client } from '../../src/session/index.js';
import { prefixRange, put, type Store, txnOf } from '../../src/store/index.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { WatchReader } from '../support/watch-reader.js';
import { OwnEtcd } from './own-etcd.js';
import { transports } from './transports.js';

/** Simple tokens live as long as `--auth-token-ttl` after their last use; etcd looks once a second. */
const tokenTtlSeconds = 1;
const expiryMs = 3_500;

const root = { username: 'root', password: 'root-secret' };
const alice = { username: 'alice', password: 'alice-secret' };

describe.skipIf(inject('etcdEndpoint') === '').each(transports)(
  'etcd with authentication, over %s',
  (transport) => {
    let etcd: OwnEtcd;
    const undo: (() => unknown)[] = [];

    beforeAll(async () => {
      etcd = await OwnEtcd.start({
        extraArguments: ['--auth-token-ttl', String(tokenTtlSeconds), '--bcrypt-cost', '4'],
      });
      await etcd.ctl('user', 'add', `root:${root.password}`);
      await etcd.ctl('user', 'grant-role', 'root', 'root');
      await etcd.ctl('user', 'add', `alice:${alice.password}`);
      await etcd.ctl('role', 'add', 'hers');
      await etcd.ctl('role', 'grant-permission', 'hers', '--prefix=true', 'readwrite', 'alice/');
      await etcd.ctl('user', 'grant-role', 'alice', 'hers');
      await etcd.ctl('auth', 'enable');
    });
    afterEach(async () => {
      for (const step of undo.splice(0).reverse()) await step();
    });
    afterAll(() => etcd?.remove());

    async function open(auth = alice, endpoint = etcd.endpoint): Promise<Store> {
      const store = await openEtcd3Store({ transport, hosts: endpoint, auth });
      undo.push(() => store.close());
      return store;
    }

    function watch(store: Store, request: Parameters<Store['watch']>[0]): WatchReader {
      const reader = new WatchReader(store.watch(request));
      undo.push(() => reader.close());
      return reader;
    }

    const write = (key: string) => txnOf({ success: [put(key, '')] });

    /** How often the server was asked for a token, as its metrics tell. */
    async function authentications(): Promise<number> {
      const text = await etcd.metrics();
      const line = text
        .split('\n')
        .find((row) => row.startsWith('grpc_server_handled_total') && /"OK".*"Authenticate"/.test(row));
      return Number(line?.split(' ').at(-1) ?? 0);
    }

    it('refuses a wrong password when it opens, as unauthenticated', async () => {
      await expect(open({ username: 'alice', password: 'wrong' })).rejects.toMatchObject({
        code: 'unauthenticated',
        outcome: 'not-applied',
      });
    });

    it('without a user, calls are refused as unauthenticated', async () => {
      const store = await openEtcd3Store({ transport, hosts: etcd.endpoint });
      undo.push(() => store.close());
      await expect(store.txn(write('alice/a'))).rejects.toMatchObject({
        code: 'unauthenticated',
        outcome: 'not-applied',
      });
    });

    it('says permission-denied of keys that are not the user’s', async () => {
      const store = await open();
      await store.txn(write('alice/a'));
      const refused = { code: 'permission-denied', outcome: 'not-applied' };
      await expect(store.txn(write('bob/a'))).rejects.toMatchObject(refused);
      await expect(store.range({ key: 'bob/a' })).rejects.toMatchObject(refused);
    });

    it('B6 a watch that is not permitted fails alone, and the next one opens', async () => {
      const store = await open();
      const before = watch(store, prefixRange('alice/'));
      await before.wait('opened');
      const refused = watch(store, { key: 'bob/a' });
      const after = watch(store, prefixRange('alice/'));
      await refused.waitEnd();
      expect(refused.failure).toMatchObject({ code: 'permission-denied' });
      await after.wait('opened');
      await store.txn(write('alice/b6'));
      await Promise.all([before.waitEvents(1), after.waitEvents(1)]);
      expect(before.all('interrupted')).toEqual([]);
    });

    it('B7 a token that expired is renewed once, however many calls find it so', async () => {
      const store = await open();
      await store.txn(write('alice/b7'));
      await delay(expiryMs);
      const before = await authentications();
      const calls = Array.from({ length: 20 }, (_, index) =>
        index % 2 ? store.txn(write(`alice/${index}`)) : store.range({ key: `alice/${index}` }),
      );
      await Promise.all(calls);
      expect((await authentications()) - before).toBe(1);
    });

    it('B7 a watch opened with an expired token renews it, and open watches go on', async () => {
      const store = await open();
      const old = watch(store, prefixRange('alice/'));
      await old.wait('opened');
      await delay(expiryMs);
      const fresh = watch(store, prefixRange('alice/'));
      await fresh.wait('opened');
      const { revision } = await store.txn(write('alice/b7'));
      for (const reader of [old, fresh]) {
        await reader.until(
          () => reader.events.some(({ kv }) => kv.modRevision === revision),
          'the event of the write',
        );
      }
      expect(new Set(old.events.map(({ kv }) => kv.modRevision)).size).toBe(old.events.length);
    });

    it('B7 a watch cut after its token expired goes on from its next revision', async () => {
      const proxy = await TcpProxy.start(etcd.endpoint);
      undo.push(() => proxy.close());
      const store = await open(alice, proxy.endpoint);
      const other = await open(root);
      const reader = watch(store, prefixRange('alice/'));
      await reader.wait('opened');
      await delay(expiryMs);
      await proxy.refuse();
      const { revision } = await other.txn(write('alice/cut'));
      await proxy.accept();
      await reader.waitEvents(1);
      expect(reader.events[0]?.kv.modRevision).toBe(revision);
    });

    it('keep-alives outlive the token', async () => {
      const store = await open();
      await store.leaseGrant({ id: '7007', ttlSeconds: 60 });
      expect(await store.leaseKeepAlive('7007')).toBe(60);
      await delay(expiryMs);
      expect(await store.leaseKeepAlive('7007')).toBe(60);
      await store.leaseRevoke('7007');
    });

    it('a thread renews leases as the same user, beyond the life of a token', async () => {
      const hosts = etcd.endpoint;
      const store = await openEtcd3Store({ transport, hosts, auth: alice, renewal: 'worker' });
      const client = await Client.open({
        ...{ store, namespace: 'alice', ttlMs: 2_000, closeStore: true },
        stallWarningMs: 0,
      });
      undo.push(() => client.close());
      const session = await client.session();
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, expiryMs + 1_000);
      expect(session.isLive()).toBe(true);
    });

    it('takes the user of a client that is handed in', async () => {
      const etcd3 = new Etcd3({ hosts: etcd.endpoint, auth: alice });
      undo.push(() => etcd3.close());
      const store = await openEtcd3Store({ etcd3 });
      undo.push(() => store.close());
      await store.txn(write('alice/handed in'));
    });

    it('a user that was given to a server without authentication does no harm', async () => {
      const store = await openEtcd3Store({ transport, hosts: inject('etcdEndpoint'), auth: alice });
      undo.push(() => store.close());
      expect((await store.range({ key: 'alice/none' })).count).toBe(0);
    });

    it('a password that was changed ends the watches, once the token is gone', async () => {
      await etcd.ctl('--user', 'root:root-secret', 'user', 'add', 'carol:first');
      await etcd.ctl('--user', 'root:root-secret', 'user', 'grant-role', 'carol', 'hers');
      const proxy = await TcpProxy.start(etcd.endpoint);
      undo.push(() => proxy.close());
      const store = await open({ username: 'carol', password: 'first' }, proxy.endpoint);
      const reader = watch(store, prefixRange('alice/'));
      await reader.wait('opened');
      await etcd.ctl('--user', 'root:root-secret', 'user', 'delete', 'carol');
      await expect(store.range({ key: 'alice/a' })).rejects.toMatchObject({ code: 'unauthenticated' });
      proxy.cut();
      await reader.waitEnd();
      expect(reader.failure).toMatchObject({ code: 'unauthenticated' });
    });
  },
);
