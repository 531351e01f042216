import { expect, it, onTestFinished } from 'vitest';
import { QuorateError } from '../../../src/errors.js';
import { MemoryServer } from '../../../src/memory/index.js';
import { CreditAccount } from '../../../src/queues/bounds/credit-account.js';
import { QueueKeys } from '../../../src/queues/keys.js';
import { decodeDemand } from '../../../src/queues/records/index.js';
import { Client } from '../../../src/session/index.js';
import { type Op, txnOf } from '../../../src/store/index.js';
import { fastRuntime } from '../../support/fast-runtime.js';
import { hookedStore } from '../../support/hooked-store.js';

const putsAt = (part: 'h' | 'u', ops: readonly Op[]): boolean =>
  ops.some((op) =>
    op.type === 'txn' ? putsAt(part, op.success) : op.type === 'put' && op.key.endsWith(`/${part}`),
  );

async function world() {
  const server = new MemoryServer();
  const hooked = hookedStore(server.connect());
  // No session is to end where the machine is slow: so much of that clock is a minute.
  const options = { runtime: fastRuntime(10), ttlMs: 600_000 };
  const client = await Client.open({ store: hooked.store, namespace: 'n', ...options });
  const keys = new QueueKeys(client.keys.prefix('queue', 'q'));
  onTestFinished(async () => {
    hooked.hook = undefined;
    await client.close();
    await server.close();
  });
  return { server, hooked, client, keys };
}

async function withAccount() {
  const { server, hooked, client, keys } = await world();
  const account = await CreditAccount.open(client, keys);
  onTestFinished(() => account.close());
  /** What was sent is applied, and no reply comes, for as long as anybody waits for it. */
  const losingReplies = async (write: () => Promise<unknown>) => {
    hooked.hook = async (request, send) => {
      const reply = await send();
      if (!putsAt('u', request.success)) return reply;
      throw new QuorateError('unavailable', 'the reply was lost', { outcome: 'unknown' });
    };
    await expect(write()).rejects.toMatchObject({ outcome: 'unknown' });
    hooked.hook = undefined;
  };
  const stored = () => {
    const demands = server.engine.range(keys.accounts).kvs.filter(({ key }) => key.endsWith('/u'));
    expect(demands).toHaveLength(1);
    return demands[0] && decodeDemand(demands[0].value);
  };
  return { client, account, losingReplies, stored };
}

it('QUEUE-28 a demand of which nobody knows that it was stored is taken back when nobody waits', async () => {
  const { account, losingReplies, stored } = await withAccount();
  await losingReplies(() => account.ask(50, 50));
  expect(stored()).toMatchObject({ next: 50 });
  await account.askForNothing();
  expect(stored()).toMatchObject({ next: 0, wanted: 0 });
});

it('QUEUE-28 so is one that travelled with a group of which it is not known whether it entered', async () => {
  const { client, account, losingReplies, stored } = await withAccount();
  const { compare, ops } = account.spending(0, 50, 50);
  account.doubt();
  await losingReplies(() => client.store.txn(txnOf({ compare, success: ops }), { timeoutMs: 10_000 }));
  expect(stored()).toMatchObject({ next: 50 });
  await account.askForNothing();
  expect(stored()).toMatchObject({ next: 0, wanted: 0 });
});

it('QUEUE-28 what was read in between does not make it forget what may still be stored', async () => {
  const { client, account, stored } = await withAccount();
  const { compare, ops } = account.spending(0, 50, 50);
  account.doubt();
  await account.settle();
  // It arrives only now.
  await client.store.txn(txnOf({ compare, success: ops }));
  await account.askForNothing();
  expect(stored()).toMatchObject({ next: 0, wanted: 0 });
});

it('an account whose opening was given up on its way is deleted, also where it arrives later', async () => {
  const { server, hooked, client, keys } = await world();
  const held: (() => void)[] = [];
  hooked.hook = async (request, send) => {
    if (putsAt('h', request.success)) await new Promise<void>((resolve) => held.push(resolve));
    return send();
  };
  await expect(CreditAccount.open(client, keys)).rejects.toMatchObject({ code: 'timeout' });
  expect(held.length).toBeGreaterThan(0);
  // Whatever was sent to tidy up is there before it.
  await new Promise((resolve) => setTimeout(resolve, 10));
  hooked.hook = undefined;
  const { revision } = server.engine.range({ key: 'a' });
  for (const arrive of held) arrive();
  await expect.poll(() => server.engine.range({ key: 'a' }).revision).toBeGreaterThan(revision);
  await expect.poll(() => server.engine.range(keys.accounts).count).toBe(0);
  expect((await client.session()).signal.aborted).toBe(false);
});
