import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { CountDownLatch } from '../../src/barriers/index.js';
import type { Client } from '../../src/session/index.js';
import { prefixRange } from '../../src/store/index.js';
import { testClients } from '../support/clients.js';
import { describeStores } from '../support/stores.js';

const name = 'l';

async function keysOf(client: Client): Promise<readonly string[]> {
  const prefix = client.keys.prefix('latch', name);
  const { kvs } = await client.store.range(prefixRange(prefix));
  return kvs.map(({ key }) => key.slice(prefix.length));
}

describeStores('CountDownLatch', (server) => {
  it('LATCH-1 opens with the last of its arrivals, each by one request, and LATCH-2 releases who waits by none', async () => {
    const clients = testClients(server);
    const counted = await clients.openCounted();
    const waiting = await clients.openCounted();
    const latch = new CountDownLatch(counted.client, name, { count: 3 });
    const other = new CountDownLatch(waiting.client, name, { count: 3 });
    waiting.counts.reset();
    const wait = other.wait({ timeoutMs: 10_000 });
    let isOver = false;
    void wait.then(() => {
      isOver = true;
    });
    await expect.poll(() => waiting.counts.opened).toBe(1);
    await delay(50);
    expect(waiting.counts.calls).toMatchObject({ watch: 1, txn: 0 });
    expect(waiting.counts.calls.range).toBeLessThanOrEqual(2);
    counted.counts.reset();
    waiting.counts.reset();
    expect(await latch.countDown({ id: 'a' })).toEqual({ counted: true, remaining: 2 });
    expect(await latch.countDown({ id: 'b/ü' })).toEqual({ counted: true, remaining: 1 });
    expect(await latch.inspect()).toMatchObject({ isOpen: false, remaining: 1 });
    expect(isOver).toBe(false);
    expect(await latch.countDown({ id: 'c' })).toEqual({ counted: true, remaining: 0 });
    expect(counted.counts.calls).toMatchObject({ txn: 3, range: 1 });
    await wait;
    expect(waiting.counts.total()).toBe(0);
    expect(await keysOf(counted.client)).toEqual(['open']);
    await other.wait();
    expect(await other.inspect()).toMatchObject({ isOpen: true, remaining: 0 });
  });

  it('LATCH-3 an arrival counts once, whoever says it again', async () => {
    const clients = testClients(server);
    const [one, other] = [
      new CountDownLatch(await clients.open(), name, { count: 2 }),
      new CountDownLatch(await clients.open(), name, { count: 2 }),
    ];
    expect(await one.countDown({ id: 'a' })).toEqual({ counted: true, remaining: 1 });
    for (const again of [one, other, one]) {
      expect(await again.countDown({ id: 'a' })).toEqual({ counted: false, remaining: 1 });
    }
    expect(await other.countDown({ id: 'b' })).toEqual({ counted: true, remaining: 0 });
    expect(await other.countDown({ id: 'a' })).toEqual({ counted: false, remaining: 0 });
    expect(await other.countDown()).toEqual({ counted: false, remaining: 0 });
  });

  it('LATCH-1 however many arrive at a time, without reading first', async () => {
    const clients = testClients(server);
    const count = 40;
    const latches = await Promise.all(
      Array.from({ length: 4 }, async () => new CountDownLatch(await clients.open(), name, { count })),
    );
    const waits = latches.map((latch) => latch.wait({ timeoutMs: 20_000 }));
    const arrivals = Array.from({ length: count }, (_, at) => latches[at % 4]?.countDown());
    const told = await Promise.all(arrivals);
    expect(told.every((one) => one?.counted === true)).toBe(true);
    expect(told.map((one) => one?.remaining).toSorted((a = 0, b = 0) => a - b)).toEqual(
      Array.from({ length: count }, (_, at) => at),
    );
    await Promise.all(waits);
  });

  it('LATCH-3 what has arrived stays, whatever becomes of who said so', async () => {
    const clients = testClients(server);
    const dying = await clients.open();
    await new CountDownLatch(dying, name, { count: 2 }).countDown({ id: 'a' });
    await dying.close();
    const latch = new CountDownLatch(await clients.open(), name, { count: 2 });
    expect(await latch.inspect()).toMatchObject({ isOpen: false, remaining: 1 });
    expect(await latch.countDown({ id: 'a' })).toEqual({ counted: false, remaining: 1 });
    expect(await latch.countDown({ id: 'b' })).toEqual({ counted: true, remaining: 0 });
  });

  it('a latch of one opens with the first', async () => {
    const clients = testClients(server);
    const latch = new CountDownLatch(await clients.open(), name, { count: 1 });
    expect(await latch.countDown()).toEqual({ counted: true, remaining: 0 });
    await latch.wait();
  });

  it('whoever means another count is told so', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const [two, three] = [
      new CountDownLatch(client, name, { count: 2 }),
      new CountDownLatch(client, name, { count: 3 }),
    ];
    const early = three.wait({ timeoutMs: 10_000 });
    const refused = expect(early).rejects.toMatchObject({ code: 'invalid-argument' });
    await delay(30);
    await two.countDown();
    await expect(three.countDown()).rejects.toMatchObject({ code: 'invalid-argument' });
    await expect(three.wait()).rejects.toMatchObject({ code: 'invalid-argument' });
    await expect(three.inspect()).rejects.toMatchObject({ code: 'invalid-argument' });
    await two.countDown();
    await refused;
    await expect(three.countDown()).rejects.toMatchObject({ code: 'invalid-argument' });
  });

  it('can be removed, and used anew with another count', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const latch = new CountDownLatch(client, name, { count: 1 });
    await latch.countDown();
    await latch.remove();
    expect(await keysOf(client)).toEqual([]);
    const next = new CountDownLatch(client, name, { count: 2 });
    await next.countDown();
    await expect(next.wait({ timeoutMs: 40 })).rejects.toMatchObject({ code: 'timeout' });
    await next.remove();
  });

  it('a wait ends by its signal or its time, with a code, and a closed client is not released', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const latch = new CountDownLatch(client, name, { count: 2 });
    await expect(latch.wait({ timeoutMs: 30 })).rejects.toMatchObject({ code: 'timeout' });
    const controller = new AbortController();
    const wait = latch.wait({ signal: controller.signal });
    await delay(10);
    controller.abort(new Error('enough'));
    await expect(wait).rejects.toMatchObject({ code: 'aborted' });
    expect(await keysOf(client)).toEqual([]);
    const last = latch.wait();
    await delay(30);
    await Promise.all([expect(last).rejects.toMatchObject({ code: 'closed' }), client.close()]);
  });

  it('refuses what makes no sense', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    for (const count of [0, -1, 1.5, Number.NaN, '2', null, undefined]) {
      expect(() => new CountDownLatch(client, name, { count: count as number })).toThrow(
        /whole number from 1/,
      );
    }
    expect(() => new CountDownLatch(client, name, null as never)).toThrow(/an object with count/);
    const latch = new CountDownLatch(client, name, { count: 2 });
    for (const id of ['', 7, null, 'a\nb']) {
      const call = latch.countDown({ id: id as string });
      await expect(call).rejects.toMatchObject({ code: 'invalid-argument' });
    }
    for (const options of [null, { timeoutMs: 0 }] as never[]) {
      const calls = [
        latch.wait(options),
        latch.countDown(options),
        latch.inspect(options),
        latch.remove(options),
      ];
      for (const call of calls) await expect(call).rejects.toMatchObject({ code: 'invalid-argument' });
    }
    expect(await keysOf(client)).toEqual([]);
  });
});
