import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { PhaserMember } from '../../../src/barriers/phaser/phaser-member.js';
import { Phaser } from '../../../src/barriers/phaser.js';
import { MemoryServer } from '../../../src/memory/index.js';
import { hooksOn } from '../../../src/runtime/abort-hooks.js';
import { Client } from '../../../src/session/index.js';
import type { Op, Store, TxnRequest } from '../../../src/store/index.js';
import { cuttingWatches } from '../../support/cut-watches.js';
import { hookedStore } from '../../support/hooked-store.js';
import { openStallingClient } from '../../support/stalling-client.js';

async function party(store: Store) {
  const client = await Client.open({ store, namespace: 'n' });
  onTestFinished(() => client.close());
  return { client, phaser: new Phaser(client, 'f') };
}

function ops({ success, failure }: TxnRequest): readonly Op[] {
  return [...success, ...failure].flatMap((op) => (op.type === 'txn' ? ops(op) : [op]));
}

const putsPhase = (request: TxnRequest) =>
  ops(request).some((op) => op.type === 'put' && op.key === 'n/phaser/f/phase');

describe('Phaser, when things go wrong', () => {
  it('PHASER-3 a watch that is cut, with history compacted, ends no wait, and then tells what happened meanwhile', async () => {
    const server = new MemoryServer();
    const { store, cut } = cuttingWatches(server.connect());
    const [one, other] = [await party(store), await party(server.connect())];
    const [own, member] = [await one.phaser.register(), await other.phaser.register()];
    let isOver = false;
    const waiting = own.arriveAndAwait().finally(() => {
      isOver = true;
    });
    await expect.poll(async () => (await other.phaser.inspect()).arrived.length).toBe(1);
    const mend = cut();
    await delay(30);
    await server.connect().compact(server.engine.revision);
    expect(isOver).toBe(false);
    await member.arriveAndAwait();
    expect(isOver).toBe(false);
    mend();
    expect(await waiting).toBe(1);
  });

  it.each([
    ['to arrive', (member: PhaserMember) => member.arrive()],
    ['to leave', (member: PhaserMember) => member.arriveAndDeregister()],
    ['to be disposed of', (member: PhaserMember) => member[Symbol.asyncDispose]()],
  ])(
    'a member that is asked %s while a stall is being decided waits for that, and does so',
    async (_what, ask) => {
      const server = new MemoryServer();
      const { client, standStill } = await openStallingClient(server);
      const other = await (await party(server.connect())).phaser.register();
      const member = await new Phaser(client, 'f').register();
      standStill(true);
      await ask(member);
      expect(await other.arriveAndAwait({ timeoutMs: 2_000 })).toBe(1);
    },
  );

  it('PHASER-1 an end that is on its way is refused by a newcomer', async () => {
    const server = new MemoryServer();
    const hooked = hookedStore(server.connect());
    const [one, other] = [await party(hooked.store), await party(server.connect())];
    const own = await one.phaser.register();
    let late: Promise<number> | undefined;
    hooked.hook = async (request, send) => {
      if (!putsPhase(request)) return send();
      hooked.hook = undefined;
      const newcomer = await other.phaser.register();
      expect(newcomer.phase).toBe(0);
      late = delay(60).then(() => newcomer.arrive());
      return send();
    };
    const waiting = own.arriveAndAwait();
    expect(await Promise.race([waiting, delay(50, 'waits')])).toBe('waits');
    expect(await waiting).toBe(1);
    expect(await late).toBe(0);
  });

  it('PHASER-4 the others go on where the last to arrive died before it could say so', async () => {
    const server = new MemoryServer();
    const hooked = hookedStore(server.connect());
    const [one, other] = [await party(server.connect()), await party(hooked.store)];
    const [own, member] = [await one.phaser.register(), await other.phaser.register()];
    hooked.hook = async (request, send) => {
      if (!putsPhase(request)) return send();
      await other.client.close();
      return new Promise(() => {});
    };
    const waiting = own.arriveAndAwait();
    await expect.poll(async () => (await one.phaser.inspect()).arrived.length).toBe(1);
    await member.arrive();
    expect(await waiting).toBe(1);
  });

  it('says so where somebody has written something else to its key', async () => {
    const server = new MemoryServer();
    const one = await party(server.connect());
    const member = await one.phaser.register();
    const put = { type: 'put', key: 'n/phaser/f/phase', value: Buffer.from('x') } as const;
    await server.connect().txn({ compare: [], success: [put], failure: [] });
    await expect(member.arriveAndAwait()).rejects.toMatchObject({ code: 'codec' });
    await expect(one.phaser.awaitAdvance(0)).rejects.toMatchObject({ code: 'codec' });
    await expect(one.phaser.register()).rejects.toMatchObject({ code: 'codec' });
  });

  it('leaves no listener behind', async () => {
    const server = new MemoryServer();
    const one = await party(server.connect());
    for (let round = 0; round < 30; round += 1) {
      const member = await one.phaser.register();
      await member.arriveAndAwait({ timeoutMs: 5_000 });
      await member.arriveAndDeregister();
    }
    const session = await one.client.session();
    expect(hooksOn(session.signal)).toBe(0);
    expect(one.client.hub.watchCount).toBeLessThanOrEqual(2);
  });
});
