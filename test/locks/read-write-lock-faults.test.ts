import { getEventListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { QuorateError } from '../../src/errors.js';
import { ReadWriteLock } from '../../src/locks/read-write-lock.js';
import { MemoryServer } from '../../src/memory/index.js';
import { hooksOn } from '../../src/runtime/abort-hooks.js';
import { Client, type ClientOptions } from '../../src/session/index.js';
import { type Op, prefixRange, put, type Store, type TxnRequest } from '../../src/store/index.js';
import { hookedStore } from '../support/hooked-store.js';
import { ManualRuntime } from '../support/manual-runtime.js';

async function openClient(store: Store, options: Partial<ClientOptions> = {}): Promise<Client> {
  const client = await Client.open({ store, namespace: 'n', ...options });
  onTestFinished(() => client.close());
  await client.session();
  return client;
}

/** All operations of a request that could be done, nested ones too. */
function opsOf(request: Pick<TxnRequest, 'success' | 'failure'>): readonly Op[] {
  return [...request.success, ...request.failure].flatMap((op) => (op.type === 'txn' ? opsOf(op) : [op]));
}

function touches(request: TxnRequest, type: 'put' | 'delete', part: string): boolean {
  return opsOf(request).some((op) => op.type === type && op.key.includes(part));
}

function keysOf(server: MemoryServer): readonly string[] {
  return server.engine.range(prefixRange('n/rwlock/')).kvs.map(({ key }) => key);
}

function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}

describe('ReadWriteLock, when things go wrong', () => {
  it('withRead, withWrite and downgrade say that the hold was lost in a pause, before any timer has', async () => {
    const paused = async (): Promise<[ReadWriteLock, () => void]> => {
      const runtime = new ManualRuntime();
      const client = await openClient(new MemoryServer().connect(), { runtime });
      const pause = () => {
        runtime.pause();
        runtime.pass(60_000);
      };
      return [new ReadWriteLock(client, 'm'), pause];
    };
    const [readLock, pauseReader] = await paused();
    await expect(readLock.withRead(pauseReader)).rejects.toMatchObject({ code: 'session-lost' });
    const [writeLock, pauseWriter] = await paused();
    await expect(writeLock.withWrite(pauseWriter)).rejects.toMatchObject({ code: 'session-lost' });
    const [turnedLock, pauseTurned] = await paused();
    const hold = await turnedLock.acquireWrite();
    pauseTurned();
    expect(hold.isHeld).toBe(false);
    await expect(hold.downgrade()).rejects.toMatchObject({ code: 'session-lost' });
  });

  it('an upgrade and a downgrade whose replies are lost are done once', async () => {
    const server = new MemoryServer();
    const hooked = hookedStore(server.connect());
    const lock = new ReadWriteLock(await openClient(hooked.store), 'm');
    const lost: string[] = [];
    hooked.hook = async (request, send) => {
      const reply = await send();
      const change = touches(request, 'put', '/w/') ? 'up' : touches(request, 'delete', '/w/') ? 'down' : '';
      if (change === '' || lost.includes(change)) return reply;
      lost.push(change);
      throw new QuorateError('unavailable', 'the reply was lost', { outcome: 'unknown' });
    };
    const reader = await lock.acquireRead();
    const writer = await reader.upgrade();
    expect(keysOf(server)).toHaveLength(2);
    const again = await writer.downgrade();
    expect(keysOf(server)).toHaveLength(1);
    expect(lost).toEqual(['up', 'down']);
    expect(again.isHeld).toBe(true);
    await again.release();
    expect(keysOf(server)).toEqual([]);
  });

  it('is downgraded and released in a store that is out of space, which refuses every put', async () => {
    const server = new MemoryServer();
    const full = hookedStore(server.connect());
    const lock = new ReadWriteLock(await openClient(full.store), 'm');
    const other = new ReadWriteLock(await openClient(server.connect()), 'm');
    const writer = await lock.acquireWrite();
    const waiting = other.acquireRead({ timeoutMs: 10_000 });
    await expect.poll(() => keysOf(server)).toHaveLength(3);
    full.hook = async (request, send) => {
      if (opsOf(request).some(({ type }) => type === 'put')) {
        throw new QuorateError('no-space', 'the store is out of space', { outcome: 'unknown' });
      }
      return send();
    };
    const reader = await writer.downgrade();
    const beside = await waiting;
    await reader.release();
    await beside.release();
    expect(keysOf(server)).toEqual([]);
  });

  it('LOCK-5 what nobody knows of a reader that shared the place is killed by the upgrade', async () => {
    const server = new MemoryServer();
    const hooked = hookedStore(server.connect());
    const lock = new ReadWriteLock(await openClient(hooked.store), 'm', { sliceMs: 60_000 });
    const [reader, beside] = [await lock.acquireRead(), await lock.acquireRead()];
    const late = gate();
    const patience = new AbortController();
    hooked.hook = async (request, send) => {
      if (!touches(request, 'put', 'x')) return send();
      patience.abort();
      await late.opened;
      return send();
    };
    const write = beside.txn({ success: [put('x', 'late')] }, { signal: patience.signal });
    await expect(write).rejects.toMatchObject({ outcome: 'unknown' });
    const released = beside.release();
    const writer = await reader.upgrade({ timeoutMs: 10_000 });
    await released;
    await writer.txn({ success: [put('y', 'now')] });
    late.open();
    await delay(50);
    const found = server.engine.range({ key: 'x' }).count;
    expect(found).toBe(0);
    await writer.release();
    expect(keysOf(server)).toEqual([]);
  });

  it('writes of a read hold that come while its upgrade is decided wait, and are refused after it', async () => {
    const server = new MemoryServer();
    const hooked = hookedStore(server.connect());
    const lock = new ReadWriteLock(await openClient(hooked.store), 'm');
    const reader = await lock.acquireRead();
    const slow = gate();
    let isSent = false;
    hooked.hook = async (request, send) => {
      if (!touches(request, 'put', 'x')) return send();
      isSent = true;
      await slow.opened;
      return send();
    };
    const early = reader.txn({ success: [put('x', 'early')] });
    await expect.poll(() => isSent).toBe(true);
    const upgrading = reader.upgrade();
    await expect.poll(() => keysOf(server)).toHaveLength(2);
    await delay(10);
    const meanwhile = reader.txn({ success: [put('z', 'late')] });
    meanwhile.catch(() => {});
    slow.open();
    expect((await early).succeeded).toBe(true);
    const writer = await upgrading;
    await expect(meanwhile).rejects.toMatchObject({ code: 'hold-lost', outcome: 'not-applied' });
    await writer.release();
  });

  it('RW-3 a hold that is released while it is upgraded leaves nothing, and the upgrade says so', async () => {
    const server = new MemoryServer();
    const [client, other] = [await openClient(server.connect()), await openClient(server.connect())];
    const beside = await new ReadWriteLock(other, 'm').acquireRead();
    const reader = await new ReadWriteLock(client, 'm').acquireRead();
    const upgrading = reader.upgrade();
    const refused = expect(upgrading).rejects.toMatchObject({ code: 'hold-lost' });
    await expect.poll(() => keysOf(server)).toHaveLength(3);
    await reader.release();
    await refused;
    expect(keysOf(server)).toHaveLength(1);
    await beside.release();
  });

  it('RW-3 an upgrade ends with its session, or with its read key', async () => {
    const server = new MemoryServer();
    const [client, other] = [await openClient(server.connect()), await openClient(server.connect())];
    const beside = await new ReadWriteLock(other, 'm').acquireRead();
    const lock = new ReadWriteLock(client, 'm');
    const reader = await lock.acquireRead();
    const upgrading = reader.upgrade();
    const lost = expect(upgrading).rejects.toMatchObject({ code: 'hold-lost' });
    await expect.poll(() => keysOf(server)).toHaveLength(3);
    const [read = ''] = reader.guards().map(({ key }) => key);
    await other.store.txn({ compare: [], success: [{ type: 'delete', key: read }], failure: [] });
    await lost;
    expect(reader.signal.reason).toMatchObject({ code: 'hold-lost' });
    await expect.poll(() => keysOf(server)).toHaveLength(1);
    const next = await lock.acquireRead();
    const closing = expect(next.upgrade()).rejects.toMatchObject({ code: 'session-lost' });
    await expect.poll(() => keysOf(server)).toHaveLength(3);
    await (await client.session()).close();
    await closing;
    await beside.release();
    expect(keysOf(server)).toEqual([]);
  });

  it('RW-3 an upgrade that waits for the end of one that was given up says that the session was lost meanwhile', async () => {
    const server = new MemoryServer();
    const hooked = hookedStore(server.connect());
    const [client, other] = [await openClient(hooked.store), await openClient(server.connect())];
    const beside = await new ReadWriteLock(other, 'm').acquireRead();
    const lock = new ReadWriteLock(client, 'm', { sliceMs: 60_000 });
    const [first, second] = [await lock.acquireRead(), await lock.acquireRead()];
    const controller = new AbortController();
    const given = expect(first.upgrade({ signal: controller.signal })).rejects.toMatchObject({
      code: 'aborted',
    });
    await expect.poll(() => keysOf(server)).toHaveLength(3);
    const leave = gate();
    hooked.hook = async (request, send) => {
      if (touches(request, 'delete', '/w/')) await leave.opened;
      return send();
    };
    controller.abort();
    await given;
    const lost = expect(second.upgrade()).rejects.toMatchObject({ code: 'session-lost' });
    await delay(0);
    await (await client.session()).close();
    await lost;
    leave.open();
    await beside.release();
  });

  it('puts the write key again that somebody deletes while its upgrade waits', async () => {
    const server = new MemoryServer();
    const [client, other] = [await openClient(server.connect()), await openClient(server.connect())];
    const beside = await new ReadWriteLock(other, 'm').acquireRead();
    const reader = await new ReadWriteLock(client, 'm').acquireRead();
    const upgrading = reader.upgrade();
    await expect.poll(() => keysOf(server)).toHaveLength(3);
    const write = keysOf(server).find((key) => key.includes('/w/')) ?? '';
    await other.store.txn({ compare: [], success: [{ type: 'delete', key: write }], failure: [] });
    await expect.poll(() => keysOf(server)).toHaveLength(3);
    await beside.release();
    await (await upgrading).release();
    expect(keysOf(server)).toEqual([]);
  });

  it('a try that ends by its timeout, or is aborted while the lock is given to it, leaves nothing', async () => {
    const server = new MemoryServer();
    const hooked = hookedStore(server.connect());
    const lock = new ReadWriteLock(await openClient(hooked.store), 'm');
    const silent = gate();
    hooked.hook = async (_request, send) => {
      await silent.opened;
      return send();
    };
    await expect(lock.tryAcquireRead({ timeoutMs: 30 })).rejects.toMatchObject({ code: 'timeout' });
    await expect(lock.tryAcquireWrite({ timeoutMs: 30 })).rejects.toMatchObject({ code: 'timeout' });
    silent.open();
    const controller = new AbortController();
    hooked.hook = async (_request, send) => {
      const reply = await send();
      controller.abort();
      return reply;
    };
    const aborted = lock.tryAcquireWrite({ signal: controller.signal });
    await expect(aborted).rejects.toMatchObject({ code: 'aborted' });
    hooked.hook = undefined;
    await expect.poll(() => keysOf(server)).toEqual([]);
  });

  it('leaves no listener behind, and uses the same few names again', async () => {
    const server = new MemoryServer();
    const client = await openClient(server.connect());
    const session = await client.session();
    const lock = new ReadWriteLock(client, 'm');
    const { signal } = new AbortController();
    const names = new Set<string>();
    for (let round = 0; round < 200; round += 1) {
      const reader = await lock.acquireRead({ signal, timeoutMs: 5_000 });
      const writer = await reader.upgrade({ signal });
      await writer.txn({ success: [put('a', 'b')] }, { signal });
      for (const { key } of writer.guards()) names.add(key);
      const again = await writer.downgrade();
      await again.release();
      await lock.withWrite((hold) => void hold.guards().map(({ key }) => names.add(key)), { signal });
    }
    expect(hooksOn(session.signal)).toBe(0);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    expect(keysOf(server)).toEqual([]);
    expect(names.size).toBeLessThanOrEqual(6);
  });
});
