import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { openEtcd3Store } from '../../src/etcd3/index.js';
import { type Hold, Mutex, type MutexOptions } from '../../src/locks/index.js';
import { delayTtlSeconds } from '../../src/session/delay-lease.js';
import { Client } from '../../src/session/index.js';
import { prefixRange, put, remove, textOf } from '../../src/store/index.js';
import { testClients } from '../support/clients.js';
import { describeStores, uniqueName } from '../support/stores.js';

const ttlMs = 2_000;
const lockDelayMs = 2_000;

/** The store may be late to end a lease; and between two looks at it. */
const mostLateMs = 3_000;

describeStores('lock-delay of a mutex', (server) => {
  const options: MutexOptions = { lockDelayMs };

  function scene() {
    const clients = testClients(server);
    const open = (label: string) => clients.open({ label, ttlMs });
    const leaseOf = async (client: Client, hold: Hold) => {
      const { kvs } = await client.store.range({ key: hold.guard().key });
      return kvs[0]?.lease;
    };
    return { clients, open, leaseOf };
  }

  it('LOCK-11 keeps the lock for the delay after the session of its holder was lost, and tells him at once', async () => {
    const { open } = scene();
    const [one, other] = [await open('one'), await open('other')];
    const hold = await new Mutex(one, 'm', options).acquire();
    const session = await one.session();
    const waits = new Mutex(other, 'm', options).acquire();
    await expect.poll(async () => (await new Mutex(other, 'm').inspect()).waiting.length).toBe(1);
    const lostAtMs = performance.now();
    await session.close();
    expect([hold.isHeld, hold.signal.aborted]).toEqual([false, true]);
    expect((await other.store.range({ key: session.anchor })).kvs).toEqual([]);
    const next = await waits;
    const waitedMs = performance.now() - lostAtMs;
    expect(waitedMs).toBeGreaterThanOrEqual(lockDelayMs);
    // By a live process it is revoked when the delay and the margin have passed, long before the lease would end.
    expect(waitedMs).toBeLessThan(lockDelayMs + 500 + mostLateMs);
    expect(next.token).toBeGreaterThan(hold.token);
    await next.release();
  });

  it('LOCK-11 keeps the lock for the delay after the session of a dead holder has ended', async () => {
    const { clients, open } = scene();
    const other = await open('other');
    const store = await server.connect();
    const dead = await Client.open({ store, namespace: clients.namespace, label: 'dead', ttlMs });
    onTestFinished(() => dead.close());
    const hold = await new Mutex(dead, 'm', options).acquire();
    const session = await dead.session();
    const waits = new Mutex(other, 'm', options).acquire();
    await expect.poll(async () => (await new Mutex(other, 'm').inspect()).waiting.length).toBe(1);
    // No keep-alive leaves any more, and nothing else.
    await store.close();
    // Until then the holder may have believed that it holds.
    const endsAtMs = performance.now() + session.remainingMs;
    const next = await waits;
    expect(performance.now() - endsAtMs).toBeGreaterThanOrEqual(lockDelayMs);
    expect((await other.store.range({ key: session.anchor })).kvs).toEqual([]);
    expect(next.token).toBeGreaterThan(hold.token);
    await next.release();
  });

  it('LOCK-11 puts who waited on the delay lease, with the proof of that, before it is granted', async () => {
    const { open, leaseOf } = scene();
    const [one, other] = [await open('one'), await open('other')];
    const first = await new Mutex(one, 'm', options).acquire();
    const firstLease = await leaseOf(one, first);
    expect(firstLease).not.toBe((await one.session()).leaseId);
    const waits = new Mutex(other, 'm', options).acquire();
    const view = () => new Mutex(one, 'm').inspect();
    await expect.poll(async () => (await view()).waiting.length).toBe(1);
    const [waiting] = (await view()).waiting;
    const session = await other.session();
    const { kvs } = await one.store.range({ key: waiting?.place ?? '' });
    expect(kvs[0]?.lease).toBe(session.leaseId);
    await first.release();
    const next = await waits;
    const { kvs: held } = await one.store.range({ key: next.guard().key });
    expect(held[0]).toMatchObject({ createRevision: kvs[0]?.createRevision, value: kvs[0]?.value });
    expect(held[0]?.lease).not.toBe(session.leaseId);
    expect(Math.floor(next.token / 1_024)).toBe(held[0]?.modRevision);
    await next.txn({ success: [put('written', 'x')] });
    await next.release();
    expect((await view()).holder).toBeUndefined();
  });

  it('knows no delay where the lock is released, handed over, or deleted by hand', async () => {
    const { open, leaseOf } = scene();
    const [one, other] = [await open('one'), await open('other')];
    const delayed = { lockDelayMs: 20_000 };
    const mutexes = [new Mutex(one, 'm', delayed), new Mutex(other, 'm', delayed)] as const;
    const timed = async <T>(work: () => Promise<T>): Promise<T> => {
      const fromMs = performance.now();
      const result = await work();
      expect(performance.now() - fromMs).toBeLessThan(delayed.lockDelayMs);
      return result;
    };
    await (await mutexes[0].acquire()).release();
    const second = await timed(() => mutexes[1].acquire());
    const waits = mutexes[0].acquire({ owner: 'x' });
    await expect.poll(async () => (await mutexes[1].inspect()).waiting.length).toBe(1);
    expect(await second.handOff('one')).toBe(true);
    const handed = await timed(() => waits);
    expect(await leaseOf(one, handed)).not.toBe((await one.session()).leaseId);
    const third = mutexes[1].acquire();
    await expect.poll(async () => (await mutexes[1].inspect()).waiting.length).toBe(1);
    await one.store.txn({ compare: [], success: [remove(handed.guard().key)], failure: [] });
    await (await timed(() => third)).release();
  });

  it('is kept by a client that is closed while it holds, and left by one that does not', async () => {
    const { open, clients } = scene();
    const [idle, busy, other] = [await open('idle'), await open('busy'), await open('other')];
    await (await new Mutex(idle, 'm', options).acquire()).release();
    const anchors = async () => {
      const { kvs } = await other.store.range(prefixRange(`${clients.namespace}/session/`));
      return kvs.map(({ value }) => textOf(value)).filter((value) => value.includes('idle'));
    };
    expect(await anchors()).toHaveLength(2);
    await idle.close();
    expect(await anchors()).toEqual([]);
    await new Mutex(busy, 'm', options).acquire();
    const closedAtMs = performance.now();
    await busy.close();
    await (await new Mutex(other, 'm', options).acquire()).release();
    expect(performance.now() - closedAtMs).toBeGreaterThanOrEqual(lockDelayMs);
  });

  it('opens no second lease without a lock-delay, and asks for nothing more', async () => {
    const { clients } = scene();
    const { client, counts } = await clients.openCounted({ ttlMs });
    const mutex = new Mutex(client, 'm');
    await (await mutex.acquire()).release();
    counts.reset();
    await (await mutex.acquire()).release();
    expect(counts.calls).toMatchObject({ txn: 2 });
    const delayed = new Mutex(client, 'd', options);
    await (await delayed.acquire()).release();
    counts.reset();
    await (await delayed.acquire()).release();
    expect(counts.calls).toMatchObject({ txn: 2 });
    await expect(async () => new Mutex(client, 'd', { lockDelayMs: -1 })).rejects.toMatchObject({
      code: 'invalid-argument',
    });
    await expect(async () => new Mutex(client, 'd', { lockDelayMs: Number.NaN })).rejects.toMatchObject({
      code: 'invalid-argument',
    });
  });

  it('opens another lease where somebody has revoked the one that it held by', async () => {
    const { open, leaseOf } = scene();
    const one = await open('one');
    const mutex = new Mutex(one, 'm', { ...options, watchHoldAfterMs: 0 });
    const hold = await mutex.acquire();
    const first = await leaseOf(one, hold);
    await one.plainStore.leaseRevoke(first ?? '');
    await expect.poll(() => hold.signal.aborted).toBe(true);
    await hold.release();
    const again = await mutex.acquire();
    expect([(await one.session()).leaseId, first]).not.toContain(await leaseOf(one, again));
    expect(again.isHeld).toBe(true);
    await again.release();
  });

  it('tries, and takes places for owners, with the delay too', async () => {
    const { open, leaseOf } = scene();
    const one = await open('one');
    const mutex = new Mutex(one, 'm', options);
    const { leaseId } = await one.session();
    for (const ask of [
      () => mutex.tryAcquire(),
      () => mutex.tryAcquire({ owner: 'x' }),
      () => mutex.acquire({ owner: 'x' }),
    ]) {
      const hold = (await ask()) as Hold;
      expect(await leaseOf(one, hold)).not.toBe(leaseId);
      await hold.release();
    }
  });

  it('steps back alone and keeps the delay', async () => {
    const { open, leaseOf } = scene();
    const one = await open('one');
    const mutex = new Mutex(one, 'm', { ...options, sliceGrants: 1 });
    const { leaseId } = await one.session();
    const holds = Array.from({ length: 3 }, async () => {
      const hold = await mutex.acquire();
      const lease = await leaseOf(one, hold);
      await hold.release();
      return lease;
    });
    for (const lease of await Promise.all(holds)) expect(lease).not.toBe(leaseId);
  });
});

it('gives the second lease a TTL that lasts for the delay, and long enough to be renewed', () => {
  const bounds = { clockRateError: 0.01, abortMs: 300 };
  expect(delayTtlSeconds(10_000, 15_000, bounds)).toBe(38);
  expect(delayTtlSeconds(2_000, 2_000, bounds)).toBe(6);
  const bad = { clockRateError: 0.2, abortMs: 300 };
  const ttlMs = delayTtlSeconds(10_000, 15_000, bad) * 1_000;
  expect(ttlMs * (1 - 0.4 / 1.2) - 15_300).toBeGreaterThanOrEqual(ttlMs / 3 + 5_000);
});

describe.skipIf(inject('etcdEndpoint') === '')('lock-delay of a mutex whose leases a thread renews', () => {
  it('LOCK-11 outlasts several TTLs, is free at once after a release, and not after a loss', async () => {
    const hosts = inject('etcdEndpoint');
    const namespace = uniqueName('delayed');
    const open = async (renewal: 'loop' | 'worker') => {
      const store = await openEtcd3Store({ hosts, renewal });
      const client = await Client.open({ store, namespace, ttlMs, closeStore: true });
      onTestFinished(() => client.close());
      return client;
    };
    const [holder, other] = [await open('worker'), await open('loop')];
    // Within less than that nobody is given the lock but by its release.
    const options = { lockDelayMs: 6_000 };
    const [mutex, rival] = [new Mutex(holder, 'm', options), new Mutex(other, 'm', options)];
    const hold = await mutex.acquire();
    await delay(2.5 * ttlMs);
    expect((await hold.txn({ success: [put(`${namespace}/written`, 'late')] })).succeeded).toBe(true);
    expect(await rival.tryAcquire()).toBeUndefined();
    await hold.release();
    await (await rival.acquire({ timeoutMs: options.lockDelayMs - 500 })).release();
    const last = await mutex.acquire();
    const lostAtMs = performance.now();
    await (await holder.session()).close();
    expect(last.isHeld).toBe(false);
    const next = await rival.acquire();
    expect(performance.now() - lostAtMs).toBeGreaterThanOrEqual(options.lockDelayMs);
    expect(next.token).toBeGreaterThan(last.token);
    await next.release();
  });
});
