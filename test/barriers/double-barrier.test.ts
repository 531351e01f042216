import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { DoubleBarrier, type DoubleBarrierOptions, type Stay } from '../../src/barriers/index.js';
import type { Client } from '../../src/session/index.js';
import { prefixRange, put, remove } from '../../src/store/index.js';
import { type TestClients, testClients } from '../support/clients.js';
import { describeStores } from '../support/stores.js';

const name = 'd';
const within = { timeoutMs: 15_000 };

async function keysOf(client: Client): Promise<readonly string[]> {
  const prefix = client.keys.prefix('double-barrier', name);
  const { kvs } = await client.store.range(prefixRange(prefix));
  return kvs.map(({ key }) => key.slice(prefix.length));
}

/** Those of members and of leavers. */
async function members(client: Client): Promise<readonly string[]> {
  return (await keysOf(client)).filter((key) => /^[pq]\//.test(key));
}

async function open(clients: TestClients, count: number, options: DoubleBarrierOptions) {
  const opened: { readonly client: Client; readonly barrier: DoubleBarrier }[] = [];
  for (let index = 0; index < count; index += 1) {
    const client = await clients.open();
    opened.push({ client, barrier: new DoubleBarrier(client, name, options) });
  }
  return opened;
}

function soon<T>(promise: Promise<T>, ms = 60): Promise<T | string> {
  return Promise.race([promise, delay(ms, 'waits')]);
}

describeStores('DoubleBarrier', (server) => {
  it('DOUBLE-1 lets members in once all are there, and DOUBLE-2 out once all have left, round after round', async () => {
    const clients = testClients(server);
    const opened = await open(clients, 3, { size: 3 });
    for (let round = 1; round <= 3; round += 1) {
      const entering = opened.map(({ barrier }) => barrier.enter(within));
      const stays = await Promise.all(entering);
      expect(stays.map((stay) => [stay.round, stay.isInside])).toEqual(stays.map(() => [round, true]));
      const [first, ...others] = stays as [Stay, ...Stay[]];
      const leaving = first.leave(within);
      expect(await soon(leaving)).toBe('waits');
      expect(first.isInside).toBe(false);
      await Promise.all(others.map((stay) => stay.leave(within)));
      await leaving;
    }
    const [one] = opened as [(typeof opened)[0]];
    await expect.poll(() => members(one.client)).toEqual([]);
    expect(await one.barrier.inspect()).toMatchObject({
      round: 4,
      phase: 'entering',
      inside: [],
      waiting: [],
    });
  });

  it('DOUBLE-1 waits as long as one is missing, and who gives up is not there any more', async () => {
    const clients = testClients(server);
    const [one, two, three] = (await open(clients, 3, { size: 2 })) as [
      { client: Client; barrier: DoubleBarrier },
      { client: Client; barrier: DoubleBarrier },
      { client: Client; barrier: DoubleBarrier },
    ];
    await expect(one.barrier.enter({ timeoutMs: 50 })).rejects.toMatchObject({ code: 'timeout' });
    await expect.poll(() => members(one.client)).toEqual([]);
    const controller = new AbortController();
    const given = one.barrier.enter({ signal: controller.signal });
    await expect.poll(() => members(one.client)).toHaveLength(1);
    controller.abort(new Error('enough'));
    await expect(given).rejects.toMatchObject({ code: 'aborted' });
    await expect.poll(() => members(one.client)).toEqual([]);
    const second = two.barrier.enter(within);
    expect(await soon(second)).toBe('waits');
    const stays = await Promise.all([second, three.barrier.enter(within)]);
    await Promise.all(stays.map((stay) => stay.leave(within)));
  });

  it('DOUBLE-4 refuses who comes when the round is full', async () => {
    const clients = testClients(server);
    const [one, two, three] = (await open(clients, 3, { size: 2 })).map(({ barrier }) => barrier) as [
      DoubleBarrier,
      DoubleBarrier,
      DoubleBarrier,
    ];
    const stays = await Promise.all([one.enter(within), two.enter(within)]);
    await expect(three.enter(within)).rejects.toMatchObject({
      code: 'over-limit',
      details: { round: 1, size: 2 },
    });
    await Promise.all(stays.map((stay) => stay.leave(within)));
    const again = await Promise.all([three.enter(within), one.enter(within)]);
    expect(again.map(({ round }) => round)).toEqual([2, 2]);
    await Promise.all(again.map((stay) => stay.leave(within)));
  });

  it('DOUBLE-4 or has it wait for the next round, which those enter who have waited longest', async () => {
    const clients = testClients(server);
    const opened = await open(clients, 5, { size: 2, whenFull: 'queue' });
    const client = opened[0]?.client as Client;
    const entering: Promise<Stay>[] = [];
    for (const [index, { barrier }] of opened.entries()) {
      entering.push(barrier.enter(within));
      await expect.poll(() => members(client)).toHaveLength(index + 1);
    }
    const [a, b, c, d, e] = entering as [Promise<Stay>, ...Promise<Stay>[]];
    const first = await Promise.all([a, b]);
    expect(await soon(Promise.race([c, d, e]))).toBe('waits');
    expect((await opened[0]?.barrier.inspect())?.waiting).toHaveLength(3);
    await Promise.all((first as Stay[]).map((stay) => stay.leave(within)));
    const second = (await Promise.all([c, d])) as Stay[];
    expect(second.map(({ round }) => round)).toEqual([2, 2]);
    await Promise.all(second.map((stay) => stay.leave(within)));
    expect(await soon(e as Promise<Stay>)).toBe('waits');
    const last = await Promise.all([e, (opened[0] as (typeof opened)[0]).barrier.enter(within)]);
    await Promise.all((last as Stay[]).map((stay) => stay.leave(within)));
    await expect.poll(() => members(client)).toEqual([]);
  });

  it('DOUBLE-3 a member that dies breaks the round for who waits with it, and the next one begins when all have gone', async () => {
    const clients = testClients(server);
    const opened = await open(clients, 3, { size: 3 });
    const [one, two, dying] = opened as [(typeof opened)[0], (typeof opened)[0], (typeof opened)[0]];
    const entering = [one, two, dying].map(({ barrier }) => barrier.enter(within));
    const [first, second] = (await Promise.all(entering)) as [Stay, Stay];
    const leaving = first.leave(within);
    expect(await soon(leaving)).toBe('waits');
    await Promise.all([
      expect(leaving).rejects.toMatchObject({ code: 'barrier-broken', details: { round: 1 } }),
      dying.client.close(),
    ]);
    expect((await one.barrier.inspect()).phase).toBe('broken');
    await expect(second.leave(within)).rejects.toMatchObject({ code: 'barrier-broken' });
    // Waiting to enter, with nobody else there before.
    const third = await clients.open();
    const waiting = one.barrier.enter(within);
    await expect.poll(() => members(one.client)).toHaveLength(1);
    const [brokenWait] = [expect(waiting).rejects.toMatchObject({ code: 'barrier-broken' })];
    const mortal = new DoubleBarrier(third, name, { size: 3 }).enter(within);
    mortal.catch(() => {});
    await expect.poll(() => members(one.client)).toHaveLength(2);
    await third.close();
    await expect(mortal).rejects.toMatchObject({ code: expect.stringMatching(/^(session-lost|closed)$/) });
    await brokenWait;
    await expect.poll(() => members(one.client)).toEqual([]);
    const fresh = await open(clients, 3, { size: 3 });
    const stays = await Promise.all(fresh.map(({ barrier }) => barrier.enter(within)));
    await Promise.all(stays.map((stay) => stay.leave(within)));
  });

  it('or leaves its place to another, and counts as having left, with the policy wait', async () => {
    const clients = testClients(server);
    const options = { size: 2, deadMembers: 'wait' } as const;
    const [one, two, dying] = (await open(clients, 3, options)) as [
      { client: Client; barrier: DoubleBarrier },
      { client: Client; barrier: DoubleBarrier },
      { client: Client; barrier: DoubleBarrier },
    ];
    const mortal = dying.barrier.enter(within);
    mortal.catch(() => {});
    await expect.poll(() => members(one.client)).toHaveLength(1);
    await dying.client.close();
    const entering = one.barrier.enter(within);
    expect(await soon(entering)).toBe('waits');
    const [stay] = await Promise.all([entering, two.barrier.enter(within)]);
    const leaving = stay.leave(within);
    expect(await soon(leaving)).toBe('waits');
    await two.client.close();
    await leaving;
    expect((await one.barrier.inspect()).round).toBe(2);
  });

  it('or counts as having come and left, with the policy shrink', async () => {
    const clients = testClients(server);
    const options = { size: 3, deadMembers: 'shrink' } as const;
    const [one, two, dying] = (await open(clients, 3, options)) as [
      { client: Client; barrier: DoubleBarrier },
      { client: Client; barrier: DoubleBarrier },
      { client: Client; barrier: DoubleBarrier },
    ];
    const entering = one.barrier.enter(within);
    await expect.poll(() => members(one.client)).toHaveLength(1);
    const mortal = dying.barrier.enter(within);
    mortal.catch(() => {});
    await expect.poll(() => members(one.client)).toHaveLength(2);
    await dying.client.close();
    expect(await soon(entering)).toBe('waits');
    const stays = await Promise.all([entering, two.barrier.enter(within)]);
    await Promise.all(stays.map((stay) => stay.leave(within)));
    // That was for this round; the next one takes three.
    const next = [one.barrier.enter(within), two.barrier.enter(within)];
    expect(await soon(Promise.race(next))).toBe('waits');
    const last = await Promise.all([...next, new DoubleBarrier(two.client, name, options).enter(within)]);
    await Promise.all(last.map((stay) => stay.leave(within)));
  });

  it('a fleet that died as a whole is not held against who comes after it', async () => {
    const clients = testClients(server);
    const dead = await open(clients, 2, { size: 3 });
    const lost = dead.map(({ barrier }) => barrier.enter(within));
    for (const one of lost) one.catch(() => {});
    const other = await clients.open();
    await expect.poll(() => members(other)).toHaveLength(2);
    await Promise.all(dead.map(({ client }) => client.close()));
    const fresh = await open(clients, 3, { size: 3 });
    const stays = await Promise.all(fresh.map(({ barrier }) => barrier.enter(within)));
    // All of them, while they are inside: nobody is left to be told.
    await Promise.all(fresh.slice(1).map(({ client }) => client.close()));
    await expect(stays[0]?.leave(within)).rejects.toMatchObject({ code: 'barrier-broken' });
    const third = await open(clients, 3, { size: 3 });
    const again = await Promise.all(third.map(({ barrier }) => barrier.enter(within)));
    await Promise.all(again.map((stay) => stay.leave(within)));
  });

  it('a hundred enter and leave by two requests each, and a few more in all', async () => {
    const clients = testClients(server);
    const count = 100;
    const opened: { barrier: DoubleBarrier; total(): number; watches(): number }[] = [];
    for (let index = 0; index < count; index += 1) {
      const { client, counts } = await clients.openCounted({ stallWarningMs: 0, ttlMs: 600_000 });
      await client.session();
      counts.reset();
      const barrier = new DoubleBarrier(client, name, { size: count });
      opened.push({
        barrier,
        total: () => counts.total(),
        watches: () => counts.calls.watch,
      });
    }
    const stays = await Promise.all(opened.map(({ barrier }) => barrier.enter({ timeoutMs: 60_000 })));
    expect(new Set(stays.map(({ round }) => round))).toEqual(new Set([1]));
    await Promise.all(stays.map((stay) => stay.leave({ timeoutMs: 60_000 })));
    const requests = opened.map((one) => one.total() - one.watches());
    expect(Math.max(...requests)).toBeLessThanOrEqual(10);
    expect(Math.max(...opened.map((one) => one.watches()))).toBeLessThanOrEqual(2);
    // One to come and one to leave; a read as the watch opens; what the last and the two oldest do: 312. Nobody waits for
    // a TTL, after which it looks once more.
    expect(requests.reduce((sum, one) => sum + one, 0)).toBeLessThanOrEqual(4 * count);
  });

  it('whoever leaves and waits for nobody is not waited for', async () => {
    const clients = testClients(server);
    const [one, two] = (await open(clients, 2, { size: 2 })) as [
      { client: Client; barrier: DoubleBarrier },
      { client: Client; barrier: DoubleBarrier },
    ];
    const [first, second] = await Promise.all([one.barrier.enter(within), two.barrier.enter(within)]);
    const leaving = first.leave(within);
    expect(await soon(leaving)).toBe('waits');
    await second[Symbol.asyncDispose]();
    await leaving;
    await first.leave(within);
    await second.leave(within);
  });

  it('who gives up leaving has left, and may wait again', async () => {
    const clients = testClients(server);
    const [one, two] = (await open(clients, 2, { size: 2 })) as [
      { client: Client; barrier: DoubleBarrier },
      { client: Client; barrier: DoubleBarrier },
    ];
    const [first, second] = await Promise.all([one.barrier.enter(within), two.barrier.enter(within)]);
    await expect(first.leave({ timeoutMs: 50 })).rejects.toMatchObject({ code: 'timeout' });
    await expect.poll(() => members(one.client)).toHaveLength(1);
    const again = first.leave(within);
    expect(await soon(again)).toBe('waits');
    await expect(second.leave({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'aborted' });
    await again;
    await expect.poll(() => members(one.client)).toEqual([]);
  });

  it('a member whose key somebody deletes is told so, and a stay guards writes as long as it lasts', async () => {
    const clients = testClients(server);
    const [one, two] = (await open(clients, 2, { size: 2, deadMembers: 'wait' })) as [
      { client: Client; barrier: DoubleBarrier },
      { client: Client; barrier: DoubleBarrier },
    ];
    const [first, second] = await Promise.all([one.barrier.enter(within), two.barrier.enter(within)]);
    const write = { compare: [first.guard()], success: [put(`${clients.namespace}/x`, '1')], failure: [] };
    expect((await one.client.store.txn(write)).succeeded).toBe(true);
    const { key } = first.guard();
    await two.client.store.txn({ compare: [], success: [remove(key)], failure: [] });
    expect((await one.client.store.txn(write)).succeeded).toBe(false);
    await expect(first.leave(within)).rejects.toMatchObject({ code: 'hold-lost' });
    await second.leave(within);
  });

  it('refuses what makes no sense, and who means another barrier', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const bad = [null, { size: 0 }, { size: 1.5 }, { size: '2' }, { size: 10_001 }] as never[];
    for (const options of bad) expect(() => new DoubleBarrier(client, name, options)).toThrow(/accepted/);
    const odd = { size: 2, deadMembers: 'panic' } as never;
    expect(() => new DoubleBarrier(client, name, odd)).toThrow(/break, wait, shrink/);
    const full = { size: 2, whenFull: true } as never;
    expect(() => new DoubleBarrier(client, name, full)).toThrow(/refuse or queue/);
    const barrier = new DoubleBarrier(client, name, { size: 1 });
    for (const options of [null, { timeoutMs: -1 }] as never[]) {
      for (const call of [barrier.enter(options), barrier.inspect(options)]) {
        await expect(call).rejects.toMatchObject({ code: 'invalid-argument' });
      }
    }
    const stay = await barrier.enter(within);
    await expect(stay.leave({ timeoutMs: 0 })).rejects.toMatchObject({ code: 'invalid-argument' });
    expect(stay.isInside).toBe(true);
    for (const other of [{ size: 2 }, { size: 1, deadMembers: 'wait' }] as const) {
      const wrong = new DoubleBarrier(client, name, other).enter(within);
      await expect(wrong).rejects.toMatchObject({ code: 'invalid-argument' });
    }
    await stay.leave(within);
  });
});
