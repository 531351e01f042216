import { expect, it, onTestFinished } from 'vitest';
import { atomically } from '../../../src/atomics/index.js';
import { QuorateError } from '../../../src/errors.js';
import { MemoryServer } from '../../../src/memory/index.js';
import { Client } from '../../../src/session/index.js';
import { put, type Store, textOf } from '../../../src/store/index.js';
import { faultyStore } from '../../support/faulty-store.js';
import { hookedStore } from '../../support/hooked-store.js';
import { storeWith } from '../../support/store-with.js';

async function open(store: Store): Promise<Client> {
  const client = await Client.open({ store, namespace: 'n' });
  onTestFinished(() => client.close());
  return client;
}

function valueIn(server: MemoryServer, key: string): string | undefined {
  const [kv] = server.engine.range({ key }).kvs;
  return kv && textOf(kv.value);
}

async function set(server: MemoryServer, key: string, value: number): Promise<void> {
  await server.connect().txn({ compare: [], success: [put(key, String(value))], failure: [] });
}

it('STM-2 applies a commit whose reply is lost once, and tells its caller so', async () => {
  const server = new MemoryServer();
  const store = faultyStore(server.connect());
  const client = await open(store);
  store.script('txn', 'lose-reply', 'lose-request');
  const { runs } = await atomically(client, async (tx) =>
    tx.put('a', ((await tx.get<number>('a')) ?? 0) + 1),
  );
  expect(runs).toBe(1);
  expect(valueIn(server, 'a')).toBe('1');
});

it('reads again where a read fails in passing', async () => {
  const server = new MemoryServer();
  const store = faultyStore(server.connect());
  const client = await open(store);
  await set(server, 'a', 1);
  store.script('range', 'refuse', 'timeout-lost', 'lose-reply');
  expect(await atomically(client, (tx) => tx.get('a'))).toMatchObject({ value: 1, runs: 1 });
});

it('runs again where the state that it reads is compacted in the middle, whatever the function makes of it', async () => {
  const server = new MemoryServer();
  const client = await open(server.connect());
  await set(server, 'a', 1);
  let runs = 0;
  const { value } = await atomically(client, async (tx) => {
    runs += 1;
    await tx.get('a');
    if (runs === 1) {
      await set(server, 'b', 2);
      await server.connect().compact((await client.store.status()).revision);
    }
    return tx.get('b').catch(() => 'swallowed');
  });
  expect({ runs, value }).toEqual({ runs: 2, value: 2 });
});

it('tells with outcome unknown that it was given up with its commit under way', async () => {
  const server = new MemoryServer();
  const hooked = hookedStore(server.connect());
  const client = await open(hooked.store);
  let answer = () => {};
  hooked.hook = async (_request, send) => {
    const reply = await send();
    await new Promise<void>((resolve) => {
      answer = resolve;
    });
    return reply;
  };
  const committing = atomically(client, (tx) => tx.put('a', 1), { timeoutMs: 50 });
  await expect(committing).rejects.toMatchObject({ code: 'timeout', outcome: 'unknown' });
  expect(valueIn(server, 'a')).toBe('1');
  hooked.hook = undefined;
  answer();
});

it('goes on without a line where there is no session to stand there by', async () => {
  const server = new MemoryServer();
  const plain = server.connect();
  let isOpen = false;
  const leaseGrant: Store['leaseGrant'] = (request, options) => {
    if (isOpen) throw new QuorateError('permission-denied', 'leases are not for everybody');
    return plain.leaseGrant(request, options);
  };
  const client = await open(storeWith(plain, { leaseGrant }));
  isOpen = true;
  let left = 4;
  const { runs } = await atomically(client, async (tx) => {
    const value = (await tx.get<number>('a')) ?? 0;
    if (left > 0) await set(server, 'a', value + 1);
    left -= 1;
    tx.put('a', value + 1);
  });
  expect(runs).toBe(5);
  expect(valueIn(server, 'a')).toBe('5');
});

it('leaves no rejection to nobody where two reads fail, and the function waits for one after the other', async () => {
  const left: unknown[] = [];
  const note = (reason: unknown) => left.push(reason);
  process.on('unhandledRejection', note);
  onTestFinished(() => void process.off('unhandledRejection', note));
  const server = new MemoryServer();
  const hooked = hookedStore(server.connect());
  const client = await open(hooked.store);
  hooked.hook = () => Promise.reject(new QuorateError('permission-denied', 'not for you'));
  const reading = atomically(client, async (tx) => {
    const [one, all] = [tx.get<number>('a'), tx.range({ prefix: 'b' })];
    return [await one, await all];
  });
  await expect(reading).rejects.toMatchObject({ code: 'permission-denied' });
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(left).toEqual([]);
  hooked.hook = undefined;
});
