import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { nodeFileSystem } from '../../../src/config/files/node-file-system.js';
import {
  type ConfigConnect,
  ConfigDocument,
  ConfigEditor,
  LastKnownGoodConfig,
  type LastKnownGoodEvent,
  type LastKnownGoodOptions,
} from '../../../src/config/index.js';
import { LastKnownGoodFile } from '../../../src/config/last-known-good/last-known-good-file.js';
import { QuorateError } from '../../../src/errors.js';
import { openEtcd3Store } from '../../../src/etcd3/index.js';
import { systemRuntime } from '../../../src/runtime/index.js';
import { Client } from '../../../src/session/index.js';
import { testClients } from '../../support/clients.js';
import { startEtcd } from '../../support/etcd-process.js';
import { describeStores } from '../../support/stores.js';
import { documents, editorOf, flags, limits, motd, name, why } from '../scene.js';

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-lkg-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const away: ConfigConnect = () => {
  throw new QuorateError('unreachable', 'no etcd answers');
};

async function open(
  options: Partial<LastKnownGoodOptions> & Pick<LastKnownGoodOptions, 'connect' | 'lastKnownGoodPath'>,
) {
  const events: LastKnownGoodEvent[] = [];
  const opened = await LastKnownGoodConfig.open(name, {
    ...{ documents, instance: { id: 'i' }, proveEveryMs: 100, offlineAfterMs: 200, timeoutMs: 10_000 },
    onEvent: (event) => events.push(event),
    ...options,
  });
  onTestFinished(() => opened.close());
  const types = () => [...new Set(events.map(({ type }) => type))];
  return { opened, config: opened.config, events, types };
}

describeStores('LastKnownGoodConfig', (server) => {
  it('CONFIG-10 starts without the store with the last that was given, flagged, and catches up once it is there', async () => {
    const clients = testClients(server);
    const { namespace } = clients;
    const editor = editorOf(await clients.open());
    const lastKnownGoodPath = join(await temporaryFolder(), 'shop');
    const connect = () => clients.open();
    const first = await open({ connect, namespace, lastKnownGoodPath, offlineAfterMs: 5_000 });
    expect(first.config.snapshot.isOffline).toBe(false);
    await editor.change([limits.set({ perSecond: 5 }), motd.set('é')], why);
    const { revision } = await editor.change(limits.overlay('eu', { burst: 9 }), why);
    await first.config.sync();
    await first.opened.flush();
    expect(first.opened.kept).toMatchObject({ revision, clusterId: first.config.clusterId });
    await first.opened.close();
    const files = await readdir(join(lastKnownGoodPath, '..'));
    expect(files).toHaveLength(1);
    expect((await stat(join(lastKnownGoodPath, '..', files[0] as string))).mode & 0o777).toBe(0o600);
    await editor.change([limits.set({ perSecond: 6 }), flags.set({ a: true })], why);

    let isAway = true;
    const second = await open({
      ...{ namespace, lastKnownGoodPath },
      connect: (options) => (isAway ? away(options) : connect()),
    });
    const { config } = second;
    expect(config.snapshot).toMatchObject({ isOffline: true, revision });
    expect(config.stalenessMs).toBe(Number.POSITIVE_INFINITY);
    expect([config.get(limits), config.get(motd), config.get(flags)]).toEqual([
      { perSecond: 5 },
      'é',
      undefined,
    ]);
    expect(second.types()).toEqual(['connecting-failed', 'started-offline']);
    isAway = false;
    await config.sync();
    expect(config.snapshot.isOffline).toBe(false);
    expect([config.get(limits), config.get(flags)]).toEqual([{ perSecond: 6 }, { a: true }]);
    await second.opened.flush();
    expect(second.opened.kept?.revision).toBe(config.snapshot.revision);
    expect(second.types()).toEqual(['connecting-failed', 'started-offline', 'online', 'kept']);
    expect(await readdir(join(lastKnownGoodPath, '..'))).toHaveLength(1);
  });

  it('CONFIG-10 connect that fails with errors of its own is the store being away: the file is given, and connect called again', async () => {
    const clients = testClients(server);
    const { namespace } = clients;
    const editor = editorOf(await clients.open());
    await editor.change(limits.set({ perSecond: 5 }), why);
    const lastKnownGoodPath = join(await temporaryFolder(), 'shop');
    let failure: unknown = new Error('connect ECONNREFUSED vault');
    let isAway = true;
    const connect: ConfigConnect = () => {
      if (isAway) throw failure;
      return clients.open();
    };
    const at = { namespace, lastKnownGoodPath, connect };
    await expect(open(at)).rejects.toMatchObject({ code: 'unreachable', details: { reason: 'missing' } });
    isAway = false;
    const first = await open({ ...at, offlineAfterMs: 5_000 });
    await first.opened.flush();
    await first.opened.close();
    await editor.change(limits.set({ perSecond: 6 }), why);
    isAway = true;
    const { config, events } = await open(at);
    expect([config.get(limits), config.snapshot.isOffline]).toEqual([{ perSecond: 5 }, true]);
    expect(events[0]).toEqual({ type: 'connecting-failed', error: failure });
    failure = 'not even an error';
    await expect.poll(() => events.at(-1)).toEqual({ type: 'connecting-failed', error: failure });
    isAway = false;
    await config.sync();
    expect(config.get(limits)).toEqual({ perSecond: 6 });
  });

  it('CONFIG-10 what cannot be used is told, and is the reason why it does not start', async () => {
    const clients = testClients(server);
    const { namespace } = clients;
    await editorOf(await clients.open()).change(limits.set({ perSecond: 5 }), why);
    const lastKnownGoodPath = join(await temporaryFolder(), 'shop');
    const at = { namespace, lastKnownGoodPath, connect: away };
    await expect(open(at)).rejects.toMatchObject({ code: 'unreachable', details: { reason: 'missing' } });
    const first = await open({ ...at, connect: () => clients.open(), offlineAfterMs: 5_000 });
    await first.opened.flush();
    await first.opened.close();
    const refused = (reason: string) =>
      expect.objectContaining({ code: 'unreachable', details: { file: lastKnownGoodPath, reason } });
    await expect(open({ ...at, namespace: 'another' })).rejects.toEqual(refused('other-reader'));
    await expect(open({ ...at, scope: 'eu' })).rejects.toEqual(refused('other-reader'));
    await expect(open({ ...at, clusterId: 'another' })).rejects.toEqual(refused('other-cluster'));
    const [file = ''] = await readdir(join(lastKnownGoodPath, '..'));
    await writeFile(join(lastKnownGoodPath, '..', file), 'half of');
    const events: LastKnownGoodEvent[] = [];
    const onEvent = (event: LastKnownGoodEvent) => events.push(event);
    await expect(open({ ...at, onEvent })).rejects.toEqual(refused('damaged'));
    expect(events.at(-1)).toMatchObject({ type: 'file-refused', error: { details: { reason: 'damaged' } } });
    await expect(open({ ...at, connect: () => clients.open(), clusterId: 'another' })).rejects.toMatchObject({
      code: 'invalid-argument',
    });
    const wrong = () => Promise.reject(new QuorateError('unauthenticated', 'no'));
    await expect(open({ ...at, connect: wrong })).rejects.toMatchObject({ code: 'unauthenticated' });
  });

  it('CONFIG-3 CONFIG-10 a file of which a document fails its schema is left aside, told, and replaced once the store is read', async () => {
    const clients = testClients(server);
    const { namespace } = clients;
    const folder = await temporaryFolder();
    const at = { namespace, lastKnownGoodPath: join(folder, 'shop') };
    const connect = () => clients.open();
    // Of a version of the program with other schemas.
    const loose = [new ConfigDocument<unknown>('limits'), flags, motd];
    const others = new ConfigEditor(await clients.open(), name, { documents: loose, author: 'ada' });
    const [limitsOfOld] = loose;
    await others.change([(limitsOfOld as ConfigDocument<unknown>).set({ many: 5 }), flags.set({})], why);
    const old = await open({ ...at, connect, documents: loose, offlineAfterMs: 5_000 });
    await old.opened.flush();
    await old.opened.close();
    await editorOf(await clients.open()).change(limits.set({ perSecond: 6 }), why);
    const refused = { type: 'file-refused', error: { details: { reason: 'refused-by-schema' } } };
    const events: LastKnownGoodEvent[] = [];
    const onEvent = (event: LastKnownGoodEvent) => events.push(event);
    await expect(open({ ...at, connect: away, timeoutMs: 600, onEvent })).rejects.toMatchObject({
      ...{ code: 'unreachable', message: expect.stringContaining('limits') },
      details: { file: at.lastKnownGoodPath, reason: 'refused-by-schema' },
    });
    expect(events.at(-1)).toMatchObject(refused);
    // Etcd comes while it waits.
    let attempts = 0;
    const late: ConfigConnect = (options) => {
      attempts += 1;
      return attempts < 5 ? away(options) : connect();
    };
    const { opened, config, types, events: told } = await open({ ...at, connect: late, offlineAfterMs: 50 });
    expect(told.find(({ type }) => type === 'file-refused')).toMatchObject(refused);
    expect([config.get(limits), config.snapshot.isOffline]).toEqual([{ perSecond: 6 }, false]);
    expect(opened.startedWith).toBeUndefined();
    await opened.flush();
    expect(types()).toEqual(['connecting-failed', 'file-refused', 'online', 'kept']);
    expect(await readdir(folder)).toHaveLength(1);
    await opened.close();
    const offline = await open({ ...at, connect: away });
    expect(offline.config.get(limits)).toEqual({ perSecond: 6 });
  });

  it('CONFIG-2 CONFIG-10 a cluster that stands below its file is told, and readers keep what is on disk until it has passed that', async () => {
    const clients = testClients(server);
    const { namespace } = clients;
    const editor = editorOf(await clients.open());
    const lastKnownGoodPath = join(await temporaryFolder(), 'shop');
    const { revision: now } = await editor.change(limits.set({ perSecond: 5 }), why);
    const client = await clients.open();
    const { clusterId } = await client.store.status();
    // As it was kept before the cluster was restored from a backup.
    const ahead = now + 1_000;
    const file = new LastKnownGoodFile({
      ...{ keys: client.keys.prefix('config', name), scope: '', instance: { id: 'i' } },
      ...{ path: lastKnownGoodPath, files: nodeFileSystem, runtime: systemRuntime },
      documents: documents.map((document) => document.name),
    });
    const contents = new Map([['limits', Buffer.from('{"perSecond":9}')]]);
    await file.keep({ clusterId, revision: ahead, contents });
    let isAway = true;
    const connect: ConfigConnect = (options) => (isAway ? away(options) : clients.open());
    const { opened, config, events } = await open({ namespace, lastKnownGoodPath, connect });
    expect(config.get(limits)).toEqual({ perSecond: 9 });
    isAway = false;
    await expect(config.sync()).rejects.toMatchObject({ code: 'future-revision' });
    await editor.change(limits.set({ perSecond: 6 }), why);
    await expect(config.sync()).rejects.toMatchObject({ code: 'future-revision' });
    const told = events.filter(({ type }) => type === 'cluster-behind');
    expect(told).toMatchObject([{ clusterId, revision: ahead, found: expect.any(Number) }]);
    expect([config.get(limits), config.snapshot.isOffline]).toEqual([{ perSecond: 9 }, true]);
    expect(opened.kept).toBeUndefined();
    await opened.close();
    // The operator takes the file away.
    const folder = join(lastKnownGoodPath, '..');
    for (const one of await readdir(folder)) await rm(join(folder, one));
    const anew = await open({ namespace, lastKnownGoodPath, connect, offlineAfterMs: 5_000 });
    expect(anew.config.get(limits)).toEqual({ perSecond: 6 });
    await anew.opened.flush();
    expect(anew.opened.kept?.revision).toBeLessThan(ahead);
  });

  it('a disk that takes nothing holds up nobody, and is told', async () => {
    const clients = testClients(server);
    const lastKnownGoodPath = join(await temporaryFolder(), 'not-there', 'shop');
    const connect = () => clients.open();
    const { namespace } = clients;
    const { opened, config, types } = await open({
      connect,
      namespace,
      lastKnownGoodPath,
      offlineAfterMs: 5_000,
    });
    await editorOf(await clients.open()).change(limits.set({ perSecond: 5 }), why);
    await config.sync();
    expect(config.get(limits)).toEqual({ perSecond: 5 });
    await expect.poll(types).toEqual(['online', 'keeping-failed']);
    expect(opened.problem).toMatchObject({ details: { reason: 'unreadable' } });
    await expect(opened.flush({ timeoutMs: 50 })).rejects.toMatchObject({ code: 'timeout' });
    await opened.close();
    await expect(opened.flush({ timeoutMs: 60_000 })).rejects.toMatchObject({ code: 'closed' });
  });
});

describe.skipIf(inject('etcdEndpoint') === '')('LastKnownGoodConfig and a real etcd', () => {
  it('CONFIG-10 a process starts while etcd is down, and catches up when it comes', async () => {
    const lastKnownGoodPath = join(await temporaryFolder(), 'shop');
    const etcd = await startEtcd();
    onTestFinished(() => etcd.stop());
    const openAt = async (endpoint: string) => {
      const store = await openEtcd3Store({ hosts: endpoint, connectTimeoutMs: 1_000 });
      return Client.open({ store, closeStore: true });
    };
    const first = await open({
      connect: () => openAt(etcd.endpoint),
      lastKnownGoodPath,
      offlineAfterMs: 8_000,
    });
    const editing = await openAt(etcd.endpoint);
    await editorOf(editing).change(limits.set({ perSecond: 5 }), why);
    await first.config.sync();
    await first.opened.flush();
    await first.opened.close();
    await editorOf(editing).change(limits.set({ perSecond: 6 }), why);
    await editing.close();
    etcd.child.kill('SIGKILL');
    await once(etcd.child, 'exit');
    const connect = () => openAt(etcd.endpoint);
    const second = await open({ connect, lastKnownGoodPath });
    expect(second.config.snapshot.isOffline).toBe(true);
    expect(second.config.get(limits)).toEqual({ perSecond: 5 });
    const [program = '', ...words] = etcd.child.spawnargs;
    const again = spawn(program, words, { stdio: 'ignore' });
    await second.config.sync();
    expect(second.config.get(limits)).toEqual({ perSecond: 6 });
    expect(second.config.snapshot.isOffline).toBe(false);
    await second.opened.close();
    again.kill('SIGKILL');
    await once(again, 'exit');

    // Another cluster at the same address.
    const other = await startEtcd();
    onTestFinished(() => other.stop());
    let isUp = false;
    const third = await open({
      connect: () => openAt(isUp ? other.endpoint : etcd.endpoint),
      lastKnownGoodPath,
    });
    isUp = true;
    await third.config.sync();
    expect(third.config.get(limits)).toBeUndefined();
    await third.opened.flush();
    expect(third.types()).toEqual(
      expect.arrayContaining(['other-cluster', 'replaced-other-cluster', 'kept']),
    );
  });
});
