import { getEventListeners, setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { QuorateError } from '../../src/errors.js';
import { Semaphore } from '../../src/locks/semaphore.js';
import { MemoryServer } from '../../src/memory/index.js';
import { hooksOn } from '../../src/runtime/abort-hooks.js';
import { Client, type ClientOptions } from '../../src/session/index.js';
import { prefixRange, put, type Store, type TxnRequest } from '../../src/store/index.js';
import { hookedStore } from '../support/hooked-store.js';
import { ManualRuntime } from '../support/manual-runtime.js';
import { openStallingClient } from '../support/stalling-client.js';

async function openClient(store: Store, options: Partial<ClientOptions> = {}): Promise<Client> {
  const client = await Client.open({ store, namespace: 'n', ...options });
  onTestFinished(() => client.close());
  await client.session();
  return client;
}

function semaphoreOf(client: Client, limit: number) {
  return new Semaphore(client, 's', { limit });
}

/** Whether a request could put, as a store without space judges it. */
function puts(request: TxnRequest): boolean {
  return [...request.success, ...request.failure].some(
    (op) => op.type === 'put' || (op.type === 'txn' && puts(op)),
  );
}

function places(server: MemoryServer): number {
  return server.engine.range({ ...prefixRange('n/semaphore/s/l/'), countOnly: true }).count;
}

describe('Semaphore, when things go wrong', () => {
  it('run says that the hold was lost in a pause, before any timer has', async () => {
    const runtime = new ManualRuntime();
    const semaphore = semaphoreOf(await openClient(new MemoryServer().connect(), { runtime }), 2);
    const work = semaphore.run((hold) => {
      runtime.pause();
      runtime.pass(60_000);
      return hold.isHeld;
    });
    await expect(work).rejects.toMatchObject({ code: 'session-lost' });
  });

  describe('SEMAPHORE-2 who is admitted while a stall is being decided waits for that', () => {
    it.each([
      ['and keeps its turn where the session stands', true],
      ['and goes to the end of the line where the session was lost', false],
    ])('%s', async (_what, survives) => {
      const server = new MemoryServer();
      const { client, standStill } = await openStallingClient(server);
      const { leaseId } = await client.session();
      const first = await semaphoreOf(await openClient(server.connect()), 1).acquire();
      const waiting = semaphoreOf(client, 1).acquire();
      await expect.poll(() => places(server)).toBe(2);
      const behind = semaphoreOf(await openClient(server.connect()), 1).acquire();
      await expect.poll(() => places(server)).toBe(3);
      standStill(survives);
      await first.release();
      if (!survives) {
        // It has queued again, with a session of its own; then the store ends the one that was lost.
        await expect.poll(() => places(server)).toBe(3);
        await server.connect().leaseRevoke(leaseId);
      }
      const stalled = waiting.then(() => 'who stalled');
      const next = Promise.race([stalled, behind.then(() => 'who is behind')]);
      expect(await next).toBe(survives ? 'who stalled' : 'who is behind');
      for (const turn of survives ? [waiting, behind] : [behind, waiting]) {
        const hold = await turn;
        expect(hold.isHeld).toBe(true);
        await hold.release();
      }
      await expect.poll(() => places(server)).toBe(0);
    });
  });

  it('is released in a store that is out of space, which refuses every put', async () => {
    const server = new MemoryServer();
    const full = hookedStore(server.connect());
    const semaphore = semaphoreOf(await openClient(full.store), 2);
    const other = semaphoreOf(await openClient(server.connect()), 2);
    const hold = await semaphore.acquire({ weight: 2 });
    const waiting = other.acquire({ timeoutMs: 10_000 });
    full.hook = async (request, send) => {
      if (puts(request))
        throw new QuorateError('no-space', 'the store is out of space', { outcome: 'unknown' });
      return send();
    };
    await hold.release();
    await (await waiting).release();
    full.hook = undefined;
    await semaphore.run(() => {}, { timeoutMs: 10_000 });
  });

  it('LOCK-4 what a lost reply took is known, and not taken twice', async () => {
    const server = new MemoryServer();
    const hooked = hookedStore(server.connect());
    const semaphore = semaphoreOf(await openClient(hooked.store), 2);
    let lost = 0;
    hooked.hook = async (_request, send) => {
      await send();
      lost += 1;
      if (lost > 2) hooked.hook = undefined;
      throw new QuorateError('timeout', 'the reply was lost', { outcome: 'unknown' });
    };
    const hold = await semaphore.acquire({ weight: 2, timeoutMs: 20_000 });
    expect(lost).toBe(3);
    expect(places(server)).toBe(1);
    await hold.release();
    expect(places(server)).toBe(0);
  });

  it('tryAcquire ends by its timeout while the store is silent', async () => {
    const hooked = hookedStore(new MemoryServer().connect());
    const client = await openClient(hooked.store, { connectTimeoutMs: 1_000 });
    hooked.hook = () => new Promise(() => {});
    await expect(semaphoreOf(client, 1).tryAcquire({ timeoutMs: 30 })).rejects.toMatchObject({
      code: 'timeout',
    });
  });

  it('LOCK-4 tryAcquire that is aborted while the permits are given to it leaves them free', async () => {
    const server = new MemoryServer();
    const hooked = hookedStore(server.connect());
    const semaphore = semaphoreOf(await openClient(hooked.store), 1);
    const controller = new AbortController();
    hooked.hook = async (_request, send) => {
      const reply = await send();
      controller.abort();
      return reply;
    };
    const { signal } = controller;
    await expect(semaphore.tryAcquire({ signal })).rejects.toMatchObject({ code: 'aborted' });
    hooked.hook = undefined;
    const other = semaphoreOf(await openClient(server.connect()), 1);
    await (await other.acquire({ timeoutMs: 5_000 })).release();
    expect(places(server)).toBe(0);
  });

  it('SEMAPHORE-4 a reply that was on its way refuses nobody who came after it was sent', async () => {
    const server = new MemoryServer();
    const hooked = hookedStore(server.connect());
    const semaphore = semaphoreOf(await openClient(hooked.store), 2);
    const other = semaphoreOf(await openClient(server.connect()), 2);
    await other.setLimit(2);
    let answer = () => {};
    hooked.hook = async (_request, send) => {
      const reply = await send();
      hooked.hook = undefined;
      await new Promise<void>((resolve) => {
        answer = resolve;
      });
      return reply;
    };
    const early = semaphore.acquire({ weight: 3 });
    early.catch(() => {});
    await expect.poll(() => hooked.hook).toBeUndefined();
    await other.setLimit(3);
    const late = semaphore.acquire({ weight: 3, timeoutMs: 10_000 });
    await delay(5);
    answer();
    await expect(early).rejects.toMatchObject({ code: 'over-limit', details: { limit: 2 } });
    await (await late).release();
  });

  it('a waiting caller whose session is lost stands in line again', async () => {
    const server = new MemoryServer();
    const client = await openClient(server.connect());
    const other = semaphoreOf(await openClient(server.connect()), 1);
    const hold = await other.acquire();
    const waiting = semaphoreOf(client, 1).acquire({ timeoutMs: 10_000 });
    await expect.poll(() => places(server)).toBe(2);
    await client.store.leaseRevoke((await client.session()).leaseId);
    await expect.poll(() => places(server), { timeout: 10_000 }).toBe(1);
    await hold.release();
    await (await waiting).release();
  });

  it('keeps within its share of the line, whoever gives up', async () => {
    const server = new MemoryServer();
    const client = await openClient(server.connect());
    const other = semaphoreOf(await openClient(server.connect()), 1);
    const hold = await other.acquire();
    const semaphore = new Semaphore(client, 's', { limit: 1, waitingPlaces: 4 });
    const controller = new AbortController();
    const { signal } = controller;
    setMaxListeners(50, signal);
    const callers = Array.from({ length: 50 }, (_, index) =>
      semaphore.acquire(index % 2 === 0 ? { signal } : { timeoutMs: 10_000 }).catch(() => undefined),
    );
    await expect.poll(() => places(server)).toBe(5);
    controller.abort();
    await delay(50);
    await expect.poll(() => places(server)).toBe(5);
    await hold.release();
    for (const caller of callers) await (await caller)?.release();
    await expect.poll(() => places(server)).toBe(0);
  });

  it('does not turn in circles when callers give up for whom it was taking as many places as may wait', async () => {
    const server = new MemoryServer();
    const hooked = hookedStore(server.connect());
    const client = await openClient(hooked.store);
    const other = semaphoreOf(await openClient(server.connect()), 1);
    const hold = await other.acquire();
    const semaphore = new Semaphore(client, 's', { limit: 1, waitingPlaces: 4 });
    const controller = new AbortController();
    hooked.hook = async (_request, send) => {
      const reply = await send();
      // What gives the places up takes its time.
      hooked.hook = (_leaving, sendLate) => delay(5).then(sendLate);
      controller.abort();
      return reply;
    };
    const sessions = vi.spyOn(client, 'session');
    const patient = semaphore.acquire({ timeoutMs: 10_000 });
    const callers = Array.from({ length: 9 }, () => semaphore.acquire({ signal: controller.signal }));
    for (const caller of callers) await expect(caller).rejects.toMatchObject({ code: 'aborted' });
    await expect.poll(() => places(server)).toBe(2);
    expect(sessions.mock.calls.length).toBeLessThan(5);
    hooked.hook = undefined;
    await hold.release();
    await (await patient).release();
  });

  it('leaves no listener behind, on the session nor on the caller, and no key in the line', async () => {
    const server = new MemoryServer();
    const client = await openClient(server.connect());
    const session = await client.session();
    const semaphore = semaphoreOf(client, 2);
    const { signal } = new AbortController();
    const before = server.engine.keyCount;
    const names = new Set<string>();
    for (let round = 0; round < 300; round += 1) {
      const hold = await semaphore.acquire({ weight: 1 + (round % 2), signal, timeoutMs: 5_000 });
      names.add(hold.guard().key);
      await hold.txn({ success: [put('a', 'b')] }, { signal });
      await hold.release();
    }
    expect(hooksOn(session.signal)).toBe(0);
    expect(getEventListeners(session.signal, 'abort').length).toBeLessThanOrEqual(1);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    // The limit, and what was written under it.
    expect(server.engine.keyCount).toBe(before + 2);
    expect(names.size).toBe(2);
  });

  it('refuses a transaction that is none, and options that are none', async () => {
    const semaphore = semaphoreOf(await openClient(new MemoryServer().connect()), 1);
    const hold = await semaphore.acquire();
    const nonsense = [
      hold.txn(undefined as never),
      hold.txn({ success: 3 as never }),
      hold.txn({ success: [put('a', 'b')] }, { timeoutMs: Number.NaN }),
    ];
    for (const attempt of nonsense) await expect(attempt).rejects.toMatchObject({ code: 'invalid-argument' });
    await hold.release();
    await expect(hold.txn({ success: [put('a', 'b')] })).rejects.toMatchObject({ code: 'hold-lost' });
    await hold.release();
  });
});
