import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { type Hold, type LockEvent, Mutex } from '../../src/locks/index.js';
import type { Client } from '../../src/session/index.js';
import { prefixRange, put, textOf } from '../../src/store/index.js';
import { testClients } from '../support/clients.js';
import type { CallCounts } from '../support/counting-store.js';
import { hookedStore } from '../support/hooked-store.js';
import { describeStores } from '../support/stores.js';

describeStores('hand-off of a mutex', (server) => {
  /** One who holds, and three who wait behind it, in order. */
  async function scene() {
    const clients = testClients(server);
    const names = ['a', 'b', 'c', 'd'];
    const opened: { client: Client; counts: CallCounts }[] = [];
    for (const label of names) opened.push(await clients.openCounted({ label }));
    // Requests are counted, and a hold that is looked after has more of them.
    const mutexes = opened.map(({ client }) => new Mutex(client, 'm', { watchHoldAfterMs: 60_000 }));
    const [first, ...others] = mutexes as [Mutex, ...Mutex[]];
    const hold = await first.acquire();
    const waits: Promise<Hold>[] = [];
    for (const [index, mutex] of others.entries()) {
      waits.push(mutex.acquire());
      await expect.poll(async () => (await first.inspect()).waiting.length).toBe(index + 1);
    }
    const counts = opened.map((one) => one.counts);
    const clientOf = (index: number) => (opened[index] as (typeof opened)[number]).client;
    return { mutexes, hold, waits, counts, clientOf };
  }

  it('LOCK-10 gives the lock to whom it names, past those between, in one transaction', async () => {
    const { mutexes, hold, waits, counts } = await scene();
    await delay(150);
    for (const one of counts) one.reset();
    expect(await hold.handOff('d')).toBe(true);
    const handed = await (waits[2] as Promise<Hold>);
    // One look at the line and one transaction; the other reads the line once.
    expect(counts[0]?.calls).toMatchObject({ range: 1, txn: 1 });
    expect(counts[3]?.calls).toMatchObject({ txn: 0 });
    expect(handed.token).toBeGreaterThan(hold.token);
    expect(handed.isHeld).toBe(true);
    expect([hold.isHeld, hold.signal.aborted]).toEqual([false, false]);
    await expect(hold.txn({ success: [put('x', 'late')] })).rejects.toMatchObject({ code: 'hold-lost' });
    const view = await (mutexes[0] as Mutex).inspect();
    expect([view.holder?.label, view.waiting.map(({ label }) => label)]).toEqual(['d', ['b', 'c']]);
    await handed.release();
    const next = await (waits[0] as Promise<Hold>);
    expect(next.token).toBeGreaterThan(handed.token);
    await next.release();
    await (await (waits[1] as Promise<Hold>)).release();
  });

  it('LOCK-10 lets the old guard die, and the new one write', async () => {
    const { hold, waits, clientOf } = await scene();
    const guard = hold.guard();
    await hold.handOff('c');
    const late = await clientOf(0).store.txn({ compare: [guard], success: [put('r', 'old')], failure: [] });
    expect(late.succeeded).toBe(false);
    const handed = await (waits[1] as Promise<Hold>);
    await handed.txn({ success: [put('r', 'new')] });
    const { kvs } = await clientOf(0).store.range({ key: 'r' });
    expect(kvs.map(({ value }) => textOf(value))).toEqual(['new']);
    await handed.release();
    for (const wait of [waits[0], waits[2]]) await (await (wait as Promise<Hold>)).release();
    const places = await clientOf(0).store.range(prefixRange(clientOf(0).keys.prefix('lock', 'm')));
    expect(places.kvs).toEqual([]);
  });

  it('goes on holding where nobody of that name waits', async () => {
    const { hold, waits } = await scene();
    expect(await hold.handOff('nobody')).toBe(false);
    expect(hold.isHeld).toBe(true);
    await hold.txn({ success: [put('r', 'mine')] });
    await hold.release();
    for (const wait of waits) await (await wait).release();
    await expect(hold.handOff('b')).rejects.toMatchObject({ code: 'hold-lost' });
  });

  it('passes over one who has just gone, by the place that was seen', async () => {
    const { mutexes, hold, waits, clientOf } = await scene();
    const [seen] = (await (mutexes[0] as Mutex).inspect()).waiting;
    if (seen === undefined) throw new Error('somebody waits');
    const gone = expect(waits[0]).rejects.toMatchObject({ code: 'closed' });
    await clientOf(1).close();
    await gone;
    expect(await hold.handOff(seen)).toBe(false);
    expect(await hold.handOff('c')).toBe(true);
    await (await (waits[1] as Promise<Hold>)).release();
    await (await (waits[2] as Promise<Hold>)).release();
  });

  it('leaves nothing behind where the one that is named gives up at that moment', async () => {
    const clients = testClients(server);
    const [one, other] = [await clients.open({ label: 'one' }), await clients.open({ label: 'other' })];
    const [holds, waits] = [new Mutex(one, 'm'), new Mutex(other, 'm')];
    for (let round = 0; round < 8; round += 1) {
      const hold = await holds.acquire();
      const impatience = new AbortController();
      const wait = waits.acquire({ signal: impatience.signal }).then(
        (held) => held.release(),
        () => {},
      );
      await expect.poll(async () => (await holds.inspect()).waiting.length).toBe(1);
      const handed = hold.handOff('other');
      await delay(round / 4);
      impatience.abort();
      if (!(await handed)) await hold.release();
      await wait;
      await expect.poll(async () => (await holds.inspect()).holder).toBe(undefined);
    }
  });

  it('gives the lock up where its signal is aborted already, as it would a moment later', async () => {
    const { hold, waits } = await scene();
    await expect(hold.handOff('c', { timeoutMs: -1 })).rejects.toMatchObject({ code: 'invalid-argument' });
    expect(hold.isHeld).toBe(true);
    const aborted = hold.handOff('c', { signal: AbortSignal.abort() });
    await expect(aborted).rejects.toMatchObject({ code: 'aborted' });
    expect([hold.isHeld, hold.signal.aborted]).toEqual([false, false]);
    for (const wait of waits) await (await wait).release();
  });

  it('refuses what names nobody', async () => {
    const client = await testClients(server).open();
    await using hold = await new Mutex(client, 'm').acquire();
    await expect(hold.handOff(7 as never)).rejects.toMatchObject({ code: 'invalid-argument' });
    expect(hold.isHeld).toBe(true);
  });

  it('tells what becomes of its callers, and why they wait', async () => {
    const { mutexes, hold, waits, clientOf } = await scene();
    const [, second] = mutexes as [Mutex, Mutex];
    // Its place is in the line before it knows that.
    await expect.poll(() => second.status()).toEqual({ reason: 'behind-others', callers: 1, ahead: 1 });
    const events: LockEvent[] = [];
    second.onEvent((event) => events.push(event));
    expect((mutexes[0] as Mutex).status()).toEqual({ reason: 'held-here', callers: 0, token: hold.token });
    await hold.release();
    const held = await (waits[0] as Promise<Hold>);
    expect(events).toEqual([
      { type: 'queued', ahead: 0 },
      { type: 'acquired', token: held.token },
    ]);
    const session = await clientOf(1).session();
    await session.close();
    expect(events.at(-1)).toMatchObject({ type: 'lost', token: held.token, error: { code: 'session-lost' } });
    expect(second.status()).toEqual({ reason: 'nobody-waits', callers: 0 });
    for (const wait of waits.slice(1)) await (await wait).release();
  });

  it('is no loss where the other is done with it before the reply is there', async () => {
    const clients = testClients(server);
    const hooked = hookedStore(await server.connect());
    const one = await clients.open({ store: hooked.store, label: 'one' });
    const holds = new Mutex(one, 'm', { watchHoldAfterMs: 0 });
    const waits = new Mutex(await clients.open({ label: 'other' }), 'm');
    const events: string[] = [];
    holds.onEvent(({ type }) => events.push(type));
    const hold = await holds.acquire();
    const done = waits.acquire().then((handed) => handed.release());
    await expect.poll(async () => (await holds.inspect()).waiting.length).toBe(1);
    await delay(150);
    hooked.hook = async (_request, send) => {
      const reply = await send();
      await done;
      await delay(50);
      return reply;
    };
    expect(await hold.handOff('other')).toBe(true);
    expect(hold.signal.aborted).toBe(false);
    expect(events).toEqual(['acquired', 'handed-off']);
  });
});
