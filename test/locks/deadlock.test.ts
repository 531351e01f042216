import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Condition } from '../../src/locks/condition.js';
import { findDeadlocks } from '../../src/locks/deadlock/find-deadlocks.js';
import { seePlaces } from '../../src/locks/deadlock/seen-places.js';
import { Mutex } from '../../src/locks/index.js';
import { MultiLock } from '../../src/locks/multi-lock.js';
import { ReadWriteLock } from '../../src/locks/read-write-lock.js';
import { MemoryServer } from '../../src/memory/index.js';
import { Client } from '../../src/session/index.js';
import { prefixRange, put, remove, type Store, type TxnRequest } from '../../src/store/index.js';
import { testClients } from '../support/clients.js';
import { hookedStore } from '../support/hooked-store.js';
import { storeWith } from '../support/store-with.js';
import { describeStores } from '../support/stores.js';

const soon = { deadlockAfterMs: 30 };

/** Keys of places in all locks of the client's namespace. */
async function placesOf(client: Client): Promise<number> {
  const ranges = ['lock', 'rwlock'].map((type) => prefixRange(client.keys.typePrefix(type)));
  const seen = await Promise.all(ranges.map(async (range) => (await client.store.range(range)).kvs));
  return seen.flat().filter(({ key }) => key.includes('/l/')).length;
}

describeStores('deadlocks of owners', (server) => {
  it('DEADLOCK-2 tells the one whose wait closed the circle, and the other gets on', async () => {
    const clients = testClients(server);
    const [one, other] = [await clients.open(), await clients.open()];
    const first = await new Mutex(one, 'stock').acquire({ owner: 'request-1' });
    const second = await new Mutex(other, 'price').acquire({ owner: 'request-2' });
    const waiting = new Mutex(one, 'price').acquire({ owner: 'request-1', ...soon });
    await expect.poll(() => placesOf(one)).toBe(3);
    const closing = new Mutex(other, 'stock').acquire({ owner: 'request-2', ...soon });
    await expect(closing).rejects.toMatchObject({
      code: 'deadlock',
      outcome: 'not-applied',
      details: {
        members: [
          { owner: 'request-2', holds: ['lock/price'], waitsFor: 'lock/stock' },
          { owner: 'request-1', holds: ['lock/stock'], waitsFor: 'lock/price' },
        ],
      },
      message: expect.stringMatching(/"request-2" holds lock\/price and waits for lock\/stock; "request-1"/),
    });
    // Its place is gone, and nobody else was told.
    expect(await placesOf(one)).toBe(3);
    await second.release();
    await (await waiting).release();
    await first.release();
    expect(await placesOf(one)).toBe(0);
  });

  it('DEADLOCK-2 of three in a circle tells one', async () => {
    const clients = testClients(server);
    const names = ['a', 'b', 'c'];
    const holds: Awaited<ReturnType<Mutex['acquire']>>[] = [];
    const opened = [await clients.open(), await clients.open(), await clients.open()] as const;
    for (const [index, client] of opened.entries()) {
      holds.push(await new Mutex(client, names[index] as string).acquire({ owner: `owner ${index}` }));
    }
    const told: number[] = [];
    const waits: Promise<void>[] = [];
    for (const [index, client] of opened.entries()) {
      const next = new Mutex(client, names[(index + 1) % 3] as string);
      const work = next
        .runExclusive(() => {}, { owner: `owner ${index}`, ...soon })
        .catch((error) => {
          expect(error).toMatchObject({ code: 'deadlock' });
          told.push(index);
        });
      waits.push(work.then(() => holds[index]?.release()));
      await expect.poll(() => placesOf(opened[0])).toBe(4 + index);
    }
    await Promise.all(waits);
    expect(told).toEqual([2]);
    expect(await placesOf(opened[0])).toBe(0);
  });

  it('tells an owner that waits for itself', async () => {
    const client = await testClients(server).open();
    const mutex = new Mutex(client, 'm');
    await using hold = await mutex.acquire({ owner: 'a' });
    await expect(mutex.acquire({ owner: 'a', ...soon })).rejects.toMatchObject({
      code: 'deadlock',
      details: { members: [{ owner: 'a', holds: ['lock/m'], waitsFor: 'lock/m' }] },
    });
    expect(hold.isHeld).toBe(true);
  });

  it('DEADLOCK-1 takes no owner for one that waits for itself, where its lost session has left keys', async () => {
    const clients = testClients(server);
    const other = await clients.open();
    const store = await server.connect();
    const letRevoke = new AbortController();
    const revoked = once(letRevoke.signal, 'abort');
    const client = await clients.open({
      store: storeWith(store, {
        leaseRevoke: async (id, options) => {
          await revoked;
          return store.leaseRevoke(id, options);
        },
      }),
    });
    const mutex = new Mutex(client, 'm');
    const lost = await mutex.acquire({ owner: 'a' });
    const session = await client.session();
    expect(client.hasLost(session.id)).toBe(false);
    await other.store.txn({ compare: [], success: [remove(session.anchor)], failure: [] });
    await session.verify();
    expect(lost.isHeld).toBe(false);
    expect(client.hasLost(session.id)).toBe(true);
    const again = mutex.acquire({ owner: 'a', ...soon });
    await expect.poll(() => placesOf(other)).toBe(2);
    await Promise.race([again, delay(400)]);
    expect(await placesOf(other)).toBe(2);
    letRevoke.abort();
    const hold = await again;
    expect(hold.isHeld).toBe(true);
    await hold.release();
  });

  it('DEADLOCK-2 knows an owner that comes back from a condition', async () => {
    const clients = testClients(server);
    const [one, other] = [await clients.open(), await clients.open()];
    const [mutex, far] = [new Mutex(one, 'm'), new Mutex(other, 'm')];
    const [own, condition] = [new Condition(mutex, 'c'), new Condition(far, 'c')];
    const first = await new Mutex(one, 'n').acquire({ owner: 'a' });
    const back = own.wait(await mutex.acquire({ owner: 'a', ...soon }));
    const hold = await far.acquire({ owner: 'b' });
    await expect.poll(() => condition.notify(hold)).toBe(1);
    await expect(new Mutex(other, 'n').acquire({ owner: 'b', ...soon })).rejects.toMatchObject({
      code: 'deadlock',
      details: {
        members: [
          { owner: 'b', waitsFor: 'lock/n' },
          { owner: 'a', holds: ['lock/n'], waitsFor: 'lock/m' },
        ],
      },
    });
    await hold.release();
    const again = await back;
    await expect(mutex.acquire({ owner: 'a', ...soon })).rejects.toMatchObject({ code: 'deadlock' });
    await Promise.all([again.release(), first.release()]);
    expect(await placesOf(one)).toBe(0);
  });

  it('DEADLOCK-2 tells an owner that closed a circle as it was woken, and leaves nothing of it', async () => {
    const clients = testClients(server);
    const [one, other] = [await clients.open(), await clients.open()];
    const [mutex, far] = [new Mutex(one, 'm'), new Mutex(other, 'm')];
    const first = await new Mutex(one, 'n').acquire({ owner: 'a' });
    const back = new Condition(mutex, 'c').wait(await mutex.acquire({ owner: 'a', ...soon }));
    const told = expect(back).rejects.toMatchObject({ code: 'deadlock' });
    const hold = await far.acquire({ owner: 'b' });
    const set = new MultiLock(other, ['m', 'n']).acquire({ owner: 's' });
    await expect.poll(() => placesOf(one)).toBe(4);
    await expect.poll(() => new Condition(far, 'c').notify(hold)).toBe(1);
    await hold.release();
    await told;
    expect(await placesOf(one)).toBe(3);
    await first.release();
    await (await set).release();
    expect(await placesOf(one)).toBe(0);
  });

  it('DEADLOCK-1 leaves those alone who only wait long, and those whom nobody named', async () => {
    const { client, counts } = await testClients(server).openCounted();
    const [m, n] = [new Mutex(client, 'm'), new Mutex(client, 'n')];
    const holds = [await m.acquire({ owner: 'a' }), await n.acquire()];
    await delay(150);
    counts.reset();
    // One holds as a caller without an owner: nobody can know that it is all one circle, if it is.
    const waits = [n.acquire({ owner: 'a', deadlockAfterMs: 20 })];
    await expect.poll(() => placesOf(client)).toBe(3);
    waits.push(m.acquire({ owner: 'b', deadlockAfterMs: 20 }));
    // Two joins and two looks, the next of which come after some seconds.
    await expect.poll(() => counts.calls.txn).toBe(4);
    await delay(100);
    expect(counts.calls).toMatchObject({ txn: 4 });
    for (const hold of holds) await hold.release();
    for (const wait of waits) await (await wait).release();
  });

  it('costs nothing where no owner is named', async () => {
    const clients = testClients(server);
    const [holder, { client, counts }] = [await clients.open(), await clients.openCounted()];
    const hold = await new Mutex(holder, 'm').acquire();
    await client.session();
    counts.reset();
    const waiting = new Mutex(client, 'm').acquire({ deadlockAfterMs: 1 });
    await expect.poll(() => counts.calls.txn).toBe(1);
    await delay(300);
    expect(counts.calls.txn).toBe(1);
    await hold.release();
    await (await waiting).release();
  });

  it('finds circles through mutexes, sets and read-write locks; a set is refused as a whole', async () => {
    const clients = testClients(server);
    const [one, other] = [await clients.open(), await clients.open()];
    const reading = await new ReadWriteLock(one, 'r').acquireRead({ owner: 'reader' });
    const set = await new MultiLock(other, ['x', 'y']).acquire({ owner: 'set' });
    const waiting = new Mutex(one, 'y').acquire({ owner: 'reader', ...soon });
    await expect.poll(() => placesOf(one)).toBe(4);
    const writing = new ReadWriteLock(other, 'r').acquireWrite({ owner: 'set', ...soon });
    await expect(writing).rejects.toMatchObject({
      code: 'deadlock',
      details: {
        members: [
          { owner: 'set', holds: ['lock/y'], waitsFor: 'rwlock/r' },
          { owner: 'reader', holds: ['rwlock/r'], waitsFor: 'lock/y' },
        ],
      },
    });
    expect(await placesOf(one)).toBe(4);
    await set.release();
    const held = await waiting;
    const writer = await new ReadWriteLock(other, 'w').acquireWrite({ owner: 'w' });
    const reader = new ReadWriteLock(one, 'w').acquireRead({ owner: 'reader', ...soon });
    await expect.poll(() => placesOf(one)).toBe(5);
    const whole = new MultiLock(other, ['free', 'y']).acquire({ owner: 'w', ...soon });
    await expect(whole).rejects.toMatchObject({ code: 'deadlock' });
    expect(await placesOf(one)).toBe(5);
    await writer.release();
    await (await reader).release();
    await Promise.all([held.release(), reading.release()]);
    expect(await placesOf(one)).toBe(0);
  });

  it('finds a circle through an upgrade, and takes no reader for one who waits for it', async () => {
    const clients = testClients(server);
    const [one, other] = [await clients.open(), await clients.open()];
    const upgrader = await new ReadWriteLock(one, 'r').acquireRead({ owner: 'upgrader' });
    const m = await new Mutex(one, 'm').acquire({ owner: 'upgrader' });
    const reader = await new ReadWriteLock(other, 'r').acquireRead({ owner: 'reader' });
    const patience = new AbortController();
    const upgrading = upgrader.upgrade({ signal: patience.signal });
    await expect.poll(() => placesOf(one)).toBe(4);
    // Only the upgrader waits: for a reader whose key is younger than the one that it reads by.
    expect(await findDeadlocks(one)).toEqual([]);
    const closing = new Mutex(other, 'm').acquire({ owner: 'reader', ...soon });
    await expect(closing).rejects.toMatchObject({
      code: 'deadlock',
      details: { members: [{ owner: 'reader', holds: ['rwlock/r'] }, { owner: 'upgrader' }] },
    });
    await reader.release();
    const writer = await upgrading;
    expect(await findDeadlocks(one)).toEqual([]);
    await writer.release();
    await m.release();
  });

  it('DEADLOCK-2 tells an upgrade that closed a circle: it reads on', async () => {
    const clients = testClients(server);
    const [one, other] = [await clients.open(), await clients.open()];
    const upgrader = await new ReadWriteLock(one, 'r').acquireRead({ owner: 'upgrader' });
    const m = await new Mutex(one, 'm').acquire({ owner: 'upgrader' });
    const reader = await new ReadWriteLock(other, 'r').acquireRead({ owner: 'reader' });
    const waiting = new Mutex(other, 'm').acquire({ owner: 'reader', deadlockAfterMs: 60_000 });
    await expect.poll(() => placesOf(one)).toBe(4);
    await expect(upgrader.upgrade()).rejects.toMatchObject({ code: 'deadlock' });
    expect(upgrader.isHeld).toBe(true);
    await m.release();
    await (await waiting).release();
    await Promise.all([upgrader.release(), reader.release()]);
    expect(await placesOf(one)).toBe(0);
  });

  it('answers all circles to whoever asks, as data', async () => {
    const client = await testClients(server).open();
    const names = ['a/1', 'b ü', 'c', 'd'];
    const mutexes = names.map((name) => new Mutex(client, name)) as [Mutex, Mutex, Mutex, Mutex];
    expect(await findDeadlocks(client)).toEqual([]);
    const holds = await Promise.all(
      mutexes.map((mutex, index) => mutex.acquire({ owner: `owner ${index}` })),
    );
    const controller = new AbortController();
    const { signal } = controller;
    for (const [index, lock] of [1, 0, 3, 2].entries()) {
      const options = { owner: `owner ${index}`, deadlockAfterMs: 60_000, signal };
      (mutexes[lock] as Mutex).acquire(options).catch(() => {});
      await expect.poll(() => placesOf(client)).toBe(5 + index);
    }
    const found = await findDeadlocks(client, { timeoutMs: 5_000 });
    expect(found.map(({ victim }) => victim)).toEqual([
      { owner: 'owner 1', lock: 'lock/a/1' },
      { owner: 'owner 3', lock: 'lock/c' },
    ]);
    expect(found[0]?.members).toEqual([
      { owner: 'owner 1', holds: ['lock/b ü'], waitsFor: 'lock/a/1' },
      { owner: 'owner 0', holds: ['lock/a/1'], waitsFor: 'lock/b ü' },
    ]);
    expect(found[0]?.sentence).toContain('"owner 0" holds lock/a/1 and waits for lock/b ü');
    controller.abort();
    for (const hold of holds) await hold.release();
    await expect.poll(() => placesOf(client)).toBe(0);
    expect(await findDeadlocks(client)).toEqual([]);
    await expect(findDeadlocks(client, { timeoutMs: -1 })).rejects.toMatchObject({
      code: 'invalid-argument',
    });
  });
});

async function openClient(store: Store): Promise<Client> {
  const client = await Client.open({ store, namespace: 'n' });
  onTestFinished(() => client.close());
  await client.session();
  return client;
}

function isLook({ success }: TxnRequest): boolean {
  return success.length === 2 && success.every(({ type }) => type === 'range');
}

describe('the detection of deadlocks, when things go wrong', () => {
  /** Owner `a` holds x and waits for y; owner `b`, whose store is hooked, holds y and closes the circle. */
  async function circle() {
    const server = new MemoryServer();
    const hooked = hookedStore(server.connect());
    const [one, other] = [await openClient(server.connect()), await openClient(hooked.store)];
    const holds = [
      await new Mutex(one, 'x').acquire({ owner: 'a' }),
      await new Mutex(other, 'y').acquire({ owner: 'b' }),
    ] as const;
    const patience = new AbortController();
    const waiting = new Mutex(one, 'y').acquire({ owner: 'a', signal: patience.signal });
    waiting.catch(() => {});
    await expect.poll(() => placesOf(one)).toBe(3);
    const closer = new Mutex(other, 'x');
    const close = () => closer.acquire({ owner: 'b', deadlockAfterMs: 20, timeoutMs: 20_000 });
    return { server, hooked, one, other, holds, waiting, patience, closer, close };
  }

  it('DEADLOCK-1 a member that gives up between the two looks: nobody is told', async () => {
    const { hooked, one, holds, waiting, patience, close } = await circle();
    let looks = 0;
    hooked.hook = async (request, send) => {
      const reply = await send();
      if (!isLook(request)) return reply;
      looks += 1;
      patience.abort();
      await waiting.catch(() => {});
      return reply;
    };
    const closing = close();
    await expect.poll(() => looks).toBe(2);
    await expect.poll(() => placesOf(one)).toBe(3);
    await holds[0].release();
    await (await closing).release();
    await holds[1].release();
    expect(looks).toBe(2);
    expect(await placesOf(one)).toBe(0);
  });

  it('DEADLOCK-1 whose turn comes while the second look is under way is not told', async () => {
    const { hooked, holds, closer, close } = await circle();
    let looks = 0;
    hooked.hook = async (request, send) => {
      const reply = await send();
      if (!isLook(request)) return reply;
      looks += 1;
      if (looks === 2) {
        await holds[0].release();
        await expect.poll(() => closer.status().reason).toBe('held-here');
      }
      return reply;
    };
    const held = await close();
    expect(looks).toBe(2);
    await held.release();
    await holds[1].release();
  });

  it('DEADLOCK-2 looks again where a look failed', async () => {
    const { hooked, one, holds, waiting, close } = await circle();
    let looks = 0;
    hooked.hook = async (request, send) => {
      if (isLook(request)) looks += 1;
      if (isLook(request) && looks === 1) throw new Error('the look was lost');
      return send();
    };
    await expect(close()).rejects.toMatchObject({ code: 'deadlock' });
    expect(looks).toBe(3);
    await holds[1].release();
    await (await waiting).release();
    await holds[0].release();
    expect(await placesOf(one)).toBe(0);
  });

  it('DEADLOCK-2 gives the place up although the reply to that is lost', async () => {
    const { hooked, holds, waiting, close } = await circle();
    let lost = 0;
    hooked.hook = async (request, send) => {
      const reply = await send();
      const deletes = JSON.stringify(request).includes('"delete"');
      if (!deletes || lost > 0) return reply;
      lost += 1;
      throw new Error('the reply was lost');
    };
    await expect(close()).rejects.toMatchObject({ code: 'deadlock' });
    expect(lost).toBe(1);
    await holds[1].release();
    await (await waiting).release();
    await holds[0].release();
  });

  it('is given up, with one warning, where one read does not take all places; who asks is answered all the same', async () => {
    const { server, one, holds, patience, close } = await circle();
    const warnings: Error[] = [];
    const onWarning = (warning: Error) => warnings.push(warning);
    process.on('warning', onWarning);
    onTestFinished(() => void process.off('warning', onWarning));
    const store = server.connect();
    const value = JSON.stringify({ session: 's', label: 'l' });
    for (let at = 0; at < 10_100; at += 100) {
      const success = Array.from({ length: 100 }, (_, index) => put(`n/lock/a/l/${at + index}`, value));
      await store.txn({ compare: [], success, failure: [] });
    }
    const impatience = new AbortController();
    const { signal } = impatience;
    const givesUp = expect(
      new Mutex(one, 'x').acquire({ owner: 'a', deadlockAfterMs: 1, signal }),
    ).rejects.toMatchObject({ code: 'aborted' });
    await expect.poll(() => warnings.length).toBe(1);
    impatience.abort();
    await givesUp;
    const closing = close();
    await expect.poll(() => warnings.length).toBe(2);
    expect(warnings.map(({ name }) => name)).toEqual(['QuorateDeadlockWarning', 'QuorateDeadlockWarning']);
    expect(warnings[0]?.message).toMatch(/more than 5000 places/);
    const seen = async () => {
      const { places, isPartial } = await seePlaces(one, { all: true });
      return [places.length, isPartial];
    };
    // What was given up is taken back in the background.
    await expect.poll(seen).toEqual([10_104, false]);
    expect((await findDeadlocks(one)).map(({ victim }) => victim.owner)).toEqual(['b']);
    patience.abort();
    await holds[0].release();
    await (await closing).release();
    await holds[1].release();
  });

  it('overlooks what is no place of a lock', async () => {
    const server = new MemoryServer();
    const client = await openClient(server.connect());
    const mutex = await new Mutex(client, 'm').acquire({ owner: 'a' });
    const writer = await new ReadWriteLock(client, 'm').acquireWrite({ owner: 'b' });
    const keys = [
      'lock/m/x',
      'lock/%zz/l/1',
      'lock/%6d/l/1',
      'lock/m/l/1/2',
      'lock/m/l/3',
      'rwlock/m/l/x/1',
      'rwlock/m/l/1',
    ];
    const value = (key: string) =>
      key === 'lock/m/l/3' ? 'nothing' : JSON.stringify({ session: '', label: '' });
    const success = keys.map((key) => put(`n/${key}`, value(key)));
    await client.store.txn({ compare: [], success, failure: [] });
    const { places } = await seePlaces(client);
    expect(places.map(({ lock, owner, mode }) => `${lock} ${owner} ${mode}`)).toEqual([
      'lock/m a exclusive',
      'rwlock/m b write',
    ]);
    await Promise.all([mutex.release(), writer.release()]);
  });
});
