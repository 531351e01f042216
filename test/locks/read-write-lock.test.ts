import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { ReadWriteLock } from '../../src/locks/read-write-lock.js';
import type { Client } from '../../src/session/index.js';
import { prefixRange, put, remove, textOf } from '../../src/store/index.js';
import { testClients } from '../support/clients.js';
import { describeStores } from '../support/stores.js';

function rangeOf(client: Client) {
  return prefixRange(client.keys.prefix('rwlock', 'm'));
}

async function placesOf(client: Client): Promise<string[]> {
  const { kvs } = await client.store.range(rangeOf(client));
  return kvs.map(({ key }) => key);
}

describeStores('ReadWriteLock', (server) => {
  it('RW-1 readers hold together, a writer alone, over processes', async () => {
    const clients = testClients(server);
    let readers = 0;
    let writers = 0;
    let together = 0;
    const tokens: number[] = [];
    const work = async (index: number) => {
      const lock = new ReadWriteLock(await clients.open(), 'm', { sliceGrants: 2 });
      for (let round = 0; round < 6; round += 1) {
        const reading = Array.from({ length: 3 }, () =>
          lock.withRead(async () => {
            readers += 1;
            expect(writers).toBe(0);
            if (readers > 1) together += 1;
            await delay(1);
            readers -= 1;
          }),
        );
        const writing = lock.withWrite(async (hold) => {
          writers += 1;
          expect([readers, writers]).toEqual([0, 1]);
          tokens.push(hold.token);
          await delay(index % 2);
          writers -= 1;
        });
        await Promise.all([...reading, writing]);
      }
    };
    await Promise.all([work(0), work(1), work(2)]);
    expect(together).toBeGreaterThan(0);
    expect(tokens).toHaveLength(18);
    expect(tokens).toEqual([...tokens].sort((one, other) => one - other));
    expect(new Set(tokens).size).toBe(18);
  });

  it('costs one request to acquire and one to release, alone, and none within a slice', async () => {
    const { client, counts } = await testClients(server).openCounted();
    await client.session();
    const lock = new ReadWriteLock(client, 'm', { sliceMs: 60_000, watchHoldAfterMs: 60_000 });
    counts.reset();
    const [first, second] = await Promise.all([lock.acquireRead(), lock.acquireRead()]);
    const third = await lock.acquireRead();
    const tried = await lock.tryAcquireRead();
    expect(counts.total()).toBe(1);
    const tokens = [first, second, third, tried].map((hold) => hold?.token ?? 0);
    expect(new Set(tokens).size).toBe(4);
    for (const hold of [first, second, third]) await hold.release();
    expect(counts.total()).toBe(1);
    await tried?.release();
    expect(counts.total()).toBe(2);
    const writer = await lock.acquireWrite();
    expect(counts.total()).toBe(3);
    expect(writer.guards()).toHaveLength(2);
    expect(writer.token).toBeGreaterThan(Math.max(...tokens));
    await writer.release();
    expect(counts.total()).toBe(4);
    expect(counts.calls.txn).toBe(4);
    expect(await placesOf(client)).toEqual([]);
  });

  it('RW-3 a downgrade is one request, lets readers in and no writer', async () => {
    const clients = testClients(server);
    const { client, counts } = await clients.openCounted();
    const other = await clients.open();
    const lock = new ReadWriteLock(client, 'm', { watchHoldAfterMs: 60_000 });
    const others = new ReadWriteLock(other, 'm');
    const writer = await lock.acquireWrite();
    const order: string[] = [];
    const reading = others.acquireRead().then((hold) => {
      order.push('reader');
      return hold;
    });
    await expect.poll(() => placesOf(client)).toHaveLength(3);
    const writing = others.acquireWrite().then((hold) => {
      order.push('writer');
      return hold;
    });
    await expect.poll(() => placesOf(client)).toHaveLength(5);
    counts.reset();
    const reader = await writer.downgrade();
    expect(counts.total()).toBe(1);
    expect(reader.token).toBeGreaterThan(writer.token);
    expect(writer.isHeld).toBe(false);
    expect(writer.signal.aborted).toBe(false);
    await writer.release();
    const second = await reading;
    await delay(50);
    expect(order).toEqual(['reader']);
    expect(reader.isHeld && second.isHeld).toBe(true);
    await Promise.all([reader.release(), second.release()]);
    const last = await writing;
    expect(last.token).toBeGreaterThan(Math.max(reader.token, second.token));
    await last.release();
    expect(await placesOf(client)).toEqual([]);
  });

  it('RW-3 an upgrade alone is one request', async () => {
    const { client, counts } = await testClients(server).openCounted();
    await client.session();
    const lock = new ReadWriteLock(client, 'm', { watchHoldAfterMs: 60_000 });
    const reader = await lock.acquireRead();
    counts.reset();
    const writer = await reader.upgrade();
    expect(counts.total()).toBe(1);
    expect(writer.token).toBeGreaterThan(reader.token);
    expect([reader.isHeld, writer.isHeld]).toEqual([false, true]);
    expect(reader.signal.aborted).toBe(false);
    await reader.release();
    expect(writer.isHeld).toBe(true);
    const again = await writer.downgrade();
    const twice = await again.upgrade();
    expect(twice.token).toBeGreaterThan(again.token);
    expect(counts.total()).toBe(3);
    await twice.release();
    expect(counts.total()).toBe(4);
    expect(await placesOf(client)).toEqual([]);
  });

  it('RW-3 an upgrade waits for the readers that hold, of this process too, and keeps new ones out', async () => {
    const clients = testClients(server);
    const [client, other] = [await clients.open(), await clients.open()];
    const lock = new ReadWriteLock(client, 'm', { sliceMs: 60_000 });
    const others = new ReadWriteLock(other, 'm', { sliceMs: 0 });
    const [reader, beside, elsewhere] = [
      await lock.acquireRead(),
      await lock.acquireRead(),
      await others.acquireRead(),
    ];
    let upgraded = false;
    const upgrading = reader.upgrade().then((hold) => {
      upgraded = true;
      return hold;
    });
    await expect.poll(() => placesOf(client)).toHaveLength(3);
    const late = [lock.acquireRead(), others.acquireRead()];
    expect(await others.tryAcquireRead()).toBeUndefined();
    await elsewhere.release();
    await delay(50);
    expect(upgraded).toBe(false);
    expect(reader.isHeld).toBe(true);
    await beside.release();
    const writer = await upgrading;
    expect(writer.token).toBeGreaterThan(Math.max(reader.token, beside.token, elsewhere.token));
    const state = await Promise.race([...late, delay(50, 'waiting')]);
    expect(state).toBe('waiting');
    await writer.release();
    for (const hold of await Promise.all(late)) await hold.release();
    expect(await placesOf(client)).toEqual([]);
  });

  it('RW-3 refuses an upgrade at once where a writer has queued, or another upgrades', async () => {
    const clients = testClients(server);
    const counted = await clients.openCounted();
    const { client, counts } = counted;
    const other = await clients.open();
    const lock = new ReadWriteLock(client, 'm', { watchHoldAfterMs: 60_000 });
    const others = new ReadWriteLock(other, 'm');
    const [reader, beside] = [await lock.acquireRead(), await others.acquireRead()];
    const upgrading = beside.upgrade();
    await expect.poll(() => placesOf(client)).toHaveLength(3);
    counts.reset();
    await expect(reader.upgrade()).rejects.toMatchObject({
      code: 'upgrade-conflict',
      outcome: 'not-applied',
    });
    expect(counts.total()).toBe(2);
    expect(reader.isHeld).toBe(true);
    await reader.release();
    const writer = await upgrading;
    const waiting = lock.acquireWrite();
    await expect.poll(() => placesOf(client)).toHaveLength(4);
    const again = await writer.downgrade();
    await expect(again.upgrade()).rejects.toMatchObject({ code: 'upgrade-conflict' });
    await again.release();
    await (await waiting).release();
  });

  it('RW-3 refuses the second upgrade of readers that share a place', async () => {
    const client = await testClients(server).open();
    const lock = new ReadWriteLock(client, 'm', { sliceMs: 60_000 });
    const [first, second] = [await lock.acquireRead(), await lock.acquireRead()];
    const upgrading = first.upgrade();
    await expect(second.upgrade()).rejects.toMatchObject({ code: 'upgrade-conflict' });
    await second.release();
    await (await upgrading).release();
  });

  it('LOCK-4 an upgrade that is given up leaves the read hold as it was, and lets others in', async () => {
    const clients = testClients(server);
    const [client, other] = [await clients.open(), await clients.open()];
    const [lock, others] = [new ReadWriteLock(client, 'm'), new ReadWriteLock(other, 'm')];
    const [reader, beside] = [await lock.acquireRead(), await others.acquireRead()];
    const impatience = new AbortController();
    const aborted = reader.upgrade({ signal: impatience.signal });
    await expect.poll(() => placesOf(client)).toHaveLength(3);
    const late = others.acquireRead({ timeoutMs: 5_000 });
    impatience.abort(new Error('changed my mind'));
    await expect(aborted).rejects.toMatchObject({ code: 'aborted' });
    await (await late).release();
    for (const timeoutMs of [0.01, 1, 3, 20]) {
      await expect(reader.upgrade({ timeoutMs })).rejects.toMatchObject({ code: 'timeout' });
    }
    await expect.poll(() => placesOf(client)).toHaveLength(2);
    expect(reader.isHeld).toBe(true);
    await reader.txn({ success: [put(`${clients.namespace}/a`, 'b')] });
    await beside.release();
    await (await reader.upgrade()).release();
    expect(await placesOf(client)).toEqual([]);
  });

  it('LOCK-4 cancelled waits leave no key behind', async () => {
    const clients = testClients(server);
    const [client, other] = [await clients.open(), await clients.open()];
    const writer = await new ReadWriteLock(client, 'm').acquireWrite();
    const lock = new ReadWriteLock(other, 'm');
    for (const timeoutMs of [0.01, 1, 3, 20]) {
      await expect(lock.acquireRead({ timeoutMs })).rejects.toMatchObject({ code: 'timeout' });
      await expect(lock.acquireRead({ timeoutMs, owner: 'o' })).rejects.toMatchObject({ code: 'timeout' });
      await expect(lock.acquireWrite({ timeoutMs })).rejects.toMatchObject({ code: 'timeout' });
    }
    await writer.release();
    await (await lock.acquireWrite()).release();
    // What was given up may have been on its way to the store still, and is taken back as soon as it is there.
    await expect.poll(() => placesOf(client)).toEqual([]);
  });

  it('LOCK-5 a write through a hold that has ended is refused by the store, whichever key went', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const lock = new ReadWriteLock(client, 'm');
    const key = `${clients.namespace}/stock`;
    for (const which of [0, 1]) {
      const hold = await lock.acquireWrite();
      await hold.txn({ success: [put(key, 'by the holder')] });
      const taken = (await placesOf(client))[which] ?? '';
      await client.store.txn({ compare: [], success: [remove(taken)], failure: [] });
      await expect(hold.txn({ success: [put(key, 'too late')] })).rejects.toMatchObject({
        code: expect.stringMatching(/fenced|hold-lost/),
        outcome: 'not-applied',
      });
      expect(hold.signal.aborted).toBe(true);
      expect(hold.isHeld).toBe(false);
      await hold.release();
      expect(await placesOf(client)).toEqual([]);
    }
    const { kvs } = await client.store.range({ key });
    expect(kvs.map((kv) => textOf(kv.value))).toEqual(['by the holder']);
  });

  it('LOCK-6 notices the deletion of either key, and what is left of the place goes too', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    for (const which of [0, 1]) {
      const hold = await new ReadWriteLock(client, 'm', { watchHoldAfterMs: 1 }).acquireWrite();
      await delay(50);
      const taken = (await placesOf(client))[which] ?? '';
      await client.store.txn({ compare: [], success: [remove(taken)], failure: [] });
      await expect.poll(() => hold.signal.aborted).toBe(true);
      expect(hold.signal.reason).toMatchObject({ code: 'hold-lost' });
      await expect.poll(() => placesOf(client)).toEqual([]);
    }
  });

  it('RW-2 readers wait behind a writer that waits, and come in together after it', async () => {
    const clients = testClients(server);
    const [client, other] = [await clients.open(), await clients.open()];
    const reader = await new ReadWriteLock(client, 'm').acquireRead();
    const order: string[] = [];
    const note = (what: string) => async () => void order.push(what);
    const writing = new ReadWriteLock(other, 'm').withWrite(note('writer'));
    await expect.poll(() => placesOf(client)).toHaveLength(3);
    const late = new ReadWriteLock(client, 'm');
    const reading = [late.withRead(note('reader')), late.withRead(note('reader'))];
    await delay(50);
    expect(await late.tryAcquireRead()).toBeUndefined();
    expect(await late.tryAcquireWrite()).toBeUndefined();
    expect(order).toEqual([]);
    await reader.release();
    await Promise.all([writing, ...reading]);
    expect(order).toEqual(['writer', 'reader', 'reader']);
  });

  it('LOCK-8 readers that keep coming do not keep a writer of another process out', async () => {
    const clients = testClients(server);
    const [client, other] = [await clients.open(), await clients.open()];
    const lock = new ReadWriteLock(client, 'm');
    let isWritten = false;
    const reader = async () => {
      while (!isWritten) await lock.withRead(() => delay(5));
    };
    const readers = Array.from({ length: 8 }, reader);
    await delay(50);
    await new ReadWriteLock(other, 'm').withWrite(() => {}, { timeoutMs: 20_000 });
    isWritten = true;
    await Promise.all(readers);
  });

  it('an owner has a place of its own, which says so', async () => {
    const client = await testClients(server).open();
    const lock = new ReadWriteLock(client, 'm', { sliceMs: 60_000 });
    const shared = await lock.acquireRead();
    const own = await lock.acquireRead({ owner: 'order 7' });
    const { kvs } = await client.store.range(rangeOf(client));
    const owners = kvs.map(({ value }) => JSON.parse(textOf(value)).owner);
    expect(owners.sort()).toEqual(['order 7', undefined]);
    await shared.release();
    const writer = await own.upgrade();
    const claimed = await client.store.range(rangeOf(client));
    expect(claimed.kvs.map(({ value }) => JSON.parse(textOf(value)).owner)).toEqual(['order 7', 'order 7']);
    await writer.release();
  });

  it('a closed client ends its holds and refuses new ones', async () => {
    const clients = testClients(server);
    const [client, other] = [await clients.open(), await clients.open()];
    const lock = new ReadWriteLock(client, 'm');
    const hold = await lock.acquireWrite();
    const waiting = new ReadWriteLock(other, 'm').acquireRead({ timeoutMs: 10_000 });
    await client.close();
    expect(hold.isHeld).toBe(false);
    expect(hold.signal.aborted).toBe(true);
    await expect(lock.acquireRead()).rejects.toMatchObject({ code: 'closed' });
    await expect(lock.acquireWrite()).rejects.toMatchObject({ code: 'closed' });
    await expect(hold.downgrade()).rejects.toMatchObject({ code: 'session-lost' });
    await (await waiting).release();
    await hold.release();
  });

  it('withRead and withWrite release after an error, and pass it on', async () => {
    const client = await testClients(server).open();
    const lock = new ReadWriteLock(client, 'm');
    const failing = () => {
      throw new Error('the work failed');
    };
    await expect(lock.withRead(failing)).rejects.toThrow('the work failed');
    await expect(lock.withWrite(failing)).rejects.toThrow('the work failed');
    await lock.withWrite(() => {}, { timeoutMs: 5_000 });
    expect(await placesOf(client)).toEqual([]);
  });

  it('refuses nonsense at once, saying what is accepted', async () => {
    const client = await testClients(server).open();
    expect(() => new ReadWriteLock(client, '')).toThrow(/accepted: a non-empty string/);
    expect(() => new ReadWriteLock(client, 'm', null as never)).toThrow(/accepted: an object/);
    expect(() => new ReadWriteLock(client, 'm', { sliceGrants: 2_000 })).toThrow(
      /accepted: a whole number from 1 to 1024/,
    );
    const lock = new ReadWriteLock(client, 'm');
    const hold = await lock.acquireRead();
    const invalid = [
      lock.acquireRead({ timeoutMs: -1 }),
      lock.acquireWrite({ owner: '' }),
      lock.acquireWrite(null as never),
      lock.tryAcquireRead({ owner: 3 as never }),
      lock.tryAcquireWrite({ signal: {} as AbortSignal }),
      lock.withRead(3 as never),
      lock.withWrite(undefined as never),
      hold.upgrade({ timeoutMs: 0 }),
      hold.txn(undefined as never),
    ];
    for (const attempt of invalid) {
      await expect(attempt).rejects.toMatchObject({ code: 'invalid-argument' });
    }
    await hold.release();
    await expect(hold.upgrade()).rejects.toMatchObject({ code: 'hold-lost' });
  });
});
