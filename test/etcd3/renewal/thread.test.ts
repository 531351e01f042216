import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, inject, it, onTestFinished, vi } from 'vitest';
import { type Etcd3StoreOptions, openEtcd3Store } from '../../../src/etcd3/index.js';
import { WorkerRenewer } from '../../../src/etcd3/renewal/worker-renewer.js';
import { systemRuntime } from '../../../src/runtime/index.js';
import { sharedMonotonicMs, startThread, type Thread } from '../../../src/runtime/thread.js';
import { Client } from '../../../src/session/index.js';
import type { LeaseRenewer } from '../../../src/store/index.js';
import { LoopRenewer } from '../../../src/store/loop-renewer.js';
import { ManualRuntime } from '../../support/manual-runtime.js';
import { uniqueName } from '../../support/stores.js';
import { TcpProxy } from '../../support/tcp-proxy.js';

/** Blocks the event loop, until it is over or `done` says so. */
function block(ms: number, done: () => boolean): boolean {
  const cell = new Int32Array(new SharedArrayBuffer(4));
  const startedAtMs = performance.now();
  while (performance.now() - startedAtMs < ms) {
    if (done()) return true;
    Atomics.wait(cell, 0, 0, 5);
  }
  return false;
}

async function open(options: Partial<Etcd3StoreOptions> = {}, ttlMs = 2_000): Promise<Client> {
  const store = await openEtcd3Store({ hosts: inject('etcdEndpoint'), renewal: 'worker', ...options });
  const client = await Client.open({
    ...{ store, namespace: uniqueName('thread'), ttlMs, closeStore: true },
    stallWarningMs: 0,
  });
  onTestFinished(() => client.close());
  return client;
}

describe('options of renewal', () => {
  const hosts = '127.0.0.1:1';
  it.each<[string, object]>([
    ['renewal is "thread"', { hosts, renewal: 'thread' }],
    ['longestStallMs without', { hosts, longestStallMs: 5_000 }],
    ['longestStallMs is 999', { hosts, renewal: 'worker', longestStallMs: 999 }],
    ['longestStallMs is Infinity', { hosts, renewal: 'worker', longestStallMs: Number.POSITIVE_INFINITY }],
    ['with runtime', { hosts, renewal: 'worker', runtime: new ManualRuntime() }],
    ['with etcd3', { etcd3: {}, renewal: 'worker' }],
  ])('are refused: %s', async (message, options) => {
    await expect(openEtcd3Store(options as Etcd3StoreOptions)).rejects.toMatchObject({
      code: 'invalid-argument',
      message: expect.stringContaining(message),
    });
  });
});

describe.skipIf(inject('etcdEndpoint') === '')('a thread that renews leases', () => {
  it('SESSION-4 tells an event loop that is blocked that its lease is gone', async () => {
    const client = await open({}, 6_000);
    const session = await client.session();
    await client.plainStore.leaseRevoke(session.leaseId);
    // It asks every third of the TTL, long before the deadline.
    const isGone = block(10_000, () => !session.isLive());
    expect(isGone).toBe(true);
    expect(session.state).toMatchObject({ status: 'lost', reason: 'lease-gone' });
    expect(session.signal.aborted).toBe(true);
  });

  it('renews several sessions of a client, each with its own TTL', async () => {
    const client = await open();
    const sessions = [await client.session(), await client.openSession({ ttlMs: 3_000 })];
    expect(block(3_500, () => sessions.some((session) => !session.isLive()))).toBe(false);
    await sessions[1]?.close();
    expect(sessions[0]?.isLive()).toBe(true);
  });

  it('that cannot reach the store leaves the session in doubt, then lost, and can again for the next', async () => {
    const proxy = await TcpProxy.start(inject('etcdEndpoint'));
    onTestFinished(() => proxy.close());
    const client = await open({ hosts: proxy.endpoint });
    const session = await client.session();
    const states: string[] = [];
    session.onChange(({ state }) => states.push(state.status));
    await proxy.refuse();
    await vi.waitFor(() => expect(session.signal.aborted).toBe(true), 15_000);
    expect(states[0]).toBe('suspect');
    expect(session.state).toMatchObject({ status: 'lost', reason: 'deadline' });
    await proxy.accept();
    let next = await client.session().catch(() => undefined);
    for (let attempt = 0; next === undefined && attempt < 5; attempt += 1) {
      next = await client.session().catch(() => undefined);
    }
    await delay(2_500);
    expect(next?.isLive()).toBe(true);
  });

  it.each<[string, (thread: Thread) => Promise<void> | void]>([
    ['is terminated', (thread) => thread.end()],
    // Nothing that it knows: it throws where nobody catches it.
    ['crashes', (thread) => thread.post(null)],
  ])('that %s is replaced by the event loop at once', async (_how, kill) => {
    const store = await openEtcd3Store({ hosts: inject('etcdEndpoint') });
    const causes: unknown[] = [];
    let thread: Thread | undefined;
    const options = { hosts: inject('etcdEndpoint') };
    const leaseRenewer = renewed(options, new LoopRenewer(store, systemRuntime), causes, (started) => {
      thread = started;
    });
    await leaseRenewer.ready;
    Object.assign(store, { leaseRenewer });
    const client = await Client.open({
      ...{ store, namespace: uniqueName('thread'), ttlMs: 2_000, closeStore: true },
    });
    onTestFinished(() => client.close());
    const session = await client.session();
    const states: unknown[] = [];
    session.onChange(({ state }) => states.push(state));
    await delay(800);
    if (thread === undefined) throw new Error('no thread');
    await kill(thread);
    await delay(2_600);
    expect(causes.length).toBe(1);
    expect(session.isLive()).toBe(true);
    expect(states).toEqual([]);
    const later = await client.openSession();
    await delay(2_100);
    expect(later.isLive()).toBe(true);
  });

  it('that cannot connect is refused, and ends', async () => {
    const causes: unknown[] = [];
    const nobody: LeaseRenewer = { start: () => ({ latest: () => undefined, stop: () => {} }) };
    const renewer = renewed({ hosts: '127.0.0.1:1', connectTimeoutMs: 300 }, nobody, causes);
    await expect(renewer.ready).rejects.toMatchObject({ code: 'unreachable' });
    await vi.waitFor(() => expect(renewer.isRunning).toBe(false), 15_000);
    expect(causes).toEqual([]);
  });
});

/** As the store has one, and its thread in reach. */
function renewed(
  options: Etcd3StoreOptions,
  fallback: LeaseRenewer,
  causes: unknown[],
  onThread: (thread: Thread) => void = () => {},
) {
  const renewer = new WorkerRenewer({
    ...{ runtime: systemRuntime, sharedMs: sharedMonotonicMs, longestStallMs: 60_000 },
    fallback,
    startThread: (lifeSign, events) => {
      const module = new URL('../../../src/etcd3/renewal/renewal-thread.ts', import.meta.url);
      const thread = startThread(module, 'test', { options, lifeSign, longestStallMs: 60_000 }, events);
      onThread(thread);
      return thread;
    },
    onEnd: (cause) => causes.push(cause),
  });
  onTestFinished(() => renewer.close());
  return renewer;
}
