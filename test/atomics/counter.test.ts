import { expect, it } from 'vitest';
import { Counter } from '../../src/atomics/index.js';
import { put, remove } from '../../src/store/index.js';
import { testClients } from '../support/clients.js';
import { describeStores } from '../support/stores.js';

describeStores('Counter', (server) => {
  it('COUNTER-1 counts, and answers each what it was then', async () => {
    const clients = testClients(server);
    const counter = new Counter(await clients.open(), 'c');
    const other = new Counter(await clients.open(), 'c');
    expect(await other.get()).toBe(0);
    expect(await counter.add()).toBe(1);
    expect(await other.add(4)).toBe(5);
    expect(await counter.add(-7)).toBe(-2);
    expect(await counter.compareAndSet(5, 1)).toEqual({ succeeded: false, count: -2 });
    expect(await counter.compareAndSet(-2, 10)).toEqual({ succeeded: true, count: 10 });
    expect(await other.reset()).toBe(10);
    expect(await other.reset(3)).toBe(0);
    expect(await counter.get()).toBe(3);
  });

  it('COUNTER-1 what one process asks for at a time travels in one request, in the order of the calls', async () => {
    const clients = testClients(server);
    const { client, counts } = await clients.openCounted();
    const counter = new Counter(client, 'c');
    await counter.add(0);
    counts.reset();
    const answers = await Promise.all(Array.from({ length: 1_000 }, () => counter.add(2)));
    expect(answers).toEqual(Array.from({ length: 1_000 }, (_none, index) => 2 * (index + 1)));
    expect(counts.total()).toBe(1);
    counts.reset();
    const mixed = await Promise.all([
      counter.add(1),
      counter.compareAndSet(2_001, 7),
      counter.add(1),
      counter.reset(1),
      counter.compareAndSet(2, 9),
    ]);
    expect(mixed).toEqual([2_001, { succeeded: true, count: 7 }, 8, 8, { succeeded: false, count: 1 }]);
    expect(counts.total()).toBe(1);
  });

  it('COUNTER-1 no addition of several processes is lost or counted twice', async () => {
    const clients = testClients(server);
    const counters = await Promise.all(
      Array.from({ length: 4 }, async () => new Counter(await clients.open(), 'c')),
    );
    const answers = await Promise.all(
      counters.map(async (counter) => {
        const own: number[] = [];
        for (let round = 0; round < 25; round += 1) own.push(await counter.add());
        return own;
      }),
    );
    expect(answers.flat().sort((a, b) => a - b)).toEqual(
      Array.from({ length: 100 }, (_none, index) => index + 1),
    );
    for (const own of answers) expect(own).toEqual([...own].sort((a, b) => a - b));
    expect(await counters[0]?.get()).toBe(100);
  });

  it('COUNTER-2 refuses what would pass a bound, and nothing else that came with it', async () => {
    const clients = testClients(server);
    const options = { initial: 3, min: 0, max: 5 };
    const stock = new Counter(await clients.open(), 'stock', options);
    const other = new Counter(await clients.open(), 'stock', options);
    const settled = await Promise.allSettled([-1, -2, -1, 5, -6, 1].map((by) => stock.add(by)));
    const refusal = (count: number) => ({
      code: 'over-limit',
      outcome: 'not-applied',
      details: { count, min: 0, max: 5 },
    });
    expect(settled).toMatchObject([
      { value: 2 },
      { value: 0 },
      { reason: refusal(0) },
      { value: 5 },
      { reason: refusal(5) },
      { reason: refusal(5) },
    ]);
    // It looks before it says so: another may have made room.
    expect(await other.add(-1)).toBe(4);
    expect(await stock.add(1)).toBe(5);
    await expect(stock.reset(6)).rejects.toMatchObject(refusal(5));
    await expect(stock.compareAndSet(5, -1)).rejects.toMatchObject(refusal(5));
    expect(await stock.compareAndSet(4, -1)).toEqual({ succeeded: false, count: 5 });
    const most = new Counter(await clients.open(), 'most');
    expect(await most.reset(Number.MAX_SAFE_INTEGER)).toBe(0);
    await expect(most.add(1)).rejects.toMatchObject({ code: 'over-limit' });
    expect(await most.add(-1)).toBe(Number.MAX_SAFE_INTEGER - 1);
  });

  it('begins anew where its key was deleted, and fails where it holds no number', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const counter = new Counter(client, 'c', { initial: 5 });
    expect(await counter.add(1)).toBe(6);
    await client.store.txn({ compare: [], success: [remove(counter.key)], failure: [] });
    expect(await counter.add(1)).toBe(6);
    for (const text of ['', 'seven', '1.5', '1e3', ' 7', '9007199254740993']) {
      await client.store.txn({ compare: [], success: [put(counter.key, text)], failure: [] });
      await expect(counter.get()).rejects.toMatchObject({ code: 'codec', details: { key: counter.key } });
      await expect(counter.add(1)).rejects.toMatchObject({ code: 'codec', outcome: 'not-applied' });
    }
    await client.store.txn({ compare: [], success: [put(counter.key, '-7')], failure: [] });
    expect(await counter.add(1)).toBe(-6);
  });

  it('refuses what makes no sense', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const invalid = expect.objectContaining({ code: 'invalid-argument' });
    const bad = [Number.NaN, 0.5, 2 ** 53, null, '1', {}] as never[];
    for (const number of bad) {
      for (const options of [{ min: number }, { max: number }, { initial: number }]) {
        expect(() => new Counter(client, 'c', options)).toThrow(invalid);
      }
    }
    for (const options of [
      null,
      7,
      { min: 1 },
      { max: -1 },
      { initial: 2, max: 1 },
      { min: 3, max: 2 },
    ] as never[]) {
      expect(() => new Counter(client, 'c', options)).toThrow(invalid);
    }
    expect(() => new Counter(client, '')).toThrow(invalid);
    const counter = new Counter(client, 'c');
    for (const number of bad) {
      await expect(counter.add(number)).rejects.toEqual(invalid);
      await expect(counter.reset(number)).rejects.toEqual(invalid);
      await expect(counter.compareAndSet(number, 1)).rejects.toEqual(invalid);
      await expect(counter.compareAndSet(0, number)).rejects.toEqual(invalid);
    }
    for (const options of [null, 7, { timeoutMs: 0 }, { signal: 'x' }] as never[]) {
      await expect(counter.add(1, options)).rejects.toEqual(invalid);
      await expect(counter.get(options)).rejects.toEqual(invalid);
    }
    expect(await counter.get()).toBe(0);
  });
});
