import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { Etcd3 } from 'etcd3';
import { afterEach, describe, expect, it } from 'vitest';
import { type EmbeddedOptions, type EmbeddedServer, startEmbedded } from '../../src/embedded/index.js';
import { type Runtime, systemRuntime } from '../../src/runtime/index.js';
import { bytes, connectRaw, type Message, type RawClient } from './raw-client.js';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(options: EmbeddedOptions = {}): Promise<{ server: EmbeddedServer; client: RawClient }> {
  const server = await startEmbedded(options);
  const client = connectRaw(server.endpoint);
  cleanups.push(
    () => server.close(),
    () => client.close(),
  );
  return { server, client };
}

/** Snapshots are then written at the end only. */
const withoutBackgroundTimers: Runtime = {
  ...systemRuntime,
  setTimer: (delayMs, callback, options) =>
    options?.background ? { cancel: () => {} } : systemRuntime.setTimer(delayMs, callback, options),
};

async function temporaryFile(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-embedded-'));
  cleanups.push(() => rm(folder, { recursive: true }));
  return join(folder, 'snapshot');
}

const put = (client: RawClient, key: string, value: string | Buffer, more: Message = {}) =>
  client.call('KV', 'Put', { key: bytes(key), value: Buffer.from(value), ...more });
const get = async (client: RawClient, key: string): Promise<string | undefined> => {
  const reply = await client.call('KV', 'Range', { key: bytes(key) });
  return (reply.kvs as { value: Buffer }[])[0]?.value.toString();
};

describe('starting', () => {
  it.each([
    ['a host of the network', { host: '0.0.0.0' }],
    ['a host by name', { host: 'example.org' }],
    ['a port that is none', { port: 65_536 }],
    ['a broken port', { port: 1.5 }],
    ['an empty file name', { snapshotFile: '' }],
    ['no time between progress', { progressNotifyMs: 0 }],
  ])('refuses %s', async (_what, options) => {
    await expect(startEmbedded(options)).rejects.toMatchObject({ code: 'invalid-argument' });
  });

  it('names the port that is in use, and can have it when it is free again', async () => {
    const { server } = await start();
    await expect(startEmbedded({ port: server.port })).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining(String(server.port)),
      details: { port: server.port },
    });
    await server.close();
    const { server: next } = await start({ port: server.port });
    expect(next.endpoint).toBe(`127.0.0.1:${server.port}`);
  });

  it.each(['localhost', '::1'])('listens on %s', async (host) => {
    const { client } = await start({ host });
    await put(client, 'k', 'v');
    expect(await get(client, 'k')).toBe('v');
  });

  it('keeps two servers in one process apart', async () => {
    const [one, two] = [await start(), await start()];
    await put(one.client, 'k', 'one');
    expect(await get(two.client, 'k')).toBeUndefined();
  });
});

describe('closing', () => {
  it('ends open streams with a status, is idempotent, and refuses what comes later', async () => {
    const { server, client } = await start();
    const watch = client.stream('Watch', 'Watch');
    watch.send({ create_request: { key: bytes('k') } });
    await watch.next();
    const keepAlive = client.stream('Lease', 'LeaseKeepAlive');
    keepAlive.send({ ID: '1' });
    await keepAlive.next();
    const begin = performance.now();
    await Promise.all([server.close(), server.close()]);
    expect(performance.now() - begin).toBeLessThan(10_000);
    for (const stream of [watch, keepAlive]) {
      expect(await stream.ended).toMatchObject({
        code: status.UNAVAILABLE,
        details: 'etcdserver: server stopped',
      });
    }
    await expect(get(client, 'k')).rejects.toMatchObject({ code: status.UNAVAILABLE });
  });

  it('does not wait for a client that does not read', async () => {
    const { server, client } = await start();
    const watch = client.stream('Watch', 'Watch');
    watch.send({ create_request: { key: bytes('k') } });
    for (let i = 0; i < 40; i += 1) await put(client, 'k', Buffer.alloc(256 * 1024));
    const begin = performance.now();
    await server.close();
    expect(performance.now() - begin).toBeLessThan(10_000);
  });
});

describe('a client that does not read', () => {
  it('finds every event when it reads at last, and the server did not hold them for it', async () => {
    const { client } = await start();
    const slow = client.stream('Watch', 'Watch');
    slow.send({ create_request: { key: bytes('k') } });
    slow.send({ create_request: { key: bytes('other') } });
    const first = (await slow.next()).header as Message;
    await slow.next();
    slow.raw.pause();
    const value = Buffer.alloc(128 * 1024, 'x');
    const puts = 160;
    for (let i = 0; i < puts; i += 1) await put(client, 'k', value);
    slow.raw.resume();
    const revisions: number[] = [];
    while (revisions.length < puts) {
      const message = await slow.next();
      for (const event of message.events as { kv: Message }[]) revisions.push(Number(event.kv.mod_revision));
    }
    const from = Number(first.revision) + 1;
    expect(revisions).toEqual(Array.from({ length: puts }, (_, i) => from + i));
  });

  it('is told that history was compacted away while it did not read', async () => {
    const { client } = await start();
    const slow = client.stream('Watch', 'Watch');
    slow.send({ create_request: { key: bytes('k') } });
    await slow.next();
    slow.raw.pause();
    const value = Buffer.alloc(128 * 1024, 'x');
    let revision = '';
    for (let i = 0; i < 160; i += 1)
      revision = ((await put(client, 'k', value)).header as Message).revision as string;
    await client.call('KV', 'Compact', { revision });
    slow.raw.resume();
    let message = await slow.next();
    while (!message.canceled) message = await slow.next();
    expect(message).toMatchObject({ watch_id: '0', compact_revision: revision });
  });
});

describe('progress_notify', () => {
  it('tells quiet watches the revision, and only those that asked', async () => {
    const { client } = await start({ progressNotifyMs: 200 });
    const stream = client.stream('Watch', 'Watch');
    stream.send({ create_request: { key: bytes('k'), progress_notify: true, watch_id: '3' } });
    stream.send({ create_request: { key: bytes('k'), watch_id: '4' } });
    const told: Message[] = [];
    for (let created = 0; created < 2; ) {
      const message = await stream.next();
      if (message.created) created += 1;
      else told.push(message);
    }
    await put(client, 'elsewhere', 'x');
    // Of a revision before that as well, where the machine is slow.
    while (told.filter(({ header }) => (header as Message).revision === '2').length < 2) {
      told.push(await stream.next());
    }
    for (const message of told) expect(message).toMatchObject({ watch_id: '3', events: [] });
  });
});

describe('the snapshot file', () => {
  it('brings back keys, history, leases and the name of the cluster', async () => {
    const snapshotFile = await temporaryFile();
    const first = await start({ snapshotFile });
    await put(first.client, 'a\xff', 'old');
    const { ID } = await first.client.call('Lease', 'LeaseGrant', { ID: '9007199254740993', TTL: '2' });
    await put(first.client, 'a\xff', Buffer.from([0, 255, 128]), { lease: ID });
    await first.client.call('KV', 'Compact', { revision: '2' });
    const range = { key: bytes('a\xff') };
    const before = await first.client.call('KV', 'Range', range);
    await first.server.close();
    const { client } = await start({ snapshotFile });
    const after = await client.call('KV', 'Range', range);
    expect(after.kvs).toEqual(before.kvs);
    const header = before.header as Message;
    expect(after.header).toEqual({ ...header, raft_term: String(Number(header.raft_term) + 1) });
    const past = await client.call('KV', 'Range', { ...range, revision: '2' });
    expect(past.kvs).toMatchObject([{ value: Buffer.from('old'), version: '1' }]);
    const stream = client.stream('Watch', 'Watch');
    stream.send({ create_request: range });
    await stream.next();
    expect(await stream.next()).toMatchObject({ events: [{ type: 'Delete' }] });
  });

  it('is written while the server runs, whole, and without leftovers', async () => {
    const snapshotFile = await temporaryFile();
    const { client } = await start({ snapshotFile });
    await put(client, 'k', 'v');
    await expect
      .poll(
        () =>
          readFile(snapshotFile, 'utf8').then(
            (text) => text.includes('"key":"k"'),
            () => false,
          ),
        {
          timeout: 10_000,
        },
      )
      .toBe(true);
    const { client: copy } = await start({ snapshotFile: await copyOf(snapshotFile) });
    expect(await get(copy, 'k')).toBe('v');
    expect(await readdir(join(snapshotFile, '..'))).toEqual(['snapshot']);
  });

  it.each([
    ['cut short', (text: string) => text.slice(0, -5)],
    ['altered', (text: string) => text.replace('"key":"k"', '"key":"q"')],
    ['without its first line', (text: string) => text.slice(text.indexOf('\n') + 1)],
    ['empty', () => ''],
    ['of another version', (text: string) => text.replace('"version":1', '"version":99')],
    ['something else', () => '{"format":"other"}\n{}'],
  ])('is refused when it is %s, and left as it is', async (_what, damage) => {
    const snapshotFile = await temporaryFile();
    const { server, client } = await start({ snapshotFile });
    await put(client, 'k', 'v');
    await server.close();
    const damaged = damage(await readFile(snapshotFile, 'utf8'));
    await writeFile(snapshotFile, damaged);
    await expect(startEmbedded({ snapshotFile })).rejects.toMatchObject({
      code: 'codec',
      message: expect.stringContaining(snapshotFile),
    });
    expect(await readFile(snapshotFile, 'utf8')).toBe(damaged);
  });

  it('is never written over what another server wrote', async () => {
    const snapshotFile = await temporaryFile();
    const options = { snapshotFile, runtime: withoutBackgroundTimers };
    const [one, two] = [await start(options), await startEmbedded(options)];
    await put(one.client, 'k', 'one');
    const client = connectRaw(two.endpoint);
    await put(client, 'k', 'two');
    client.close();
    await one.server.close();
    await expect(two.close()).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('another process'),
    });
    const { client: next } = await start({ snapshotFile });
    expect(await get(next, 'k')).toBe('one');
  });

  it('that cannot be written is told at the end, and the port is free all the same', async () => {
    const { server, client } = await start({
      snapshotFile: join(await temporaryFile(), 'no', 'such', 'folder'),
    });
    cleanups.splice(0, cleanups.length, cleanups[0] ?? (() => {}), () => client.close());
    await put(client, 'k', 'v');
    await expect(server.close()).rejects.toMatchObject({ code: 'unavailable' });
    await start({ port: server.port });
  });
});

async function copyOf(file: string): Promise<string> {
  const copy = await temporaryFile();
  await writeFile(copy, await readFile(file));
  return copy;
}

describe('what it does not offer', () => {
  it.each([
    ['Cluster', 'MemberAdd', { peerURLs: ['http://127.0.0.1:1'] }],
    ['Cluster', 'MemberRemove', { ID: '1' }],
    ['Maintenance', 'MoveLeader', { targetID: '1' }],
    ['Maintenance', 'Alarm', { action: 'Activate', alarm: 'Nospace' }],
    ['Maintenance', 'Downgrade', {}],
    ['Auth', 'AuthEnable', {}],
    ['Auth', 'UserAdd', { name: 'u' }],
    ['Auth', 'RoleList', {}],
    ['KV', 'Txn', { compare: [{ key: bytes('k'), result: 9 }], success: [], failure: [] }],
    ['KV', 'Range', { key: bytes('k'), sort_target: 9 }],
  ])('%s %s is refused with a sentence', async (service, method, request) => {
    const { client } = await start();
    await expect(client.call(service, method, request)).rejects.toMatchObject({
      code: status.UNIMPLEMENTED,
      details: expect.stringMatching(/^quorate embedded: .{10}/),
    });
  });

  it('a snapshot over the wire is refused with a sentence', async () => {
    const { client } = await start();
    const stream = client.stream('Maintenance', 'Snapshot');
    stream.raw.resume();
    expect(await stream.ended).toMatchObject({
      code: status.UNIMPLEMENTED,
      details: expect.stringContaining('not offered'),
    });
  });
});

describe('the member', () => {
  it('is a cluster of one that leads, without alarms and authentication', async () => {
    const { server, client } = await start();
    const state = await client.call('Maintenance', 'Status', {});
    const { member_id } = state.header as Message;
    expect(state).toMatchObject({ leader: member_id, isLearner: false, errors: [] });
    expect(await client.call('Cluster', 'MemberList', {})).toMatchObject({
      members: [{ ID: member_id, clientURLs: [`http://${server.endpoint}`] }],
    });
    expect(await client.call('Maintenance', 'Alarm', { action: 'Get' })).toMatchObject({ alarms: [] });
    expect(await client.call('Auth', 'AuthStatus', {})).toMatchObject({ enabled: false });
    expect(await client.call('Maintenance', 'Defragment', {})).toMatchObject({ header: { member_id } });
  });

  it('hashes the same history to the same number', async () => {
    const [one, two] = [await start(), await start()];
    const hashes = [];
    for (const { client } of [one, two]) {
      await put(client, 'k', 'v');
      const at2 = await client.call('Maintenance', 'HashKV', { revision: '2' });
      await put(client, 'k', 'w');
      const now = await client.call('Maintenance', 'HashKV', {});
      expect(await client.call('Maintenance', 'HashKV', { revision: '2' })).toMatchObject({ hash: at2.hash });
      hashes.push([at2.hash, now.hash]);
    }
    expect(hashes[0]).toEqual(hashes[1]);
    expect(hashes[0]?.[0]).not.toBe(hashes[0]?.[1]);
  });
});

describe('the npm client etcd3', () => {
  it('puts, gets, watches, leases, locks and elects', async () => {
    const { server } = await start();
    const etcd = new Etcd3({ hosts: server.endpoint });
    cleanups.push(() => etcd.close());
    const watcher = await etcd.watch().key('k').create();
    const seen = new Promise((resolve) => watcher.once('put', (kv) => resolve(kv.value.toString())));
    await etcd.put('k').value('ü');
    expect(await etcd.get('k').string()).toBe('ü');
    expect(await seen).toBe('ü');
    await watcher.cancel();
    const lease = etcd.lease(5);
    await lease.put('leased').value('x');
    await lease.revoke();
    expect(await etcd.get('leased').string()).toBeNull();
    const lock = await etcd.lock('l').ttl(5).acquire();
    await expect(etcd.lock('l').ttl(5).acquire()).rejects.toThrow();
    await lock.release();
    const campaign = etcd.election('e').campaign('me');
    await new Promise((resolve) => campaign.once('elected', resolve));
    expect(await etcd.election('e').leader()).toBe('me');
    await campaign.resign();
  });
});
