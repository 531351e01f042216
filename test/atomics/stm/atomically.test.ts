import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import {
  AtomicValue,
  atomically,
  type Isolation,
  type Transaction,
  type TransactionGuard,
} from '../../../src/atomics/index.js';
import { Mutex } from '../../../src/locks/index.js';
import type { Client } from '../../../src/session/index.js';
import { bytesOf, compare, prefixRange, put, remove, textOf } from '../../../src/store/index.js';
import { type TestClients, testClients } from '../../support/clients.js';
import { describeStores } from '../../support/stores.js';

const text = { encode: bytesOf, decode: textOf };
const levels: readonly Isolation[] = [
  ...(['serializable-snapshot', 'serializable', 'repeatable-reads', 'read-committed'] as const),
];

/** A client whose requests are counted, one of another process, and keys of their own. */
async function twoClients(clients: TestClients) {
  const { client, counts } = await clients.openCounted();
  const other = await clients.open();
  const keyOf = (name: string) => `${clients.namespace}/data/${name}`;
  const set = (name: string, value: unknown) => write(other, { [keyOf(name)]: value });
  return { client, counts, other, keyOf, set };
}

async function write(client: Client, values: Readonly<Record<string, unknown>>): Promise<void> {
  const success = Object.entries(values).map(([key, value]) =>
    value === undefined ? remove(key) : put(key, JSON.stringify(value)),
  );
  await client.store.txn({ compare: [], success, failure: [] });
}

async function read(client: Client, key: string): Promise<unknown> {
  const { kvs } = await client.store.range({ key });
  return kvs[0] && JSON.parse(textOf(kvs[0].value));
}

describeStores('atomically', (server) => {
  it('STM-2 applies what it wrote in one revision, and answers what the function returned', async () => {
    const { client, keyOf, set, other } = await twoClients(testClients(server));
    await set('a', 10);
    const [a, b] = [keyOf('a'), keyOf('b')];
    const { value, revision, runs } = await atomically(client, async (tx) => {
      const [from = 0, to = 0] = await Promise.all([tx.get<number>(a), tx.get<number>(b)]);
      tx.put(a, from - 3);
      tx.put(b, to + 3);
      return from + to;
    });
    expect({ value, runs }).toEqual({ value: 10, runs: 1 });
    const { kvs } = await other.store.range(prefixRange(keyOf('')));
    expect(kvs.map((kv) => [JSON.parse(textOf(kv.value)), kv.modRevision])).toEqual([
      [7, revision],
      [3, revision],
    ]);
  });

  it('costs a request for each round of reads and one to commit; none to commit if it writes nothing', async () => {
    const { client, counts, keyOf, set } = await twoClients(testClients(server));
    await set('a', 1);
    counts.reset();
    await atomically(client, async (tx) => {
      await Promise.all([tx.get(keyOf('a')), tx.get(keyOf('b')), tx.range({ prefix: keyOf('c') })]);
      tx.put(keyOf('a'), 2);
    });
    expect(counts.calls).toMatchObject({ range: 0, txn: 2 });
    counts.reset();
    await atomically(client, async (tx) => [await tx.get(keyOf('a')), await tx.get(keyOf('b'))]);
    expect(counts.calls).toMatchObject({ range: 2, txn: 0 });
    counts.reset();
    await atomically(client, (tx) => tx.put(keyOf('a'), 3));
    expect(counts.total()).toBe(1);
    counts.reset();
    expect(await atomically(client, () => 'nothing')).toEqual({ value: 'nothing', revision: 0, runs: 1 });
    expect(counts.total()).toBe(0);
  });

  it('runs again by one request, with all that it had read', async () => {
    const { client, counts, keyOf, set } = await twoClients(testClients(server));
    await set('a', 1);
    await set('c/1', 1);
    const seen: unknown[] = [];
    counts.reset();
    const { runs } = await atomically(client, async (tx) => {
      const a = await tx.get<number>(keyOf('a'));
      const b = await tx.get<number>(keyOf('b'));
      const c = await tx.range<number>({ prefix: keyOf('c/') });
      seen.push([a, b, c.map(({ value }) => value)]);
      if (seen.length === 1) await set('b', 5);
      tx.put(keyOf('a'), 2);
    });
    expect(runs).toBe(2);
    expect(seen).toEqual([
      [1, undefined, [1]],
      [1, 5, [1]],
    ]);
    expect(counts.calls).toMatchObject({ range: 3, txn: 2 });
  });

  it('STM-1 sees no phantom: a key that came into a range, left it, or changed makes it run again', async () => {
    const { client, keyOf, set } = await twoClients(testClients(server));
    for (const [name, value] of [
      ['r/2', 1],
      ['r/3', undefined],
      ['r/1', 7],
    ] as const) {
      await set('r/1', 1);
      await set('r/2', undefined);
      await set('r/3', 1);
      const seen: number[] = [];
      await atomically(client, async (tx) => {
        const found = await tx.range<number>({ prefix: keyOf('r/') });
        if (seen.length === 0) await set(name, value);
        seen.push(found.reduce((sum, one) => sum + one.value, 0));
        tx.put(keyOf('sum'), seen.at(-1));
      });
      expect(seen.length, name).toBe(2);
      expect(seen[1], name).not.toBe(seen[0]);
    }
  });

  it('STM-1 takes no offence at what comes behind the keys that a limit left it', async () => {
    const { client, keyOf, set } = await twoClients(testClients(server));
    for (const name of ['r/1', 'r/3', 'r/5']) await set(name, 1);
    const firstTwo = (disturb: string) => {
      let runs = 0;
      return atomically(client, async (tx) => {
        runs += 1;
        const found = await tx.range({ prefix: keyOf('r/') }, { limit: 2 });
        if (runs === 1) await set(disturb, 1);
        tx.put(keyOf('seen'), found.length);
        return found.map(({ key }) => key);
      });
    };
    expect(await firstTwo('r/4')).toMatchObject({ runs: 1 });
    expect(await firstTwo('r/2')).toMatchObject({ runs: 2, value: [keyOf('r/1'), keyOf('r/2')] });
  });

  it('STM-3 reads one state, also in a run that comes to nothing', async () => {
    const { client, keyOf, other } = await twoClients(testClients(server));
    const [a, b] = [keyOf('a'), keyOf('b')];
    await write(other, { [a]: 1, [b]: 1 });
    for (const isolation of levels) {
      const seen: unknown[] = [];
      await atomically(
        client,
        async (tx) => {
          const first = await tx.get<number>(a);
          if (seen.length === 0) await write(other, { [a]: (first ?? 0) + 1, [b]: (first ?? 0) + 1 });
          const second = await tx.get<number>(b);
          seen.push(second === first);
          tx.put(keyOf('c'), seen.length);
        },
        { isolation },
      );
      const mixed = { 'repeatable-reads': [false, true], 'read-committed': [false] };
      expect(seen, isolation).toEqual(mixed[isolation as keyof typeof mixed] ?? [true, true]);
    }
  });

  it('STM-4 and STM-5 levels let through what they say, and no more', async () => {
    const { client, keyOf, other } = await twoClients(testClients(server));
    /** How often it ran, with others in between: of a lost update, a phantom, a write over another's. */
    const runsOf = async (isolation: Isolation) => {
      // Keys that nobody has met others at.
      const at = (what: string, name: string) => keyOf(`${isolation}/${what}/${name}`);
      const count = async (what: string, disturbed: string, read: (tx: Transaction) => unknown) => {
        await write(other, { [at(what, 'a')]: 1, [at(what, 'w')]: 1, [at(what, 'r/1')]: 1 });
        let first = true;
        const { runs } = await atomically(
          client,
          async (tx) => {
            await read(tx);
            if (first) await write(other, { [at(what, disturbed)]: 2 });
            first = false;
            tx.put(at(what, 'w'), 3);
          },
          { isolation },
        );
        return runs;
      };
      return [
        await count('update', 'a', (tx) => tx.get(at('update', 'a'))),
        await count('phantom', 'r/2', (tx) => tx.range({ prefix: at('phantom', 'r/') })),
        await count('unread', 'w', (tx) => tx.get(at('unread', 'a'))),
      ];
    };
    expect(await runsOf('serializable-snapshot')).toEqual([2, 2, 2]);
    expect(await runsOf('serializable')).toEqual([2, 2, 1]);
    expect(await runsOf('repeatable-reads')).toEqual([2, 1, 1]);
    expect(await runsOf('read-committed')).toEqual([1, 1, 1]);
  });

  it('reads what it wrote itself, in ranges too', async () => {
    const { client, keyOf, set } = await twoClients(testClients(server));
    for (const name of ['r/1', 'r/2', 'r/3', 'r/4']) await set(name, name);
    const prefix = keyOf('r/');
    await atomically(client, async (tx) => {
      tx.put(keyOf('r/2'), 'own');
      tx.delete(keyOf('r/1'));
      tx.put(keyOf('r/0'), 'new');
      tx.put(keyOf('r/9'), 'last');
      tx.delete(keyOf('r/9'));
      expect(await tx.get(keyOf('r/2'))).toBe('own');
      expect(await tx.get(keyOf('r/1'))).toBeUndefined();
      const names = (await tx.range({ prefix })).map(({ value }) => value);
      expect(names).toEqual(['new', 'own', 'r/3', 'r/4']);
      const two = await tx.range({ prefix }, { limit: 2 });
      expect(two.map(({ key }) => key)).toEqual([keyOf('r/0'), keyOf('r/2')]);
      const bytes = prefixRange(keyOf('r/3'));
      expect(await tx.range(bytes, { codec: text })).toEqual([{ key: keyOf('r/3'), value: '"r/3"' }]);
    });
    expect(await read(client, keyOf('r/1'))).toBeUndefined();
    expect(await read(client, keyOf('r/2'))).toBe('own');
  });

  it('STM-2 writes nothing where the function throws, and throws only for what was so in its time', async () => {
    const { client, keyOf, set } = await twoClients(testClients(server));
    await set('a', 1);
    const failure = new Error('no more');
    const failing = atomically(client, async (tx) => {
      tx.put(keyOf('a'), 2);
      if ((await tx.get(keyOf('b'))) === undefined) throw failure;
    });
    await expect(failing).rejects.toBe(failure);
    expect(await read(client, keyOf('a'))).toBe(1);
  });

  it('takes nothing more once its function has returned', async () => {
    const { client, keyOf } = await twoClients(testClients(server));
    let kept: Transaction | undefined;
    await atomically(client, (tx) => {
      kept = tx;
      tx.put(keyOf('a'), 1);
    });
    await expect(kept?.get(keyOf('a'))).rejects.toMatchObject({ code: 'closed' });
    expect(() => kept?.put(keyOf('a'), 2)).toThrow(expect.objectContaining({ code: 'closed' }));
  });

  it('fails with conflict once it was overtaken as often as it was to be tried', async () => {
    const { client, keyOf, set } = await twoClients(testClients(server));
    let runs = 0;
    const overtaken = atomically(
      client,
      async (tx) => {
        runs += 1;
        await tx.get(keyOf('a'));
        await set('a', runs);
        tx.put(keyOf('a'), 'mine');
      },
      { maxConflicts: 3 },
    );
    await expect(overtaken).rejects.toMatchObject({ code: 'conflict', outcome: 'not-applied' });
    expect(runs).toBe(4);
  });

  it('refuses what does not fit into one request before anything is sent', async () => {
    const { client, counts, keyOf } = await twoClients(testClients(server));
    const many = (count: number) =>
      atomically(client, (tx) => {
        for (let index = 0; index < count; index += 1) tx.put(keyOf(`m/${index}`), index);
      });
    await many(120);
    counts.reset();
    await expect(many(200)).rejects.toMatchObject({
      code: 'too-many-operations',
      details: { keysWritten: 200, keysRead: 0 },
    });
    expect(counts.total()).toBe(0);
  });

  it('ends by signal and timeout, with nothing written', async () => {
    const { client, keyOf } = await twoClients(testClients(server));
    const stop = new AbortController();
    const hanging = (options: { signal?: AbortSignal; timeoutMs?: number }) =>
      atomically(
        client,
        async (tx) => {
          tx.put(keyOf('a'), 1);
          await new Promise(() => {});
        },
        options,
      );
    const aborted = hanging({ signal: stop.signal });
    stop.abort(new Error('enough'));
    await expect(aborted).rejects.toMatchObject({ code: 'aborted', outcome: 'not-applied' });
    await expect(hanging({ timeoutMs: 20 })).rejects.toMatchObject({
      code: 'timeout',
      outcome: 'not-applied',
    });
    await expect(hanging({ signal: stop.signal })).rejects.toMatchObject({ code: 'aborted' });
    expect(await read(client, keyOf('a'))).toBeUndefined();
  });

  it('STM-6 commits only while a hold, a session, and compares of the caller stand', async () => {
    const { client, keyOf, set, other } = await twoClients(testClients(server));
    const hold = await new Mutex(client, 'm').acquire();
    const session = await client.session();
    const flag = compare.create(keyOf('flag'), 'greater', 0);
    const guarded = (...guards: readonly TransactionGuard[]) =>
      atomically(client, async (tx) => {
        for (const guard of guards) tx.guard(guard);
        tx.put(keyOf('a'), ((await tx.get<number>(keyOf('a'))) ?? 0) + 1);
      });
    await expect(guarded(hold, session, flag)).rejects.toMatchObject({ code: 'fenced' });
    await set('flag', 1);
    expect(await guarded(hold, session, flag)).toMatchObject({ runs: 1 });
    expect(await guarded(hold, hold)).toMatchObject({ runs: 1 });
    expect(await read(client, keyOf('a'))).toBe(2);
    await other.store.txn({ compare: [], success: [remove(hold.guard().key)], failure: [] });
    await expect(guarded(hold)).rejects.toMatchObject({ code: 'fenced' });
    await hold.release();
    await expect(guarded(hold)).rejects.toMatchObject({ code: 'hold-lost' });
    await other.store.txn({ compare: [], success: [remove(session.anchor)], failure: [] });
    await expect(guarded(session)).rejects.toMatchObject({ code: 'fenced' });
    expect(await read(client, keyOf('a'))).toBe(2);
    const next = await new Mutex(other, 'm').acquire();
    const two = atomically(client, (tx) => {
      tx.guard(next);
      tx.guard(hold);
    });
    await expect(two).rejects.toMatchObject({ code: 'invalid-argument' });
    await next.release();
  });

  it('STM-6 knows a session that is lost, and what is no compare, before anything is sent', async () => {
    const { client, keyOf } = await twoClients(testClients(server));
    const guarded = (guard: unknown) =>
      atomically(client, (tx) => {
        tx.guard(guard as TransactionGuard);
        tx.put(keyOf('a'), 1);
      });
    const session = await client.openSession();
    await session.close();
    await expect(guarded(session)).rejects.toMatchObject({ code: 'session-lost' });
    const key = keyOf('b');
    const bad = [
      { key, target: 'mod', result: 'is', operand: 1 },
      { key, target: 'age', result: 'equal', operand: 1 },
      { key, target: 'mod', result: 'equal', operand: '1' },
      { key, target: 'mod', result: 'equal' },
      { key, target: 'create', result: 'less', operand: 0.5 },
      { key, target: 'value', result: 'equal', operand: 'text' },
      { key, target: 'lease', result: 'equal', operand: 5 },
      { key, rangeEnd: 7, target: 'mod', result: 'equal', operand: 1 },
      { key: '', target: 'mod', result: 'equal', operand: 1 },
      { key: '\u1234', target: 'mod', result: 'equal', operand: 1 },
    ];
    for (const one of bad) {
      for (const guard of [one, { guard: () => one }, { guard: () => undefined }]) {
        await expect(guarded(guard), JSON.stringify(one)).rejects.toMatchObject({ code: 'invalid-argument' });
        const value = new AtomicValue<number>(client, 'n');
        const setting = value.set(1, { guard: guard as TransactionGuard });
        await expect(setting, JSON.stringify(one)).rejects.toMatchObject({ code: 'invalid-argument' });
      }
    }
    expect(await read(client, keyOf('a'))).toBeUndefined();
  });

  it('STM-6 is compared for a transaction that writes nothing too', async () => {
    const { client, keyOf, set } = await twoClients(testClients(server));
    await set('a', 1);
    const flag = compare.create(keyOf('flag'), 'greater', 0);
    const looking = () =>
      atomically(client, (tx) => {
        tx.guard(flag);
        return tx.get(keyOf('a'));
      });
    await expect(looking()).rejects.toMatchObject({ code: 'fenced' });
    await set('flag', 1);
    expect(await looking()).toMatchObject({ value: 1 });
  });

  it('takes nothing that is no bytes for bytes, nor for a deletion', async () => {
    const { client, keyOf, other } = await twoClients(testClients(server));
    await write(other, { [keyOf('a')]: 1 });
    for (const made of [undefined, null, 'text', Promise.resolve(bytesOf('1'))]) {
      const codec = { encode: () => made as never, decode: textOf };
      const putting = atomically(client, (tx) => tx.put(keyOf('a'), '2', codec));
      await expect(putting).rejects.toMatchObject({ code: 'codec' });
    }
    expect(await read(other, keyOf('a'))).toBe(1);
  });

  it('keeps bytes as a codec makes them, and says which key it does not take', async () => {
    const { client, keyOf, other } = await twoClients(testClients(server));
    await atomically(client, (tx) => tx.put(keyOf('a'), 'plain', text));
    expect(await atomically(client, (tx) => tx.get(keyOf('a'), text))).toMatchObject({ value: 'plain' });
    await expect(atomically(other, (tx) => tx.get(keyOf('a')))).rejects.toMatchObject({ code: 'codec' });
    await expect(atomically(other, (tx) => tx.put(keyOf('a'), undefined))).rejects.toMatchObject({
      code: 'codec',
    });
  });

  it('is strictly serializable among many callers of several processes: nothing is lost', async () => {
    const clients = testClients(server);
    const { client, other, keyOf } = await twoClients(clients);
    const all = [client, other, await clients.open()];
    const add = (by: Client) =>
      atomically(by, async (tx) => {
        const count = (await tx.get<number>(keyOf('hot'))) ?? 0;
        await delay(0);
        tx.put(keyOf('hot'), count + 1);
      });
    await Promise.all(all.flatMap((by) => Array.from({ length: 20 }, () => add(by))));
    expect(await read(client, keyOf('hot'))).toBe(60);
  });
});

describe('atomically', () => {
  const client = { store: {}, runtime: {} } as Client;
  it('refuses bad input', async () => {
    const run = () => {};
    const codeOf = (promise: Promise<unknown>) => promise.then(String, ({ code }) => code);
    for (const bad of [undefined, null, 'client', {}]) {
      expect(await codeOf(atomically(bad as never, run))).toBe('invalid-argument');
    }
    for (const bad of [undefined, null, 'run', {}]) {
      expect(await codeOf(atomically(client, bad as never))).toBe('invalid-argument');
    }
    for (const options of [
      null,
      'options',
      { isolation: null },
      { isolation: 'toString' },
      { isolation: 'snapshot' },
      { maxConflicts: -1 },
      { maxConflicts: Number.NaN },
      { maxConflicts: 1.5 },
      { maxConflicts: null },
      { timeoutMs: 0 },
      { timeoutMs: Number.NaN },
      { signal: {} },
    ]) {
      expect(await codeOf(atomically(client, run, options as never)), JSON.stringify(options)).toBe(
        'invalid-argument',
      );
    }
  });
});

describeStores(
  'a transaction',
  (server) => {
    it('refuses bad input', async () => {
      const clients = testClients(server);
      const client = await clients.open();
      const codeOf = (run: (tx: Transaction) => unknown) =>
        atomically(client, run).then(String, ({ code }) => code);
      for (const key of [undefined, null, '', 7, {}]) {
        expect(await codeOf((tx) => tx.get(key as never)), String(key)).toBe('invalid-argument');
        expect(await codeOf((tx) => tx.put(key as never, 1)), String(key)).toBe('invalid-argument');
        expect(await codeOf((tx) => tx.delete(key as never)), String(key)).toBe('invalid-argument');
      }
      for (const range of [undefined, null, 'a', { key: 'a' }, { key: 'b', rangeEnd: 'a' }, { prefix: 7 }]) {
        expect(await codeOf((tx) => tx.range(range as never)), JSON.stringify(range)).toBe(
          'invalid-argument',
        );
      }
      for (const options of [null, 7, { limit: 0 }, { limit: 1.5 }, { limit: Number.NaN }, { codec: {} }]) {
        const label = JSON.stringify(options);
        expect(await codeOf((tx) => tx.range({ prefix: 'x' }, options as never)), label).toBe(
          'invalid-argument',
        );
      }
      for (const codec of [null, {}, 'json']) {
        expect(await codeOf((tx) => tx.get('a', codec as never))).toBe('invalid-argument');
        expect(await codeOf((tx) => tx.put('a', 1, codec as never))).toBe('invalid-argument');
      }
      for (const guard of [undefined, null, 'guard', {}, { key: 'a' }]) {
        expect(await codeOf((tx) => tx.guard(guard as never))).toBe('invalid-argument');
      }
    });
  },
  ['memory'],
);
