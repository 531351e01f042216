import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { QuorateError } from '../../src/errors.js';
import { FencedWrites, handOver, Line, type Place } from '../../src/line/index.js';
import { MemoryServer } from '../../src/memory/index.js';
import { Client } from '../../src/session/index.js';
import { compare, type KeyValue, prefixRange, put, remove, type Store } from '../../src/store/index.js';
import { gatedReads } from '../support/gated-reads.js';
import { hookedStore } from '../support/hooked-store.js';
import { storeWith } from '../support/store-with.js';

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

type Member = Awaited<ReturnType<typeof memberOf>>;

/** It puts the sentinel, as who has its turn in a crowd does. */
async function standGuard({ client, sentinel, session: { leaseId } }: Member): Promise<void> {
  await client.store.txn({ compare: [], success: [put(sentinel, '', { lease: leaseId })], failure: [] });
}

async function keyOf({ client }: Member, key: string): Promise<KeyValue | undefined> {
  return (await client.store.range({ key })).kvs[0];
}

/** Who stands in the line, in order. */
async function placesIn({ client, line }: Member): Promise<readonly KeyValue[]> {
  return (await client.store.range({ ...line.range, sort: { target: 'create', order: 'ascend' } })).kvs;
}

/** What stands of the lock: places, mailboxes, and the sentinel. */
async function keysOf({ client }: Member): Promise<readonly string[]> {
  const { kvs } = await client.store.range(prefixRange(client.keys.prefix('lock', 'm')));
  return kvs.map(({ key }) => key);
}

/** A store whose watches tell of no event: they are on their way. */
function untold(store: Store): Store {
  const watch: Store['watch'] = (request) => {
    const inner = store.watch(request);
    async function* items() {
      for await (const item of inner) if (item.type !== 'events') yield item;
    }
    return { close: () => inner.close(), [Symbol.asyncIterator]: items };
  };
  return storeWith(store, { watch });
}

/** One who has the turn since it was told so by name, and one behind it, who is told of nothing but its own. */
async function aGrantedTurn(storeOf = (server: MemoryServer): Store => server.connect(), isTold = true) {
  const server = new MemoryServer();
  const [before, holder, waiter] = [
    await memberOf(server.connect()),
    await memberOf(storeOf(server)),
    await memberOf(server.connect()),
  ];
  const { sentinel, session } = before;
  await standGuard(before);
  const first = await before.line.join(session);
  const turn = await holder.line.join(holder.session);
  const waiting = await waiter.line.join(waiter.session);
  // The reads that stand by for a fresh watch are over then.
  await delay(150);
  first.behind = [turn, waiting].map(({ key, revision, session: { leaseId } }) => {
    return { key, created: revision, lease: leaseId };
  });
  await before.line.leave(first);
  if (isTold) await turn.turn;
  expect(waiting.state.status).toBe('waiting');
  expect((await keyOf(before, sentinel))?.lease).toBe(holder.session.leaseId);
  /** As an administrator does. */
  const takeAway = async () => {
    await before.client.store.txn({ compare: [], success: [remove(turn.key)], failure: [] });
  };
  return { server, before, holder, waiter, turn, waiting, takeAway };
}

type GrantedTurn = Awaited<ReturnType<typeof aGrantedTurn>>;

/** How the one who has it comes to know that its place was deleted. */
const noticing: readonly (readonly [string, (turn: GrantedTurn) => Promise<unknown>])[] = [
  ['its watch', async ({ holder, turn }) => holder.line.guardAgainstDeletion(turn)],
  ['its release, which is refused', ({ holder, turn }) => holder.line.leave(turn)],
  [
    'a write, which is refused',
    ({ holder, turn }) => new FencedWrites(holder.client, turn).txn({ success: [put('x', '1')] }),
  ],
  [
    'a hand-over, which is refused',
    async ({ holder, waiter, turn, waiting }) => {
      const to = await keyOf(waiter, waiting.key);
      return to && handOver({ client: holder.client, from: turn, to });
    },
  ],
];

/** Far less than a TTL, after which a waiter would look by itself. */
async function soon(place: Place): Promise<string> {
  return Promise.race([place.turn.then(() => 'has its turn'), delay(10_000, 'sleeps')]);
}

describe('the sentinel of a line', () => {
  it('is taken away by one who learns only by a look that it was handed the hold', async () => {
    const server = new MemoryServer();
    const [first, moved, last] = [
      await memberOf(server.connect()),
      await memberOf(server.connect()),
      await memberOf(server.connect()),
    ];
    await standGuard(first);
    const from = await first.line.join(first.session);
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
    await standGuard(holder);
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
    expect(await Promise.race([left, delay(10_000, 'asks again and again')])).toBe('has left');
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

  it.each(noticing)(
    'goes where somebody deleted the place that has the turn, as soon as that is noticed by %s',
    async (_by, notice) => {
      const scene = await aGrantedTurn();
      await scene.takeAway();
      await notice(scene).catch(() => {});
      expect(await soon(scene.waiting)).toBe('has its turn');
      expect(scene.turn.state).toMatchObject({ status: 'gone', error: { code: 'hold-lost' } });
    },
  );

  it.each([
    ['it gives up', ({ holder, turn }: GrantedTurn) => holder.line.leave(turn)],
    [
      'it looks at the line',
      async ({ holder, turn }: GrantedTurn) => {
        const { kvs, revision } = await holder.client.store.range(holder.line.range);
        turn.see(new Map(kvs.map((kv) => [kv.key, kv])), revision, true);
      },
    ],
  ])(
    'goes where somebody deleted the place that has the turn before it was told so, as soon as %s',
    async (_when, notice) => {
      const scene = await aGrantedTurn((server) => untold(server.connect()), false);
      await scene.takeAway();
      expect(scene.turn.state.status).toBe('waiting');
      await notice(scene);
      expect(scene.turn.state).toMatchObject({ status: 'gone', error: { code: 'hold-lost' } });
      expect(await soon(scene.waiting)).toBe('has its turn');
    },
  );

  it('goes where a place of which nobody knew whether it was taken had its turn, and was deleted, before it was looked for', async () => {
    const server = new MemoryServer();
    const [before, holder, waiter] = [
      await memberOf(server.connect()),
      await memberOf(server.connect()),
      await memberOf(server.connect()),
    ];
    await standGuard(before);
    const first = await before.line.join(before.session);
    const txn = holder.client.store.txn.bind(holder.client.store);
    let lose = () => {};
    const lost = new Promise<void>((resolve) => {
      lose = resolve;
    });
    vi.spyOn(holder.client.store, 'txn').mockImplementationOnce(async (request, options) => {
      await txn(request, options);
      await lost;
      throw new QuorateError('compacted', 'what became of it was compacted', { outcome: 'unknown' });
    });
    const joining = holder.line.join(holder.session);
    await expect.poll(() => placesIn(before)).toHaveLength(2);
    const waiting = await waiter.line.join(waiter.session);
    const [, unknown, last] = await placesIn(before);
    if (unknown === undefined || last === undefined) throw new Error('they stand in the line');
    // The reads that stand by for a fresh watch are over then.
    await delay(150);
    first.behind = [unknown, last].map(({ key, createRevision: created, lease }) => ({
      key,
      created,
      lease,
    }));
    await before.line.leave(first);
    expect((await keyOf(before, before.sentinel))?.lease).toBe(holder.session.leaseId);
    await before.client.store.txn({ compare: [], success: [remove(unknown.key)], failure: [] });
    expect(waiting.state.status).toBe('waiting');
    lose();
    expect((await joining).state).toMatchObject({ status: 'gone', error: { code: 'hold-lost' } });
    expect(await soon(waiting)).toBe('has its turn');
  });

  it('goes with the place of one who came back to the lock by a notification, too', async () => {
    const server = new MemoryServer();
    const [first, moved, last] = [
      await memberOf(server.connect()),
      await memberOf(server.connect()),
      await memberOf(server.connect()),
    ];
    await standGuard(first);
    const before = await first.line.join(first.session);
    // Put by who notifies it.
    const coming = moved.line.joining(moved.session);
    await first.client.store.txn({ compare: [], success: coming.puts, failure: [] });
    const place = await coming.find();
    moved.line.follow(place);
    const waiting = await last.line.join(last.session);
    await delay(150);
    before.behind = [{ key: place.key, created: place.revision, lease: moved.session.leaseId }];
    await first.line.leave(before);
    await place.turn;
    await first.client.store.txn({ compare: [], success: [remove(place.key)], failure: [] });
    expect(await moved.line.leave(place)).toBe(false);
    expect(await soon(waiting)).toBe('has its turn');
  });

  it('stays where another has the turn by the time that a deletion is noticed', async () => {
    let hooked: ReturnType<typeof hookedStore> | undefined;
    const { before, holder, waiter, turn, takeAway } = await aGrantedTurn((server) => {
      hooked = hookedStore(server.connect());
      return hooked.store;
    });
    await takeAway();
    const { sentinel, session } = waiter;
    await standGuard(waiter);
    let asked = false;
    if (hooked !== undefined) {
      hooked.hook = async (request, send) => {
        const reply = await send();
        asked ||= request.compare.some(({ target, key }) => target === 'lease' && key === sentinel);
        return reply;
      };
    }
    expect(await holder.line.leave(turn)).toBe(false);
    await expect.poll(() => asked).toBe(true);
    expect((await keyOf(before, sentinel))?.lease).toBe(session.leaseId);
  });

  it('LOCK-10 and the mailbox of one who was granted its turn are left to nobody when it hands that on', async () => {
    const { holder, waiter, turn, waiting } = await aGrantedTurn();
    const to = await keyOf(waiter, waiting.key);
    if (to === undefined) throw new Error('it stands in the line');
    const alongside = holder.line.handingTo(turn, to);
    expect(await handOver({ client: holder.client, from: turn, to, alongside })).toBe(true);
    expect(await soon(waiting)).toBe('has its turn');
    expect((await keysOf(holder)).filter((key) => key.includes('/g/'))).toHaveLength(1);
    expect(await waiter.line.leave(waiting)).toBe(true);
    expect(await keysOf(holder)).toEqual([]);
  });

  it('LOCK-10 nor when it hands that on to one who is told nothing by name, as of a set of locks', async () => {
    const { before, holder, waiter, turn, waiting } = await aGrantedTurn();
    await waiter.line.leave(waiting);
    const plain = new Line(before.client, before.client.keys.prefix('lock', 'm'));
    const last = await plain.join(before.session);
    const to = await keyOf(before, last.key);
    if (to === undefined) throw new Error('it stands in the line');
    const alongside = holder.line.handingTo(turn, to);
    expect(await handOver({ client: holder.client, from: turn, to, alongside })).toBe(true);
    expect(await soon(last)).toBe('has its turn');
    expect(await keysOf(holder)).toEqual([last.key]);
    await plain.leave(last);
    expect(await keysOf(holder)).toEqual([]);
  });
});
