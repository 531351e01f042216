import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { QuorateError } from '../../src/errors.js';
import { type Hold, Mutex } from '../../src/locks/index.js';
import { MultiLock } from '../../src/locks/multi-lock.js';
import { ReadWriteLock } from '../../src/locks/read-write-lock.js';
import { Semaphore } from '../../src/locks/semaphore.js';
import { MemoryServer } from '../../src/memory/index.js';
import { Client, type ClientOptions } from '../../src/session/index.js';
import { prefixRange, remove, type Store } from '../../src/store/index.js';
import { countingStore } from '../support/counting-store.js';
import { hookedStore } from '../support/hooked-store.js';
import { ManualRuntime } from '../support/manual-runtime.js';
import { openStallingClient } from '../support/stalling-client.js';
import { storeWith } from '../support/store-with.js';

async function openClient(store: Store, options: Partial<ClientOptions> = {}): Promise<Client> {
  const client = await Client.open({ store, namespace: 'n', ...options });
  onTestFinished(() => client.close());
  await client.session();
  return client;
}

function places(server: MemoryServer): number {
  return server.engine.range({ ...prefixRange('n/lock/m/l/'), countOnly: true }).count;
}

/** A mutex of a process that stands still once its try has taken the lock, past its deadline, and another that has it then. */
async function whoStoodStill(options: { readonly owner?: string } = {}) {
  const server = new MemoryServer();
  const runtime = new ManualRuntime();
  const hooked = hookedStore(server.connect());
  const client = await openClient(hooked.store, { runtime });
  const mutex = new Mutex(client, 'm');
  const other = new Mutex(await openClient(server.connect()), 'm');
  const { leaseId } = await client.session();
  let callers: readonly Promise<Hold>[] = [];
  let held: Promise<Hold> | undefined;
  /** `beside`: who wants the lock too, and waits for it. */
  const tryAnd = async (beside: () => readonly Promise<Hold>[]) => {
    hooked.hook = async (_request, send) => {
      hooked.hook = undefined;
      const reply = await send();
      callers = beside();
      await server.connect().leaseRevoke(leaseId);
      held = other.acquire();
      await held;
      runtime.pass(60_000);
      return reply;
    };
    const tried = mutex.tryAcquire(options).then((hold) => (hold === undefined ? 'has nothing' : 'holds'));
    const outcome = await Promise.race([tried, delay(2_000, 'waits')]);
    if (held === undefined) throw new Error('it has tried');
    return { outcome, callers, held: await held };
  };
  return { server, mutex, tryAnd };
}

describe('a try that takes the lock, and loses it before that could be given out', () => {
  it.each([
    ['', {}],
    [' for an owner', { owner: 'a' }],
  ])('LOCK-4 waits for nobody%s, and leaves nothing behind', async (_who, options) => {
    const { server, tryAnd } = await whoStoodStill(options);
    const { outcome, held } = await tryAnd(() => []);
    expect(outcome).toBe('has nothing');
    expect(places(server)).toBe(1);
    expect(held.isHeld).toBe(true);
    await held.release();
    expect(places(server)).toBe(0);
  });

  it('lets those wait on who came to wait', async () => {
    const { server, mutex, tryAnd } = await whoStoodStill();
    const { outcome, callers, held } = await tryAnd(() => [mutex.acquire(), mutex.acquire()]);
    expect(outcome).toBe('has nothing');
    await expect.poll(() => places(server)).toBe(2);
    await held.release();
    for (const caller of callers) {
      const hold = await caller;
      expect(hold.isHeld).toBe(true);
      expect(hold.token).toBeGreaterThan(held.token);
      await hold.release();
    }
    expect(places(server)).toBe(0);
  });
});

it('of two tries one has the lock, and the other, which comes while that is not known, does not wait for it', async () => {
  const server = new MemoryServer();
  const hooked = hookedStore(server.connect());
  const mutex = new Mutex(await openClient(hooked.store), 'm');
  let second: Promise<Hold | undefined> | undefined;
  hooked.hook = async (_request, send) => {
    hooked.hook = undefined;
    second = mutex.tryAcquire();
    await delay(5);
    return send();
  };
  const first = await mutex.tryAcquire();
  expect(first?.isHeld).toBe(true);
  expect(await Promise.race([second, delay(2_000, 'waits')])).toBeUndefined();
  await first?.release();
  expect(places(server)).toBe(0);
});

interface Held {
  readonly isHeld: boolean;
  release(): Promise<void>;
}

type Tries = (client: Client) => () => Promise<Held | undefined>;

const ways: readonly (readonly [string, Tries])[] = [
  [
    'Mutex',
    (client) => {
      const mutex = new Mutex(client, 'm');
      return () => mutex.tryAcquire();
    },
  ],
  [
    'Mutex, for an owner',
    (client) => {
      const mutex = new Mutex(client, 'm');
      return () => mutex.tryAcquire({ owner: 'a' });
    },
  ],
  [
    'Mutex with a lock-delay',
    (client) => {
      const mutex = new Mutex(client, 'm', { lockDelayMs: 1_000 });
      return () => mutex.tryAcquire();
    },
  ],
  [
    'ReadWriteLock, to read',
    (client) => {
      const lock = new ReadWriteLock(client, 'm');
      return () => lock.tryAcquireRead();
    },
  ],
  [
    'ReadWriteLock, to write',
    (client) => {
      const lock = new ReadWriteLock(client, 'm');
      return () => lock.tryAcquireWrite();
    },
  ],
  [
    'MultiLock',
    (client) => {
      const multi = new MultiLock(client, ['m', 'other']);
      return () => multi.tryAcquire();
    },
  ],
];

describe.each(ways)('a try that is refused: %s', (_name, triesOf) => {
  it('says that its session was lost where its anchor was deleted, and has the lock by the next one', async () => {
    const server = new MemoryServer();
    const client = await openClient(server.connect());
    const tryIt = triesOf(client);
    const session = await client.session();
    await server.connect().txn({ compare: [], success: [remove(session.anchor)], failure: [] });
    await expect(tryIt()).rejects.toMatchObject({ code: 'session-lost' });
    expect(session.state).toMatchObject({ status: 'lost', reason: 'anchor-gone' });
    const hold = await tryIt();
    expect(hold?.isHeld).toBe(true);
    await hold?.release();
  });

  it('says so too where nobody can be asked once more', async () => {
    const server = new MemoryServer();
    const inner = server.connect();
    let isAway = false;
    const store = storeWith(inner, {
      range: async (request, options) => {
        if (isAway) throw new QuorateError('unavailable', 'no way through');
        return inner.range(request, options);
      },
    });
    const client = await openClient(store);
    const tryIt = triesOf(client);
    const { anchor } = await client.session();
    await server.connect().txn({ compare: [], success: [remove(anchor)], failure: [] });
    isAway = true;
    await expect(tryIt()).rejects.toMatchObject({ code: 'session-lost' });
    isAway = false;
  });

  it('answers undefined where somebody holds, by one request, and its session goes on', async () => {
    const server = new MemoryServer();
    const { store, counts } = countingStore(server.connect());
    const client = await openClient(store);
    const tryIt = triesOf(client);
    const rival = await openClient(server.connect());
    const held = [await new Mutex(rival, 'm').acquire(), await new ReadWriteLock(rival, 'm').acquireWrite()];
    // A delay lease is opened by the first who asks for it.
    expect(await tryIt()).toBeUndefined();
    counts.reset();
    expect(await tryIt()).toBeUndefined();
    expect([counts.total(), counts.calls.txn]).toEqual([1, 1]);
    expect((await client.session()).isLive()).toBe(true);
    for (const hold of held) await hold.release();
    const hold = await tryIt();
    expect(hold?.isHeld).toBe(true);
    await hold?.release();
  });
});

const waysOfAll: typeof ways = [
  ...ways,
  [
    'Semaphore',
    (client) => {
      const semaphore = new Semaphore(client, 'm', { limit: 1 });
      return () => semaphore.tryAcquire();
    },
  ],
];

describe.each(waysOfAll)('a try of a process that stood still as the reply came: %s', (_name, triesOf) => {
  it.each([
    ['has what it took where its session stands', true],
    ['has nothing where its session was lost', false],
  ])('%s', async (_what, survives) => {
    let hooked: ReturnType<typeof hookedStore> | undefined;
    const { client, standStill } = await openStallingClient(new MemoryServer(), (store) => {
      hooked = hookedStore(store);
      return hooked.store;
    });
    if (hooked === undefined) throw new Error('it has a store');
    const tryIt = triesOf(client);
    // A delay lease is opened by the first who asks for it.
    await (await tryIt())?.release();
    hooked.hook = async (_request, send) => {
      const reply = await send();
      if (hooked !== undefined) hooked.hook = undefined;
      standStill(survives);
      return reply;
    };
    const hold = await tryIt();
    expect(hold?.isHeld).toBe(survives ? true : undefined);
    await hold?.release();
  });
});
