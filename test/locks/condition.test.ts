import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { Condition } from '../../src/locks/condition.js';
import { type Hold, type LockEvent, Mutex } from '../../src/locks/index.js';
import type { Client } from '../../src/session/index.js';
import { prefixRange, put, remove, textOf } from '../../src/store/index.js';
import { type TestClients, testClients } from '../support/clients.js';
import { describeStores } from '../support/stores.js';

interface Member {
  readonly client: Client;
  readonly mutex: Mutex;
  readonly condition: Condition;
}

function memberOf(client: Client): Member {
  // Requests are counted, and a hold that is looked after has more of them.
  const mutex = new Mutex(client, 'm', { watchHoldAfterMs: 60_000 });
  return { client, mutex, condition: new Condition(mutex, 'ready') };
}

async function members(clients: TestClients, count: number): Promise<readonly Member[]> {
  const opened: Member[] = [];
  for (let index = 0; index < count; index += 1) opened.push(memberOf(await clients.open()));
  return opened;
}

async function keysOf(client: Client, type: 'lock' | 'condition'): Promise<readonly string[]> {
  const places = `${client.keys.prefix(type, 'm')}${type === 'lock' ? 'l/' : ''}`;
  const { kvs } = await client.store.range(prefixRange(places));
  return kvs.map(({ key }) => key);
}

async function untilWaiting(client: Client, count: number): Promise<void> {
  await expect.poll(async () => (await keysOf(client, 'condition')).length).toBe(count);
}

/** Waits on the condition, says when it is back, and releases. */
async function waitOnce({ mutex, condition }: Member, back: () => void): Promise<void> {
  const hold = await condition.wait(await mutex.acquire());
  back();
  await hold.release();
}

describeStores('Condition', (server) => {
  it('CONDITION-1 gives the lock up and begins to wait by one request, and CONDITION-3 comes back with the lock', async () => {
    const clients = testClients(server);
    const counted = await clients.openCounted();
    const waiter = memberOf(counted.client);
    const [notifier] = (await members(clients, 1)) as [Member];
    const before = await waiter.mutex.acquire();
    counted.counts.reset();
    const waiting = waiter.condition.wait(before);
    await untilWaiting(notifier.client, 1);
    expect(counted.counts.calls.txn).toBe(1);
    expect(await keysOf(notifier.client, 'lock')).toEqual([]);
    expect(before.isHeld).toBe(false);
    await expect(before.txn({ success: [put('x', '1')] })).rejects.toMatchObject({ code: 'hold-lost' });
    const hold = await notifier.mutex.acquire();
    expect(await notifier.condition.notify(hold)).toBe(1);
    // It has its place, and waits for its turn.
    await expect.poll(async () => (await keysOf(notifier.client, 'lock')).length).toBe(2);
    const early = await Promise.race([waiting.then(() => 'back'), delay(50, 'waits')]);
    expect(early).toBe('waits');
    await hold.release();
    const after = await waiting;
    expect(after.isHeld).toBe(true);
    expect(after.token).toBeGreaterThan(hold.token);
    await after.txn({ success: [put(`${clients.namespace}/x`, '1')] });
    expect(before.signal.aborted).toBe(false);
    await after.release();
    expect(await keysOf(notifier.client, 'lock')).toEqual([]);
    await notifier.mutex.runExclusive(() => {}, { timeoutMs: 5_000 });
  });

  it('CONDITION-2 notifies one waiter at a time, who has waited longest', async () => {
    const clients = testClients(server);
    const [notifier, ...waiters] = (await members(clients, 4)) as [Member, ...Member[]];
    const order: number[] = [];
    const waits: Promise<void>[] = [];
    for (const [index, waiter] of waiters.entries()) {
      waits.push(waitOnce(waiter, () => void order.push(index)));
      await untilWaiting(notifier.client, index + 1);
    }
    for (let round = 1; round <= 3; round += 1) {
      const notified = await notifier.mutex.runExclusive((hold) => notifier.condition.notify(hold));
      expect(notified).toBe(1);
      await expect.poll(() => order.length).toBe(round);
    }
    await Promise.all(waits);
    expect(order).toEqual([0, 1, 2]);
    expect(await notifier.mutex.runExclusive((hold) => notifier.condition.notify(hold))).toBe(0);
  });

  it('notifies by one request where the last notification has shown who is next', async () => {
    const clients = testClients(server);
    const counted = await clients.openCounted();
    const notifier = memberOf(counted.client);
    const waiters = await members(clients, 3);
    const waits: Promise<void>[] = [];
    for (const [index, waiter] of waiters.entries()) {
      waits.push(waitOnce(waiter, () => {}));
      await untilWaiting(notifier.client, index + 1);
    }
    const hold = await notifier.mutex.acquire();
    const costs: number[] = [];
    for (let round = 0; round < 4; round += 1) {
      counted.counts.reset();
      await notifier.condition.notify(hold);
      costs.push(counted.counts.total());
    }
    // A look and a move, a move each while the last has shown the next, and a look that shows nobody.
    expect(costs).toEqual([2, 1, 1, 1]);
    await hold.release();
    await Promise.all(waits);
  });

  it('CONDITION-2 notifyAll wakes all who wait, by one request, and nobody after it', async () => {
    const clients = testClients(server);
    const counted = await clients.openCounted();
    const notifier = memberOf(counted.client);
    const [late, ...waiters] = (await members(clients, 4)) as [Member, ...Member[]];
    let back = 0;
    const waits = waiters.map((waiter) =>
      waitOnce(waiter, () => {
        back += 1;
      }),
    );
    await untilWaiting(notifier.client, 3);
    const hold = await notifier.mutex.acquire();
    counted.counts.reset();
    expect(await notifier.condition.notifyAll(hold)).toBe(3);
    expect(counted.counts.total()).toBe(1);
    await hold.release();
    await Promise.all(waits);
    expect(back).toBe(3);
    const never = late.condition.wait(await late.mutex.acquire(), { timeoutMs: 150 });
    await expect(never).rejects.toMatchObject({ code: 'timeout' });
    await expect.poll(async () => keysOf(notifier.client, 'condition')).toEqual([]);
  });

  it('wakes callers of its own process, and those who wait for the mutex there queue again', async () => {
    const clients = testClients(server);
    const [one] = (await members(clients, 1)) as [Member];
    const order: string[] = [];
    const hold = await one.mutex.acquire();
    const local = one.mutex.runExclusive(async (inside) => {
      order.push('local');
      await one.condition.notify(inside);
    });
    const after = await one.condition.wait(hold, { timeoutMs: 10_000 });
    order.push('waiter');
    await after.release();
    await local;
    expect(order).toEqual(['local', 'waiter']);
    await one.mutex.runExclusive(() => {}, { timeoutMs: 5_000 });
    expect(await keysOf(one.client, 'lock')).toEqual([]);
  });

  it('is told of its turn by a caller of its own process that stood in a crowd before it', async () => {
    const clients = testClients(server);
    const [one, other, third] = (await members(clients, 3)) as [Member, Member, Member];
    const inLine = async (count: number) =>
      expect.poll(async () => (await keysOf(other.client, 'lock')).length).toBe(count);
    const waiting = one.condition.wait(await one.mutex.acquire(), { timeoutMs: 10_000 });
    await untilWaiting(other.client, 1);
    const hold = await other.mutex.acquire();
    const next = third.mutex.acquire();
    await inLine(2);
    const local = one.mutex.acquire({ timeoutMs: 10_000 });
    await inLine(3);
    await other.condition.notify(hold);
    await inLine(4);
    await hold.release();
    await (await next).release();
    const before = await local;
    // It looks who is behind it, and is to find the one that was notified.
    await delay(100);
    await before.release();
    await (await waiting).release();
    await inLine(0);
  });

  it('CONDITION-2 a waiter that has given up is not notified, and leaves no key behind', async () => {
    const clients = testClients(server);
    const [notifier, first, second] = (await members(clients, 3)) as [Member, Member, Member];
    const controller = new AbortController();
    const held = await first.mutex.acquire();
    const given = first.condition.wait(held, { signal: controller.signal });
    await untilWaiting(notifier.client, 1);
    let isBack = false;
    const other = waitOnce(second, () => {
      isBack = true;
    });
    await untilWaiting(notifier.client, 2);
    controller.abort(new Error('changed my mind'));
    await expect(given).rejects.toMatchObject({ code: 'aborted' });
    await untilWaiting(notifier.client, 1);
    expect(await notifier.mutex.runExclusive((hold) => notifier.condition.notify(hold))).toBe(1);
    await other;
    expect(isBack).toBe(true);
    await held.release();
  });

  it('CONDITION-2 a waiter that gives up once it was notified passes that on, whether its turn has come or not', async () => {
    const clients = testClients(server);
    const [notifier, first, second] = (await members(clients, 3)) as [Member, Member, Member];
    const controller = new AbortController();
    const given = first.condition.wait(await first.mutex.acquire(), { signal: controller.signal });
    await untilWaiting(notifier.client, 1);
    const other = waitOnce(second, () => {});
    await untilWaiting(notifier.client, 2);
    const hold = await notifier.mutex.acquire();
    await notifier.condition.notify(hold);
    await expect.poll(async () => (await keysOf(notifier.client, 'lock')).length).toBe(2);
    controller.abort(new Error('changed my mind'));
    await expect(given).rejects.toMatchObject({ code: 'aborted' });
    await untilWaiting(notifier.client, 0);
    await hold.release();
    await other;
    await expect.poll(async () => keysOf(notifier.client, 'lock')).toEqual([]);
  });

  it('leaves nothing behind whenever it gives up, alone', async () => {
    const clients = testClients(server);
    const [one, other] = (await members(clients, 2)) as [Member, Member];
    for (const timeoutMs of [0.01, 0.5, 1, 2, 4, 8, 16]) {
      const wait = one.condition.wait(await one.mutex.acquire(), { timeoutMs });
      await expect(wait).rejects.toMatchObject({ code: 'timeout' });
    }
    await expect.poll(async () => keysOf(other.client, 'condition')).toEqual([]);
    await expect.poll(async () => keysOf(other.client, 'lock')).toEqual([]);
    await other.mutex.runExclusive(() => {}, { timeoutMs: 5_000 });
  });

  it('an aborted signal gives the lock up all the same', async () => {
    const clients = testClients(server);
    const [one, other] = (await members(clients, 2)) as [Member, Member];
    const hold = await one.mutex.acquire();
    const wait = one.condition.wait(hold, { signal: AbortSignal.abort() });
    await expect(wait).rejects.toMatchObject({ code: 'aborted' });
    expect(hold.isHeld).toBe(false);
    await other.mutex.runExclusive(() => {}, { timeoutMs: 5_000 });
  });

  it('a key that somebody deletes wakes for nothing, with the lock', async () => {
    const clients = testClients(server);
    const [one, other] = (await members(clients, 2)) as [Member, Member];
    const waiting = one.condition.wait(await one.mutex.acquire(), { timeoutMs: 10_000 });
    await untilWaiting(other.client, 1);
    const [key = ''] = await keysOf(other.client, 'condition');
    await other.client.store.txn({ compare: [], success: [remove(key)], failure: [] });
    const hold = await waiting;
    expect(hold.isHeld).toBe(true);
    await hold.release();
  });

  it('a notified place that somebody deletes is taken again', async () => {
    const clients = testClients(server);
    const [one, other] = (await members(clients, 2)) as [Member, Member];
    const waiting = one.condition.wait(await one.mutex.acquire(), { timeoutMs: 10_000 });
    await untilWaiting(other.client, 1);
    const hold = await other.mutex.acquire();
    await other.condition.notify(hold);
    await delay(50);
    const key = (await keysOf(other.client, 'lock')).find((place) => place !== hold.guard().key);
    await other.client.store.txn({ compare: [], success: [remove(key ?? '')], failure: [] });
    await delay(50);
    await hold.release();
    const back = await waiting;
    expect(back.isHeld).toBe(true);
    await back.release();
    expect(await keysOf(other.client, 'lock')).toEqual([]);
  });

  it('a closed client rejects its waits with session-lost, and its waiters are not notified', async () => {
    const clients = testClients(server);
    const [one, other] = (await members(clients, 2)) as [Member, Member];
    const waiting = one.condition.wait(await one.mutex.acquire());
    await untilWaiting(other.client, 1);
    await Promise.all([expect(waiting).rejects.toMatchObject({ code: 'session-lost' }), one.client.close()]);
    expect(await other.mutex.runExclusive((hold) => other.condition.notify(hold))).toBe(0);
  });

  it('waitUntil asks before the first wait and after each, and answers the hold under which it was so', async () => {
    const clients = testClients(server);
    const [one, other] = (await members(clients, 2)) as [Member, Member];
    const key = `${clients.namespace}/count`;
    const count = async () => {
      const { kvs } = await one.client.store.range({ key });
      return kvs[0] === undefined ? 0 : Number(textOf(kvs[0].value));
    };
    let asked = 0;
    const isThree = async () => {
      asked += 1;
      return (await count()) === 3;
    };
    const first = await one.mutex.acquire();
    const waiting = one.condition.waitUntil(first, isThree, { timeoutMs: 10_000 });
    for (let round = 1; round <= 3; round += 1) {
      await untilWaiting(other.client, 1);
      await other.mutex.runExclusive(async (hold) => {
        await hold.txn({ success: [put(key, String(round))] });
        await other.condition.notifyAll(hold);
      });
    }
    const hold = await waiting;
    expect(asked).toBe(4);
    const same = await one.condition.waitUntil(hold, isThree);
    expect(same).toBe(hold);
    const failing = one.condition.waitUntil(hold, () => {
      throw new Error('cannot say');
    });
    await expect(failing).rejects.toThrow('cannot say');
    expect(hold.isHeld).toBe(false);
    const late = one.condition.waitUntil(await one.mutex.acquire(), () => false, { timeoutMs: 30 });
    await expect(late).rejects.toMatchObject({ code: 'timeout' });
    await other.mutex.runExclusive(() => {}, { timeoutMs: 5_000 });
  });

  it('a buffer of one between producers and consumers of several processes loses nothing', async () => {
    const clients = testClients(server);
    const key = `${clients.namespace}/buffer`;
    const taken: string[] = [];
    const rounds = 5;
    const work = async (produces: boolean, name: string) => {
      const client = await clients.open();
      const mutex = new Mutex(client, 'm');
      const [full, empty] = [new Condition(mutex, 'full'), new Condition(mutex, 'empty')];
      const item = async () => (await client.store.range({ key })).kvs[0];
      for (let round = 0; round < rounds; round += 1) {
        let hold: Hold = await mutex.acquire();
        if (produces) {
          hold = await empty.waitUntil(hold, async () => (await item()) === undefined);
          await hold.txn({ success: [put(key, `${name}${round}`)] });
          await full.notify(hold);
        } else {
          hold = await full.waitUntil(hold, async () => (await item()) !== undefined);
          const found = await item();
          taken.push(textOf(found?.value ?? new Uint8Array()));
          await hold.txn({ success: [remove(key)] });
          await empty.notify(hold);
        }
        await hold.release();
      }
    };
    await Promise.all([work(true, 'a'), work(true, 'b'), work(false, 'c'), work(false, 'd')]);
    expect(taken.toSorted()).toEqual(
      ['a', 'b'].flatMap((name) => Array.from({ length: rounds }, (_, round) => `${name}${round}`)),
    );
  });

  it('has its mutex tell of the hold that it comes back with, as of every other', async () => {
    const [one, notifier] = (await members(testClients(server), 2)) as [Member, Member];
    const events: LockEvent[] = [];
    one.mutex.onEvent((event) => events.push(event));
    const before = await one.mutex.acquire();
    const waiting = one.condition.wait(before);
    await untilWaiting(notifier.client, 1);
    await notifier.mutex.runExclusive((hold) => notifier.condition.notify(hold));
    const after = await waiting;
    expect(one.mutex.status()).toEqual({ reason: 'held-here', callers: 0, token: after.token });
    await after.release();
    expect(events).toEqual([
      { type: 'acquired', token: before.token },
      { type: 'released', token: before.token },
      { type: 'acquired', token: after.token },
      { type: 'released', token: after.token },
    ]);
    expect(one.mutex.status()).toEqual({ reason: 'nobody-waits', callers: 0 });
  });

  it('refuses what is not its own, or is held no more', async () => {
    const clients = testClients(server);
    const [one, other] = (await members(clients, 2)) as [Member, Member];
    const { condition } = one;
    expect(() => new Condition(one.mutex, '')).toThrow(/accepted: a non-empty string/);
    expect(() => new Condition({} as Mutex, 'ready')).toThrow(/a Mutex of this package/);
    const foreign = await other.mutex.acquire();
    for (const hold of [foreign, {} as Hold, null as unknown as Hold]) {
      for (const call of [condition.wait(hold), condition.notify(hold), condition.notifyAll(hold)]) {
        await expect(call).rejects.toMatchObject({ code: 'invalid-argument' });
      }
    }
    await foreign.release();
    const hold = await one.mutex.acquire();
    await expect(condition.wait(hold, { timeoutMs: -1 })).rejects.toMatchObject({ code: 'invalid-argument' });
    await expect(condition.waitUntil(hold, 3 as never)).rejects.toMatchObject({ code: 'invalid-argument' });
    expect(hold.isHeld).toBe(true);
    await hold.release();
    await expect(condition.wait(hold)).rejects.toMatchObject({ code: 'hold-lost' });
    await expect(condition.notify(hold)).rejects.toMatchObject({ code: 'hold-lost' });
    await expect(condition.notifyAll(hold)).rejects.toMatchObject({ code: 'hold-lost' });
  });
});
