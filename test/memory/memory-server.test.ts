import { afterEach, describe, expect, test } from 'vitest';
import { Engine } from '../../src/engine/index.js';
import { MemoryServer } from '../../src/memory/index.js';
import { type Runtime, systemRuntime } from '../../src/runtime/index.js';
import { bytesOf, get, put, textOf, txnOf, type WatchItem } from '../../src/store/index.js';

/** A runtime whose monotonic clock and timers move only when told to. */
function steppedRuntime() {
  let nowMs = 0;
  const timers = new Set<{ readonly atMs: number; readonly run: () => void; readonly background: boolean }>();
  const runtime: Runtime = {
    ...systemRuntime,
    monotonicMs: () => nowMs,
    setTimer(delayMs, run, options = {}) {
      const timer = { atMs: nowMs + delayMs, run, background: options.background ?? false };
      timers.add(timer);
      return { cancel: () => timers.delete(timer) };
    },
  };
  const advance = (ms: number) => {
    nowMs += ms;
    for (const timer of [...timers].filter(({ atMs }) => atMs <= nowMs)) {
      timers.delete(timer);
      timer.run();
    }
  };
  return { runtime, timers, advance };
}

const servers: MemoryServer[] = [];

function start(options: ConstructorParameters<typeof MemoryServer>[0] = {}): MemoryServer {
  const server = new MemoryServer(options);
  servers.push(server);
  return server;
}

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

describe('stores of one memory server', () => {
  test('see each other, and answer only after the caller has gone on', async () => {
    const server = start();
    const [one, other] = [server.connect(), server.connect()];
    const written = one.txn(txnOf({ success: [put('a', '1')] }));
    expect(server.engine.revision).toBe(1);
    expect((await written).revision).toBe(2);
    expect((await other.range({ key: 'a' })).count).toBe(1);
  });

  test('share no bytes with their callers', async () => {
    const store = start().connect();
    const value = bytesOf('mine');
    const written = store.txn(txnOf({ success: [put('a', value)] }));
    value.fill(0);
    await written;
    const read = async () => (await store.range({ key: 'a' })).kvs[0]?.value ?? new Uint8Array();
    (await read()).fill(1);
    expect(textOf(await read())).toBe('mine');
  });

  test('a store that only awaits itself does not starve timers', async () => {
    const store = start().connect();
    let fired = false;
    setTimeout(() => {
      fired = true;
    }, 5);
    for (let call = 0; call < 1_000_000 && !fired; call += 1) await store.range({ key: 'a' });
    expect(fired).toBe(true);
  });

  test('closing one leaves the others; a closed one refuses everything with `closed`', async () => {
    const server = start();
    const [one, other] = [server.connect(), server.connect()];
    const open = one.txn(txnOf({ success: [put('a', '1')] }));
    const refused = expect(open).rejects.toMatchObject({ code: 'closed', outcome: 'not-applied' });
    await one.close();
    await refused;
    expect(server.engine.revision).toBe(1);
    await expect(one.status()).rejects.toMatchObject({ code: 'closed' });
    await expect(one.watch({ key: 'a' })[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      code: 'closed',
    });
    expect((await other.status()).revision).toBe(1);
    await server.close();
    await expect(other.status()).rejects.toMatchObject({ code: 'closed' });
    await expect(server.connect().status()).rejects.toMatchObject({ code: 'closed' });
  });

  test('an aborted signal and a wrong timeout are refused before anything is applied', async () => {
    const server = start();
    const store = server.connect();
    const request = txnOf({ success: [put('a', '1')] });
    const aborting = new AbortController();
    const call = store.txn(request, { signal: aborting.signal });
    aborting.abort(new Error('enough'));
    await expect(call).rejects.toMatchObject({ code: 'aborted', outcome: 'not-applied' });
    await expect(store.txn(request, { timeoutMs: 0 })).rejects.toMatchObject({ code: 'invalid-argument' });
    expect(server.engine.revision).toBe(1);
    expect((await store.txn(request, { timeoutMs: 1_000 })).revision).toBe(2);
  });

  test('go on from a restored engine', async () => {
    const first = start();
    await first.connect().txn(txnOf({ success: [put('a', '1')] }));
    const second = start({ engine: Engine.restore(first.engine.snapshot(), 0) });
    const reply = await second.connect().txn(txnOf({ success: [get('a')] }));
    expect(reply).toMatchObject({ revision: 2, replies: [{ count: 1 }] });
  });
});

describe('leases of a memory server', () => {
  test('expire by one background timer at the earliest deadline, never early', async () => {
    const { runtime, timers, advance } = steppedRuntime();
    const server = start({ runtime });
    const store = server.connect();
    await store.leaseGrant({ id: '1', ttlSeconds: 10 });
    await store.leaseGrant({ id: '2', ttlSeconds: 5 });
    await store.txn(txnOf({ success: [put('a', '', { lease: '1' }), put('b', '', { lease: '2' })] }));
    expect([...timers].map(({ atMs, background }) => [atMs, background])).toEqual([[5_000, true]]);
    advance(4_000);
    expect(await store.leaseKeepAlive('2')).toBe(5);
    advance(4_999);
    expect(server.engine.keyCount).toBe(2);
    advance(1);
    expect(server.engine.leases()).toEqual(['1']);
    advance(1_000);
    expect([server.engine.keyCount, timers.size]).toEqual([0, 0]);
    expect(await store.leaseKeepAlive('1')).toBe(0);
  });

  test('that are due have ended before the next call, even if the timer is late', async () => {
    const { runtime, advance, timers } = steppedRuntime();
    const server = start({ runtime });
    const store = server.connect();
    await store.leaseGrant({ id: '1', ttlSeconds: 5 });
    timers.clear();
    advance(5_000);
    expect((await store.leaseTimeToLive('1')).remainingSeconds).toBe(-1);
  });

  test('the server chooses an id for a lease that was asked for with none', async () => {
    const store = start().connect();
    const { id } = await store.leaseGrant({ id: '0', ttlSeconds: 5 });
    expect(BigInt(id)).toBeGreaterThan(0n);
    await store.leaseRevoke(id);
  });
});

describe('watches of a memory server', () => {
  test('deliver history and what happens, until they are closed', async () => {
    const server = start();
    const [writer, reader] = [server.connect(), server.connect()];
    await writer.txn(txnOf({ success: [put('a', '1')] }));
    const watch = reader.watch({ key: 'a', fromRevision: 2 });
    const items: WatchItem[] = [];
    for await (const item of watch) {
      items.push(item);
      if (item.type === 'opened') await writer.txn(txnOf({ success: [put('a', '2')] }));
      if (item.type === 'events' && item.revision === 3) break;
    }
    expect(items.map((item) => ('revision' in item ? [item.type, item.revision] : item.type))).toEqual([
      ['opened', 2],
      ['events', 2],
      ['events', 3],
    ]);
    await writer.txn(txnOf({ success: [put('a', '3')] }));
    expect(
      (
        await watch[Symbol.asyncIterator]()
          .next()
          .catch((error) => error)
      ).code,
    ).toBe('invalid-argument');
  });

  test('say that history was compacted, as the last thing', async () => {
    const store = start().connect();
    for (const value of ['1', '2', '3']) await store.txn(txnOf({ success: [put('a', value)] }));
    await store.compact(4);
    const items: WatchItem[] = [];
    for await (const item of store.watch({ key: 'a', fromRevision: 2 })) items.push(item);
    expect(items.at(-1)).toEqual({ type: 'compacted', fromRevision: 2, compactRevision: 4 });
  });

  test('end when their store is closed, and drop what was not read', async () => {
    const server = start();
    const store = server.connect();
    const watch = store.watch({ key: 'a' });
    await store.txn(txnOf({ success: [put('a', '1')] }));
    await store.close();
    expect(await watch[Symbol.asyncIterator]().next()).toEqual({ done: true, value: undefined });
  });

  test('of a range without keys are refused at once', () => {
    const store = start().connect();
    expect(() => store.watch({ key: 'b', rangeEnd: 'a' })).toThrow(
      expect.objectContaining({ code: 'invalid-argument' }),
    );
  });
});
