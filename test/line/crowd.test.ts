import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Line, type Place } from '../../src/line/index.js';
import { MemoryServer } from '../../src/memory/index.js';
import { Client } from '../../src/session/index.js';
import { type Op, put, type Store, type TxnRequest } from '../../src/store/index.js';
import { gatedReads } from '../support/gated-reads.js';
import { hookedStore } from '../support/hooked-store.js';

async function memberOf(store: Store) {
  const client = await Client.open({ store, namespace: 'n', ttlMs: 60_000 });
  onTestFinished(() => client.close());
  const prefix = client.keys.prefix('lock', 'm');
  const line = new Line(client, prefix, { grants: true });
  return { client, line, session: await client.session(), sentinel: `${prefix}s` };
}

type Member = Awaited<ReturnType<typeof memberOf>>;

/** Has somebody stand guard over a line, as a holder that was granted its turn by name does. */
async function standGuard({ client, session, sentinel }: Member): Promise<void> {
  await client.store.txn({
    success: [put(sentinel, '', { lease: session.leaseId })],
    compare: [],
    failure: [],
  });
}

/** Far less than a TTL, after which a waiter would look by itself. */
async function soon(place: Place): Promise<string> {
  return Promise.race([place.turn.then(() => 'has its turn'), delay(10_000, 'sleeps')]);
}

/** The ranges of transactions that take a place. */
function looksOf(request: TxnRequest): readonly Op[] {
  const all = (ops: readonly Op[]): readonly Op[] =>
    ops.flatMap((op) => (op.type === 'txn' ? all(op.success) : [op]));
  const ops = all(request.success);
  const takes = ops.some((op) => op.type === 'put' && op.key.includes('/l/m'));
  return takes ? ops.filter(({ type }) => type === 'range') : [];
}

/** A holder, and another whose line was crowded when it stood there last. */
async function aCrowd(storeOf: (server: MemoryServer) => Store) {
  const server = new MemoryServer();
  const [holder, waiter] = [await memberOf(server.connect()), await memberOf(storeOf(server))];
  await standGuard(holder);
  const hold = await holder.line.join(holder.session);
  const before = await waiter.line.join(waiter.session);
  expect(before.sawSentinel).toBe(true);
  return { holder, waiter, hold, before };
}

describe('a join in a line that was crowded', () => {
  it('asks how many stand there and whether one stands guard, and not who they are', async () => {
    let hooked: ReturnType<typeof hookedStore> | undefined;
    const { holder, waiter, before } = await aCrowd((server) => {
      hooked = hookedStore(server.connect());
      return hooked.store;
    });
    await waiter.line.leave(before);
    const looks: Op[] = [];
    if (hooked !== undefined) {
      hooked.hook = (request, send) => {
        looks.push(...looksOf(request));
        return send();
      };
    }
    const place = await waiter.line.join(waiter.session);
    expect(looks).toMatchObject([{ countOnly: true }, { key: holder.sentinel, keysOnly: true }]);
    expect(place).toMatchObject({ ahead: 1, aheadAtFirst: 1, sawSentinel: true });
    expect(place.state.status).toBe('waiting');
  });

  it('has its turn at once where all have gone', async () => {
    const { holder, waiter, hold, before } = await aCrowd((server) => server.connect());
    await waiter.line.leave(before);
    await holder.line.leave(hold);
    const place = await waiter.line.join(waiter.session);
    expect(place.state).toEqual({ status: 'admitted', revision: place.revision });
  });

  it('reads the line where nobody stands guard, and is told of what happens meanwhile', async () => {
    let reads: ReturnType<typeof gatedReads> | undefined;
    const { holder, waiter, hold, before } = await aCrowd((server) => {
      reads = gatedReads(server.connect());
      return reads.store;
    });
    // The watch of the line stands open from here on, and misses nothing.
    await holder.line.leave(hold);
    await before.turn;
    waiter.line.guardAgainstDeletion(before);
    await delay(150);
    await waiter.line.leave(before);
    const again = await holder.line.join(holder.session);
    reads?.hold();
    const place = await waiter.line.join(waiter.session);
    expect(place).toMatchObject({ ahead: 1, sawSentinel: false });
    // It has looked, and the reply, in which the holder stands, is on its way when the holder goes.
    await expect.poll(() => reads?.kept).toBe(1);
    await holder.line.leave(again);
    await delay(20);
    expect(place.state.status).toBe('waiting');
    reads?.letGo();
    expect(await soon(place)).toBe('has its turn');
  });

  it('is told by the guard, which goes, and then looks who is left', async () => {
    const { holder, waiter, hold, before } = await aCrowd((server) => server.connect());
    await waiter.line.leave(before);
    const place = await waiter.line.join(waiter.session);
    await holder.line.leave(hold);
    expect(await soon(place)).toBe('has its turn');
  });
});
