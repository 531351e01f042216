import { getEventListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { QuorateError } from '../../src/errors.js';
import { Line } from '../../src/line/index.js';
import { Condition } from '../../src/locks/condition.js';
import { Mutex } from '../../src/locks/index.js';
import { MemoryServer } from '../../src/memory/index.js';
import { hooksOn } from '../../src/runtime/abort-hooks.js';
import { Client, type ClientOptions } from '../../src/session/index.js';
import { type Op, prefixRange, put, remove, type Store, type TxnRequest } from '../../src/store/index.js';
import { hookedStore } from '../support/hooked-store.js';
import { ManualRuntime, settle } from '../support/manual-runtime.js';
import { storeWith } from '../support/store-with.js';

async function openMember(store: Store, options: Partial<ClientOptions> = {}) {
  const client = await Client.open({ store, namespace: 'n', ...options });
  onTestFinished(() => client.close());
  await client.session();
  const mutex = new Mutex(client, 'm');
  return { client, mutex, condition: new Condition(mutex, 'ready') };
}

function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}

/**
 * One who holds a lock with a lock-delay, and stood still past the deadline of the delay lease, or of that of its session too. A
 * keep-alive of whatever is past its deadline is on its way, and its reply in the socket, if it comes, as a turn is let pass.
 */
async function stoodStill({ past, isAcknowledged }: { past: 'the delay' | 'both'; isAcknowledged: boolean }) {
  const server = new MemoryServer();
  const runtime = new ManualRuntime();
  const [inner, answer] = [server.connect(), gate()];
  const late = new Set<string>();
  const store = storeWith(inner, {
    leaseKeepAlive: async (id, options) => {
      const ttlSeconds = await inner.leaseKeepAlive(id, options);
      if (late.has(id)) await answer.opened;
      return ttlSeconds;
    },
  });
  const client = await Client.open({ store, namespace: 'n', runtime, ttlMs: 10_000 });
  onTestFinished(() => client.close());
  const mutex = new Mutex(client, 'm', { lockDelayMs: 1_000 });
  const hold = await mutex.acquire();
  const session = await client.session();
  const [place] = server.engine.range(prefixRange('n/lock/m/l/')).kvs;
  late.add(place?.lease ?? '');
  expect(place?.lease).not.toBe(session.leaseId);
  // The session is believed in for 9.5 s since its last renewal, of each third of 10 s, and the delay lease, of 17 s, for 15.3 s.
  await runtime.advance(12_000);
  if (past === 'both') late.add(session.leaseId);
  await runtime.advance(2_000);
  expect(hold.isHeld).toBe(true);
  runtime.pause();
  runtime.pass(past === 'both' ? 7_000 : 3_000);
  runtime.nextTurn = async () => {
    if (isAcknowledged) answer.open();
    await settle();
  };
  return { server, hold, session, condition: new Condition(mutex, 'ready') };
}

function ops({ success, failure }: TxnRequest): readonly Op[] {
  return [...success, ...failure].flatMap((op) => (op.type === 'txn' ? ops(op) : [op]));
}

/** Whether a request puts, or deletes, something among the waiters. */
function touchesWaiters(request: TxnRequest, type: 'put' | 'delete'): boolean {
  return ops(request).some((op) => op.type === type && op.key.startsWith('n/condition/'));
}

function putsInto(request: TxnRequest, prefix: string): boolean {
  return ops(request).some((op) => op.type === 'put' && op.key.startsWith(prefix));
}

function count(server: MemoryServer, prefix: string): number {
  return server.engine.range({ ...prefixRange(prefix), countOnly: true }).count;
}

describe('Condition, when things go wrong', () => {
  it('CONDITION-1 a wait that is given up on its way does not leave its place to another caller of the process', async () => {
    const hooked = hookedStore(new MemoryServer().connect());
    const { mutex, condition } = await openMember(hooked.store);
    const [arrive, answer] = [gate(), gate()];
    hooked.hook = async (request, send) => {
      if (!touchesWaiters(request, 'put')) return send();
      await arrive.opened;
      const reply = await send();
      await answer.opened;
      return reply;
    };
    const hold = await mutex.acquire();
    const wait = condition.wait(hold, { timeoutMs: 20 });
    await expect(wait).rejects.toMatchObject({ code: 'timeout' });
    const local = mutex.acquire({ timeoutMs: 5_000 });
    void hold.release();
    expect(await Promise.race([local.then(() => 'held'), delay(50, 'waits')])).toBe('waits');
    arrive.open();
    answer.open();
    const next = await local;
    expect(next.guard().operand).not.toBe(hold.guard().operand);
    await next.txn({ success: [put('x', '1')] });
    await next.release();
  });

  it('CONDITION-1 of two waits by one hold in the same breath the second is refused, and harms nobody', async () => {
    const server = new MemoryServer();
    const hooked = hookedStore(server.connect());
    const { mutex, condition } = await openMember(hooked.store);
    const arrive = gate();
    hooked.hook = async (request, send) => {
      if (touchesWaiters(request, 'put')) await arrive.opened;
      return send();
    };
    const hold = await mutex.acquire();
    const controller = new AbortController();
    const first = condition.wait(hold, { timeoutMs: 5_000 });
    const second = condition.wait(hold, { signal: controller.signal });
    controller.abort();
    const local = mutex.acquire({ timeoutMs: 5_000 });
    await expect(second).rejects.toMatchObject({ code: 'hold-lost' });
    // What becomes of the first is not decided yet.
    expect(await Promise.race([local.then(() => 'held'), delay(50, 'waits')])).toBe('waits');
    arrive.open();
    const next = await local;
    expect(next.guard().operand).not.toBe(hold.guard().operand);
    expect(count(server, 'n/condition/')).toBe(1);
    expect(await condition.notify(next)).toBe(1);
    await next.release();
    const back = await first;
    expect(back.isHeld).toBe(true);
    await back.release();
    await expect.poll(() => count(server, 'n/lock/')).toBe(0);
  });

  it.each(['wait', 'hand-off'])(
    'LOCK-10 a wait and a hand-off by one hold in the same breath pass the lock on once, after the %s',
    async (begun) => {
      const server = new MemoryServer();
      const hooked = hookedStore(server.connect());
      const { mutex, condition } = await openMember(hooked.store);
      const other = await openMember(server.connect(), { label: 'other' });
      const hold = await mutex.acquire();
      const waiting = other.mutex.acquire({ timeoutMs: 5_000 });
      await expect.poll(() => count(server, 'n/lock/')).toBe(2);
      const arrive = gate();
      hooked.hook = async (request, send) => {
        if (putsInto(request, 'n/lock/')) await arrive.opened;
        return send();
      };
      const early = begun === 'hand-off' ? hold.handOff('other') : undefined;
      const wait = condition.wait(hold, { timeoutMs: 5_000 });
      const refused = expect(wait).rejects.toMatchObject({ code: 'hold-lost' });
      const handing = early ?? hold.handOff('other');
      await refused;
      arrive.open();
      expect(await handing).toBe(true);
      const handed = await waiting;
      const local = mutex.acquire({ timeoutMs: 5_000 });
      expect(await Promise.race([local.then(() => 'held'), delay(50, 'waits')])).toBe('waits');
      expect(handed.isHeld).toBe(true);
      await handed.txn({ success: [put('x', '1')] });
      expect(count(server, 'n/condition/')).toBe(0);
      await handed.release();
      await (await local).release();
      await expect.poll(() => count(server, 'n/lock/')).toBe(0);
    },
  );

  it('a turn that is being handed over is not left to another caller of the process', async () => {
    const server = new MemoryServer();
    const hooked = hookedStore(server.connect());
    const { mutex } = await openMember(hooked.store);
    const other = await openMember(server.connect(), { label: 'other' });
    const hold = await mutex.acquire();
    const waiting = other.mutex.acquire({ timeoutMs: 5_000 });
    await expect.poll(() => count(server, 'n/lock/')).toBe(2);
    const arrive = gate();
    hooked.hook = async (_request, send) => {
      await arrive.opened;
      return send();
    };
    const handing = hold.handOff('other', { timeoutMs: 20 });
    await expect(handing).rejects.toMatchObject({ code: 'timeout' });
    const local = mutex.acquire({ timeoutMs: 5_000 });
    void hold.release();
    expect(await Promise.race([local.then(() => 'held'), delay(50, 'waits')])).toBe('waits');
    arrive.open();
    const handed = await waiting;
    expect(handed.isHeld).toBe(true);
    await handed.release();
    await (await local).release();
  });

  it('CONDITION-2 a notification that comes while the wait is given up is passed on', async () => {
    const server = new MemoryServer();
    const hooked = hookedStore(server.connect());
    const first = await openMember(hooked.store);
    const [second, notifier] = [await openMember(server.connect()), await openMember(server.connect())];
    const controller = new AbortController();
    const given = first.condition.wait(await first.mutex.acquire(), { signal: controller.signal });
    await expect.poll(() => count(server, 'n/condition/')).toBe(1);
    const other = second.condition.wait(await second.mutex.acquire(), { timeoutMs: 5_000 });
    await expect.poll(() => count(server, 'n/condition/')).toBe(2);
    const withdraw = gate();
    hooked.hook = async (request, send) => {
      if (touchesWaiters(request, 'delete')) await withdraw.opened;
      return send();
    };
    controller.abort(new Error('changed my mind'));
    await expect(given).rejects.toMatchObject({ code: 'aborted' });
    await notifier.mutex.runExclusive((hold) => notifier.condition.notify(hold));
    withdraw.open();
    await (await other).release();
    await expect.poll(() => count(server, 'n/lock/')).toBe(0);
  });

  it('CONDITION-2 who gives up and is handed the lock meanwhile passes its notification on to who waits longest', async () => {
    const server = new MemoryServer();
    const hooked = hookedStore(server.connect());
    const leaving = await openMember(hooked.store, { label: 'leaving' });
    const [oldest, younger] = [await openMember(server.connect()), await openMember(server.connect())];
    const notifier = await openMember(server.connect());
    const controller = new AbortController();
    const given = leaving.condition.wait(await leaving.mutex.acquire(), { signal: controller.signal });
    await expect.poll(() => count(server, 'n/condition/')).toBe(1);
    const first = oldest.condition.wait(await oldest.mutex.acquire(), { timeoutMs: 5_000 });
    await expect.poll(() => count(server, 'n/condition/')).toBe(2);
    const second = younger.condition.wait(await younger.mutex.acquire(), { timeoutMs: 5_000 });
    await expect.poll(() => count(server, 'n/condition/')).toBe(3);
    const hold = await notifier.mutex.acquire();
    expect(await notifier.condition.notify(hold)).toBe(1);
    const [reached, arrive] = [gate(), gate()];
    hooked.hook = async (request, send) => {
      if (touchesWaiters(request, 'delete') && putsInto(request, 'n/lock/')) {
        reached.open();
        await arrive.opened;
      }
      return send();
    };
    controller.abort();
    await expect(given).rejects.toMatchObject({ code: 'aborted' });
    await reached.opened;
    expect(await hold.handOff('leaving')).toBe(true);
    arrive.open();
    const woken = Promise.race([first.then(() => 'the oldest'), second.then(() => 'the younger')]);
    expect(await woken).toBe('the oldest');
    expect(count(server, 'n/condition/')).toBe(1);
    const next = await first;
    expect(await oldest.condition.notify(next)).toBe(1);
    await next.release();
    await (await second).release();
    await expect.poll(() => count(server, 'n/lock/')).toBe(0);
  });

  it('CONDITION-2 notifies the next one where the first has died since it was seen', async () => {
    const server = new MemoryServer();
    const hooked = hookedStore(server.connect());
    const [first, second] = [await openMember(server.connect()), await openMember(server.connect())];
    const notifier = await openMember(hooked.store);
    const dying = first.condition.wait(await first.mutex.acquire());
    await expect.poll(() => count(server, 'n/condition/')).toBe(1);
    const living = second.condition.wait(await second.mutex.acquire(), { timeoutMs: 5_000 });
    await expect.poll(() => count(server, 'n/condition/')).toBe(2);
    hooked.hook = async (request, send) => {
      if (touchesWaiters(request, 'delete')) await first.client.close();
      return send();
    };
    expect(await notifier.mutex.runExclusive((hold) => notifier.condition.notify(hold))).toBe(1);
    await expect(dying).rejects.toMatchObject({ code: 'session-lost' });
    await (await living).release();
  });

  it('CONDITION-2 nobody is notified by a hold that has ended', async () => {
    const server = new MemoryServer();
    const hooked = hookedStore(server.connect());
    const [waiter, notifier] = [await openMember(server.connect()), await openMember(hooked.store)];
    const wait = waiter.condition.wait(await waiter.mutex.acquire(), { timeoutMs: 5_000 });
    await expect.poll(() => count(server, 'n/condition/')).toBe(1);
    const hold = await notifier.mutex.acquire();
    const range = prefixRange('n/lock/');
    const takeAway = { compare: [], success: [{ type: 'delete' as const, ...range }], failure: [] };
    hooked.hook = async (request, send) => {
      if (touchesWaiters(request, 'delete')) await server.connect().txn(takeAway);
      return send();
    };
    await expect(notifier.condition.notify(hold)).rejects.toMatchObject({ code: 'fenced' });
    expect(count(server, 'n/condition/')).toBe(1);
    hooked.hook = undefined;
    await notifier.mutex.runExclusive((next) => notifier.condition.notifyAll(next));
    await (await wait).release();
  });

  it('a wait that the store has no space for gives the lock up, and says so', async () => {
    const server = new MemoryServer();
    const hooked = hookedStore(server.connect());
    const [one, other] = [await openMember(hooked.store), await openMember(server.connect())];
    const hold = await one.mutex.acquire();
    hooked.hook = async (request, send) => {
      if (ops(request).some(({ type }) => type === 'put'))
        throw new QuorateError('no-space', 'the store is full');
      return send();
    };
    await expect(one.condition.wait(hold)).rejects.toMatchObject({ code: 'no-space' });
    expect(hold.isHeld).toBe(false);
    await hold.release();
    await other.mutex.runExclusive(() => {}, { timeoutMs: 5_000 });
  });

  it('writes under way are waited for before the lock is given up', async () => {
    const server = new MemoryServer();
    const hooked = hookedStore(server.connect());
    const { mutex, condition } = await openMember(hooked.store);
    const hold = await mutex.acquire();
    const arrive = gate();
    hooked.hook = async (request, send) => {
      if (ops(request).some((op) => op.type === 'put' && op.key === 'late')) await arrive.opened;
      return send();
    };
    const written = hold.txn({ success: [put('late', '1')] });
    const wait = condition.wait(hold, { timeoutMs: 200 });
    await delay(30);
    expect(count(server, 'n/condition/')).toBe(0);
    arrive.open();
    await written;
    await expect.poll(() => count(server, 'n/condition/')).toBe(1);
    await expect(wait).rejects.toMatchObject({ code: 'timeout' });
  });

  it('wakes who waits for the lock where the place of one who was notified had its turn, and was deleted, before he looked', async () => {
    const server = new MemoryServer();
    const [inner, look] = [server.connect(), gate()];
    let isHeldUp = false;
    const late = storeWith(inner, {
      range: async (request, options) => {
        if (isHeldUp) await look.opened;
        return inner.range(request, options);
      },
    });
    const [one, other] = [await openMember(late), await openMember(server.connect())];
    const wait = one.mutex.acquire().then((hold) => one.condition.wait(hold));
    await expect.poll(() => count(server, 'n/condition/')).toBe(1);
    const line = new Line(other.client, 'n/lock/m/', { grants: true });
    const session = await other.client.session();
    const hold = await other.mutex.acquire();
    const before = await line.join(session);
    isHeldUp = true;
    await other.condition.notify(hold);
    await hold.release();
    await before.turn;
    // As in a crowd.
    const guard = put('n/lock/m/s', '', { lease: session.leaseId });
    await other.client.store.txn({ compare: [], success: [guard], failure: [] });
    const last = await line.join(session);
    expect(last.sawSentinel).toBe(true);
    // The reads that stand by for a fresh watch are over then.
    await delay(150);
    const sort = { target: 'create', order: 'ascend' } as const;
    const [, ...behind] = (await other.client.store.range({ ...line.range, sort })).kvs;
    before.behind = behind.map(({ key, createRevision: created, lease }) => ({ key, created, lease }));
    await line.leave(before);
    const [notified] = behind;
    expect(notified?.lease).toBe((await one.client.session()).leaseId);
    await other.client.store.txn({ compare: [], success: [remove(notified?.key ?? '')], failure: [] });
    expect(last.state.status).toBe('waiting');
    look.open();
    // Far less than a TTL, after which a waiter would look by itself.
    expect(await Promise.race([last.turn.then(() => 'has its turn'), delay(1_000, 'sleeps')])).toBe(
      'has its turn',
    );
    await line.leave(last);
    await (await wait).release();
  });

  it('CONDITION-3 comes back with session-lost after a pause past the deadline, before any timer has run', async () => {
    const runtime = new ManualRuntime();
    const server = new MemoryServer();
    const one = await openMember(server.connect(), { runtime });
    const hold = await one.mutex.acquire();
    runtime.pause();
    runtime.pass(60_000);
    await expect(one.condition.wait(hold)).rejects.toMatchObject({ code: 'session-lost' });
    await settle();
  });

  it.each(['the delay', 'both'] as const)(
    'begins a wait after a standstill past the deadline of %s that turns out to have lost nothing',
    async (past) => {
      const { server, hold, session, condition } = await stoodStill({ past, isAcknowledged: true });
      const notifier = await openMember(server.connect());
      const wait = condition.wait(hold);
      const begun = expect.poll(() => count(server, 'n/condition/')).toBe(1);
      await Promise.race([begun, wait.then(() => {})]);
      expect(session.isLive()).toBe(true);
      await notifier.mutex.runExclusive((held) => notifier.condition.notify(held), { timeoutMs: 5_000 });
      const back = await wait;
      expect(back.token).toBeGreaterThan(hold.token);
      await back.release();
    },
  );

  it.each(['the delay', 'both'] as const)(
    'CONDITION-3 comes back with session-lost after a standstill past the deadline of %s that was the end of it',
    async (past) => {
      const { hold, session, condition } = await stoodStill({ past, isAcknowledged: false });
      await expect(condition.wait(hold)).rejects.toMatchObject({ code: 'session-lost' });
      expect(hold.isHeld).toBe(false);
      expect(session.isLive()).toBe(past === 'the delay');
    },
  );

  it('leaves no listener and no key behind, and uses the same few names', async () => {
    const server = new MemoryServer();
    const one = await openMember(server.connect());
    const session = await one.client.session();
    const { signal } = new AbortController();
    const names = new Set<string>();
    const waitOnce = async () => {
      const hold = await one.condition.wait(await one.mutex.acquire(), { signal, timeoutMs: 5_000 });
      names.add(hold.guard().key);
      await hold.release();
    };
    const before = server.engine.keyCount;
    for (let round = 0; round < 60; round += 1) {
      const wait = waitOnce();
      await expect.poll(() => count(server, 'n/condition/'), { interval: 1 }).toBe(1);
      await one.mutex.runExclusive((hold) =>
        round % 2 === 0 ? one.condition.notify(hold) : one.condition.notifyAll(hold),
      );
      await wait;
    }
    expect(server.engine.keyCount).toBe(before);
    // One listener runs all hooks.
    expect(getEventListeners(session.signal, 'abort').length).toBeLessThanOrEqual(1);
    expect(hooksOn(session.signal)).toBe(0);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    expect(names.size).toBeLessThanOrEqual(4);
  });
});
