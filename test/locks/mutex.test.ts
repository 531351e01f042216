import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { Mutex } from '../../src/locks/index.js';
import { prefixRange, put, textOf } from '../../src/store/index.js';
import { testClients } from '../support/clients.js';
import { describeStores } from '../support/stores.js';

describeStores('Mutex', (server) => {
  it('LOCK-1 holds of several processes never overlap, and LOCK-2 tokens strictly increase', async () => {
    const clients = testClients(server);
    const tokens: number[] = [];
    let inside = 0;
    const work = async () => {
      const mutex = new Mutex(await clients.open(), 'm', { sliceGrants: 3 });
      const callers = Array.from({ length: 4 }, async () => {
        for (let round = 0; round < 5; round += 1) {
          await mutex.runExclusive(async (hold) => {
            inside += 1;
            expect(inside).toBe(1);
            tokens.push(hold.token);
            await delay(0);
            inside -= 1;
          });
        }
      });
      await Promise.all(callers);
    };
    await Promise.all([work(), work(), work()]);
    expect(tokens).toHaveLength(60);
    for (let index = 1; index < tokens.length; index += 1) {
      expect(tokens[index]).toBeGreaterThan(tokens[index - 1] ?? 0);
    }
  });

  it('costs one request to acquire and one to release, alone', async () => {
    const { client, counts } = await testClients(server).openCounted();
    await client.session();
    const mutex = new Mutex(client, 'm', { watchHoldAfterMs: 60_000 });
    counts.reset();
    const hold = await mutex.acquire();
    expect(counts.total()).toBe(1);
    await hold.release();
    expect(counts.total()).toBe(2);
    expect(counts.calls.txn).toBe(2);
  });

  it('LOCK-3 hands over by one delete and one event, without a read', async () => {
    const clients = testClients(server);
    const [first, second] = [await clients.openCounted(), await clients.openCounted()];
    const looker = await clients.open();
    const options = { watchHoldAfterMs: 60_000 };
    const mutexes = [new Mutex(first.client, 'm', options), new Mutex(second.client, 'm', options)] as const;
    // The first contention opens the watch of who waits; from then on it stands.
    const opener = await mutexes[0].acquire();
    const opening = mutexes[1].acquire();
    await expect.poll(() => second.counts.opened).toBe(1);
    // Reads stand by for a watch that is young, which it is not any more then.
    await delay(150);
    await opener.release();
    await (await opening).release();
    const held = await mutexes[0].acquire();
    for (const { counts } of [first, second]) counts.reset();
    const waiting = mutexes[1].acquire();
    await expect.poll(async () => (await new Mutex(looker, 'm').inspect()).waiting.length).toBe(1);
    await held.release();
    const next = await waiting;
    expect(second.counts.calls).toMatchObject({ txn: 1, range: 0, watch: 0 });
    expect(first.counts.calls).toMatchObject({ txn: 1, range: 0, watch: 0 });
    await next.release();
  });

  it('passes the lock on within a process at far below one request a grant', async () => {
    const { client, counts } = await testClients(server).openCounted();
    await client.session();
    const mutex = new Mutex(client, 'm', { sliceMs: 60_000 });
    counts.reset();
    await Promise.all(Array.from({ length: 1_000 }, () => mutex.runExclusive(() => {})));
    expect(counts.total()).toBeLessThan(12);
  });

  it('LOCK-5 a write through a hold that has ended is refused by the store', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const mutex = new Mutex(client, 'm');
    const key = `${clients.namespace}/stock`;
    const hold = await mutex.acquire();
    await hold.txn({ success: [put(key, 'by the holder')] });
    // An administrator takes the lock away.
    const range = prefixRange(client.keys.prefix('lock', 'm'));
    await client.store.txn({ compare: [], success: [{ type: 'delete', ...range }], failure: [] });
    await expect(hold.txn({ success: [put(key, 'too late')] })).rejects.toMatchObject({
      code: expect.stringMatching(/fenced|hold-lost/),
      outcome: 'not-applied',
    });
    expect(hold.signal.aborted).toBe(true);
    expect(hold.isHeld).toBe(false);
    const { kvs } = await client.store.range({ key });
    expect(kvs.map((kv) => textOf(kv.value))).toEqual(['by the holder']);
    await hold.release();
  });

  it('LOCK-6 notices the deletion of its key while it holds, and waiters queue again', async () => {
    const clients = testClients(server);
    const [client, other] = [await clients.open(), await clients.open()];
    const hold = await new Mutex(client, 'm', { watchHoldAfterMs: 1 }).acquire();
    await delay(50);
    const rival = new Mutex(other, 'm');
    const waiting = rival.acquire({ timeoutMs: 10_000 });
    await expect.poll(async () => (await rival.inspect()).waiting.length).toBe(1);
    const range = prefixRange(client.keys.prefix('lock', 'm'));
    await client.store.txn({ compare: [], success: [{ type: 'delete', ...range }], failure: [] });
    const next = await waiting;
    expect(next.token).toBeGreaterThan(hold.token);
    if (!hold.signal.aborted) await new Promise((resolve) => hold.signal.addEventListener('abort', resolve));
    expect(hold.signal.reason).toMatchObject({ code: 'hold-lost' });
    await Promise.all([hold.release(), next.release()]);
  });

  it('LOCK-4 a cancelled wait leaves no key behind', async () => {
    const clients = testClients(server);
    const [client, other] = [await clients.open(), await clients.open()];
    const range = prefixRange(client.keys.prefix('lock', 'm'));
    const hold = await new Mutex(client, 'm').acquire();
    const mutex = new Mutex(other, 'm');
    for (const timeoutMs of [0.01, 1, 3, 20]) {
      await expect(mutex.acquire({ timeoutMs })).rejects.toMatchObject({ code: 'timeout' });
    }
    const controller = new AbortController();
    const cancelled = mutex.acquire({ signal: controller.signal });
    controller.abort(new Error('changed my mind'));
    await expect(cancelled).rejects.toMatchObject({ code: 'aborted' });
    await hold.release();
    const again = await mutex.acquire();
    await again.release();
    // What was given up may have been on its way to the store still, and is taken back as soon as it is there.
    await expect.poll(async () => (await client.store.range(range)).count).toBe(0);
  });

  it('tryAcquire takes a free lock, and leaves nothing when it is taken', async () => {
    const clients = testClients(server);
    const [client, other] = [await clients.open(), await clients.open()];
    const [mutex, rival] = [new Mutex(client, 'm'), new Mutex(other, 'm')];
    const hold = await mutex.tryAcquire();
    expect(hold?.isHeld).toBe(true);
    expect(await mutex.tryAcquire()).toBeUndefined();
    expect(await rival.tryAcquire()).toBeUndefined();
    const range = prefixRange(client.keys.prefix('lock', 'm'));
    expect((await client.store.range(range)).count).toBe(1);
    await hold?.release();
    const next = await rival.tryAcquire();
    expect(next?.token).toBeGreaterThan(hold?.token ?? 0);
    await next?.release();
  });

  it('LOCK-7 is first come, first served between processes', async () => {
    const clients = testClients(server);
    const hold = await new Mutex(await clients.open(), 'm').acquire();
    const order: number[] = [];
    const waits: Promise<void>[] = [];
    for (let index = 0; index < 5; index += 1) {
      const mutex = new Mutex(await clients.open(), 'm');
      waits.push(mutex.runExclusive(() => void order.push(index)));
      await expect.poll(async () => (await mutex.inspect()).waiting.length).toBe(index + 1);
    }
    await hold.release();
    await Promise.all(waits);
    expect(order).toEqual([0, 1, 2, 3, 4]);
  });

  it('LOCK-8 two processes with many callers take turns by slices', async () => {
    const clients = testClients(server);
    const order: string[] = [];
    const work = async (name: string, callers: number) => {
      const mutex = new Mutex(await clients.open(), 'm', { sliceGrants: 4, sliceMs: 60_000 });
      await Promise.all(
        Array.from({ length: callers }, () => mutex.runExclusive(() => void order.push(name))),
      );
    };
    const client = await clients.open();
    const opener = await new Mutex(client, 'm').acquire();
    const both = [work('a', 60), work('b', 60)];
    const line = prefixRange(client.keys.prefix('lock', 'm'));
    await expect.poll(async () => (await client.store.range(line)).count).toBe(3);
    await opener.release();
    await Promise.all(both);
    const turns = order.join('').match(/a+|b+/g) ?? [];
    // Once one of them is done the other is alone, and its slices grow.
    const contended = turns.slice(0, -1);
    expect(contended.length).toBeGreaterThan(10);
    expect(Math.max(...contended.map((turn) => turn.length))).toBeLessThanOrEqual(4);
  });

  it('a closed client ends its holds and refuses new ones', async () => {
    const clients = testClients(server);
    const [client, other] = [await clients.open(), await clients.open()];
    const mutex = new Mutex(client, 'm');
    const hold = await mutex.acquire();
    const waiting = new Mutex(other, 'm').acquire({ timeoutMs: 10_000 });
    await client.close();
    expect(hold.isHeld).toBe(false);
    expect(hold.signal.aborted).toBe(true);
    await expect(mutex.acquire()).rejects.toMatchObject({ code: 'closed' });
    await (await waiting).release();
    await hold.release();
  });

  it('runExclusive releases after an error, and passes it on', async () => {
    const client = await testClients(server).open();
    const mutex = new Mutex(client, 'm');
    const work = mutex.runExclusive(() => {
      throw new Error('the work failed');
    });
    await expect(work).rejects.toThrow('the work failed');
    await mutex.runExclusive(() => {}, { timeoutMs: 5_000 });
  });

  it('refuses nonsense at once, saying what is accepted', async () => {
    const client = await testClients(server).open();
    for (const name of ['', 'a\nb', '\u0000', 'x'.repeat(2_000), 3 as unknown as string]) {
      expect(() => new Mutex(client, name)).toThrow(/accepted: a non-empty string/);
    }
    expect(() => new Mutex(client, 'm', { sliceGrants: 0 })).toThrow(
      /accepted: a whole number from 1 to 1024/,
    );
    expect(() => new Mutex(client, 'm', { sliceMs: Number.NaN })).toThrow(/milliseconds/);
    const mutex = new Mutex(client, 'm');
    await expect(mutex.acquire({ timeoutMs: -1 })).rejects.toMatchObject({ code: 'invalid-argument' });
    await expect(mutex.acquire({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'aborted' });
    await expect(mutex.acquire({ signal: {} as AbortSignal })).rejects.toMatchObject({
      code: 'invalid-argument',
    });
  });
});
