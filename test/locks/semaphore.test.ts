import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { SemaphoreOptions } from '../../src/locks/semaphore/semaphore-options.js';
import { Semaphore } from '../../src/locks/semaphore.js';
import type { Client } from '../../src/session/index.js';
import { prefixRange, put, remove, textOf } from '../../src/store/index.js';
import { testClients } from '../support/clients.js';
import { describeStores } from '../support/stores.js';

function semaphoreOf(client: Client, limit: number, options: Partial<SemaphoreOptions> = {}) {
  return new Semaphore(client, 's', { limit, ...options });
}

function placesOf(client: Client) {
  return prefixRange(`${client.keys.prefix('semaphore', 's')}l/`);
}

describeStores('Semaphore', (server) => {
  it('SEMAPHORE-1 several processes never hold more than the limit, and as much as it', async () => {
    const clients = testClients(server);
    let held = 0;
    let most = 0;
    const work = async () => {
      const semaphore = semaphoreOf(await clients.open(), 5);
      const callers = Array.from({ length: 6 }, async (_, caller) => {
        for (let round = 0; round < 4; round += 1) {
          const weight = 1 + ((caller + round) % 3);
          await semaphore.run(
            async () => {
              held += weight;
              most = Math.max(most, held);
              await delay(1);
              held -= weight;
            },
            { weight },
          );
        }
      });
      await Promise.all(callers);
    };
    await Promise.all([work(), work(), work()]);
    expect(held).toBe(0);
    expect(most).toBe(5);
  });

  it('costs one request to acquire and one to release, the making of the limit included', async () => {
    const { client, counts } = await testClients(server).openCounted();
    await client.session();
    const semaphore = semaphoreOf(client, 2, { watchHoldAfterMs: 60_000 });
    counts.reset();
    const hold = await semaphore.acquire({ weight: 2 });
    expect(counts.total()).toBe(1);
    expect(hold.weight).toBe(2);
    await hold.release();
    expect(counts.calls.txn).toBe(2);
    expect(counts.total()).toBe(2);
  });

  it('hands permits over by one delete and one event, without a read', async () => {
    const clients = testClients(server);
    const [first, second] = [await clients.openCounted(), await clients.openCounted()];
    const looker = await clients.open();
    const options = { watchHoldAfterMs: 60_000 };
    const semaphores = [
      semaphoreOf(first.client, 3, options),
      semaphoreOf(second.client, 3, options),
    ] as const;
    const opener = await semaphores[0].acquire({ weight: 3 });
    const opening = semaphores[1].acquire();
    await expect.poll(() => second.counts.opened).toBe(1);
    // Reads stand by for a watch that is young, which it is not any more then.
    await delay(150);
    await opener.release();
    await (await opening).release();
    const held = await semaphores[0].acquire({ weight: 2 });
    for (const { counts } of [first, second]) counts.reset();
    const waiting = semaphores[1].acquire({ weight: 2 });
    await expect.poll(async () => (await looker.store.range(placesOf(looker))).count).toBe(2);
    await held.release();
    await (await waiting).release();
    expect(second.counts.calls).toMatchObject({ txn: 2, range: 0, watch: 0 });
    expect(first.counts.calls).toMatchObject({ txn: 1, range: 0, watch: 0 });
  });

  it('a thousand callers of a process share requests, places and permits', async () => {
    const { client, counts } = await testClients(server).openCounted();
    await client.session();
    const semaphore = semaphoreOf(client, 20, { sliceMs: 60_000 });
    counts.reset();
    let [held, most] = [0, 0];
    const work = async () => {
      held += 1;
      most = Math.max(most, held);
      await delay(1);
      held -= 1;
    };
    await Promise.all(Array.from({ length: 1_000 }, () => semaphore.run(work)));
    expect(most).toBe(20);
    expect(counts.total()).toBeLessThan(120);
  });

  it('a thousand callers hold at once where there is room for them, at far below one request each', async () => {
    const { client, counts } = await testClients(server).openCounted();
    await client.session();
    const semaphore = semaphoreOf(client, 1_000);
    counts.reset();
    const holds = await Promise.all(Array.from({ length: 1_000 }, () => semaphore.acquire()));
    expect((await semaphore.inspect()).used).toBe(1_000);
    const tokens = new Set(holds.map((hold) => `${hold.guard().key} ${hold.token}`));
    expect(tokens.size).toBe(1_000);
    await Promise.all(holds.map((hold) => hold.release()));
    expect(counts.total()).toBeLessThan(100);
    expect((await client.store.range(placesOf(client))).count).toBe(0);
  });

  it('SEMAPHORE-2 a heavy waiter is not passed by lighter ones', async () => {
    const clients = testClients(server);
    const [one, two, three] = [await clients.open(), await clients.open(), await clients.open()];
    const hold = await semaphoreOf(one, 4).acquire({ weight: 2 });
    const order: string[] = [];
    const heavy = semaphoreOf(two, 4).run(() => void order.push('heavy'), { weight: 3 });
    await expect.poll(async () => (await one.store.range(placesOf(one))).count).toBe(2);
    const light = semaphoreOf(three, 4).run(() => void order.push('light'), { weight: 2 });
    await delay(80);
    expect(order).toEqual([]);
    expect(await semaphoreOf(await clients.open(), 4).tryAcquire()).toBeUndefined();
    await hold.release();
    await Promise.all([heavy, light]);
    expect(order).toEqual(['heavy', 'light']);
  });

  it('a smaller limit takes nothing away and binds who comes, a larger one wakes who waits', async () => {
    const clients = testClients(server);
    const [client, other] = [await clients.open(), await clients.open()];
    const [mine, others] = [semaphoreOf(client, 3), semaphoreOf(other, 99)];
    const holds = [await mine.acquire(), await mine.acquire(), await mine.acquire()] as const;
    expect(await others.limit()).toBe(3);
    await others.setLimit(2);
    expect(holds.every(({ isHeld }) => isHeld)).toBe(true);
    const waiting = others.acquire();
    await holds[0].release();
    await expect.poll(() => mine.inspect()).toMatchObject({ limit: 2, used: 2, waiting: [{ weight: 1 }] });
    await delay(80);
    expect(await mine.inspect()).toMatchObject({ limit: 2, used: 2, waiting: [{ weight: 1 }] });
    expect(await others.changeLimit(1)).toBe(3);
    const fourth = await waiting;
    expect(fourth.isHeld).toBe(true);
    await Promise.all([...holds, fourth].map((hold) => hold.release()));
  });

  it('changes of the limit that come together are all applied', async () => {
    const clients = testClients(server);
    const all = await Promise.all(
      Array.from({ length: 4 }, async () => semaphoreOf(await clients.open(), 10)),
    );
    await Promise.all(all.flatMap((semaphore) => [semaphore.changeLimit(3), semaphore.changeLimit(-1)]));
    expect(await all[0]?.limit()).toBe(18);
    await expect(all[0]?.changeLimit(-19)).rejects.toMatchObject({ code: 'invalid-argument' });
  });

  it('SEMAPHORE-4 who asks for more than the limit is refused, at once or when it shrinks, and delays nobody', async () => {
    const clients = testClients(server);
    const [client, other] = [await clients.open(), await clients.open()];
    const [mine, others] = [semaphoreOf(client, 4), semaphoreOf(other, 4)];
    const refused = { code: 'over-limit', details: { weight: 5, limit: 4 } };
    await expect(mine.acquire({ weight: 5 })).rejects.toMatchObject(refused);
    await expect(mine.tryAcquire({ weight: 5 })).rejects.toMatchObject(refused);
    expect((await client.store.range(placesOf(client))).count).toBe(0);
    const hold = await mine.acquire();
    const heavy = others.acquire({ weight: 4 });
    heavy.catch(() => {});
    await expect.poll(async () => (await client.store.range(placesOf(client))).count).toBe(2);
    const behind = mine.acquire({ weight: 2, timeoutMs: 10_000 });
    await expect.poll(async () => (await client.store.range(placesOf(client))).count).toBe(3);
    await mine.setLimit(3);
    await expect(heavy).rejects.toMatchObject({ code: 'over-limit', details: { weight: 4, limit: 3 } });
    await (await behind).release();
    await hold.release();
  });

  it('a limit that somebody deletes, or spoils, is put back by who waits and by who comes', async () => {
    const clients = testClients(server);
    const [client, other] = [await clients.open(), await clients.open()];
    const [mine, others] = [semaphoreOf(client, 2), semaphoreOf(other, 2)];
    const cfg = `${client.keys.prefix('semaphore', 's')}cfg`;
    const hold = await mine.acquire({ weight: 2 });
    const waiting = others.acquire({ timeoutMs: 10_000 });
    await expect.poll(async () => (await client.store.range(placesOf(client))).count).toBe(2);
    await client.store.txn({ compare: [], success: [remove(cfg)], failure: [] });
    await expect.poll(() => mine.inspect()).toMatchObject({ limit: 2, used: 2, waiting: [{ weight: 1 }] });
    await client.store.txn({ compare: [], success: [put(cfg, 'two')], failure: [] });
    await hold.release();
    await (await waiting).release();
    const { kvs } = await client.store.range({ key: cfg });
    expect(kvs.map((kv) => textOf(kv.value))).toEqual(['2']);
    await client.store.txn({ compare: [], success: [remove(cfg)], failure: [] });
    expect(await mine.limit()).toBe(2);
    await (await mine.acquire({ weight: 2, timeoutMs: 10_000 })).release();
  });

  it('LOCK-4 a cancelled wait leaves no key behind', async () => {
    const clients = testClients(server);
    const [client, other] = [await clients.open(), await clients.open()];
    const hold = await semaphoreOf(client, 2).acquire({ weight: 2 });
    const semaphore = semaphoreOf(other, 2);
    for (const timeoutMs of [0.01, 1, 3, 20]) {
      await expect(semaphore.acquire({ timeoutMs })).rejects.toMatchObject({ code: 'timeout' });
    }
    const controller = new AbortController();
    const cancelled = semaphore.acquire({ weight: 2, signal: controller.signal });
    controller.abort(new Error('changed my mind'));
    await expect(cancelled).rejects.toMatchObject({ code: 'aborted' });
    const left = async () => (await client.store.range(placesOf(client))).count;
    await hold.release();
    await (await semaphore.acquire({ weight: 2, timeoutMs: 5_000 })).release();
    // What was given up may have been on its way to the store still, and is taken back as soon as it is there.
    await expect.poll(left).toBe(0);
  });

  it('tryAcquire takes free permits, and leaves nothing when there are too few', async () => {
    const clients = testClients(server);
    const mine = await clients.openCounted();
    const rival = semaphoreOf(await clients.open(), 2);
    const semaphore = semaphoreOf(mine.client, 2, { watchHoldAfterMs: 60_000 });
    const hold = await semaphore.tryAcquire();
    expect(hold?.isHeld).toBe(true);
    mine.counts.reset();
    expect(await semaphore.tryAcquire({ weight: 2 })).toBeUndefined();
    expect(mine.counts.total()).toBe(2);
    expect((await mine.client.store.range(placesOf(mine.client))).count).toBe(1);
    const next = await rival.tryAcquire();
    expect(next?.isHeld).toBe(true);
    const waiting = semaphore.acquire();
    await expect.poll(async () => (await semaphore.inspect()).waiting.length).toBe(1);
    const triesBy = async () => {
      mine.counts.reset();
      expect(await semaphore.tryAcquire()).toBeUndefined();
      // Who waits may look at the line meanwhile.
      return mine.counts.calls.txn;
    };
    // It is seen to wait before it knows that itself.
    await expect.poll(triesBy).toBe(0);
    await Promise.all([hold?.release(), next?.release()]);
    await (await waiting).release();
  });

  it('LOCK-5 a write through a hold that has ended is refused by the store', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const key = `${clients.namespace}/stock`;
    const hold = await semaphoreOf(client, 2).acquire();
    await hold.txn({ success: [put(key, 'by the holder')] });
    const taken = { type: 'delete', ...placesOf(client) } as const;
    await client.store.txn({ compare: [], success: [taken], failure: [] });
    await expect(hold.txn({ success: [put(key, 'too late')] })).rejects.toMatchObject({
      code: expect.stringMatching(/fenced|hold-lost/),
      outcome: 'not-applied',
    });
    expect(hold.signal.aborted).toBe(true);
    expect(hold.isHeld).toBe(false);
    await hold.release();
  });

  it('LOCK-6 notices the deletion of its place while it holds, and waiters queue again', async () => {
    const clients = testClients(server);
    const [client, other] = [await clients.open(), await clients.open()];
    const hold = await semaphoreOf(client, 1, { watchHoldAfterMs: 1 }).acquire();
    await delay(50);
    const waiting = semaphoreOf(other, 1).acquire({ timeoutMs: 10_000 });
    await expect.poll(async () => (await client.store.range(placesOf(client))).count).toBe(2);
    const taken = { type: 'delete', ...placesOf(client) } as const;
    await client.store.txn({ compare: [], success: [taken], failure: [] });
    const next = await waiting;
    expect(next.token).toBeGreaterThan(hold.token);
    if (!hold.signal.aborted) await new Promise((resolve) => hold.signal.addEventListener('abort', resolve));
    expect(hold.signal.reason).toMatchObject({ code: 'hold-lost' });
    await Promise.all([hold.release(), next.release()]);
  });

  it('SEMAPHORE-3 two processes with many callers take turns by slices', async () => {
    const clients = testClients(server);
    const order: string[] = [];
    const options = { sliceGrants: 4, sliceMs: 60_000, waitingPlaces: 1 };
    const client = await clients.open();
    const opener = await semaphoreOf(client, 1).acquire();
    const contend = async (name: string) => {
      const semaphore = semaphoreOf(await clients.open(), 1, options);
      const work = async () => {
        order.push(name);
        await delay(1);
      };
      await Promise.all(Array.from({ length: 60 }, () => semaphore.run(work)));
    };
    const both = [contend('a'), contend('b')];
    await expect.poll(async () => (await client.store.range(placesOf(client))).count).toBe(3);
    await opener.release();
    await Promise.all(both);
    const turns = order.join('').match(/a+|b+/g) ?? [];
    expect(turns.length).toBeGreaterThan(20);
    expect(Math.max(...turns.slice(0, -1).map((turn) => turn.length))).toBeLessThanOrEqual(4);
  });

  it('shows who holds and who waits, with weights and owners', async () => {
    const clients = testClients(server);
    const [client, other] = [await clients.open({ label: 'first' }), await clients.open({ label: 'second' })];
    const hold = await semaphoreOf(client, 3).acquire({ weight: 2, owner: 'order 7' });
    const heavy = semaphoreOf(other, 3).acquire({ weight: 2 });
    await expect.poll(async () => (await client.store.range(placesOf(client))).count).toBe(2);
    const session = await client.session();
    expect(await semaphoreOf(other, 3).inspect()).toEqual({
      revision: expect.any(Number),
      limit: 3,
      used: 2,
      admitted: [
        {
          ...{ place: hold.guard().key, revision: expect.any(Number), label: 'first', session: session.id },
          ...{ weight: 2, owner: 'order 7' },
        },
      ],
      waiting: [expect.objectContaining({ label: 'second', weight: 2 })],
    });
    await hold.release();
    await (await heavy).release();
    expect(await semaphoreOf(other, 3).inspect()).toMatchObject({ used: 0, admitted: [], waiting: [] });
  });

  it('a closed client ends its holds and refuses new ones', async () => {
    const clients = testClients(server);
    const [client, other] = [await clients.open(), await clients.open()];
    const semaphore = semaphoreOf(client, 1);
    const hold = await semaphore.acquire();
    const waiting = semaphoreOf(other, 1).acquire({ timeoutMs: 10_000 });
    await client.close();
    expect(hold.isHeld).toBe(false);
    expect(hold.signal.aborted).toBe(true);
    await expect(semaphore.acquire()).rejects.toMatchObject({ code: 'closed' });
    await (await waiting).release();
    await hold.release();
  });

  it('refuses nonsense at once, saying what is accepted', async () => {
    const client = await testClients(server).open();
    for (const limit of [-1, 1.5, Number.NaN, '3' as never, undefined as never]) {
      expect(() => semaphoreOf(client, limit)).toThrow(/accepted: a whole number from 0 on/);
    }
    expect(() => new Semaphore(client, 's', undefined as never)).toThrow(/accepted: an object with limit/);
    expect(() => semaphoreOf(client, 1, { waitingPlaces: 101 })).toThrow(/a whole number from 1 to 100/);
    expect(() => semaphoreOf(client, 1, { sliceMs: Number.NaN })).toThrow(/milliseconds/);
    const semaphore = semaphoreOf(client, 1);
    const nonsense = [
      semaphore.acquire({ weight: 0 }),
      semaphore.acquire({ weight: 1.5 }),
      semaphore.tryAcquire({ weight: -2 }),
      semaphore.acquire({ owner: '' }),
      semaphore.acquire({ timeoutMs: -1 }),
      semaphore.acquire(null as never),
      semaphore.run(3 as never),
      semaphore.setLimit(-1),
      semaphore.setLimit(0.5),
      semaphore.changeLimit(Number.NaN),
      semaphore.limit(null as never),
      semaphore.inspect({ timeoutMs: 0 }),
    ];
    for (const attempt of nonsense) await expect(attempt).rejects.toMatchObject({ code: 'invalid-argument' });
    await expect(semaphore.acquire({ signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'aborted',
    });
  });
});
