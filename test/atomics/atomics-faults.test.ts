import { describe, expect, it, onTestFinished } from 'vitest';
import { AtomicValue, Counter, IdAllocator } from '../../src/atomics/index.js';
import { HotKey } from '../../src/atomics/stm/hot-key.js';
import { HotKeys } from '../../src/atomics/stm/hot-keys.js';
import { QuorateError } from '../../src/errors.js';
import { MemoryServer } from '../../src/memory/index.js';
import { Client } from '../../src/session/index.js';
import { textOf } from '../../src/store/index.js';
import { faultyStore } from '../support/faulty-store.js';
import { hookedStore } from '../support/hooked-store.js';

async function scene() {
  const server = new MemoryServer();
  const faulty = faultyStore(server.connect());
  const hooked = hookedStore(faulty);
  const client = await Client.open({ store: hooked.store, namespace: 'n' });
  onTestFinished(() => client.close());
  return { server, faulty, hooked, client };
}

describe('counters and values, when things go wrong', () => {
  it('COUNTER-1 an addition whose reply was lost counts once', async () => {
    const { faulty, client } = await scene();
    const counter = new Counter(client, 'c');
    expect(await counter.add(1)).toBe(1);
    for (const [index, fault] of (
      ['lose-reply', 'lose-request', 'timeout-applied', 'late', 'refuse'] as const
    ).entries()) {
      faulty.script('txn', fault);
      expect(await counter.add(1)).toBe(index + 2);
    }
    await faulty.releaseHeld();
    expect(await counter.get()).toBe(6);
  });

  it('VALUE-2 a write whose reply was lost is applied once, and told with its own revision', async () => {
    const { server, faulty, client } = await scene();
    const value = new AtomicValue<string>(client, 'v');
    faulty.script('txn', 'lose-reply');
    const revision = await value.set('a');
    expect(server.engine.range({ key: value.key }).kvs[0]).toMatchObject({
      modRevision: revision,
      version: 1,
    });
    faulty.script('txn', 'lose-reply');
    expect(await value.compareAndSet({ value: 'a' }, 'b')).toMatchObject({ succeeded: true });
    faulty.script('txn', 'lose-reply');
    expect(await value.compareAndSet({ value: 'a' }, 'c')).toMatchObject({
      succeeded: false,
      found: { value: 'b' },
    });
    faulty.script('txn', 'late');
    expect(await value.update((text = '') => `${text}d`)).toMatchObject({ value: 'bd' });
    await faulty.releaseHeld();
    expect(await value.get()).toMatchObject({ value: 'bd', version: 3 });
  });

  it('COUNTER-1 who gives up before its batch is sent is left out, and who does later is told that nobody knows', async () => {
    const { hooked, client } = await scene();
    const counter = new Counter(client, 'c');
    await counter.add(1);
    let letGo = () => {};
    hooked.hook = async (_request, send) => {
      hooked.hook = undefined;
      await new Promise<void>((resolve) => {
        letGo = resolve;
      });
      return send();
    };
    const stay = counter.add(10);
    const leave = new AbortController();
    const left = counter.add(100, { signal: leave.signal });
    await new Promise((resolve) => setTimeout(resolve, 20));
    const behind = counter.add(1_000, { timeoutMs: 10 });
    await expect(behind).rejects.toMatchObject({ code: 'timeout', outcome: 'not-applied' });
    leave.abort();
    await expect(left).rejects.toMatchObject({ code: 'aborted', outcome: 'unknown' });
    letGo();
    expect(await stay).toBe(11);
    expect(await counter.get()).toBe(111);
  });

  it('COUNTER-1 who gives up while its batch stands in line is told that it was not applied, and it is not', async () => {
    const { server, hooked, client } = await scene();
    const other = await Client.open({ store: server.connect(), namespace: 'n' });
    onTestFinished(() => other.close());
    const counter = new Counter(client, 'c');
    const elsewhere = new Counter(other, 'c');
    // Twice others were first, with the number and then in the line: from now on it stands there.
    for (const _ of [1, 2, 3]) {
      await counter.add(1);
      await elsewhere.add(1);
    }
    for (const _ of [1, 2]) HotKeys.of(client).conflicted([counter.key]);
    const turn = await new HotKey(other, counter.key).take(new AbortController().signal);
    const stay = counter.add(10);
    const left = counter.add(100, { timeoutMs: 50 });
    await expect(left).rejects.toMatchObject({ code: 'timeout', outcome: 'not-applied' });
    turn?.end();
    expect(await stay).toBe(16);
    // In its turn nobody was before it, so that the run is committed that was made before it had the place.
    await new Promise((resolve) => setTimeout(resolve, 50));
    const leave = new AbortController();
    hooked.hook = (request, send) => {
      if (!request.success.some((op) => op.type === 'put' && op.key.includes('/stm/'))) return send();
      hooked.hook = undefined;
      return new Promise((resolve) => setTimeout(resolve, 20)).then(() => {
        leave.abort();
        return send();
      });
    };
    const next = [counter.add(1_000), counter.add(10_000, { signal: leave.signal })] as const;
    await expect(next[1]).rejects.toMatchObject({ code: 'aborted', outcome: 'not-applied' });
    expect(await next[0]).toBe(1_016);
    expect(await counter.get()).toBe(1_016);
  });

  it('COUNTER-1 is answered by a read that fails for a while', async () => {
    const { faulty, client } = await scene();
    const counter = new Counter(client, 'c');
    faulty.script('range', 'refuse', 'lose-reply', 'refuse');
    expect(await counter.add(3)).toBe(3);
  });

  it('fails with `closed` once the client is closed, and leaves nobody waiting', async () => {
    const { client } = await scene();
    const counter = new Counter(client, 'c');
    const value = new AtomicValue<number>(client, 'v');
    await counter.add(1);
    await client.close();
    await expect(counter.add(1)).rejects.toMatchObject({ code: 'closed' });
    await expect(value.set(1)).rejects.toMatchObject({ code: 'closed' });
    await expect(value.watch().next()).rejects.toMatchObject({ code: 'closed' });
    await expect(value.changes().next()).rejects.toMatchObject({ code: 'closed' });
  });

  it('gives out the ids that are here when one gives up who waited for more, whatever the store does', async () => {
    const { hooked, client } = await scene();
    const ids = new IdAllocator(client, 'i', { blockSize: 4 });
    expect(await ids.next()).toBe(1);
    hooked.hook = () => new Promise(() => {});
    const leave = new AbortController();
    const many = ids.take(100, { signal: leave.signal });
    const short = ids.take(50, { timeoutMs: 5 });
    const behind = [ids.next({ timeoutMs: 1_000 }), ids.take(2, { timeoutMs: 1_000 })];
    leave.abort();
    await expect(many).rejects.toMatchObject({ code: 'aborted', outcome: 'not-applied' });
    await expect(short).rejects.toMatchObject({ code: 'timeout', outcome: 'not-applied' });
    expect(await Promise.all(behind)).toEqual([2, [3, 4]]);
    hooked.hook = undefined;
  });

  it('gives out the ids that are here where no more can be had', async () => {
    const { hooked, client } = await scene();
    const ids = new IdAllocator(client, 'i', { blockSize: 4 });
    expect(await ids.next()).toBe(1);
    hooked.hook = () => Promise.reject(new QuorateError('permission-denied', 'no more'));
    const told = [ids.take(100), ids.next(), ids.take(3), ids.next()].map((asked) =>
      asked.catch(({ code }: QuorateError) => code),
    );
    expect(await Promise.all(told)).toEqual(['permission-denied', 2, 'permission-denied', 3]);
    hooked.hook = undefined;
    expect(await ids.take(2)).toEqual([4, 5]);
  });

  it('fetches ahead no more often than it may where that fails', async () => {
    const { hooked, client } = await scene();
    for (const code of ['no-space', 'permission-denied'] as const) {
      const ids = new IdAllocator(client, code, { blockSize: 200 });
      await ids.take(99);
      let tries = 0;
      hooked.hook = () => {
        tries += 1;
        return Promise.reject(new QuorateError(code, 'not now'));
      };
      for (let id = 100; id < 200; id += 1) {
        expect(await ids.next()).toBe(id);
        await new Promise((resolve) => setImmediate(resolve));
      }
      hooked.hook = undefined;
      expect(tries).toBeGreaterThan(0);
      expect(tries).toBeLessThan(20);
      expect(await ids.next()).toBe(200);
      expect(await ids.next()).toBe(201);
    }
  });

  it('reserves no more ids for having been refused', async () => {
    const { server, hooked, client } = await scene();
    const ids = new IdAllocator(client, 'i');
    let left = 4;
    hooked.hook = (_request, send) => {
      left -= 1;
      return left < 0 ? send() : Promise.reject(new QuorateError('no-space', 'full'));
    };
    expect(await ids.next()).toBe(1);
    expect(left).toBeLessThan(0);
    const { kvs } = server.engine.range({ key: ids.key });
    expect(kvs.map(({ value }) => textOf(value))).toEqual(['33']);
  });
});
