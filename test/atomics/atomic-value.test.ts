import { expect, it } from 'vitest';
import { AtomicValue, type ValueChange, type ValueView } from '../../src/atomics/index.js';
import { Mutex } from '../../src/locks/index.js';
import { bytesOf, compare, put, textOf } from '../../src/store/index.js';
import { testClients } from '../support/clients.js';
import { describeStores } from '../support/stores.js';

const text = { encode: bytesOf, decode: textOf };

/** Takes what an iterator yields until `isLast`, and leaves it. */
async function takeUntil<T>(items: AsyncIterable<T>, isLast: (item: T) => boolean): Promise<readonly T[]> {
  const taken: T[] = [];
  for await (const item of items) {
    taken.push(item);
    if (isLast(item)) break;
  }
  return taken;
}

describeStores('AtomicValue', (server) => {
  it('VALUE-1 is read as it was last written, with its revision, and absent before and after', async () => {
    const clients = testClients(server);
    const value = new AtomicValue<{ limit: number }>(await clients.open(), 'limit');
    const other = new AtomicValue<{ limit: number }>(await clients.open(), 'limit');
    expect(await other.get()).toBeUndefined();
    const revision = await value.set({ limit: 3 });
    expect(await other.get()).toEqual({ value: { limit: 3 }, revision, version: 1 });
    await other.set({ limit: 4 });
    expect(await value.get()).toMatchObject({ value: { limit: 4 }, version: 2 });
    expect(await value.delete()).toBe(true);
    expect(await value.delete()).toBe(false);
    expect(await other.get()).toBeUndefined();
  });

  it('costs one request for each call, and for an update of what this object wrote last', async () => {
    const clients = testClients(server);
    const { client, counts } = await clients.openCounted();
    const value = new AtomicValue<number>(client, 'n');
    counts.reset();
    await value.set(1);
    expect(counts.total()).toBe(1);
    await value.get();
    expect(counts.total()).toBe(2);
    await value.compareAndSet({ value: 1 }, 2);
    expect(counts.total()).toBe(3);
    await value.update((n = 0) => n + 1);
    expect(counts.calls).toMatchObject({ range: 2, txn: 3 });
    counts.reset();
    await Promise.all(Array.from({ length: 8 }, () => value.update((n = 0) => n + 1)));
    expect(counts.total()).toBe(8);
    expect((await value.get())?.value).toBe(11);
    counts.reset();
    await value.delete();
    expect(counts.total()).toBe(1);
  });

  it('VALUE-3 swaps what was seen, a revision, an equal value, or nothing, and tells what stood there instead', async () => {
    const clients = testClients(server);
    const value = new AtomicValue<string>(await clients.open(), 'v');
    const first = await value.compareAndSet(undefined, 'a');
    expect(first).toMatchObject({ succeeded: true });
    const seen = await value.get();
    expect(await value.compareAndSet(undefined, 'b')).toEqual({ succeeded: false, found: seen });
    expect(await value.compareAndSet({ revision: 0 }, 'b')).toEqual({ succeeded: false, found: seen });
    expect(await value.compareAndSet({ value: 'b' }, 'c')).toEqual({ succeeded: false, found: seen });
    expect(await value.compareAndSet({ value: 'a' }, 'a')).toMatchObject({ succeeded: true });
    // The same value, and another write of it.
    expect(await value.compareAndSet(seen, 'd')).toMatchObject({ succeeded: false, found: { value: 'a' } });
    const again = await value.get();
    expect(await value.compareAndSet(again, 'd')).toMatchObject({ succeeded: true });
    expect(await value.compareAndDelete({ value: 'a' })).toMatchObject({ succeeded: false });
    expect(await value.compareAndDelete(await value.get())).toMatchObject({ succeeded: true });
    expect(await value.get()).toBeUndefined();
    expect(await value.compareAndSet({ value: 'd' }, 'e')).toEqual({ succeeded: false, found: undefined });
    expect(await value.compareAndDelete(undefined)).toMatchObject({ succeeded: true });
  });

  it('VALUE-3 loses no update of several processes, whose functions may run again', async () => {
    const clients = testClients(server);
    const values = await Promise.all(
      Array.from({ length: 4 }, async () => new AtomicValue<number>(await clients.open(), 'n')),
    );
    let runs = 0;
    const updates = await Promise.all(
      values.flatMap((value) =>
        Array.from({ length: 25 }, () =>
          value.update((n = 0) => {
            runs += 1;
            return n + 1;
          }),
        ),
      ),
    );
    const inOrder = updates.sort((one, other) => one.revision - other.revision);
    expect(inOrder.map(({ value }) => value)).toEqual(
      Array.from({ length: 100 }, (_none, index) => index + 1),
    );
    expect(runs).toBeGreaterThanOrEqual(100);
    expect(await values[0]?.get()).toMatchObject({ value: 100, version: 100 });
  });

  it('an update that throws writes nothing, and one that is given up holds up nobody', async () => {
    const clients = testClients(server);
    const value = new AtomicValue<number>(await clients.open(), 'n');
    await value.set(1);
    const refuse = () => {
      throw new RangeError('not that');
    };
    await expect(value.update(refuse)).rejects.toThrow('not that');
    // What it threw for was no more: another has changed it since this object last looked.
    await new AtomicValue<number>(await clients.open(), 'n').set(5);
    const atLeastFive = (n = 0) => (n < 5 ? refuse() : n + 1);
    expect(await value.update(atLeastFive)).toMatchObject({ value: 6 });
    await value.set(1);
    const stuck = value.update(() => new Promise<number>(() => {}), { timeoutMs: 50 });
    const behind = value.update((n = 0) => n + 1, { timeoutMs: 20 });
    const next = value.update((n = 0) => n + 10);
    await expect(behind).rejects.toMatchObject({ code: 'timeout', outcome: 'not-applied' });
    await expect(stuck).rejects.toMatchObject({ code: 'timeout', outcome: 'not-applied' });
    expect(await next).toMatchObject({ value: 11 });
    expect(await value.get()).toMatchObject({ value: 11, version: 5 });
    const controller = new AbortController();
    const aborted = value.update(
      async (n = 0) => {
        controller.abort();
        return n + 1;
      },
      { signal: controller.signal },
    );
    await expect(aborted).rejects.toMatchObject({ code: 'aborted' });
    expect((await value.get())?.value).toBe(11);
  });

  it('VALUE-6 writes under a hold, a session or a compare only while that stands', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const value = new AtomicValue<number>(client, 'n');
    const hold = await new Mutex(client, 'm').acquire();
    await value.set(1, { guard: hold });
    expect(await value.update((n = 0) => n + 1, { guard: hold })).toMatchObject({ value: 2 });
    expect(await value.compareAndSet({ value: 9 }, 3, { guard: hold })).toMatchObject({ succeeded: false });
    await hold.release();
    await expect(value.set(4, { guard: hold })).rejects.toMatchObject({ code: 'hold-lost' });
    const session = await client.openSession();
    await value.set(5, { guard: session });
    const guard = session.guard();
    expect(await value.delete({ guard })).toBe(true);
    await value.set(6, { guard });
    await session.close();
    await expect(value.set(7, { guard: session })).rejects.toMatchObject({ code: 'session-lost' });
    for (const write of [
      () => value.set(8, { guard }),
      () => value.delete({ guard }),
      () => value.update(() => 8, { guard }),
      () => value.compareAndSet({ value: 6 }, 8, { guard }),
      () => value.compareAndDelete({ value: 6 }, { guard }),
    ]) {
      await expect(write()).rejects.toMatchObject({ code: 'fenced', outcome: 'not-applied' });
    }
    const absent = compare.create(`${clients.namespace}/none`, 'equal', 0);
    await value.set(9, { guard: absent });
    expect((await value.get())?.value).toBe(9);
  });

  it('tells its history back to its creation', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const value = new AtomicValue<string>(client, 'v');
    const versionsOf = async (limit?: number) => {
      const versions: string[] = [];
      for await (const version of value.history({ limit })) versions.push(version.value);
      return versions;
    };
    expect(await versionsOf()).toEqual([]);
    await value.set('of another life');
    await value.delete();
    await value.set('a');
    await value.set('b');
    await client.store.txn({ compare: [], success: [put(`${clients.namespace}/x`, '')], failure: [] });
    await value.set('c');
    expect(await versionsOf()).toEqual(['c', 'b', 'a']);
    expect(await versionsOf(2)).toEqual(['c', 'b']);
  });

  it('VALUE-4 is watched: what it is, then what it becomes, and at the end the last', async () => {
    const clients = testClients(server);
    const value = new AtomicValue<string>(await clients.open(), 'v', { codec: text });
    const other = new AtomicValue<string>(await clients.open(), 'v', { codec: text });
    const views: ValueView<string>[] = [];
    const stopped = new AbortController();
    const watching = (async () => {
      for await (const view of other.watch({ signal: stopped.signal })) views.push(view);
    })();
    await expect.poll(() => views.at(-1)?.status).toBe('absent');
    const first = await value.set('a');
    await expect
      .poll(() => views.at(-1))
      .toEqual({ status: 'present', value: 'a', revision: first, version: 1 });
    await value.set('b');
    await expect.poll(() => views.at(-1)).toMatchObject({ value: 'b' });
    await value.delete();
    await expect.poll(() => views.at(-1)?.status).toBe('absent');
    const later = takeUntil(other.watch(), (view) => view.status === 'present');
    await value.set('c');
    expect((await later).at(-1)).toMatchObject({ status: 'present', value: 'c' });
    stopped.abort();
    await watching;
  });

  it('VALUE-4 a reader that leaves while it waits is let go at once', async () => {
    const clients = testClients(server);
    const value = new AtomicValue<string>(await clients.open(), 'v');
    await value.set('a');
    for (const items of [value.watch(), value.changes()]) {
      const iterator = items[Symbol.asyncIterator]();
      await iterator.next();
      const waiting = iterator.next();
      await iterator.return?.();
      expect(await waiting).toMatchObject({ done: true });
    }
  });

  it('VALUE-5 tells every change in order, from a state or a revision on', async () => {
    const clients = testClients(server);
    const value = new AtomicValue<string>(await clients.open(), 'v', { codec: text });
    const a = await value.set('a');
    const until = (last: string) => (change: ValueChange<string>) =>
      change.type === 'set' && change.value === last;
    const reading = takeUntil(value.changes(), until('d'));
    const begun = value.changes();
    const { value: state } = await begun.next();
    expect(state).toEqual({
      type: 'state',
      revision: expect.any(Number),
      state: { value: 'a', revision: a, version: 1 },
    });
    const b = await value.set('b');
    await value.delete();
    const c = await value.set('c');
    const d = await value.set('d');
    const deleted = { type: 'deleted', revision: expect.any(Number) };
    const all = [
      { type: 'set', value: 'b', revision: b, version: 2 },
      deleted,
      { type: 'set', value: 'c', revision: c, version: 1 },
      { type: 'set', value: 'd', revision: d, version: 2 },
    ];
    expect(await takeUntil(begun, until('d'))).toEqual(all);
    expect((await reading).slice(-1)).toEqual(all.slice(-1));
    expect(await takeUntil(value.changes({ after: a }), until('d'))).toEqual(all);
  });

  it('what another program has written and cannot be read is told as such, and ends no watch', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const value = new AtomicValue<number>(client, 'n');
    await client.store.txn({ compare: [], success: [put(value.key, '{')], failure: [] });
    await expect(value.get()).rejects.toMatchObject({ code: 'codec' });
    await expect(value.update((n = 0) => n + 1)).rejects.toMatchObject({ code: 'codec' });
    const views = takeUntil(value.watch(), (view) => view.status === 'present');
    const changes = takeUntil(value.changes(), (change) => change.type === 'set');
    let isTold = false;
    void changes.then(() => {
      isTold = true;
    });
    // They are told of what is set once they are there.
    const setAgain = async () => {
      await value.set(1);
      return isTold;
    };
    await expect.poll(setAgain).toBe(true);
    expect((await views).at(-1)).toMatchObject({ status: 'present', value: 1 });
    expect((await views)[0]).toMatchObject({ status: expect.stringMatching(/unreadable|present/) });
    expect((await changes).at(-1)).toMatchObject({ type: 'set', value: 1 });
    expect(await value.update((n = 0) => n + 1)).toMatchObject({ value: 2 });
  });
});
