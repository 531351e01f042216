import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { Barrier } from '../../src/barriers/index.js';
import type { Client } from '../../src/session/index.js';
import { prefixRange, put } from '../../src/store/index.js';
import { testClients } from '../support/clients.js';
import { describeStores } from '../support/stores.js';

const name = 'b';

async function keysOf(client: Client): Promise<readonly string[]> {
  const { kvs } = await client.store.range(prefixRange(client.keys.prefix('barrier', name)));
  return kvs.map(({ key }) => key);
}

/** What it comes to within a moment, or `waits`. */
function soon<T>(promise: Promise<T>, ms = 60): Promise<T | string> {
  return Promise.race([promise, delay(ms, 'waits')]);
}

describeStores('Barrier', (server) => {
  it('BARRIER-1 lets pass while it is open, by one read, and BARRIER-2 releases all who wait by one event and no request', async () => {
    const clients = testClients(server);
    const holder = new Barrier(await clients.open(), name);
    const counted = await clients.openCounted();
    const barrier = new Barrier(counted.client, name);
    counted.counts.reset();
    await barrier.wait();
    expect(counted.counts.total()).toBe(1);
    const hold = await holder.close();
    expect(hold.isHeld).toBe(true);
    counted.counts.reset();
    const waits = Array.from({ length: 20 }, () => barrier.wait({ timeoutMs: 10_000 }));
    await expect.poll(() => counted.counts.opened).toBe(1);
    expect(await soon(Promise.race(waits))).toBe('waits');
    // A read for the first, one for all others, one as the watch opens, and the watch.
    expect(counted.counts.calls).toMatchObject({ watch: 1, txn: 0 });
    expect(counted.counts.calls.range).toBeLessThanOrEqual(3);
    counted.counts.reset();
    await hold.open();
    await Promise.all(waits);
    expect(counted.counts.total()).toBe(0);
    expect(hold.isHeld).toBe(false);
    expect(await keysOf(counted.client)).toEqual([]);
  });

  it('BARRIER-1 who comes after it was closed waits, whatever a watch that stands has told so far', async () => {
    const clients = testClients(server);
    const [holder, waiter] = [
      new Barrier(await clients.open(), name),
      new Barrier(await clients.open(), name),
    ];
    for (let round = 0; round < 5; round += 1) {
      const hold = await holder.close();
      const wait = waiter.wait({ timeoutMs: 10_000 });
      expect(await soon(wait, 20)).toBe('waits');
      await hold.open();
      await wait;
    }
  });

  it('BARRIER-2 an opening releases who waited although the gate is closed again at once; who comes then waits', async () => {
    const clients = testClients(server);
    const [holder, waiter] = [
      new Barrier(await clients.open(), name),
      new Barrier(await clients.open(), name),
    ];
    const hold = await holder.close();
    const wait = waiter.wait({ timeoutMs: 10_000 });
    expect(await soon(wait)).toBe('waits');
    await hold.open();
    const again = await holder.close();
    await wait;
    const late = waiter.wait({ timeoutMs: 10_000 });
    expect(await soon(late)).toBe('waits');
    await again.open();
    await late;
  });

  it('BARRIER-3 is closed by one at a time, and says by whom', async () => {
    const clients = testClients(server);
    const [one, other] = [
      new Barrier(await clients.open({ label: 'one' }), name),
      new Barrier(await clients.open(), name),
    ];
    const hold = await one.close();
    await expect(other.close()).rejects.toMatchObject({ code: 'gate-closed', details: { by: 'one' } });
    await expect(other.closePersistently()).rejects.toMatchObject({ code: 'gate-closed' });
    const closed = { by: 'one', isPersistent: false, since: hold.revision };
    expect(await other.inspect()).toMatchObject({ closed });
    await hold.open();
    await hold.open();
    expect((await other.inspect()).closed).toBeUndefined();
    const next = await other.close();
    await one.open();
    expect((await other.inspect()).closed).toBeUndefined();
    await next.open();
  });

  it('BARRIER-3 a hold that has ended opens nothing that another has closed, and guards nothing', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const [one, other] = [new Barrier(client, name), new Barrier(await clients.open(), name)];
    const hold = await one.close();
    const key = `${clients.namespace}/x`;
    const write = { compare: [hold.guard()], success: [put(key, '1')], failure: [] };
    expect((await client.store.txn(write)).succeeded).toBe(true);
    await other.open();
    const next = await other.close();
    expect((await client.store.txn(write)).succeeded).toBe(false);
    await hold.open();
    expect((await other.inspect()).closed?.since).toBe(next.revision);
    await next.open();
  });

  it('BARRIER-3 opens with the session of its holder, and stays closed where that was asked for', async () => {
    const clients = testClients(server);
    const [first, second] = [await clients.open(), await clients.open()];
    const waiter = new Barrier(await clients.open(), name);
    const hold = await new Barrier(first, name).close();
    const wait = waiter.wait({ timeoutMs: 10_000 });
    expect(await soon(wait)).toBe('waits');
    await first.close();
    expect(hold.isHeld).toBe(false);
    expect(hold.signal.aborted).toBe(true);
    await wait;
    expect(await new Barrier(second, name).closePersistently()).toBe(true);
    expect(await waiter.closePersistently()).toBe(false);
    await expect(waiter.close()).rejects.toMatchObject({ code: 'gate-closed' });
    expect((await waiter.inspect()).closed?.isPersistent).toBe(true);
    const persistent = waiter.wait({ timeoutMs: 10_000 });
    await second.close();
    expect(await soon(persistent)).toBe('waits');
    await waiter.open();
    await persistent;
    await waiter.open();
  });

  it('a hold that is disposed of opens the gate', async () => {
    const clients = testClients(server);
    const barrier = new Barrier(await clients.open(), name);
    {
      await using hold = await barrier.close();
      expect(hold.isHeld).toBe(true);
    }
    expect((await barrier.inspect()).closed).toBeUndefined();
  });

  it('a wait ends by its signal or its time, with a code, and leaves nothing behind', async () => {
    const clients = testClients(server);
    const holder = new Barrier(await clients.open(), name);
    const waiter = await clients.open();
    const barrier = new Barrier(waiter, name);
    const hold = await holder.close();
    await expect(barrier.wait({ timeoutMs: 30 })).rejects.toMatchObject({ code: 'timeout' });
    const controller = new AbortController();
    const wait = barrier.wait({ signal: controller.signal });
    await delay(20);
    controller.abort(new Error('enough'));
    await expect(wait).rejects.toMatchObject({ code: 'aborted' });
    await expect(barrier.wait({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'aborted' });
    expect(await keysOf(waiter)).toHaveLength(1);
    await hold.open();
    for (const timeoutMs of [0.01, 0.5, 1, 2, 4]) {
      const closing = barrier.close({ timeoutMs });
      await closing.then(
        (late) => late.open(),
        ({ code }) => expect(['timeout', 'gate-closed']).toContain(code),
      );
      // It may have been closed, and is opened again, also as the next one comes.
      await expect.poll(() => keysOf(waiter)).toEqual([]);
    }
    await expect.poll(() => keysOf(waiter)).toEqual([]);
  });

  it('a closed client is told so, and never released by it', async () => {
    const clients = testClients(server);
    const hold = await new Barrier(await clients.open(), name).close();
    const client = await clients.open();
    const wait = new Barrier(client, name).wait();
    expect(await soon(wait)).toBe('waits');
    await Promise.all([expect(wait).rejects.toMatchObject({ code: 'closed' }), client.close()]);
    await hold.open();
  });

  it('refuses what makes no sense', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    for (const bad of ['', 7, null]) expect(() => new Barrier(client, bad as string)).toThrow(/accepted/);
    const barrier = new Barrier(client, name);
    for (const options of [null, { timeoutMs: 0 }, { timeoutMs: Number.NaN }, { signal: 1 }] as never[]) {
      const calls = [
        barrier.wait(options),
        barrier.close(options),
        barrier.open(options),
        barrier.inspect(options),
        barrier.closePersistently(options),
      ];
      for (const call of calls) await expect(call).rejects.toMatchObject({ code: 'invalid-argument' });
    }
    expect(await keysOf(client)).toEqual([]);
  });
});
