import { getEventListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { QuorateError } from '../../src/errors.js';
import { Mutex } from '../../src/locks/index.js';
import { MemoryServer } from '../../src/memory/index.js';
import { hooksOn } from '../../src/runtime/abort-hooks.js';
import { Client, type ClientOptions } from '../../src/session/index.js';
import { prefixRange, put, type Store, type TxnRequest } from '../../src/store/index.js';
import { countingStore } from '../support/counting-store.js';
import { hookedStore } from '../support/hooked-store.js';
import { ManualRuntime } from '../support/manual-runtime.js';
import { openStallingClient } from '../support/stalling-client.js';

async function openClient(store: Store, options: Partial<ClientOptions> = {}): Promise<Client> {
  const client = await Client.open({ store, namespace: 'n', ...options });
  onTestFinished(() => client.close());
  await client.session();
  return client;
}

/** Whether a request could put, as a store without space judges it. */
function puts(request: TxnRequest): boolean {
  return [...request.success, ...request.failure].some(
    (op) => op.type === 'put' || (op.type === 'txn' && puts(op)),
  );
}

function places(server: MemoryServer): number {
  return server.engine.range({ ...prefixRange('n/lock/m/l/'), countOnly: true }).count;
}

function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}

describe('Mutex, when things go wrong', () => {
  it('runExclusive says that the hold was lost in a pause, before any timer has', async () => {
    const runtime = new ManualRuntime();
    const mutex = new Mutex(await openClient(new MemoryServer().connect(), { runtime }), 'm');
    const work = mutex.runExclusive((hold) => {
      runtime.pause();
      runtime.pass(60_000);
      return hold.isHeld;
    });
    await expect(work).rejects.toMatchObject({ code: 'session-lost' });
  });

  it('LOCK-2 a join that learns late what went meanwhile counts from the last of it, names used again included', async () => {
    const server = new MemoryServer();
    const late = hookedStore(server.connect());
    const [first, second] = [
      new Mutex(await openClient(server.connect()), 'm'),
      new Mutex(await openClient(server.connect()), 'm'),
    ];
    const { store, counts } = countingStore(late.store);
    const third = new Mutex(await openClient(store), 'm');
    // The third waits once, so that its watch stands open from here on.
    const opener = await second.acquire();
    const opening = third.acquire();
    await expect.poll(() => counts.opened).toBe(1);
    await opener.release();
    await (await opening).release();
    const early = await second.acquire();
    const [arrive, answer] = [gate(), gate()];
    let isAsked = false;
    late.hook = async (_request, send) => {
      isAsked = true;
      await arrive.opened;
      const reply = await send();
      await answer.opened;
      return reply;
    };
    const waiting = third.acquire();
    await expect.poll(() => isAsked).toBe(true);
    await early.release();
    const older = await first.acquire();
    const younger = second.acquire();
    await expect.poll(() => places(server)).toBe(2);
    arrive.open();
    await expect.poll(() => places(server)).toBe(3);
    // The names go in another order than that in which the third hears of them first.
    await older.release();
    const middle = await younger;
    expect(middle.guard().key).toBe(early.guard().key);
    await middle.release();
    await delay(20);
    late.hook = undefined;
    answer.open();
    const last = await waiting;
    expect(last.token).toBeGreaterThan(middle.token);
    await last.release();
  });

  it('is released in a store that is out of space, which refuses every put', async () => {
    const server = new MemoryServer();
    const full = hookedStore(server.connect());
    const mutex = new Mutex(await openClient(full.store), 'm');
    const other = new Mutex(await openClient(server.connect()), 'm');
    const hold = await mutex.acquire();
    const waiting = other.acquire({ timeoutMs: 10_000 });
    full.hook = async (request, send) => {
      if (puts(request))
        throw new QuorateError('no-space', 'the store is out of space', { outcome: 'unknown' });
      return send();
    };
    await hold.release();
    await (await waiting).release();
    full.hook = undefined;
    await mutex.runExclusive(() => {}, { timeoutMs: 10_000 });
  });

  it('tryAcquire ends by its timeout while the store is silent', async () => {
    const hooked = hookedStore(new MemoryServer().connect());
    const client = await openClient(hooked.store, { connectTimeoutMs: 1_000 });
    hooked.hook = () => new Promise(() => {});
    await expect(new Mutex(client, 'm').tryAcquire({ timeoutMs: 30 })).rejects.toMatchObject({
      code: 'timeout',
    });
  });

  it('LOCK-4 tryAcquire that is aborted while the lock is given to it leaves it free', async () => {
    const server = new MemoryServer();
    const hooked = hookedStore(server.connect());
    const mutex = new Mutex(await openClient(hooked.store), 'm');
    const controller = new AbortController();
    hooked.hook = async (_request, send) => {
      const reply = await send();
      controller.abort();
      return reply;
    };
    await expect(mutex.tryAcquire({ signal: controller.signal })).rejects.toMatchObject({ code: 'aborted' });
    hooked.hook = undefined;
    const other = new Mutex(await openClient(server.connect()), 'm');
    await (await other.acquire({ timeoutMs: 5_000 })).release();
  });

  it('a write under way when the session is lost says that, and that it may be applied; one that is given up says so', async () => {
    const hooked = hookedStore(new MemoryServer().connect());
    const client = await openClient(hooked.store);
    const hold = await new Mutex(client, 'm').acquire();
    const [sent, arrive] = [gate(), gate()];
    hooked.hook = async (_request, send) => {
      sent.open();
      await arrive.opened;
      return send();
    };
    const lost = expect(hold.txn({ success: [put('x', '1')] })).rejects.toMatchObject({
      ...{ code: 'session-lost', outcome: 'unknown' },
      cause: { code: 'session-lost', details: { reason: 'closed' } },
    });
    await sent.opened;
    const controller = new AbortController();
    const own = hold.txn({ success: [put('y', '1')] }, { signal: controller.signal });
    controller.abort();
    await expect(own).rejects.toMatchObject({ code: 'aborted' });
    await (await client.session()).close();
    await lost;
    arrive.open();
  });

  it.each([
    ['callers', {}],
    ['an owner', { owner: 'a' }],
  ])('tells %s at once that the store allows nothing any more, not even to leave', async (_who, options) => {
    const server = new MemoryServer();
    const hooked = hookedStore(server.connect());
    const mutex = new Mutex(await openClient(hooked.store), 'm', { lockDelayMs: 1_000 });
    const other = await new Mutex(await openClient(server.connect()), 'm', { lockDelayMs: 1_000 }).acquire();
    const waiting = mutex.acquire({ ...options, timeoutMs: 5_000 });
    await expect.poll(() => places(server)).toBe(2);
    const refused = expect(waiting).rejects.toMatchObject({ code: 'permission-denied' });
    hooked.hook = async () => {
      throw new QuorateError('permission-denied', 'the role was taken away');
    };
    await other.release();
    await refused;
  });

  it('tells callers at once who wait in the same process that it may neither queue again nor leave', async () => {
    const hooked = hookedStore(new MemoryServer().connect());
    const mutex = new Mutex(await openClient(hooked.store), 'm', { sliceGrants: 1 });
    const hold = await mutex.acquire();
    const refused = [1, 2].map(() =>
      expect(mutex.acquire({ timeoutMs: 5_000 })).rejects.toMatchObject({ code: 'permission-denied' }),
    );
    hooked.hook = async () => {
      throw new QuorateError('permission-denied', 'the role was taken away');
    };
    await hold.release();
    await Promise.all(refused);
    hooked.hook = undefined;
    // The place goes as soon as that is allowed again.
    await (await mutex.acquire({ timeoutMs: 5_000 })).release();
  });

  it('LOCK-7 a turn that comes while a stall is being decided waits for that, and is not lost to those behind', async () => {
    const server = new MemoryServer();
    const { client, standStill } = await openStallingClient(server);
    const stalled = new Mutex(client, 'm');
    const first = await new Mutex(await openClient(server.connect()), 'm').acquire();
    const waiting = stalled.acquire();
    await expect.poll(() => places(server)).toBe(2);
    const behind = new Mutex(await openClient(server.connect()), 'm').acquire();
    await expect.poll(() => places(server)).toBe(3);
    standStill(true);
    await first.release();
    const next = Promise.race([waiting.then(() => 'who stalled'), behind.then(() => 'who is behind')]);
    expect(await next).toBe('who stalled');
    const hold = await waiting;
    expect(hold.isHeld).toBe(true);
    await hold.release();
    await (await behind).release();
  });

  it('leaves no listener behind, on the session nor on the caller, and no key in the line', async () => {
    const server = new MemoryServer();
    const client = await openClient(server.connect());
    const session = await client.session();
    const mutex = new Mutex(client, 'm');
    const { signal } = new AbortController();
    const before = server.engine.keyCount;
    for (let round = 0; round < 300; round += 1) {
      const hold = await mutex.acquire({ signal, timeoutMs: 5_000 });
      await hold.txn({ success: [put('a', 'b')] }, { signal });
      await hold.release();
    }
    // One for all that listen, which stays.
    expect(getEventListeners(session.signal, 'abort').length).toBeLessThanOrEqual(1);
    expect(hooksOn(session.signal)).toBe(0);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    expect(server.engine.keyCount).toBe(before + 1);
  });

  it('uses the same few names for its places, so that past holds do not slow the next', async () => {
    const server = new MemoryServer();
    const [client, other] = [await openClient(server.connect()), await openClient(server.connect())];
    const mutexes = [new Mutex(client, 'm', { sliceGrants: 1 }), new Mutex(other, 'm', { sliceGrants: 1 })];
    const names = new Set<string>();
    const callers = mutexes.flatMap((mutex) =>
      Array.from({ length: 40 }, () => mutex.runExclusive((hold) => void names.add(hold.guard().key))),
    );
    await Promise.all(callers);
    expect(names.size).toBeLessThanOrEqual(4);
  });

  it('refuses a transaction that is none, and options that are none', async () => {
    const client = await openClient(new MemoryServer().connect());
    const mutex = new Mutex(client, 'm');
    const hold = await mutex.acquire();
    const nonsense = [
      hold.txn(undefined as never),
      hold.txn({ success: 3 as never }),
      hold.txn({ success: [put('a', 'b')] }, { signal: {} as never }),
      hold.txn({ success: [put('a', 'b')] }, { timeoutMs: Number.NaN }),
      mutex.acquire(null as never),
      mutex.runExclusive(3 as never),
    ];
    for (const attempt of nonsense) await expect(attempt).rejects.toMatchObject({ code: 'invalid-argument' });
    await hold.release();
    await delay(0);
  });
});
