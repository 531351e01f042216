import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { handOver, Line, type Place } from '../../src/line/index.js';
import { MemoryServer } from '../../src/memory/index.js';
import { Client } from '../../src/session/index.js';
import { compare, prefixRange, put, remove, type Store } from '../../src/store/index.js';
import { gatedReads } from '../support/gated-reads.js';
import { hookedStore } from '../support/hooked-store.js';

async function openClient(store: Store): Promise<Client> {
  const client = await Client.open({ store, namespace: 'n', ttlMs: 60_000 });
  onTestFinished(() => client.close());
  return client;
}

async function memberOf(store: Store) {
  const client = await openClient(store);
  const prefix = client.keys.prefix('lock', 'm');
  const line = new Line(client, prefix, { grants: true });
  return { client, line, session: await client.session(), sentinel: `${prefix}s` };
}

/** Far less than a TTL, after which a waiter would look by itself. */
async function soon(place: Place): Promise<string> {
  return Promise.race([place.turn.then(() => 'has its turn'), delay(1_000, 'sleeps')]);
}

describe('the sentinel of a line', () => {
  it('is taken away by one who learns only by a look that it was handed the hold', async () => {
    const server = new MemoryServer();
    const [first, moved, last] = [
      await memberOf(server.connect()),
      await memberOf(server.connect()),
      await memberOf(server.connect()),
    ];
    const { sentinel, session } = first;
    await first.client.store.txn({
      compare: [],
      success: [put(sentinel, '', { lease: session.leaseId })],
      failure: [],
    });
    const from = await first.line.join(session);
    // Put by somebody else, as by who notifies a waiter.
    const coming = moved.line.joining(moved.session);
    await first.client.store.txn({ compare: [], success: coming.puts, failure: [] });
    const waiting = await last.line.join(last.session);
    expect(waiting.sawSentinel).toBe(true);
    const [to] = (await first.client.store.range({ key: coming.keys[0] as string })).kvs;
    if (to === undefined) throw new Error('it stands in the line');
    const alongside = first.line.handingTo(from, to);
    expect(await handOver({ client: first.client, from, to, alongside })).toBe(true);
    const handed = await coming.find();
    expect(handed.state.status).toBe('admitted');
    await delay(150);
    await moved.line.leave(handed);
    expect(await soon(waiting)).toBe('has its turn');
  });

  it('goes, and who learns of that late misses nothing of what the watch of the line told before', async () => {
    const server = new MemoryServer();
    const reads = gatedReads(server.connect());
    const [holder, waiter] = [await memberOf(server.connect()), await memberOf(reads.store)];
    const { sentinel, session } = holder;
    const hold = await holder.line.join(session);
    const ahead = await waiter.line.join(waiter.session);
    await holder.client.store.txn({
      compare: [],
      success: [put(sentinel, '', { lease: session.leaseId })],
      failure: [],
    });
    const waiting = await waiter.line.join(waiter.session);
    expect([ahead.sawSentinel, waiting.sawSentinel]).toEqual([false, true]);
    await holder.line.leave(hold);
    await ahead.turn;
    await delay(150);
    reads.hold();
    await holder.client.store.txn({
      compare: [compare.create(sentinel, 'greater', 0)],
      success: [remove(sentinel)],
      failure: [],
    });
    // It has looked, and the reply is on its way; meanwhile its turn comes.
    await expect.poll(() => reads.kept).toBe(1);
    await waiter.line.leave(ahead);
    await delay(20);
    reads.letGo();
    expect(await soon(waiting)).toBe('has its turn');
  });

  it('goes where the next in line cannot be told, since somebody wrote its key anew', async () => {
    const server = new MemoryServer();
    const [holder, waiter] = [await memberOf(server.connect()), await memberOf(server.connect())];
    const hold = await holder.line.join(holder.session);
    const waiting = await waiter.line.join(waiter.session);
    const [claim] = waiting.claims as [(typeof waiting.claims)[number]];
    const lease = waiter.session.leaseId;
    hold.behind = [{ key: claim.key, created: claim.created, lease }];
    await holder.client.store.txn({ compare: [], success: [put(claim.key, 'x', { lease })], failure: [] });
    const left = holder.line.leave(hold).then((done) => (done ? 'has left' : 'had gone'));
    expect(await Promise.race([left, delay(1_000, 'asks again and again')])).toBe('has left');
    expect(await soon(waiting)).toBe('has its turn');
  });

  it('goes, and the mailbox too, where one is granted its turn as it gives up waiting', async () => {
    const server = new MemoryServer();
    const hooked = hookedStore(server.connect());
    const [holder, waiter] = [await memberOf(server.connect()), await memberOf(hooked.store)];
    const hold = await holder.line.join(holder.session);
    const waiting = await waiter.line.join(waiter.session);
    const [claim] = waiting.claims as [(typeof waiting.claims)[number]];
    hold.behind = [{ key: claim.key, created: claim.created, lease: waiter.session.leaseId }];
    hooked.hook = async (_request, send) => {
      hooked.hook = undefined;
      // What gives it up is on its way.
      await holder.line.leave(hold);
      return send();
    };
    expect(await waiter.line.leave(waiting)).toBe(true);
    const base = holder.client.keys.prefix('lock', 'm');
    expect((await holder.client.store.range(prefixRange(base))).kvs).toEqual([]);
  });
});
