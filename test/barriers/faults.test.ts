import { getEventListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Barrier, CountDownLatch, DoubleBarrier } from '../../src/barriers/index.js';
import { QuorateError } from '../../src/errors.js';
import { MemoryServer } from '../../src/memory/index.js';
import { hooksOn } from '../../src/runtime/abort-hooks.js';
import { Client, type ClientOptions } from '../../src/session/index.js';
import { type Op, prefixRange, type Store, type TxnRequest } from '../../src/store/index.js';
import { cuttingWatches } from '../support/cut-watches.js';
import { hookedStore } from '../support/hooked-store.js';
import { ManualRuntime, settle } from '../support/manual-runtime.js';
import { openStallingClient } from '../support/stalling-client.js';
import { storeWith } from '../support/store-with.js';

async function open(store: Store, options: Partial<ClientOptions> = {}): Promise<Client> {
  const client = await Client.open({ store, namespace: 'n', ...options });
  onTestFinished(() => client.close());
  return client;
}

function ops({ success, failure }: TxnRequest): readonly Op[] {
  return [...success, ...failure].flatMap((op) => (op.type === 'txn' ? ops(op) : [op]));
}

function count(server: MemoryServer, prefix: string): number {
  return server.engine.range({ ...prefixRange(prefix), countOnly: true }).count;
}

const within = { timeoutMs: 10_000 };

describe('barriers, when things go wrong', () => {
  it('BARRIER-2 an opening that no watch shows, since it was cut, releases who waited', async () => {
    const server = new MemoryServer();
    const cuttable = cuttingWatches(server.connect());
    const barrier = new Barrier(await open(cuttable.store), 'b');
    const holder = new Barrier(await open(server.connect()), 'b');
    const hold = await holder.close();
    const wait = barrier.wait(within);
    await delay(20);
    const mend = cuttable.cut();
    await hold.open();
    const again = await holder.close();
    mend();
    await wait;
    // And a cut alone releases nobody.
    const next = barrier.wait({ timeoutMs: 150 });
    await delay(20);
    cuttable.cut(20);
    await expect(next).rejects.toMatchObject({ code: 'timeout' });
    await again.open();
  });

  it('LATCH-2 a cut releases nobody, and an opening meanwhile everybody', async () => {
    const server = new MemoryServer();
    const cuttable = cuttingWatches(server.connect());
    const waiting = new CountDownLatch(await open(cuttable.store), 'l', { count: 2 });
    const counting = new CountDownLatch(await open(server.connect()), 'l', { count: 2 });
    let isOver = false;
    const wait = waiting.wait(within).then(() => {
      isOver = true;
    });
    await delay(20);
    await counting.countDown();
    cuttable.cut(40);
    await delay(80);
    expect(isOver).toBe(false);
    cuttable.cut(40);
    await counting.countDown();
    await wait;
  });

  it('a gate can be opened where the store has no space for puts', async () => {
    const server = new MemoryServer();
    const hooked = hookedStore(server.connect());
    const barrier = new Barrier(await open(hooked.store), 'b');
    const hold = await barrier.close();
    hooked.hook = async (request, send) => {
      if (ops(request).some(({ type }) => type === 'put')) throw new QuorateError('no-space', 'full');
      return send();
    };
    await hold.open();
    expect(count(server, 'n/barrier/')).toBe(0);
    hooked.hook = undefined;
    await barrier.closePersistently();
    hooked.hook = async (request, send) => {
      if (ops(request).some(({ type }) => type === 'put')) throw new QuorateError('no-space', 'full');
      return send();
    };
    await barrier.open();
    expect(count(server, 'n/barrier/')).toBe(0);
    await expect(barrier.close()).rejects.toMatchObject({ code: 'no-space' });
  });

  it('opening a gate takes no longer than it may, however many requests it sends', async () => {
    const store = new MemoryServer().connect();
    let delayMs = 0;
    const hooked = hookedStore(
      storeWith(store, {
        range: (request, options) => delay(delayMs).then(() => store.range(request, options)),
      }),
    );
    const barrier = new Barrier(await open(hooked.store), 'b');
    await barrier.closePersistently();
    delayMs = 300;
    hooked.hook = (_, send) => delay(300).then(send);
    await expect(barrier.open({ timeoutMs: 500 })).rejects.toMatchObject({ code: 'timeout' });
    hooked.hook = undefined;
  });

  it('a hold is over at its deadline, before any timer has run', async () => {
    const runtime = new ManualRuntime();
    const barrier = new Barrier(await open(new MemoryServer().connect(), { runtime }), 'b');
    const hold = await barrier.close();
    expect(hold.isHeld).toBe(true);
    runtime.pause();
    runtime.pass(60_000);
    expect(hold.isHeld).toBe(false);
    await settle();
  });

  it('DOUBLE-5 whoever gives up on its way leaves no key behind, whenever that is', async () => {
    const server = new MemoryServer();
    const hooked = hookedStore(server.connect());
    const client = await open(hooked.store);
    await client.session();
    const barrier = new DoubleBarrier(client, 'd', { size: 2 });
    let arrive = () => {};
    hooked.hook = async (request, send) => {
      if (!ops(request).some((op) => op.type === 'put' && op.key.startsWith('n/double-barrier/d/p/')))
        return send();
      await new Promise<void>((resolve) => {
        arrive = resolve;
      });
      return send();
    };
    await expect(barrier.enter({ timeoutMs: 20 })).rejects.toMatchObject({ code: 'timeout' });
    hooked.hook = undefined;
    arrive();
    await delay(20);
    await expect.poll(() => count(server, 'n/double-barrier/d/p/')).toBe(0);
    const stays = await Promise.all([barrier.enter(within), barrier.enter(within)]);
    await Promise.all(stays.map((stay) => stay.leave(within)));
    expect(count(server, 'n/double-barrier/d/q/')).toBe(0);
  });

  it('DOUBLE-1 who saw all there and dies before it lets them in is not waited for', async () => {
    const server = new MemoryServer();
    const hooked = hookedStore(server.connect());
    const options = { size: 2, deadMembers: 'wait' } as const;
    const first = new DoubleBarrier(await open(server.connect()), 'd', options).enter(within);
    await expect.poll(() => count(server, 'n/double-barrier/d/p/')).toBe(1);
    const dying = await open(hooked.store);
    hooked.hook = async (request, send) => {
      const isState = ops(request).some((op) => op.type === 'put' && op.key === 'n/double-barrier/d/state');
      const comes = ops(request).some(
        (op) => op.type === 'put' && op.key.startsWith('n/double-barrier/d/p/'),
      );
      return isState && !comes ? new Promise(() => {}) : send();
    };
    const mortal = new DoubleBarrier(dying, 'd', options).enter();
    mortal.catch(() => {});
    await expect.poll(() => count(server, 'n/double-barrier/d/p/')).toBe(2);
    const { leaseId } = await dying.session();
    await server.connect().leaseRevoke(leaseId);
    hooked.hook = undefined;
    const third = new DoubleBarrier(await open(server.connect()), 'd', options).enter(within);
    const stays = await Promise.all([first, third]);
    await Promise.all(stays.map((stay) => stay.leave(within)));
  });

  it('DOUBLE-1 who lets them in, and loses the reply with the history that would tell, is in', async () => {
    const server = new MemoryServer();
    const hooked = hookedStore(server.connect());
    const first = new DoubleBarrier(await open(server.connect()), 'd', { size: 2 }).enter(within);
    await expect.poll(() => count(server, 'n/double-barrier/d/p/')).toBe(1);
    const last = new DoubleBarrier(await open(hooked.store), 'd', { size: 2 });
    let isLost = false;
    hooked.hook = async (request, send) => {
      const keys = ops(request).flatMap((op) => (op.type === 'put' ? [op.key] : []));
      const comes = keys.some((key) => key.startsWith('n/double-barrier/d/p/'));
      const reply = await send();
      if (isLost || comes || !keys.includes('n/double-barrier/d/state')) return reply;
      isLost = true;
      const other = { type: 'put', key: 'n/other', value: new Uint8Array() } as const;
      await server.connect().txn({ compare: [], success: [other], failure: [] });
      await server.connect().compact(server.engine.revision);
      throw new QuorateError('unavailable', 'the reply is lost', { outcome: 'unknown' });
    };
    const stays = await Promise.all([first, last.enter(within)]);
    expect(isLost).toBe(true);
    expect(stays.map(({ round }) => round)).toEqual([1, 1]);
    await Promise.all(stays.map((stay) => stay.leave(within)));
  });

  it.each([
    ['is in where its session stands', true],
    ['is told so where its session was lost', false],
  ])('who is let in while a stall is being decided waits for that, and %s', async (_what, survives) => {
    const server = new MemoryServer();
    const { client, standStill } = await openStallingClient(server);
    const entering = new DoubleBarrier(client, 'd', { size: 2 }).enter().then(
      ({ round }) => `inside ${round}`,
      ({ code }: QuorateError) => code,
    );
    await expect.poll(() => count(server, 'n/double-barrier/d/p/')).toBe(1);
    standStill(survives);
    await new DoubleBarrier(await open(server.connect()), 'd', { size: 2 }).enter(within);
    expect(await entering).toBe(survives ? 'inside 1' : 'session-lost');
  });

  it('DOUBLE-3 who leaves when the store is closed is not told that somebody has died', async () => {
    const store = new MemoryServer().connect();
    const stay = await new DoubleBarrier(await open(store), 'd', { size: 1 }).enter(within);
    await store.close();
    await expect(stay.leave(within)).rejects.toMatchObject({ code: 'closed' });
  });

  it('DOUBLE-3 who comes when all have gone is not told of a death that was seen before', async () => {
    const server = new MemoryServer();
    const hooked = hookedStore(server.connect());
    const options = { size: 3, deadMembers: 'break' } as const;
    const dying = await open(server.connect());
    const mortal = new DoubleBarrier(dying, 'd', options).enter();
    mortal.catch(() => {});
    await expect.poll(() => count(server, 'n/double-barrier/d/p/')).toBe(1);
    const seeing = await open(hooked.store);
    const givesUp = new AbortController();
    const waiting = new DoubleBarrier(seeing, 'd', options).enter({ signal: givesUp.signal });
    const gaveUp = expect(waiting).rejects.toMatchObject({ code: 'aborted' });
    await expect.poll(() => count(server, 'n/double-barrier/d/p/')).toBe(2);
    let arrive: (() => void) | undefined;
    hooked.hook = async (request, send) => {
      if (!ops(request).some((op) => op.type === 'put' && op.key === 'n/double-barrier/d/state'))
        return send();
      await new Promise<void>((resolve) => {
        arrive = resolve;
      });
      return send();
    };
    await dying.close();
    await expect.poll(() => arrive).toBeDefined();
    hooked.hook = undefined;
    givesUp.abort();
    await gaveUp;
    await expect.poll(() => count(server, 'n/double-barrier/d/p/')).toBe(0);
    const fresh = new DoubleBarrier(await open(server.connect()), 'd', options);
    const first = fresh.enter(within);
    await expect.poll(() => count(server, 'n/double-barrier/d/p/')).toBe(1);
    arrive?.();
    await delay(20);
    const stays = await Promise.all([first, fresh.enter(within), fresh.enter(within)]);
    expect(stays.map(({ round }) => round)).toEqual([1, 1, 1]);
    await Promise.all(stays.map((stay) => stay.leave(within)));
  });

  it('leaves no listener behind', async () => {
    const server = new MemoryServer();
    const client = await open(server.connect());
    const other = await open(server.connect());
    const session = await client.session();
    const { signal } = new AbortController();
    const [gate, closer] = [new Barrier(client, 'b'), new Barrier(other, 'b')];
    const round = new DoubleBarrier(client, 'd', { size: 2 });
    for (let index = 0; index < 30; index += 1) {
      const hold = await closer.close();
      const wait = gate.wait({ signal, ...within });
      await delay(1);
      await hold.open();
      await wait;
      const stays = await Promise.all([
        round.enter({ signal, ...within }),
        round.enter({ signal, ...within }),
      ]);
      await Promise.all(stays.map((stay) => stay.leave({ signal, ...within })));
    }
    await delay(20);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    expect(getEventListeners(session.signal, 'abort').length).toBeLessThanOrEqual(2);
    expect(hooksOn(session.signal)).toBe(0);
  });
});
