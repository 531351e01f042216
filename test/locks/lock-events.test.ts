import { expect, it, onTestFinished } from 'vitest';
import { QuorateError } from '../../src/errors.js';
import { type LockEvent, Mutex } from '../../src/locks/index.js';
import { MemoryServer } from '../../src/memory/index.js';
import { Client } from '../../src/session/index.js';
import { ManualRuntime, settle } from '../support/manual-runtime.js';
import { storeWith } from '../support/store-with.js';

/** A client whose renewals fail while `renewals.fail` says so, on a clock that is moved by hand. */
async function openFrail(server: MemoryServer) {
  const runtime = new ManualRuntime();
  const renewals = { fail: false };
  const inner = server.connect();
  const store = storeWith(inner, {
    leaseKeepAlive: async (id, options) => {
      if (renewals.fail) throw new QuorateError('unavailable', 'no way through', { outcome: 'unknown' });
      return inner.leaseKeepAlive(id, options);
    },
  });
  const client = await Client.open({ store, namespace: 'n', runtime, ttlMs: 10_000 });
  onTestFinished(() => client.close());
  return { client, runtime, renewals };
}

function recorded(mutex: Mutex): LockEvent[] {
  const events: LockEvent[] = [];
  mutex.onEvent((event) => events.push(event));
  return events;
}

it('tells a holder that its hold is at risk while renewals fail, and again at the next trouble', async () => {
  const { client, runtime, renewals } = await openFrail(new MemoryServer());
  const mutex = new Mutex(client, 'm');
  const events = recorded(mutex);
  const hold = await mutex.acquire();
  const { token } = hold;
  renewals.fail = true;
  await runtime.advance(4_000);
  expect(events).toEqual([
    { type: 'acquired', token },
    { type: 'at-risk', token, reason: 'renewal-failed', remainingMs: expect.any(Number) },
  ]);
  const [, risk] = events;
  const remainingMs = risk?.type === 'at-risk' ? risk.remainingMs : Number.NaN;
  expect(remainingMs).toBeGreaterThan(5_000);
  expect(remainingMs).toBeLessThanOrEqual(10_000);
  expect(hold.isHeld).toBe(true);
  renewals.fail = false;
  await runtime.advance(10_000);
  expect(hold.isHeld).toBe(true);
  expect(events).toHaveLength(2);
  renewals.fail = true;
  await runtime.advance(4_000);
  expect(events.map(({ type }) => type)).toEqual(['acquired', 'at-risk', 'at-risk']);
  await runtime.advance(10_000);
  expect(hold.isHeld).toBe(false);
  expect(events.at(-1)).toMatchObject({ type: 'lost', token, error: { code: 'session-lost' } });
});

it('tells a holder at once that what it stands by was in doubt already', async () => {
  const { client, runtime, renewals } = await openFrail(new MemoryServer());
  await client.session();
  renewals.fail = true;
  await runtime.advance(4_000);
  const mutex = new Mutex(client, 'm');
  const events = recorded(mutex);
  const { token } = await mutex.acquire();
  expect(events).toEqual([
    { type: 'acquired', token },
    { type: 'at-risk', token, reason: 'renewal-failed', remainingMs: expect.any(Number) },
  ]);
});

it('says from the first moment that somebody waits, and for what', async () => {
  const { client } = await openFrail(new MemoryServer());
  const mutex = new Mutex(client, 'm');
  expect(mutex.status()).toEqual({ reason: 'nobody-waits', callers: 0 });
  for (let round = 0; round < 2; round += 1) {
    const acquiring = mutex.acquire();
    expect(mutex.status()).toEqual({ reason: 'opening-session', callers: 1 });
    await (await acquiring).release();
    await settle();
    expect(mutex.status()).toEqual({ reason: 'nobody-waits', callers: 0 });
  }
});

it('tells nobody of a risk who does not hold', async () => {
  const { client, runtime, renewals } = await openFrail(new MemoryServer());
  const mutex = new Mutex(client, 'm');
  const events = recorded(mutex);
  await (await mutex.acquire()).release();
  renewals.fail = true;
  await runtime.advance(4_000);
  await settle();
  expect(events.map(({ type }) => type)).toEqual(['acquired', 'released']);
});

it('says why its callers wait whatever becomes of holds with places of their own', async () => {
  const server = new MemoryServer();
  const opened = async () => {
    const client = await Client.open({ store: server.connect(), namespace: 'n' });
    onTestFinished(() => client.close());
    return new Mutex(client, 'm');
  };
  const [first, mutex, last] = [await opened(), await opened(), await opened()];
  const waiting = async (count: number) => {
    await expect.poll(async () => (await first.inspect()).waiting.length).toBe(count);
  };
  const held = await first.acquire();
  const owned = mutex.acquire({ owner: 'a' });
  await waiting(1);
  const between = last.acquire();
  await waiting(2);
  const shared = mutex.acquire();
  await waiting(3);
  await held.release();
  await (await owned).release();
  expect((await between).isHeld).toBe(true);
  expect(mutex.status()).toMatchObject({ reason: 'behind-others', callers: 1 });
  await (await between).release();
  await (await shared).release();
});
