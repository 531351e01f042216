import { expect, it, onTestFinished } from 'vitest';
import { atomically, type Transaction } from '../../../src/atomics/index.js';
import { HotKey } from '../../../src/atomics/stm/hot-key.js';
import { HotKeys } from '../../../src/atomics/stm/hot-keys.js';
import { sliceMs } from '../../../src/atomics/stm/slice.js';
import { MemoryServer } from '../../../src/memory/index.js';
import { Client } from '../../../src/session/index.js';
import { prefixRange, put, type Store, textOf } from '../../../src/store/index.js';
import { countingStore } from '../../support/counting-store.js';
import { ManualRuntime, ManualTime, settle } from '../../support/manual-runtime.js';

const key = 'hot';

let opened = 0;

function open(store: Store, time = new ManualTime()): Promise<Client> {
  opened += 1;
  const runtime = new ManualRuntime({ time, seed: opened });
  const opening = Client.open({ store, namespace: 'n', runtime });
  onTestFinished(async () => (await opening).close());
  return opening;
}

async function set(store: Store, value: number): Promise<void> {
  await store.txn({ compare: [], success: [put(key, String(value))], failure: [] });
}

const addOne = async (tx: Transaction) => tx.put(key, ((await tx.get<number>(key)) ?? 0) + 1);

function places(server: MemoryServer): readonly string[] {
  const { kvs } = server.engine.range(prefixRange('n/stm/'));
  return kvs.map((kv) => kv.key).filter((one) => one.includes('/l/'));
}

function valueIn(server: MemoryServer): number {
  return Number(textOf(server.engine.range({ key }).kvs[0]?.value ?? new Uint8Array()));
}

/** Has others first so often. */
function overtaken(store: Store, times: number) {
  let left = times;
  return async (tx: Transaction) => {
    const value = (await tx.get<number>(key)) ?? 0;
    if (left > 0) await set(store, value + 1);
    left -= 1;
    tx.put(key, value + 1);
  };
}

async function hotClient(server: MemoryServer, time?: ManualTime) {
  const { store, counts } = countingStore(server.connect());
  const client = await open(store, time);
  await client.session();
  await atomically(client, overtaken(server.connect(), 2));
  return { client, counts };
}

it('stands in the line of a key at which it was overtaken twice, and leaves it with its commit', async () => {
  const server = new MemoryServer();
  const { store, counts } = countingStore(server.connect());
  const client = await open(store);
  await client.session();
  const events: (readonly [string, number])[] = [];
  const subscription = client.hub.subscribe(prefixRange('n/stm/'), (item) => {
    if (item.type !== 'events') return;
    for (const { type, kv } of item.events) if (kv.key.includes('/l/')) events.push([type, kv.modRevision]);
  });
  await settle();
  counts.reset();
  const { revision, runs } = await atomically(client, overtaken(server.connect(), 2));
  await settle();
  subscription.close();
  expect(runs).toBe(3);
  // A read, two commits that were refused, the place, and the commit that leaves it.
  expect(counts.calls).toMatchObject({ range: 1, txn: 4 });
  expect(events.map(([type]) => type)).toEqual(['put', 'delete']);
  expect(events[1]?.[1]).toBe(revision);
  expect(valueIn(server)).toBe(3);
});

it('commits by one request each in its turn, which lasts for 256', async () => {
  const server = new MemoryServer();
  const { client, counts } = await hotClient(server);
  await atomically(client, addOne);
  counts.reset();
  for (let round = 0; round < 512; round += 1) await atomically(client, addOne);
  expect(valueIn(server)).toBe(516);
  // Each slice has a place to take besides, and a read of what the transaction begins with. One may end by its time.
  expect(counts.total()).toBeGreaterThanOrEqual(512 + 2);
  expect(counts.total()).toBeLessThanOrEqual(512 + 8 * 2);
});

it('lets transactions of one process run one after another, and none of them in vain', async () => {
  const server = new MemoryServer();
  const { client } = await hotClient(server);
  const all = await Promise.all(Array.from({ length: 40 }, () => atomically(client, addOne)));
  expect(valueIn(server)).toBe(43);
  // Once for what it read before it stood in the line, once in its turn.
  expect(Math.max(...all.map(({ runs }) => runs))).toBeLessThanOrEqual(2);
});

it('has who reads under a guard stand in the line once others were first', async () => {
  const server = new MemoryServer();
  const time = new ManualTime();
  const { client } = await hotClient(server, time);
  const other = await open(server.connect(), time);
  const turn = await new HotKey(other, key).take(new AbortController().signal);
  let runs = 0;
  const reading = atomically(client, async (tx) => {
    tx.guard(await client.session());
    const read = await tx.get(key);
    runs += 1;
    if (runs === 1) await atomically(other, (beside) => beside.put(key, 50));
    return read;
  });
  await expect.poll(() => places(server).length).toBe(2);
  turn?.end();
  await time.advance(10);
  expect((await reading).value).toBe(50);
});

it('takes nobody who waits in a long line for one that is stuck, and goes on all that time as at a hot key', async () => {
  const server = new MemoryServer();
  const [asleep, time] = [new ManualTime(), new ManualTime()];
  const { client } = await hotClient(server, time);
  const never = new AbortController();
  // One has the turn, and five wait before this process, which waits for 1.6 s then.
  for (let before = 0; before < 6; before += 1) {
    const taking = new HotKey(await open(server.connect(), asleep), key).take(never.signal);
    if (before === 0) await taking;
    await expect.poll(() => places(server).length).toBe(before + 1);
  }
  const calls = [atomically(client, addOne)];
  await expect.poll(() => places(server).length).toBe(7);
  calls.push(atomically(client, addOne));
  await time.advance(1_300);
  // The last sign of others is over a second ago.
  calls.push(atomically(client, addOne));
  await time.advance(200);
  expect(valueIn(server)).toBe(3);
  await time.advance(5_000);
  await Promise.all(calls);
  expect(valueIn(server)).toBe(6);
});

it('makes turns shorter where many wait', () => {
  expect([2, 16, 32, 80, 1_000].map(sliceMs)).toEqual([100, 100, 50, 20, 20]);
});

it('does not have who only reads stand in the line, nor who writes without reading', async () => {
  const server = new MemoryServer();
  const { client } = await hotClient(server);
  const other = await open(server.connect());
  const turn = await new HotKey(other, key).take(new AbortController().signal);
  expect(places(server).length).toBe(1);
  expect(await atomically(client, (tx) => tx.get(key))).toMatchObject({ value: 3, runs: 1 });
  expect(await atomically(client, (tx) => tx.put(key, 50))).toMatchObject({ runs: 1 });
  expect(places(server).length).toBe(1);
  turn?.end();
});

it('does not have who only reads, or fails, stand in the line for having read of several states', async () => {
  const server = new MemoryServer();
  const { client } = await hotClient(server);
  const turn = await new HotKey(await open(server.connect()), key).take(new AbortController().signal);
  const seen: (readonly unknown[])[] = [];
  const both = (fails: boolean) => async (tx: Transaction) => {
    const value = await tx.get<number>(key);
    // Something comes between the two reads of the first run.
    if (seen.length % 2 === 0) await set(server.connect(), 50 + seen.length);
    seen.push([value, await tx.get('else')]);
    if (fails) throw new Error('as it should');
    return value;
  };
  const options = { isolation: 'repeatable-reads' } as const;
  const ends: unknown[] = [];
  for (const fails of [false, true]) {
    void atomically(client, both(fails), options).then(
      ({ value, runs }) => ends.push([value, runs]),
      (error: Error) => ends.push(error.message),
    );
    await settle();
    expect(places(server).length).toBe(1);
  }
  expect(ends).toEqual([[50, 2], 'as it should']);
  expect(seen.length).toBe(4);
  turn?.end();
});

it('goes on without a holder that stands still, and leaves no key behind', async () => {
  const server = new MemoryServer();
  const [asleep, time] = [new ManualTime(), new ManualTime()];
  const sleeper = await open(server.connect(), asleep);
  const { client } = await hotClient(server, time);
  expect(await new HotKey(sleeper, key).take(new AbortController().signal)).toBeDefined();
  let isDone = false;
  const waiting = atomically(client, addOne).then(() => {
    isDone = true;
  });
  await time.advance(900);
  expect(isDone).toBe(false);
  expect(places(server).length).toBe(2);
  await time.advance(600);
  await waiting;
  expect(valueIn(server)).toBe(4);
  expect(places(server).length).toBe(1);
});

it('LOCK-4 leaves no place behind when it is given up while it stands in the line', async () => {
  const server = new MemoryServer();
  const [asleep, time] = [new ManualTime(), new ManualTime()];
  const { client } = await hotClient(server, time);
  const turn = await new HotKey(await open(server.connect(), asleep), key).take(new AbortController().signal);
  const stop = new AbortController();
  const waiting = atomically(client, addOne, { signal: stop.signal });
  await time.advance(100);
  expect(places(server).length).toBe(2);
  stop.abort();
  await expect(waiting).rejects.toMatchObject({ code: 'aborted', outcome: 'not-applied' });
  await time.advance(10);
  expect(places(server).length).toBe(1);
  turn?.end();
});

it('leaves the line when no other transaction comes, and forgets that the key was hot', async () => {
  const server = new MemoryServer();
  const time = new ManualTime();
  const { client } = await hotClient(server, time);
  await atomically(client, addOne);
  await atomically(client, addOne);
  await time.advance(20);
  expect(places(server)).toEqual([]);
  expect(HotKeys.of(client).hottest([key])).toBeDefined();
  await time.advance(1_500);
  expect(HotKeys.of(client).hottest([key])).toBeUndefined();
});

it('leaves the line while a function takes its time, and commits all the same', async () => {
  const server = new MemoryServer();
  const time = new ManualTime();
  const { client } = await hotClient(server, time);
  let goOn = () => {};
  let runs = 0;
  const slow = atomically(client, async (tx) => {
    const value = (await tx.get<number>(key)) ?? 0;
    runs += 1;
    await new Promise<void>((resolve) => {
      goOn = resolve;
    });
    tx.put(key, value + 1);
  });
  await settle();
  goOn();
  await slow;
  expect(runs).toBe(1);
  expect(valueIn(server)).toBe(4);
});

it('answers who only reads from no older state than that of its call', async () => {
  const server = new MemoryServer();
  const { client } = await hotClient(server);
  await atomically(client, addOne);
  await atomically(client, addOne);
  await set(server.connect(), 70);
  expect(await atomically(client, (tx) => tx.get(key))).toMatchObject({ value: 70 });
  await set(server.connect(), 80);
  const failing = atomically(client, async (tx) => {
    throw new Error(String(await tx.get(key)));
  });
  await expect(failing).rejects.toThrow('80');
});

it('STM-1 answers nobody from what an earlier call was refused with', async () => {
  const server = new MemoryServer();
  const { client } = await hotClient(server);
  await atomically(client, addOne);
  await atomically(client, addOne);
  let runs = 0;
  await atomically(client, async (tx) => {
    runs += 1;
    const value = await tx.get<number>(key);
    await set(server.connect(), runs === 1 ? 70 : 80);
    if (value !== 70) tx.put(key, 1);
  });
  expect(runs).toBe(2);
  expect(await atomically(client, (tx) => tx.get(key))).toMatchObject({ value: 80 });
});

it('answers who only reads more than one request can compare, in its turn too', async () => {
  const server = new MemoryServer();
  const { client } = await hotClient(server);
  await atomically(client, addOne);
  await atomically(client, addOne);
  const keys = [key, ...Array.from({ length: 140 }, (_none, index) => `many/${index}`)];
  const all = async (tx: Transaction) => (await Promise.all(keys.map((one) => tx.get<number>(one))))[0];
  expect(await atomically(client, all)).toMatchObject({ value: 5, runs: 2 });
});
