import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { type LockEvent, Mutex } from '../../../src/locks/index.js';
import type { Client } from '../../../src/session/index.js';
import { prefixRange, put, textOf } from '../../../src/store/index.js';
import { testClients } from '../../support/clients.js';
import { describeStores } from '../../support/stores.js';

async function ownersIn(client: Client, name: string): Promise<readonly (string | undefined)[]> {
  const range = prefixRange(`${client.keys.prefix('lock', name)}l/`);
  const { kvs } = await client.store.range({ ...range, sort: { target: 'create', order: 'ascend' } });
  return kvs.map(({ value }) => JSON.parse(textOf(value)).owner);
}

describeStores('a mutex that is taken for owners', (server) => {
  it('LOCK-1 LOCK-7 gives each owner a place of its own, in one order with all other callers', async () => {
    const client = await testClients(server).open();
    // The two without an owner share a place, and have it for as long as they take.
    const mutex = new Mutex(client, 'm', { sliceMs: 60_000 });
    const first = await mutex.acquire({ owner: 'a' });
    const order: string[] = [];
    const take = async (owner?: string) => {
      const hold = await mutex.acquire({ owner });
      order.push(`${owner} ${hold.token > first.token}`);
      await hold.release();
    };
    const waits = [take('b')];
    await expect.poll(() => ownersIn(client, 'm')).toEqual(['a', 'b']);
    waits.push(take(), take());
    await expect.poll(() => ownersIn(client, 'm')).toEqual(['a', 'b', undefined]);
    waits.push(take('c'));
    await expect.poll(() => ownersIn(client, 'm')).toEqual(['a', 'b', undefined, 'c']);
    await first.release();
    await Promise.all(waits);
    expect(order).toEqual(['b true', 'undefined true', 'undefined true', 'c true']);
    expect(await ownersIn(client, 'm')).toEqual([]);
  });

  it('LOCK-5 guards its writes, and is over when it is released', async () => {
    const client = await testClients(server).open();
    const mutex = new Mutex(client, 'm');
    const hold = await mutex.acquire({ owner: 'a' });
    await hold.txn({ success: [put('r', 'mine')] });
    await hold.release();
    await hold.release();
    expect([hold.isHeld, hold.signal.aborted]).toEqual([false, false]);
    await expect(hold.txn({ success: [put('r', 'late')] })).rejects.toMatchObject({ code: 'hold-lost' });
    const result = await mutex.runExclusive((own) => own.isHeld, { owner: 'a' });
    expect(result).toBe(true);
    expect(await ownersIn(client, 'm')).toEqual([]);
  });

  it('LOCK-4 leaves nothing behind when it gives up, at whatever moment', async () => {
    const clients = testClients(server);
    const [client, other] = [await clients.open(), await clients.open()];
    const hold = await new Mutex(other, 'm').acquire();
    const mutex = new Mutex(client, 'm');
    for (const timeoutMs of [0.01, 1, 3, 20, 60]) {
      await expect(mutex.acquire({ owner: 'a', timeoutMs })).rejects.toMatchObject({ code: 'timeout' });
    }
    const controller = new AbortController();
    const cancelled = mutex.acquire({ owner: 'a', signal: controller.signal });
    controller.abort(new Error('changed my mind'));
    await expect(cancelled).rejects.toMatchObject({ code: 'aborted' });
    await expect.poll(() => ownersIn(client, 'm')).toEqual([undefined]);
    await hold.release();
    for (const timeoutMs of [0.01, 0.5, 1, 2, 4]) {
      await mutex.acquire({ owner: 'a', timeoutMs }).then(
        (own) => own.release(),
        () => {},
      );
    }
    await expect.poll(() => ownersIn(client, 'm')).toEqual([]);
  });

  it('tries with one request, and takes nothing that others have', async () => {
    const { client, counts } = await testClients(server).openCounted();
    const mutex = new Mutex(client, 'm', { watchHoldAfterMs: 60_000 });
    await client.session();
    counts.reset();
    const hold = await mutex.tryAcquire({ owner: 'a' });
    expect(hold?.isHeld).toBe(true);
    expect(await mutex.tryAcquire({ owner: 'b' })).toBeUndefined();
    expect(counts.calls).toMatchObject({ txn: 2, range: 0, watch: 0 });
    expect(await mutex.tryAcquire()).toBeUndefined();
    expect(await ownersIn(client, 'm')).toEqual(['a']);
    await hold?.release();
    await (await mutex.tryAcquire({ owner: 'b' }))?.release();
    expect(await ownersIn(client, 'm')).toEqual([]);
  });

  it('stands again with a new session after its own was lost, and again after its place was deleted', async () => {
    const clients = testClients(server);
    const [client, other] = [await clients.open(), await clients.open()];
    const hold = await new Mutex(other, 'm').acquire();
    const waiting = new Mutex(client, 'm').acquire({ owner: 'a', timeoutMs: 20_000 });
    await expect.poll(() => ownersIn(other, 'm')).toEqual([undefined, 'a']);
    const lost = await client.session();
    await lost.close();
    await expect.poll(() => ownersIn(other, 'm')).toEqual([undefined, 'a']);
    expect((await client.session()).id).not.toBe(lost.id);
    const range = prefixRange(`${client.keys.prefix('lock', 'm')}l/`);
    const { kvs } = await other.store.range({ ...range, sort: { target: 'create', order: 'descend' } });
    const key = kvs[0]?.key ?? '';
    await other.store.txn({ compare: [], success: [{ type: 'delete', key }], failure: [] });
    await expect
      .poll(async () => (await other.store.range({ ...range, minCreateRevision: 0 })).kvs.length)
      .toBe(2);
    await hold.release();
    await (await waiting).release();
  });

  it('LOCK-6 is told when its hold is lost, by its session or by a deletion', async () => {
    const client = await testClients(server).open();
    const mutex = new Mutex(client, 'm', { watchHoldAfterMs: 1 });
    const hold = await mutex.acquire({ owner: 'a' });
    await delay(50);
    const range = prefixRange(`${client.keys.prefix('lock', 'm')}l/`);
    const told = new Promise((resolve) => hold.signal.addEventListener('abort', resolve, { once: true }));
    await client.store.txn({ compare: [], success: [{ type: 'delete', ...range }], failure: [] });
    await told;
    expect(hold.signal.reason).toMatchObject({ code: 'hold-lost' });
    await hold.release();
    const again = await mutex.acquire({ owner: 'a' });
    await (await client.session()).close();
    expect(again.signal.reason).toMatchObject({ code: 'session-lost' });
    await again.release();
    await expect(
      mutex.runExclusive(async () => (await client.session()).close(), { owner: 'a' }),
    ).rejects.toMatchObject({ code: 'session-lost' });
  });

  it('LOCK-10 is handed the lock, and hands it on', async () => {
    const clients = testClients(server);
    const opened: [Client, Client, Client] = [
      await clients.open({ label: 'a' }),
      await clients.open({ label: 'b' }),
      await clients.open({ label: 'c' }),
    ];
    const mutexes = opened.map((client) => new Mutex(client, 'm')) as [Mutex, Mutex, Mutex];
    const hold = await mutexes[0].acquire({ owner: 'one' });
    const waits = [mutexes[1].acquire(), mutexes[2].acquire({ owner: 'three' })] as const;
    await expect.poll(() => ownersIn(opened[0], 'm')).toHaveLength(3);
    expect(await hold.handOff('c')).toBe(true);
    await hold.release();
    const handed = await waits[1];
    expect(handed.token).toBeGreaterThan(hold.token);
    await expect.poll(() => ownersIn(opened[0], 'm')).toEqual(['three', undefined]);
    expect(await handed.handOff('b')).toBe(true);
    await handed.release();
    const last = await waits[0];
    expect(await ownersIn(opened[0], 'm')).toEqual([undefined]);
    await last.release();
    expect(await ownersIn(opened[0], 'm')).toEqual([]);
  });

  it('tells what becomes of its holds, as of all others of the object', async () => {
    const client = await testClients(server).open();
    const mutex = new Mutex(client, 'm');
    const events: LockEvent['type'][] = [];
    mutex.onEvent(({ type }) => events.push(type));
    const hold = await mutex.acquire({ owner: 'a' });
    expect(mutex.status()).toMatchObject({ reason: 'held-here', token: hold.token });
    await hold.release();
    expect(events).toEqual(['acquired', 'released']);
    expect(mutex.status()).toEqual({ reason: 'nobody-waits', callers: 0 });
  });

  it('refuses an owner that is none', async () => {
    const mutex = new Mutex(await testClients(server).open(), 'm');
    for (const owner of ['', 'a\nb', 3 as never, null as never]) {
      const refused = { code: 'invalid-argument', message: expect.stringMatching(/^owner .*accepted/) };
      await expect(mutex.acquire({ owner })).rejects.toMatchObject(refused);
      await expect(mutex.tryAcquire({ owner })).rejects.toMatchObject(refused);
      await expect(mutex.runExclusive(() => {}, { owner })).rejects.toMatchObject(refused);
    }
    for (const deadlockAfterMs of [-1, Number.NaN, '3' as never]) {
      await expect(mutex.acquire({ owner: 'a', deadlockAfterMs })).rejects.toMatchObject({
        code: 'invalid-argument',
      });
    }
  });
});
