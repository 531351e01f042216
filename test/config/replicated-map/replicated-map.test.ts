import type { StandardSchemaV1 } from '@standard-schema/spec';
import { expect, it, onTestFinished, vi } from 'vitest';
import {
  type MapBatch,
  type MapDraft,
  ReplicatedMap,
  type ReplicatedMapOptions,
} from '../../../src/config/index.js';
import { Mutex } from '../../../src/locks/index.js';
import { Client } from '../../../src/session/index.js';
import { bytesOf, type Codec, keyOf, put, remove, removePrefix, textOf } from '../../../src/store/index.js';
import { testClients } from '../../support/clients.js';
import { cuttingWatches } from '../../support/cut-watches.js';
import { describeStores } from '../../support/stores.js';

interface Rate {
  readonly buy: number;
  readonly sell: number;
}

/** A map that is closed when the test ends. */
async function mapOf<V = number>(
  client: Client,
  name = 'rates',
  options: ReplicatedMapOptions<V> = {},
): Promise<ReplicatedMap<string, V>> {
  const map = await ReplicatedMap.open<string, V>(client, name, options);
  onTestFinished(() => map.close());
  return map;
}

/** Numbers from 0, which the schema doubles. */
function schema(isAsync = false): StandardSchemaV1<unknown, number> {
  const validate = (value: unknown) =>
    typeof value === 'number' && value >= 0
      ? { value: value * 2 }
      : { issues: [{ message: 'a number from 0 is wanted' }] };
  return {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: isAsync ? async (value) => validate(value) : validate,
    },
  };
}

function told<V>({ type, revision, changes }: MapBatch<string, V>): unknown[] {
  const inShort = changes.map(({ key, previous, current }) => [key, [previous?.value, current?.value]]);
  return [type, revision, Object.fromEntries(inShort)];
}

describeStores('ReplicatedMap', (server) => {
  it('REPLICA-4 shows a write to its caller once it is answered, and to the others soon', async () => {
    const clients = testClients(server);
    const map = await mapOf<Rate>(await clients.open());
    const other = await mapOf<Rate>(await clients.open());
    expect([map.size, map.get('EUR'), map.has('EUR')]).toEqual([0, undefined, false]);
    const written = await map.set('EUR', { buy: 1, sell: 2 });
    expect(written).toEqual({ revision: map.revision, shown: true });
    expect(map.get('EUR')).toEqual({ buy: 1, sell: 2 });
    expect(map.entry('EUR')).toEqual({ value: { buy: 1, sell: 2 }, revision: written.revision });
    // Decoded once: it is the same object.
    expect(map.get('EUR')).toBe(map.get('EUR'));
    expect(await other.getFresh('EUR')).toEqual({ buy: 1, sell: 2 });
    expect(other.get('EUR')).toEqual({ buy: 1, sell: 2 });
    expect(await other.delete('EUR')).toMatchObject({ deleted: true, shown: true });
    expect(await other.delete('EUR')).toMatchObject({ deleted: false, shown: true });
    expect(other.has('EUR')).toBe(false);
    expect(await map.getFresh('EUR')).toBeUndefined();
    expect(map.stalenessMs).toBeLessThan(5_000);
    expect(map.state).toEqual({ status: 'live' });
  });

  it('is read as a map is, as of the moment at which reading begins', async () => {
    const map = await mapOf((await testClients(server).open()) as Client);
    await map.update((draft) => {
      for (const [index, key] of ['a', 'b', 'c'].entries()) draft.set(key, index);
    });
    expect(new Map(map)).toEqual(
      new Map([
        ['a', 0],
        ['b', 1],
        ['c', 2],
      ]),
    );
    expect([...map.keys()].sort()).toEqual(['a', 'b', 'c']);
    expect([...map.values()].sort()).toEqual([0, 1, 2]);
    const nines = (draft: MapDraft<string, number>) => {
      for (const key of ['a', 'b', 'c']) draft.set(key, 9);
    };
    const read: [string, number][] = [];
    for (const entry of map) {
      if (read.length === 0) await map.update(nines);
      read.push(entry);
    }
    expect(new Map(read)).toEqual(
      new Map([
        ['a', 0],
        ['b', 1],
        ['c', 2],
      ]),
    );
    expect([...map.values()]).toEqual([9, 9, 9]);
  });

  it('has keys of every kind, and maps whose names begin each other', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const map = await mapOf(client, 'a');
    const others = [await mapOf(client, 'a/b'), await mapOf(client, 'a/e/'), await mapOf(client, 'A')];
    const keys = ['', '/', 'e/x', 's', 'é😀', '\u0000', ' ', '../..', '%2F', 'constructor', '__proto__'];
    await map.update((draft) => {
      for (const [index, key] of keys.entries()) draft.set(key, index);
    });
    expect(keys.map((key) => map.get(key))).toEqual(keys.map((_key, index) => index));
    expect([...(await mapOf(client, 'a')).keys()].sort()).toEqual([...keys].sort());
    expect(others.map(({ size }) => size)).toEqual([0, 0, 0]);
    for (const wrong of ['\ud800', 'x'.repeat(1_025), 5 as unknown as string]) {
      await expect(map.set(wrong, 1)).rejects.toMatchObject({ code: 'invalid-argument' });
    }
    // What is no text is nobody's key.
    const strange = { type: 'put', key: `${clients.namespace}/map/a/e/\xff`, value: bytesOf('1') } as const;
    await client.store.txn({ compare: [], success: [strange], failure: [] });
    await map.set('after', 1);
    expect([map.size, map.unreadable.size]).toEqual([keys.length + 1, 0]);
  });

  it('REPLICA-5 swaps what was seen, a revision, an equal value or nothing, and tells what stood there instead', async () => {
    const clients = testClients(server);
    const map = await mapOf(await clients.open());
    const other = await mapOf(await clients.open());
    expect(await map.compareAndSet('k', undefined, 1)).toMatchObject({ succeeded: true, shown: true });
    const seen = map.entry('k');
    expect(await other.compareAndSet('k', undefined, 2)).toEqual({ succeeded: false, found: seen });
    // Who was told of it reads nothing older.
    expect(other.entry('k')).toEqual(seen);
    expect(await other.compareAndSet('k', { value: 1 }, 2)).toMatchObject({ succeeded: true });
    expect(await map.compareAndSet('k', seen, 3)).toMatchObject({ succeeded: false, found: { value: 2 } });
    expect(map.get('k')).toBe(2);
    expect(await map.compareAndSet('k', { revision: 0 }, 3)).toMatchObject({ succeeded: false });
    expect(await map.compareAndDelete('k', { value: 1 })).toMatchObject({ succeeded: false });
    expect(await map.compareAndDelete('k', map.entry('k'))).toMatchObject({ succeeded: true });
    expect(map.has('k')).toBe(false);
    expect(await other.compareAndSet('k', { value: 2 }, 4)).toEqual({ succeeded: false, found: undefined });
    expect(other.has('k')).toBe(false);
  });

  it('REPLICA-5 loses no update of several entries, which nobody sees a half of', async () => {
    const clients = testClients(server);
    const maps = await Promise.all([1, 2, 3].map(async () => mapOf(await clients.open())));
    const halves: unknown[] = [];
    for (const map of maps) {
      map.onChange(() => {
        if (map.get('one') !== map.get('other')) halves.push([...map]);
      });
    }
    let runs = 0;
    const updates = maps.flatMap((map) =>
      Array.from({ length: 10 }, () =>
        map.update((draft) => {
          runs += 1;
          const next = (draft.get('one') ?? 0) + 1;
          draft.set('one', next);
          draft.set('other', next);
          expect([draft.get('one'), draft.has('third')]).toEqual([next, false]);
          return next;
        }),
      ),
    );
    const results = (await Promise.all(updates)).sort((one, other) => one.revision - other.revision);
    expect(results.map(({ result }) => result)).toEqual(
      Array.from({ length: 30 }, (_none, index) => index + 1),
    );
    expect(runs).toBeGreaterThanOrEqual(30);
    expect(halves).toEqual([]);
    await Promise.all(maps.map((map) => map.sync()));
    for (const map of maps) expect([map.get('one'), map.get('other')]).toEqual([30, 30]);
  });

  it('is written under a hold, a session or a compare only while that stands', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const map = await mapOf(client);
    const hold = await new Mutex(client, 'm').acquire();
    expect(await map.set('a', 1, { guard: hold })).toMatchObject({ shown: true });
    expect(
      await map.update((draft) => draft.set('a', 1 + (draft.get('a') ?? 0)), { guard: hold }),
    ).toMatchObject({
      shown: true,
    });
    expect(await map.compareAndSet('a', { value: 9 }, 3, { guard: hold })).toMatchObject({
      succeeded: false,
    });
    await hold.release();
    await expect(map.set('a', 4, { guard: hold })).rejects.toMatchObject({ code: 'hold-lost' });
    const session = await client.openSession();
    const guard = session.guard();
    expect(await map.set('a', 5, { guard })).toMatchObject({ shown: true });
    await session.close();
    await expect(map.set('a', 6, { guard: session })).rejects.toMatchObject({ code: 'session-lost' });
    for (const write of [
      () => map.set('a', 7, { guard }),
      () => map.delete('a', { guard }),
      () => map.compareAndSet('a', map.entry('a'), 7, { guard }),
      () => map.compareAndDelete('a', { value: 5 }, { guard }),
      () => map.update((draft) => draft.set('a', 7), { guard }),
    ]) {
      await expect(write()).rejects.toMatchObject({ code: 'fenced', outcome: 'not-applied' });
    }
    expect(await map.getFresh('a')).toBe(5);
    await expect(map.set('a', 6, { guard: {} as never })).rejects.toMatchObject({ code: 'invalid-argument' });
  });

  it('an update that throws, or writes nothing, is decided by what is so now', async () => {
    const clients = testClients(server);
    const inner = await server.connect();
    const { store, cut } = cuttingWatches(inner);
    const client = await Client.open({ store, namespace: clients.namespace, closeStore: true });
    onTestFinished(() => client.close());
    const map = await mapOf(client);
    const other = await mapOf(await clients.open());
    await other.set('stock', 0);
    await map.sync();
    let mend = cut();
    await other.set('stock', 5);
    expect(map.get('stock')).toBe(0);
    const buy = () =>
      map.update((draft) => {
        const stock = draft.get('stock') ?? 0;
        if (stock === 0) throw new RangeError('sold out');
        draft.set('stock', 0);
        return stock;
      });
    const bought = buy();
    mend();
    expect(await bought).toMatchObject({ result: 5 });
    await expect(buy()).rejects.toThrow('sold out');
    mend = cut();
    await other.set('stock', 7);
    const looked = map.update((draft) => draft.get('stock'));
    mend();
    expect(await looked).toEqual({
      result: 7,
      revision: map.revision,
      shown: true,
    });
    const stuck = map.update(() => new Promise<void>(() => {}), { timeoutMs: 30 });
    const behind = map.update((draft) => draft.set('stock', 8));
    await expect(stuck).rejects.toMatchObject({ code: 'timeout', outcome: 'not-applied' });
    expect(await behind).toMatchObject({ shown: true });
    expect(map.get('stock')).toBe(8);
  });

  it('REPLICA-2 tells changes one by one, to listeners that cannot hurt it', async () => {
    const clients = testClients(server);
    const map = await mapOf(await clients.open());
    const other = await mapOf(await clients.open());
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    onTestFinished(() => warned.mockRestore());
    const batches: unknown[] = [];
    map.onChange(() => {
      throw new Error('of a listener');
    });
    map.onChange(async () => Promise.reject(new Error('of another')));
    const stop = map.onChange((batch) => batches.push(told(batch)));
    const { revision: first } = await other.set('a', 1);
    const { revision: second } = await other.update((draft) => {
      draft.set('b', 2);
      draft.delete('a');
    });
    await map.sync();
    expect(batches).toEqual([
      ['revision', first, { a: [undefined, 1] }],
      ['revision', second, { a: [1, undefined], b: [undefined, 2] }],
    ]);
    await expect.poll(() => warned.mock.calls.length).toBe(4);
    stop();
    await map.set('c', 3);
    expect(batches).toHaveLength(2);
  });

  it('REPLICA-2 is followed from all there is on, and a slow reader is told the difference', async () => {
    const map = await mapOf(await testClients(server).open());
    await map.set('a', 1);
    const batches = map.changes({ maxBuffered: 2 });
    const next = async () => told((await batches.next()).value as MapBatch<string, number>);
    expect(await next()).toEqual(['reset', map.revision, { a: [undefined, 1] }]);
    const { revision } = await map.set('a', 2);
    await map.set('b', 1);
    expect(await next()).toEqual(['revision', revision, { a: [1, 2] }]);
    for (const value of [2, 3, 4]) await map.set('b', value);
    await map.delete('a');
    await map.set('c', 1);
    await map.delete('c');
    const last = map.revision;
    expect(await next()).toEqual(['reset', last, { a: [2, undefined], b: [undefined, 4] }]);
    const { revision: after } = await map.set('b', 5);
    expect(await next()).toEqual(['revision', after, { b: [4, 5] }]);
    const waiting = batches.next();
    await batches.return?.();
    expect(await waiting).toMatchObject({ done: true });
    const ends = map.changes();
    await ends.next();
    const ended = ends.next();
    await map.close();
    expect(await ended).toMatchObject({ done: true });
  });

  it('REPLICA-6 keeps the last that could be read, and tells of what cannot', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const map = await mapOf(client, 'rates', { schema: schema() });
    const raw = await mapOf<unknown>(await clients.open(), 'rates');
    const batches: MapBatch<string, number>[] = [];
    map.onChange((batch) => batches.push(batch));
    await map.set('a', 1);
    expect(map.get('a')).toBe(2);
    await expect(map.set('a', -1)).rejects.toMatchObject({ code: 'invalid-argument' });
    const { revision } = await raw.update((draft) => {
      draft.set('a', -1);
      draft.set('b', -2);
      draft.set('c', 3);
    });
    await map.sync();
    expect([...map].sort()).toEqual([
      ['a', 2],
      ['c', 6],
    ]);
    const unreadable = { revision, error: expect.objectContaining({ code: 'codec' }) };
    expect(Object.fromEntries(map.unreadable)).toEqual({ a: unreadable, b: unreadable });
    const changes = Object.fromEntries(batches.at(-1)?.changes.map(({ key, ...rest }) => [key, rest]) ?? []);
    const before = { value: 2, revision: expect.any(Number) };
    expect(changes).toEqual({
      a: { previous: before, current: before, unreadable },
      b: { previous: undefined, current: undefined, unreadable },
      c: { previous: undefined, current: { value: 6, revision } },
    });
    await expect(map.getFresh('a')).rejects.toMatchObject({ code: 'codec' });
    await expect(map.update((draft) => draft.set('b', (draft.get('a') ?? 0) + 1))).rejects.toMatchObject({
      code: 'codec',
    });
    const first = (await map.changes().next()).value as MapBatch<string, number>;
    expect(first.changes.map(({ key }) => key).sort()).toEqual(['a', 'b', 'c']);
    // One that opens now never saw the good one.
    const late = await mapOf(client, 'rates', { schema: schema() });
    expect([late.get('a'), late.unreadable.size]).toEqual([undefined, 2]);
    // Written anew, or deleted, it is as any other.
    await map.set('a', 5);
    await raw.delete('b');
    await map.sync();
    expect([map.get('a'), map.unreadable.size]).toEqual([10, 0]);
    const waiting = await mapOf(client, 'rates', { schema: schema(true) });
    expect(waiting.get('a')).toBe(10);
    await waiting.set('a', 6);
    expect(waiting.get('a')).toBe(12);
  });

  it('takes what other programs write, where its readers put the stamp', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const text: Codec<string> = { encode: bytesOf, decode: textOf };
    const map = await mapOf<string>(client, 'codes', { codec: text, stampedBy: 'readers' });
    const at = (key: string) => `${clients.namespace}/map/codes/e/${key}`;
    for (let round = 0; round < 10; round += 1) {
      const value = String(round);
      await client.store.txn({ compare: [], success: [put(at('é'), value)], failure: [] });
      expect(await map.getFresh('é')).toBe(value);
      await client.store.txn({ compare: [], success: [remove(at('é'))], failure: [] });
      expect(await map.delete('é')).toMatchObject({ deleted: false, shown: true });
      expect(map.has('é')).toBe(false);
    }
    expect(textOf(bytesOf(keyOf('a')))).toBe('a');
  });

  it('REPLICA-3 no proof succeeds after somebody has deleted the stamp with the rest, until it is put again', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const { store, cut } = cuttingWatches(await server.connect());
    const reader = await Client.open({ store, namespace: clients.namespace, closeStore: true });
    onTestFinished(() => reader.close());
    const map = await mapOf(reader);
    await map.set('a', 1);
    const mend = cut();
    await client.store.txn({
      compare: [],
      success: [removePrefix(`${clients.namespace}/map/`)],
      failure: [],
    });
    await expect(map.sync({ timeoutMs: 50 })).rejects.toMatchObject({ code: 'timeout' });
    mend();
    await expect.poll(() => map.size).toBe(0);
    await map.set('b', 2);
    expect(await map.getFresh('b')).toBe(2);
  });

  it('REPLICA-4 does not say that a deletion shows which no proof covers, and which does not', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const { store, cut } = cuttingWatches(await server.connect());
    const reader = await Client.open({ store, namespace: clients.namespace, closeStore: true });
    onTestFinished(() => reader.close());
    const map = await mapOf(reader);
    await map.set('a', 1);
    cut(300);
    await client.store.txn({
      ...{ compare: [], failure: [] },
      success: [remove(`${clients.namespace}/map/rates/e/a`)],
    });
    const { deleted, shown } = await map.delete('a');
    expect([deleted, shown]).toEqual([false, !map.has('a')]);
    await expect.poll(() => map.has('a')).toBe(false);
    expect(await map.delete('a')).toMatchObject({ deleted: false, shown: true });
  });

  it('an update writes nothing of what is said after its function has returned', async () => {
    const map = await mapOf(await testClients(server).open());
    const late: unknown[] = [];
    const sayLate = (draft: MapDraft<string, number>) => {
      void Promise.resolve()
        .then(() => draft.set('late', 1))
        .catch(({ code }) => late.push(code));
    };
    await map.update((draft) => {
      draft.set('a', 1);
      sayLate(draft);
    });
    let kept: MapDraft<string, number> | undefined;
    await map.update(async (draft) => {
      kept = draft;
      await Promise.resolve();
      draft.set('b', 1);
    });
    for (const use of [() => kept?.get('a'), () => kept?.has('a'), () => kept?.delete('a')]) {
      expect(use).toThrow(expect.objectContaining({ code: 'closed' }));
    }
    expect([late, [...map.keys()].sort()]).toEqual([['closed'], ['a', 'b']]);
  });

  it('costs one request a write, none a read, and one proof for all who ask at a time', async () => {
    const { client, counts } = await testClients(server).openCounted();
    const map = await mapOf(client, 'rates', { proveEveryMs: Number.POSITIVE_INFINITY });
    // The server may be shared, and others compact its history: then the map is loaded again, which costs what it costs.
    let compacted = 0;
    map.onState((state) => {
      if (state.status === 'behind' && state.error.code === 'compacted') compacted += 1;
    });
    const costs = async () => {
      await map.sync();
      counts.reset();
      await map.set('a', 1);
      await map.compareAndSet('a', map.entry('a'), 2);
      await map.update((draft) => draft.set('b', draft.get('a') ?? 0));
      await map.delete('a');
      const { txn, range, watch } = counts.calls;
      counts.reset();
      for (let read = 0; read < 1_000; read += 1) map.get('b');
      expect([...map]).toEqual([['b', 2]]);
      const reads = counts.total();
      await Promise.all(Array.from({ length: 10 }, () => map.getFresh('b')));
      return { writes: { txn, range, watch }, reads, fresh: counts.total() };
    };
    let before: number;
    let found: Awaited<ReturnType<typeof costs>>;
    do {
      before = compacted;
      found = await costs();
    } while (compacted > before);
    expect(found).toEqual({ writes: { txn: 4, range: 0, watch: 0 }, reads: 0, fresh: 2 });
  });

  it('goes on being read while the store is away; what was written is not told to have failed', async () => {
    const clients = testClients(server);
    const { store, cut } = cuttingWatches(await server.connect());
    const client = await Client.open({ store, namespace: clients.namespace, closeStore: true });
    onTestFinished(() => client.close());
    const map = await mapOf(client, 'rates', { proveEveryMs: 20 });
    await map.set('a', 1);
    const states: string[] = [];
    map.onState((state) =>
      states.push(state.status === 'behind' ? `behind: ${state.error.message}` : state.status),
    );
    const mend = cut();
    const written = await map.set('a', 2, { timeoutMs: 100 });
    expect(written.shown).toBe(false);
    expect([map.get('a'), map.state.status]).toEqual([1, 'behind']);
    expect(map.stalenessMs).toBeGreaterThan(50);
    await expect(map.sync({ timeoutMs: 50 })).rejects.toMatchObject({ code: 'timeout' });
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 50);
    expect(await map.set('a', 3, { signal: controller.signal })).toMatchObject({ shown: false });
    mend();
    expect(await map.getFresh('a')).toBe(3);
    await expect.poll(() => map.stalenessMs).toBeLessThan(1_000);
    // The server may be shared, and others compact its history: that is told, and mended too.
    const others = states.filter((state) => !state.endsWith('was compacted'));
    expect(others.slice(0, 2)).toEqual(['behind: cut by the test', 'live']);
    expect(others.slice(2).filter((state) => state !== 'live')).toEqual([]);
  });

  it('REPLICA-7 has no room beyond its limit', async () => {
    const clients = testClients(server);
    const map = await mapOf(await clients.open(), 'few', { maxEntries: 2 });
    await map.set('a', 1);
    await map.update((draft) => {
      draft.delete('a');
      draft.set('b', 1);
      draft.set('a', 2);
    });
    await expect(map.set('c', 1)).rejects.toMatchObject({ code: 'over-limit', outcome: 'not-applied' });
    await expect(map.compareAndSet('c', undefined, 1)).rejects.toMatchObject({ code: 'over-limit' });
    await expect(map.update((draft) => draft.set('c', 1))).rejects.toMatchObject({ code: 'over-limit' });
    expect(await map.set('a', 3)).toMatchObject({ shown: true });
    // It is as large whether the stamp was ever put or not.
    const client = await clients.open();
    const at = (key: string) => `${clients.namespace}/map/raw/e/${key}`;
    const raw = await mapOf(client, 'raw', { maxEntries: 2 });
    await client.store.txn({
      compare: [],
      success: ['a', 'b', 'c'].map((key) => put(at(key), '1')),
      failure: [],
    });
    await expect.poll(() => raw.state).toMatchObject({ status: 'behind', error: { code: 'over-limit' } });
    await expect(mapOf(client, 'raw', { maxEntries: 2 })).rejects.toMatchObject({ code: 'over-limit' });
    expect((await mapOf(client, 'raw', { maxEntries: 3 })).size).toBe(3);
    const larger = await mapOf(await clients.open(), 'few');
    await larger.set('c', 1);
    await expect.poll(() => map.state).toMatchObject({ status: 'behind', error: { code: 'over-limit' } });
    expect([...map.keys()].sort()).toEqual(['a', 'b']);
    await expect(mapOf(await clients.open(), 'few', { maxEntries: 2 })).rejects.toMatchObject({
      code: 'over-limit',
    });
    await larger.delete('b');
    await expect.poll(() => [...map.keys()].sort()).toEqual(['a', 'c']);
  });

  it('REPLICA-4 nobody waits for a function, a schema or a turn once it is closed', async () => {
    const clients = testClients(server);
    const never = () => new Promise<never>(() => {});
    const validate = (): Promise<never> => never();
    const silent: StandardSchemaV1<unknown, number> = {
      '~standard': { version: 1, vendor: 'test', validate },
    };
    const map = await mapOf(await clients.open());
    const slow = await mapOf<number>(await clients.open(), 'slow', { schema: silent });
    const calls = [
      map.update(never, { timeoutMs: Number.POSITIVE_INFINITY }),
      map.update(() => {}, { timeoutMs: Number.POSITIVE_INFINITY }),
      slow.set('a', 1, { timeoutMs: Number.POSITIVE_INFINITY }),
      slow.compareAndSet('a', { value: 1 }, 2, { timeoutMs: Number.POSITIVE_INFINITY }),
    ].map((call) =>
      call.then(
        () => 'written',
        (error) => [error.code, error.outcome],
      ),
    );
    await Promise.all([map.close(), slow.close()]);
    expect(await Promise.all(calls)).toEqual(calls.map(() => ['closed', 'not-applied']));
  });

  it('is closed with what waits, and refuses what makes no sense', async () => {
    const client = await testClients(server).open();
    const map = await mapOf(client);
    await map.set('a', 1);
    await map.close();
    expect(map.get('a')).toBe(1);
    for (const call of [
      () => map.set('a', 2),
      () => map.delete('a'),
      () => map.compareAndSet('a', undefined, 2),
      () => map.compareAndDelete('a', undefined),
      () => map.update(() => {}),
      () => map.getFresh('a'),
      () => map.sync(),
    ]) {
      await expect(call()).rejects.toMatchObject({ code: 'closed' });
    }
    const wrongOptions = [
      { codec: {} },
      { schema: {} },
      { maxEntries: 0 },
      { maxEntries: 'many' },
      { maxBytes: 0 },
      { stampedBy: 'nobody' },
      { proveEveryMs: -1 },
      { timeoutMs: 0 },
    ] as unknown as ReplicatedMapOptions<number>[];
    for (const wrong of wrongOptions) {
      await expect(ReplicatedMap.open(client, 'rates', wrong)).rejects.toMatchObject({
        code: 'invalid-argument',
        message: expect.stringContaining('accepted'),
      });
    }
    await expect(ReplicatedMap.open(client, '')).rejects.toMatchObject({ code: 'invalid-argument' });
    const open = await mapOf(client);
    await expect(open.update(5 as never)).rejects.toMatchObject({ code: 'invalid-argument' });
    expect(() => open.changes({ maxBuffered: 0 })).toThrow(/accepted/);
    await expect(open.compareAndSet('a', 5 as never, 1)).rejects.toMatchObject({ code: 'invalid-argument' });
  });
});
