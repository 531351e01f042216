import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { PhaserMember } from '../../../src/barriers/phaser/phaser-member.js';
import { Phaser } from '../../../src/barriers/phaser.js';
import type { Client } from '../../../src/session/index.js';
import { prefixRange } from '../../../src/store/index.js';
import { type TestClients, testClients } from '../../support/clients.js';
import { describeStores } from '../../support/stores.js';

interface Party {
  readonly client: Client;
  readonly phaser: Phaser;
}

async function open(clients: TestClients, count: number): Promise<readonly Party[]> {
  const opened: Party[] = [];
  for (let index = 0; index < count; index += 1) {
    const client = await clients.open({ label: `party ${index}`, ttlMs: 60_000 });
    opened.push({ client, phaser: new Phaser(client, 'f') });
  }
  return opened;
}

async function untilArrived({ phaser }: Party, count: number): Promise<void> {
  await expect.poll(async () => (await phaser.inspect()).arrived.length).toBe(count);
}

async function keysOf(client: Client): Promise<readonly string[]> {
  const prefix = client.keys.prefix('phaser', 'f');
  const { kvs } = await client.store.range(prefixRange(prefix));
  return kvs.map(({ key }) => key.slice(prefix.length));
}

describeStores('Phaser', (server) => {
  it('PHASER-1 a phase ends when all who are registered have arrived', async () => {
    const all = await open(testClients(server), 3);
    const members = await Promise.all(all.map(({ phaser }) => phaser.register()));
    const [first] = all as [Party];
    for (let phase = 0; phase < 10; phase += 1) {
      const [last, ...others] = members as [PhaserMember, ...PhaserMember[]];
      const waits = others.map((member) => member.arriveAndAwait());
      await untilArrived(first, 2);
      if (phase === 0) expect(await Promise.race([...waits, delay(60, 'waits')])).toBe('waits');
      expect(await last.arrive()).toBe(phase);
      expect(await Promise.all(waits)).toEqual([phase + 1, phase + 1]);
    }
    expect(await first.phaser.inspect()).toMatchObject({ phase: 10, registered: 3, arrived: [] });
  });

  it('costs one request to register, to arrive and to leave, and one more for the last', async () => {
    const clients = testClients(server);
    const counted = await clients.openCounted();
    const phaser = new Phaser(counted.client, 'f');
    await counted.client.session();
    counted.counts.reset();
    const own = await phaser.register();
    expect(counted.counts.total()).toBe(1);
    const [other] = (await open(clients, 1)) as [Party];
    const member = await other.phaser.register();
    const waiting = own.arriveAndAwait();
    await untilArrived(other, 1);
    await member.arrive();
    await waiting;
    counted.counts.reset();
    const again = own.arriveAndAwait();
    await untilArrived(other, 1);
    expect(counted.counts.calls.txn).toBe(1);
    await member.arrive();
    expect(await again).toBe(2);
    expect(counted.counts.total()).toBe(1);
    const third = member.arriveAndAwait();
    await untilArrived(other, 1);
    counted.counts.reset();
    await own.arriveAndAwait();
    await third;
    expect(counted.counts.total()).toBe(2);
    counted.counts.reset();
    await own.arriveAndDeregister();
    expect(counted.counts.total()).toBe(1);
  });

  it('PHASER-1 who registers while others have arrived is waited for', async () => {
    const [first, second] = (await open(testClients(server), 2)) as [Party, Party];
    const [one, two] = await first.phaser.bulkRegister(2);
    const waiting = (one as PhaserMember).arriveAndAwait();
    await untilArrived(first, 1);
    const late = await second.phaser.register();
    expect(late.phase).toBe(0);
    await (two as PhaserMember).arrive();
    expect(await Promise.race([waiting, delay(80, 'waits')])).toBe('waits');
    expect((await first.phaser.inspect()).awaited).toEqual(['party 1']);
    expect(await late.arrive()).toBe(0);
    expect(await waiting).toBe(1);
    const next = await second.phaser.register();
    expect(next.phase).toBe(1);
  });

  it('PHASER-2 an arrival that is repeated counts once', async () => {
    const [first, second] = (await open(testClients(server), 2)) as [Party, Party];
    const [one, two] = [await first.phaser.register(), await second.phaser.register()];
    const arrivals = await Promise.all([one.arrive(), one.arrive(), one.arrive()]);
    expect(arrivals).toEqual([0, 0, 0]);
    expect(await first.phaser.inspect()).toMatchObject({ phase: 0, awaited: ['party 1'] });
    await two.arrive();
    expect(await first.phaser.awaitAdvance(0)).toBe(1);
    // Its own arrival in phase 1, although this process was told of the end by an event only.
    expect(await one.arrive()).toBe(1);
    expect((await first.phaser.inspect()).awaited).toEqual(['party 1']);
  });

  it('PHASER-4 a member that leaves, or dies, keeps nobody waiting', async () => {
    const all = await open(testClients(server), 4);
    const [first, second, third, fourth] = all as [Party, Party, Party, Party];
    const one = await first.phaser.register();
    const leaver = await second.phaser.register();
    const dying = await third.phaser.register();
    const waiting = one.arriveAndAwait();
    const watching = fourth.phaser.awaitAdvance(0);
    await untilArrived(first, 1);
    expect(await leaver.arriveAndDeregister()).toBe(0);
    expect(leaver.isRegistered).toBe(false);
    expect(await Promise.race([waiting, delay(60, 'waits')])).toBe('waits');
    await third.client.close();
    expect(await waiting).toBe(1);
    expect(await watching).toBe(1);
    await expect(dying.arrive()).rejects.toMatchObject({ code: 'session-lost' });
    await expect(leaver.arrive()).rejects.toMatchObject({ code: 'hold-lost' });
    await one.arriveAndDeregister();
    expect(await keysOf(first.client)).toEqual(['phase']);
    expect(await first.phaser.remove()).toBe(true);
    expect(await keysOf(first.client)).toEqual([]);
  });

  it('ends the phase when the last that was missing leaves, and when the last member does', async () => {
    const [first, second] = (await open(testClients(server), 2)) as [Party, Party];
    const [one, two] = [await first.phaser.register(), await second.phaser.register()];
    const waiting = one.arriveAndAwait();
    await untilArrived(first, 1);
    await two.arriveAndDeregister();
    expect(await waiting).toBe(1);
    const watching = second.phaser.awaitAdvance(1);
    await one.arriveAndDeregister();
    expect(await watching).toBe(2);
  });

  it('PHASER-4 goes on where the one that arrived first, who keeps watch, died with one that had not', async () => {
    const all = await open(testClients(server), 3);
    const [first, second, third] = all as [Party, Party, Party];
    const monitor = await first.phaser.register();
    const other = await second.phaser.register();
    await third.phaser.register();
    const lost = monitor.arriveAndAwait().catch((error: unknown) => error);
    await untilArrived(second, 1);
    const waiting = other.arriveAndAwait({ timeoutMs: 20_000 });
    await untilArrived(second, 2);
    await Promise.all([first.client.close(), third.client.close()]);
    expect(await lost).toMatchObject({ code: 'session-lost' });
    expect(await waiting).toBe(1);
  });

  it('several members register, and arrive, in one request', async () => {
    const clients = testClients(server);
    const counted = await clients.openCounted();
    const phaser = new Phaser(counted.client, 'f');
    const members = await phaser.bulkRegister(50);
    expect((await phaser.inspect()).registered).toBe(50);
    counted.counts.reset();
    expect(await phaser.bulkArrive(members)).toBe(0);
    expect(await phaser.awaitAdvance(0)).toBe(1);
    expect(counted.counts.calls.txn).toBeLessThanOrEqual(3);
    // One that has arrived already: each for itself then.
    await members[0]?.arrive();
    expect(await phaser.bulkArrive(members.slice(0, 3))).toBe(1);
    expect((await phaser.inspect()).arrived).toHaveLength(3);
  });

  it('a wait that is given up leaves the arrival as it is, and a registration that is leaves no key', async () => {
    const [first, second] = (await open(testClients(server), 2)) as [Party, Party];
    const [one, two] = [await first.phaser.register(), await second.phaser.register()];
    const controller = new AbortController();
    const given = one.arriveAndAwait({ signal: controller.signal });
    given.catch(() => {});
    await expect.poll(async () => (await first.phaser.inspect()).awaited).toEqual(['party 1']);
    controller.abort(new Error('changed my mind'));
    await expect(given).rejects.toMatchObject({ code: 'aborted' });
    await expect(one.arriveAndAwait({ timeoutMs: 30 })).rejects.toMatchObject({ code: 'timeout' });
    expect((await first.phaser.inspect()).awaited).toEqual(['party 1']);
    await expect(first.phaser.awaitAdvance(0, { timeoutMs: 30 })).rejects.toMatchObject({ code: 'timeout' });
    await two.arrive();
    expect(await first.phaser.awaitAdvance(0)).toBe(1);
    const leave = new AbortController();
    const registering = second.phaser.register({ signal: leave.signal });
    leave.abort(new Error('not any more'));
    await expect(registering).rejects.toMatchObject({ code: 'aborted' });
    await delay(50);
    await expect.poll(async () => (await first.phaser.inspect()).registered).toBe(2);
    await one.arriveAndDeregister();
    await two.arriveAndDeregister();
    await expect.poll(async () => (await first.phaser.inspect()).phase).toBe(2);
    const last = new AbortController();
    const none = second.phaser.register({ signal: last.signal });
    last.abort(new Error('nor now'));
    await expect(none).rejects.toMatchObject({ code: 'aborted' });
    await delay(50);
    await expect.poll(async () => (await first.phaser.inspect()).registered).toBe(0);
    expect((await first.phaser.inspect()).phase).toBe(2);
  });

  it('a registration that somebody deletes ends, also while it waits', async () => {
    const [first] = (await open(testClients(server), 1)) as [Party];
    const member = await first.phaser.register();
    const range = prefixRange(`${first.client.keys.prefix('phaser', 'f')}m/`);
    await first.client.store.txn({ compare: [], success: [{ type: 'delete', ...range }], failure: [] });
    await expect(member.arrive()).rejects.toMatchObject({ code: 'hold-lost' });
    expect(member.isRegistered).toBe(false);
    const [one] = await first.phaser.bulkRegister(2);
    const waiting = (one as PhaserMember).arriveAndAwait();
    await untilArrived(first, 1);
    await first.client.store.txn({ compare: [], success: [{ type: 'delete', ...range }], failure: [] });
    await expect(waiting).rejects.toMatchObject({ code: 'hold-lost' });
  });

  it('PHASER-3 what was known of one that was removed ends no wait at the next of its name', async () => {
    const [first, second] = (await open(testClients(server), 2)) as [Party, Party];
    const member = await first.phaser.register();
    await member.arriveAndAwait();
    await member.arriveAndDeregister();
    expect(await first.phaser.remove()).toBe(true);
    const next = await second.phaser.register();
    const waiting = first.phaser.awaitAdvance(0, { timeoutMs: 100 });
    await expect(waiting).rejects.toMatchObject({ code: 'timeout' });
    await next.arrive();
    expect(await first.phaser.awaitAdvance(0)).toBe(1);
  });

  it('PHASER-3 what was known of one that another process has removed ends no wait either', async () => {
    const [first, second] = (await open(testClients(server), 2)) as [Party, Party];
    for (const known of [2, 1]) {
      const member = await first.phaser.register();
      await member.arriveAndAwait();
      expect(await second.phaser.awaitAdvance(0)).toBe(1);
      await member.arriveAndAwait();
      if (known === 2) expect(await second.phaser.awaitAdvance(1)).toBe(2);
      await member.arriveAndDeregister();
      expect(await first.phaser.remove()).toBe(true);
      // It knows of phase 2, or of phase 1 and is told only now of what came after.
      const next = await first.phaser.register();
      for (const phase of [0, 1]) {
        const waiting = second.phaser.awaitAdvance(phase, { timeoutMs: 60 });
        await expect(waiting).rejects.toMatchObject({ code: 'timeout' });
      }
      await next.arrive();
      expect(await second.phaser.awaitAdvance(0)).toBe(1);
      await next.arriveAndDeregister();
      expect(await first.phaser.remove()).toBe(true);
    }
  });

  it('leaves when it is disposed of', async () => {
    const [first] = (await open(testClients(server), 1)) as [Party];
    {
      await using member = await first.phaser.register();
      expect(member.isRegistered).toBe(true);
    }
    expect((await first.phaser.inspect()).registered).toBe(0);
  });

  it('refuses what makes no sense', async () => {
    const [first, second] = (await open(testClients(server), 2)) as [Party, Party];
    const wrong = { code: 'invalid-argument' };
    expect(() => new Phaser(first.client, '')).toThrow(expect.objectContaining(wrong));
    for (const count of [0, 51, 1.5, Number.NaN, null, '2']) {
      await expect(first.phaser.bulkRegister(count as number)).rejects.toMatchObject(wrong);
    }
    for (const phase of [-1, 0.5, Number.NaN, null, '0']) {
      await expect(first.phaser.awaitAdvance(phase as number)).rejects.toMatchObject(wrong);
    }
    const member = await first.phaser.register();
    for (const members of [null, [], [null], [{}], 'x']) {
      await expect(first.phaser.bulkArrive(members as never)).rejects.toMatchObject(wrong);
    }
    await expect(second.phaser.bulkArrive([member])).rejects.toMatchObject(wrong);
    await expect(member.arrive({ timeoutMs: -1 })).rejects.toMatchObject(wrong);
    await expect(member.arriveAndAwait(null as never)).rejects.toMatchObject(wrong);
    await expect(member.arriveAndDeregister({ signal: 'x' as never })).rejects.toMatchObject(wrong);
  });
});
