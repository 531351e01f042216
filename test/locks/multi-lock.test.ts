import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { handOver } from '../../src/line/index.js';
import { Mutex } from '../../src/locks/index.js';
import { MultiLock } from '../../src/locks/multi-lock.js';
import { placeOf } from '../../src/locks/mutex/internals.js';
import type { Client } from '../../src/session/index.js';
import { type KeyValue, prefixRange, put, remove, textOf } from '../../src/store/index.js';
import { testClients } from '../support/clients.js';
import { describeStores } from '../support/stores.js';

async function placesIn(client: Client, ...names: readonly string[]): Promise<readonly KeyValue[]> {
  const lines = names.map((name) => client.store.range(prefixRange(`${client.keys.prefix('lock', name)}l/`)));
  return (await Promise.all(lines)).flatMap(({ kvs }) => kvs);
}

async function deletePlace(client: Client, key: string): Promise<void> {
  await client.store.txn({ compare: [], success: [remove(key)], failure: [] });
}

describeStores('MultiLock', (server) => {
  it('costs one request to acquire and one to release, alone, for as many as 63 names', async () => {
    const clients = testClients(server);
    const { client, counts } = await clients.openCounted();
    const looker = await clients.open();
    await client.session();
    for (const size of [1, 3, 63]) {
      const names = Array.from({ length: size }, (_, index) => `n${index}`);
      // A hold that is looked after is another cost, of a hold that lasts.
      const multi = new MultiLock(client, names, { watchHoldAfterMs: 60_000 });
      counts.reset();
      const hold = await multi.acquire();
      expect(counts.total()).toBe(1);
      expect(hold.tokens.size).toBe(size);
      expect(await placesIn(looker, ...names)).toHaveLength(size);
      await hold.release();
      expect(counts.calls).toMatchObject({ txn: 2, range: 0, watch: 0 });
      expect(await placesIn(looker, ...names)).toHaveLength(0);
    }
  });

  it('MULTI-1 excludes, and is excluded by, mutexes of its names and other sets, with tokens that increase for each', async () => {
    const clients = testClients(server);
    const inside = new Map<string, number>();
    const tokens = new Map<string, number>();
    const enter = async (held: ReadonlyMap<string, number>) => {
      for (const [name, token] of held) {
        expect(inside.get(name) ?? 0).toBe(0);
        inside.set(name, 1);
        expect(token).toBeGreaterThan(tokens.get(name) ?? 0);
        tokens.set(name, token);
      }
      await delay(0);
      for (const name of held.keys()) inside.set(name, 0);
    };
    const sets = [
      ['a', 'b', 'c'],
      ['c', 'b'],
      ['b', 'a'],
      ['c', 'a'],
    ];
    const work = sets.map(async (names) => {
      const client = await clients.open();
      const multi = new MultiLock(client, names);
      const [alone = ''] = names;
      const mutex = new Mutex(client, alone);
      for (let round = 0; round < 6; round += 1) {
        await multi.runExclusive((hold) => enter(hold.tokens));
        await mutex.runExclusive((hold) => enter(new Map([[alone, hold.token]])));
      }
    });
    await Promise.all(work);
    expect([...tokens.keys()].sort()).toEqual(['a', 'b', 'c']);
  });

  it('MULTI-2 takes all places in one revision, and so delays younger claimants of a name that is free', async () => {
    const clients = testClients(server);
    const [client, other] = [await clients.open(), await clients.open()];
    const held = await new Mutex(client, 'a').acquire();
    const waiting = new MultiLock(other, ['b', 'a', 'c']).acquire({ timeoutMs: 10_000 });
    await expect.poll(async () => (await placesIn(client, 'a', 'b', 'c')).length).toBe(4);
    const created = (await placesIn(client, 'b', 'a', 'c')).map(({ createRevision }) => createRevision);
    expect(new Set(created).size).toBe(2);
    await expect(new Mutex(client, 'c').acquire({ timeoutMs: 30 })).rejects.toMatchObject({
      code: 'timeout',
    });
    await held.release();
    const hold = await waiting;
    expect(hold.isHeld).toBe(true);
    expect(hold.token('a')).toBeGreaterThan(hold.token('b'));
    expect(hold.token('b')).toBe(hold.token('c'));
    expect(() => hold.token('d')).toThrow(/accepted: "b", "a", "c"/);
    await hold.release();
  });

  it('MULTI-1 the token of a name proves its own line, though another place went before the last proof', async () => {
    const clients = testClients(server);
    const [client, other] = [await clients.open(), await clients.open()];
    const held = await new Mutex(client, 'a').acquire();
    const waiting = new MultiLock(other, ['a', 'b'], { watchHoldAfterMs: 60_000 }).acquire();
    await expect.poll(async () => (await placesIn(client, 'b')).length).toBe(1);
    const [mine] = await placesIn(client, 'b');
    await deletePlace(client, mine?.key ?? '');
    const next = await new Mutex(client, 'b').acquire();
    await held.release();
    const hold = await waiting;
    // Nobody had told it; but it claims no more than it had proved, and can do nothing.
    expect(hold.token('b')).toBeLessThan(next.token);
    await expect(hold.txn({ success: [put(`${clients.namespace}/x`, '1')] })).rejects.toMatchObject({
      code: 'fenced',
    });
    expect(hold.signal.aborted).toBe(true);
    await hold.release();
    await next.release();
    expect(await placesIn(client, 'a', 'b')).toHaveLength(0);
  });

  it('MULTI-1 is lost as a whole when one place is deleted, and gives the others up', async () => {
    const clients = testClients(server);
    const [client, other] = [await clients.open(), await clients.open()];
    const hold = await new MultiLock(client, ['a', 'b', 'c'], { watchHoldAfterMs: 1 }).acquire();
    await delay(60);
    const waiting = new Mutex(other, 'c').acquire({ timeoutMs: 10_000 });
    const [place] = await placesIn(other, 'b');
    await deletePlace(other, place?.key ?? '');
    await (await waiting).release();
    expect(hold.signal.reason).toMatchObject({ code: 'hold-lost' });
    expect(hold.isHeld).toBe(false);
    await expect(hold.txn({ success: [put('x', '1')] })).rejects.toMatchObject({ code: 'hold-lost' });
    await hold.release();
    expect(await placesIn(other, 'a', 'b', 'c')).toHaveLength(0);
  });

  it('queues again as a whole when one place is deleted while it waits', async () => {
    const clients = testClients(server);
    const [client, other] = [await clients.open(), await clients.open()];
    const held = await new Mutex(client, 'a').acquire();
    const waiting = new MultiLock(other, ['a', 'b'], { watchHoldAfterMs: 1 }).acquire({ timeoutMs: 10_000 });
    await expect.poll(async () => (await placesIn(client, 'b')).length).toBe(1);
    await delay(100);
    const [mine] = await placesIn(client, 'b');
    await deletePlace(client, mine?.key ?? '');
    await expect
      .poll(async () => (await placesIn(client, 'b'))[0]?.createRevision ?? 0)
      .toBeGreaterThan(mine?.createRevision ?? Infinity);
    await held.release();
    const hold = await waiting;
    expect(hold.isHeld).toBe(true);
    await hold.release();
    expect(await placesIn(client, 'a', 'b')).toHaveLength(0);
  });

  it('LOCK-5 one guard that fails refuses what is written under all of them', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const key = `${clients.namespace}/stock`;
    const hold = await new MultiLock(client, ['a', 'b']).acquire();
    await hold.txn({ success: [put(key, 'by the holder')] });
    expect(hold.guards().map(({ key: guarded }) => guarded)).toEqual(
      (await placesIn(client, 'a', 'b')).map(({ key: place }) => place),
    );
    const [place] = await placesIn(client, 'b');
    await deletePlace(client, place?.key ?? '');
    await expect(hold.txn({ success: [put(key, 'too late')] })).rejects.toMatchObject({ code: 'fenced' });
    const { kvs } = await client.store.range({ key });
    expect(kvs.map((kv) => textOf(kv.value))).toEqual(['by the holder']);
    await hold.release();
  });

  it('LOCK-4 a wait that is given up leaves no key behind, in any line, by one request', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const { client: other, counts } = await clients.openCounted();
    const held = await new Mutex(client, 'a').acquire();
    const multi = new MultiLock(other, ['a', 'b', 'c']);
    const controller = new AbortController();
    const waiting = multi.acquire({ signal: controller.signal });
    await expect.poll(async () => (await placesIn(client, 'a', 'b', 'c')).length).toBe(4);
    counts.reset();
    controller.abort(new Error('changed my mind'));
    await expect(waiting).rejects.toMatchObject({ code: 'aborted' });
    await expect.poll(async () => (await placesIn(client, 'a', 'b', 'c')).length).toBe(1);
    expect(counts.calls.txn).toBe(1);
    for (const timeoutMs of [0.01, 1, 3, 20]) {
      await expect(multi.acquire({ timeoutMs })).rejects.toMatchObject({ code: 'timeout' });
    }
    await held.release();
    await expect(multi.runExclusive(() => 7)).resolves.toBe(7);
    // What was given up may have been on its way to the store still, and is taken back as soon as it is there.
    await expect.poll(async () => (await placesIn(client, 'a', 'b', 'c')).length).toBe(0);
  });

  it('tryAcquire takes all or leaves everything as it was, by one request', async () => {
    const clients = testClients(server);
    const { client, counts } = await clients.openCounted();
    const other = await clients.open();
    await client.session();
    const held = await new Mutex(other, 'b').acquire();
    const multi = new MultiLock(client, ['a', 'b'], { watchHoldAfterMs: 60_000 });
    counts.reset();
    expect(await multi.tryAcquire()).toBeUndefined();
    expect(counts.total()).toBe(1);
    expect(await placesIn(other, 'a', 'b')).toHaveLength(1);
    await held.release();
    const hold = await multi.tryAcquire({ owner: 'somebody' });
    expect(hold?.isHeld).toBe(true);
    expect(counts.total()).toBe(2);
    const records = (await placesIn(other, 'a', 'b')).map(({ value }) => JSON.parse(textOf(value)));
    expect(records).toMatchObject([{ owner: 'somebody' }, { owner: 'somebody' }]);
    expect(await new Mutex(other, 'a').tryAcquire()).toBeUndefined();
    await hold?.release();
  });

  it('does not keep a turn that is handed to a part of it, which could close a circle', async () => {
    const clients = testClients(server);
    const [client, first, second] = [await clients.open(), await clients.open(), await clients.open()];
    const held = await new Mutex(client, 'a').acquire();
    const older = new MultiLock(first, ['a', 'b']).acquire({ timeoutMs: 10_000 });
    await expect.poll(async () => (await placesIn(client, 'a')).length).toBe(2);
    const younger = new MultiLock(second, ['a', 'b']).acquire({ timeoutMs: 10_000 });
    await expect.poll(async () => (await placesIn(client, 'a')).length).toBe(3);
    const from = placeOf(held);
    const to = [...(await placesIn(client, 'a'))].sort((a, b) => b.createRevision - a.createRevision)[0];
    if (from === undefined || to === undefined) throw new Error('there are three places');
    expect(await handOver({ client, from, to })).toBe(true);
    const hold = await older;
    expect(hold.isHeld).toBe(true);
    await hold.release();
    await (await younger).release();
    await held.release();
    expect(await placesIn(client, 'a', 'b')).toHaveLength(0);
  });

  it('LOCK-3 hands over by the deletion, to mutexes too that listen for their names, after a turn that was handed to it', async () => {
    const clients = testClients(server);
    // The look that comes about once a TTL would tell it, too.
    const ttlMs = 60_000;
    const [client, first] = [await clients.open({ ttlMs }), await clients.open({ ttlMs })];
    const [second, other] = [await clients.open({ ttlMs }), await clients.open({ ttlMs, label: 'set' })];
    const opener = await new Mutex(client, 'a').acquire();
    const early = new Mutex(first, 'a').acquire();
    await expect.poll(async () => (await placesIn(client, 'a')).length).toBe(2);
    const crowded = new Mutex(second, 'a').acquire();
    await expect.poll(async () => (await placesIn(client, 'a')).length).toBe(3);
    await opener.release();
    await (await early).release();
    const held = await crowded;
    const set = new MultiLock(other, ['a']).acquire({ timeoutMs: 10_000 });
    await expect.poll(async () => (await placesIn(client, 'a')).length).toBe(2);
    expect(await held.handOff('set')).toBe(true);
    const hold = await set;
    const late = new Mutex(first, 'a').acquire({ timeoutMs: 20_000 });
    await expect.poll(async () => (await placesIn(client, 'a')).length).toBe(2);
    await delay(200);
    await hold.release();
    await (await late).release();
  });

  it('runExclusive passes on what the work rejects with, and tells of a loss', async () => {
    const client = await testClients(server).open();
    const multi = new MultiLock(client, ['a', 'b']);
    const failing = multi.runExclusive(() => {
      throw new Error('the work failed');
    });
    await expect(failing).rejects.toThrow('the work failed');
    const losing = multi.runExclusive(async (hold) => {
      const [place] = await placesIn(client, 'b');
      await deletePlace(client, place?.key ?? '');
      await hold.txn({ success: [put('x', '1')] }).catch(() => {});
    });
    await expect(losing).rejects.toMatchObject({ code: 'hold-lost' });
    expect(await placesIn(client, 'a', 'b')).toHaveLength(0);
  });

  it('refuses nonsense at once, saying what is accepted', async () => {
    const client = await testClients(server).open();
    const many = Array.from({ length: 64 }, (_, index) => `n${index}`);
    for (const names of [[], many, ['a', 'a'], 'a' as unknown as string[]]) {
      expect(() => new MultiLock(client, names)).toThrow(/accepted: from 1 to 63 names of locks, each once/);
    }
    expect(() => new MultiLock(client, ['a', ''])).toThrow(/accepted: a non-empty string/);
    const holes = ['b', 'a'];
    delete holes[0];
    expect(() => new MultiLock(client, holes)).toThrow(/lock name is of type undefined/);
    expect(() => new MultiLock(client, [Number.NaN as never])).toThrow(/lock name is of type number/);
    expect(() => new MultiLock(client, ['a'], { watchHoldAfterMs: -1 })).toThrow(/milliseconds/);
    expect(() => new MultiLock(client, ['a'], null as never)).toThrow(/an object, or none/);
    const multi = new MultiLock(client, ['a', 'b']);
    for (const options of [{ timeoutMs: -1 }, { owner: '' }, { signal: {} as AbortSignal }, null as never]) {
      await expect(multi.acquire(options)).rejects.toMatchObject({ code: 'invalid-argument' });
      await expect(multi.tryAcquire(options)).rejects.toMatchObject({ code: 'invalid-argument' });
    }
    await expect(multi.runExclusive(3 as never)).rejects.toMatchObject({ code: 'invalid-argument' });
    await expect(multi.acquire({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'aborted' });
  });
});
