import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { QuorateError } from '../../src/errors.js';
import { Mutex } from '../../src/locks/index.js';
import { MultiLock } from '../../src/locks/multi-lock.js';
import { MemoryServer } from '../../src/memory/index.js';
import { hooksOn } from '../../src/runtime/abort-hooks.js';
import { Client, type ClientOptions } from '../../src/session/index.js';
import { type Op, prefixRange, type Store, type TxnRequest } from '../../src/store/index.js';
import { hookedStore } from '../support/hooked-store.js';
import { ManualRuntime } from '../support/manual-runtime.js';

async function openClient(store: Store, options: Partial<ClientOptions> = {}): Promise<Client> {
  const client = await Client.open({ store, namespace: 'n', ...options });
  onTestFinished(() => client.close());
  await client.session();
  return client;
}

function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}

function ops({ success, failure }: TxnRequest): readonly Op[] {
  return [...success, ...failure].flatMap((op) => (op.type === 'txn' ? ops(op) : [op]));
}

function places(server: MemoryServer): number {
  return server.engine.range({ ...prefixRange('n/lock/'), countOnly: true }).count;
}

describe('MultiLock, when things go wrong', () => {
  it('LOCK-4 a set that is given up while its places are taken leaves none of them', async () => {
    const server = new MemoryServer();
    const hooked = hookedStore(server.connect());
    const client = await openClient(hooked.store);
    const multi = new MultiLock(client, ['a', 'b']);
    const answer = gate();
    hooked.hook = async (_request, send) => {
      const reply = await send();
      await answer.opened;
      return reply;
    };
    await expect(multi.acquire({ timeoutMs: 20 })).rejects.toMatchObject({ code: 'timeout' });
    expect(places(server)).toBe(2);
    answer.open();
    await expect.poll(() => places(server)).toBe(0);
    const tried = gate();
    hooked.hook = async (_request, send) => {
      const reply = await send();
      await tried.opened;
      return reply;
    };
    await expect(multi.tryAcquire({ timeoutMs: 20 })).rejects.toMatchObject({ code: 'timeout' });
    expect(places(server)).toBe(2);
    tried.open();
    await expect.poll(() => places(server)).toBe(0);
  });

  it('LOCK-4 a lost reply leaves neither a half of a set nor a second one', async () => {
    const server = new MemoryServer();
    const hooked = hookedStore(server.connect());
    const client = await openClient(hooked.store);
    const multi = new MultiLock(client, ['a', 'b']);
    let lost = 0;
    hooked.hook = async (request, send) => {
      const reply = await send();
      if (lost > 0 || !ops(request).some(({ type }) => type === 'put')) return reply;
      lost += 1;
      throw new QuorateError('unavailable', 'the reply was lost', { outcome: 'unknown' });
    };
    const hold = await multi.acquire({ timeoutMs: 5_000 });
    expect(lost).toBe(1);
    expect(places(server)).toBe(2);
    expect(hold.isHeld).toBe(true);
    lost = 0;
    await hold.release();
    expect(places(server)).toBe(0);
  });

  it('MULTI-2 does not keep a turn that was handed to a part of it before it was known that it stands', async () => {
    const server = new MemoryServer();
    const client = await openClient(server.connect(), { label: 'set' });
    const [holder, other] = [await openClient(server.connect()), await openClient(server.connect())];
    const held = await new Mutex(holder, 'a').acquire();
    const beside = await new Mutex(other, 'b').acquire();
    const txn = client.store.txn.bind(client.store);
    const lost = gate();
    vi.spyOn(client.store, 'txn').mockImplementationOnce(async (request, options) => {
      await txn(request, options);
      await lost.opened;
      throw new QuorateError('compacted', 'what became of it was compacted', { outcome: 'unknown' });
    });
    const waiting = new MultiLock(client, ['a', 'b']).acquire({ timeoutMs: 10_000 });
    await expect.poll(() => places(server)).toBe(4);
    const behind = new MultiLock(holder, ['a']).acquire({ timeoutMs: 5_000 });
    await expect.poll(() => places(server)).toBe(5);
    expect(await held.handOff('set')).toBe(true);
    lost.open();
    // It goes on although the other lock is held still.
    await (await behind).release();
    await beside.release();
    await (await waiting).release();
    expect(places(server)).toBe(0);
  });

  it('is released in a store that is out of space, which refuses every put', async () => {
    const server = new MemoryServer();
    const full = hookedStore(server.connect());
    const client = await openClient(full.store);
    const other = await openClient(server.connect());
    const hold = await new MultiLock(client, ['a', 'b', 'c']).acquire();
    const waiting = new Mutex(other, 'b').acquire({ timeoutMs: 10_000 });
    full.hook = async (request, send) => {
      if (ops(request).some(({ type }) => type === 'put')) {
        throw new QuorateError('no-space', 'the store is out of space', { outcome: 'unknown' });
      }
      return send();
    };
    await hold.release();
    await (await waiting).release();
    expect(places(server)).toBe(0);
  });

  it('stands again with a new session when its own is lost while it waits', async () => {
    const server = new MemoryServer();
    const [client, other] = [await openClient(server.connect()), await openClient(server.connect())];
    const held = await new Mutex(other, 'a').acquire();
    const waiting = new MultiLock(client, ['a', 'b']).acquire({ timeoutMs: 10_000 });
    await expect.poll(() => places(server)).toBe(3);
    await (await client.session()).close();
    await expect.poll(() => places(server)).toBe(3);
    await held.release();
    const hold = await waiting;
    expect(hold.isHeld).toBe(true);
    await hold.release();
  });

  it('LOCK-9 is not held after a pause past the deadline, before any timer has run', async () => {
    const runtime = new ManualRuntime();
    const multi = new MultiLock(await openClient(new MemoryServer().connect(), { runtime }), ['a', 'b']);
    const work = multi.runExclusive((hold) => {
      runtime.pause();
      runtime.pass(60_000);
      return hold.isHeld;
    });
    await expect(work).rejects.toMatchObject({ code: 'session-lost' });
  });

  it('a closed client ends its sets and refuses new ones', async () => {
    const server = new MemoryServer();
    const client = await openClient(server.connect());
    const multi = new MultiLock(client, ['a', 'b']);
    const hold = await multi.acquire();
    await client.close();
    expect(hold.isHeld).toBe(false);
    expect(hold.signal.reason).toMatchObject({ code: 'session-lost' });
    await expect(multi.acquire()).rejects.toMatchObject({ code: 'closed' });
    await hold.release();
    expect(places(server)).toBe(0);
  });

  it('leaves no listener behind, and uses the same few names for its places', async () => {
    const server = new MemoryServer();
    const [client, other] = [await openClient(server.connect()), await openClient(server.connect())];
    const session = await client.session();
    const multi = new MultiLock(client, ['a', 'b']);
    const mutex = new Mutex(other, 'a');
    const names = new Set<string>();
    for (let round = 0; round < 50; round += 1) {
      const held = await mutex.acquire();
      const waiting = multi.acquire();
      await delay(0);
      await held.release();
      const hold = await waiting;
      for (const { key } of hold.guards()) names.add(key);
      await hold.release();
    }
    expect(hooksOn(session.signal)).toBe(0);
    expect(names.size).toBe(2);
    expect(places(server)).toBe(0);
  });
});
