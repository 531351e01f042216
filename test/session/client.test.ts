import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { isQuorateError } from '../../src/errors.js';
import { MemoryServer } from '../../src/memory/index.js';
import { Client, type ClientOptions, type SessionChange } from '../../src/session/index.js';
import { prefixRange } from '../../src/store/index.js';
import { ManualRuntime, ManualTime, settle } from '../support/manual-runtime.js';
import { describeStores, uniqueName } from '../support/stores.js';
import { cuttableStore } from './cuttable-store.js';
import { settled, value } from './machines.js';

/** A client and its server as two machines on one true time. */
function machines() {
  const time = new ManualTime();
  const serverMachine = new ManualRuntime({ time });
  const runtime = new ManualRuntime({ time });
  const server = new MemoryServer({ runtime: serverMachine });
  onTestFinished(() => server.close());
  const { store, fate, count } = cuttableStore(server.connect(), runtime);
  return {
    ...{ time, runtime, server, store, fate, count },
    open: (options: Partial<ClientOptions> = {}) => value(time, Client.open({ store, runtime, ...options })),
    keys: async () => (await server.connect().range(prefixRange(''))).kvs.map((kv) => kv.key),
  };
}

describe('options', () => {
  const store = new MemoryServer().connect();
  it.each([
    ['store', { store: {} }],
    ['store', { store: undefined }],
    ['namespace', { store, namespace: '' }],
    ['label', { store, label: 'a\nb' }],
    ['ttlMs', { store, ttlMs: 1_999 }],
    ['ttlMs', { store, ttlMs: Number.NaN }],
    ['clockRateError', { store, clockRateError: -1 }],
    ['abortMs', { store, abortMs: Number.POSITIVE_INFINITY }],
    ['margin', { store, ttlMs: 2_000, abortMs: 990 }],
    ['lanes', { store, lanes: 0 }],
    ['lanes', { store, lanes: 1.5 }],
    ['connectTimeoutMs', { store, connectTimeoutMs: 0 }],
    ['closeStore', { store, closeStore: 'yes' }],
  ])('refuses a wrong %s: %o', async (name, options) => {
    await expect(Client.open(options as unknown as ClientOptions)).rejects.toMatchObject({
      code: 'invalid-argument',
      message: expect.stringContaining(name),
    });
  });

  it('refuses to be opened without any', async () => {
    await expect(Client.open(undefined as unknown as ClientOptions)).rejects.toMatchObject({
      code: 'invalid-argument',
    });
  });

  it('names itself if it is not named', async () => {
    const { open } = machines();
    const client = await open();
    expect(client.label).toBe(`client-${client.id}`);
    expect((await open({ label: 'host:17' })).label).toBe('host:17');
  });
});

describe('the shared session', () => {
  it('SESSION-10 is opened once for all who ask at the same time, and stays the same', async () => {
    const { open, time, count, fate } = machines();
    const client = await open();
    fate(() => 'deliver');
    const all = await value(time, Promise.all([client.session(), client.session(), client.session()]));
    expect(new Set(all).size).toBe(1);
    expect(count('leaseGrant')).toBe(1);
    await time.advance(60_000);
    expect(await client.session()).toBe(all[0]);
  });

  it('SESSION-10 a caller who gives up ends only its own wait', async () => {
    const { open, time, fate } = machines();
    const client = await open();
    fate((call, nth) => (call === 'leaseGrant' && nth === 0 ? 'lose-reply' : 'deliver'));
    const controller = new AbortController();
    const impatient = settled(time, client.session({ timeoutMs: 50 }));
    const aborted = settled(time, client.session({ signal: controller.signal }));
    const patient = client.session();
    controller.abort();
    expect((await impatient).error).toMatchObject({ code: 'timeout' });
    expect((await aborted).error).toMatchObject({ code: 'aborted' });
    expect((await value(time, patient)).isLive()).toBe(true);
  });

  it('SESSION-10 nobody is left to hear of a failed opening, and nothing is left unhandled', async () => {
    const { open, time, fate, runtime } = machines();
    const client = await open();
    fate(() => 'lose-request');
    expect((await settled(time, client.session({ timeoutMs: 100 }))).error).toMatchObject({
      code: 'timeout',
    });
    await time.advance(20_000);
    fate(() => 'deliver');
    expect((await value(time, client.session())).isLive()).toBe(true);
    await client.close();
    expect(runtime.timerCount).toBe(0);
  });

  it('refuses waits that make no sense', async () => {
    const { open } = machines();
    const client = await open();
    await expect(client.session({ timeoutMs: 0 })).rejects.toMatchObject({ code: 'invalid-argument' });
    await expect(client.session({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'aborted' });
    await expect(client.openSession({ ttlMs: 1 })).rejects.toMatchObject({ code: 'invalid-argument' });
  });

  it('SESSION-11 is opened anew after a loss', async () => {
    const { open, time, server } = machines();
    const client = await open();
    const first = await value(time, client.session());
    server.engine.leaseRevoke(first.leaseId);
    await time.advance(4_000);
    expect(first.isLive()).toBe(false);
    const second = await value(time, client.session());
    expect(second.id).not.toBe(first.id);
    expect(second.isLive()).toBe(true);
    expect(first.isLive()).toBe(false);
  });

  it('SESSION-11 is not replaced while a stall is being decided, if it survives', async () => {
    const { open, time, runtime, store } = machines();
    const client = await open();
    const session = await value(time, client.session());
    let deliver: () => void = () => {};
    const keepAlive = store.leaseKeepAlive.bind(store);
    Object.assign(store, {
      leaseKeepAlive: async (...args: Parameters<typeof keepAlive>) => {
        const ttl = await keepAlive(...args);
        await new Promise<void>((resolve) => {
          deliver = resolve;
        });
        return ttl;
      },
    });
    await time.advance(3_400);
    runtime.pause();
    await time.advance(6_200);
    expect(session.isLive()).toBe(false);
    const asked = client.session();
    deliver();
    expect(await asked).toBe(session);
    expect(session.isLive()).toBe(true);
    runtime.resume();
  });

  it('rejects with unreachable while the store is away', async () => {
    const { open, time, fate } = machines();
    const client = await open({ connectTimeoutMs: 1_500 });
    fate(() => 'lose-request');
    const before = time.nowMs;
    expect((await settled(time, client.session())).error).toMatchObject({ code: 'unreachable' });
    expect(time.nowMs - before).toBeLessThanOrEqual(1_700);
  });
});

describe('a session of its own', () => {
  it('has its own lease and TTL, in whole seconds', async () => {
    const { open, time, server } = machines();
    const client = await open();
    const shared = await value(time, client.session());
    const own = await value(time, client.openSession({ ttlMs: 3_500 }));
    expect(own.leaseId).not.toBe(shared.leaseId);
    expect(own.ttlMs).toBe(4_000);
    await own.close();
    expect(shared.isLive()).toBe(true);
    expect(server.engine.leases()).not.toContain(own.leaseId);
  });

  it('SESSION-8 given up leaves no lease', async () => {
    const { open, time, server, fate } = machines();
    const client = await open();
    const before = server.engine.leases().length;
    fate((call) => (call === 'leaseGrant' ? 'lose-reply' : 'deliver'));
    const opening = settled(time, client.openSession({ timeoutMs: 200 }));
    expect((await opening).error).toMatchObject({ code: 'timeout' });
    await time.advance(1_000);
    expect(server.engine.leases().length).toBe(before);
  });
});

describe('onSessionChange', () => {
  it('tells openings and changes of all sessions, and survives its listeners', async () => {
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    onTestFinished(() => warned.mockRestore());
    const { open, time } = machines();
    const client = await open();
    const heard: string[] = [];
    client.onSessionChange(() => {
      throw new Error('mine');
    });
    const remove = client.onSessionChange((change: SessionChange) =>
      heard.push(`${change.previous?.status} > ${change.state.status}`),
    );
    const session = await value(time, client.session());
    await session.close();
    expect(heard).toEqual(['undefined > healthy', 'healthy > lost']);
    remove();
    await value(time, client.session());
    expect(heard.length).toBe(2);
    expect(warned).toHaveBeenCalledTimes(3);
  });
});

describe('close', () => {
  it('SESSION-8 leaves no key, no lease and no timer', async () => {
    const { open, time, runtime, server, keys } = machines();
    const client = await open();
    const session = await value(time, client.session());
    await value(time, client.openSession());
    const heard: string[] = [];
    client.hub.subscribe({ key: 'k' }, (item) => heard.push(item.type));
    await settle();
    await value(time, client.close());
    await client.close();
    expect(session.signal.aborted).toBe(true);
    expect(session.state).toMatchObject({ status: 'lost', reason: 'closed' });
    expect(heard).toEqual(['opened', 'failed']);
    expect(await keys()).toEqual([]);
    expect(server.engine.leases()).toEqual([]);
    expect(runtime.timerCount).toBe(0);
  });

  it('refuses what comes after it, and what was under way', async () => {
    const { open, time, fate, server } = machines();
    const client = await open();
    fate((call) => (call === 'leaseGrant' ? 'lose-reply' : 'deliver'));
    const underWay = settled(time, client.session());
    const own = settled(time, client.openSession());
    await settle();
    await value(time, client.close());
    expect((await underWay).error).toMatchObject({ code: 'closed' });
    expect((await own).error).toMatchObject({ code: 'closed' });
    await expect(client.session()).rejects.toMatchObject({ code: 'closed' });
    await expect(client.openSession()).rejects.toMatchObject({ code: 'closed' });
    await time.advance(11_000);
    expect(server.engine.leases()).toEqual([]);
  });

  it('is bounded while the store is away', async () => {
    const { open, time, fate, runtime } = machines();
    const client = await open();
    await value(time, client.session());
    fate(() => 'lose-request');
    const before = time.nowMs;
    await value(time, client.close());
    expect(time.nowMs - before).toBeLessThanOrEqual(5_000);
    expect(runtime.timerCount).toBe(0);
  });

  it('closes the store if, and only if, it was told to', async () => {
    const { open, store } = machines();
    const close = vi.spyOn(store, 'close');
    await (await open()).close();
    expect(close).not.toHaveBeenCalled();
    await (await open({ closeStore: true })).close();
    expect(close).toHaveBeenCalledTimes(1);
  });
});

describe('opening', () => {
  it('rejects with unreachable within its limit, and leaves no timer', async () => {
    const { time, runtime, store, fate } = machines();
    fate(() => 'lose-request');
    const close = vi.spyOn(store, 'close');
    const before = time.nowMs;
    const { error } = await settled(
      time,
      Client.open({ store, runtime, connectTimeoutMs: 1_000, closeStore: true }),
    );
    expect(error).toMatchObject({ code: 'unreachable' });
    expect(time.nowMs - before).toBeLessThanOrEqual(1_200);
    expect(close).toHaveBeenCalledTimes(1);
    await time.advance(10_000);
    expect(runtime.timerCount).toBe(0);
  });
});

describeStores('client', (server) => {
  it('SESSION-8 its sessions stand on leased keys, which vanish when it closes', async () => {
    const namespace = uniqueName('session');
    const other = await server.connect();
    const client = await Client.open({ store: await server.connect(), namespace, closeStore: true });
    const session = await client.session();
    const under = async () => (await other.range(prefixRange(`${namespace}/`))).kvs;
    const anchor = (await under()).find((kv) => kv.key === session.anchor);
    expect(anchor).toMatchObject({ lease: session.leaseId, createRevision: session.anchorRevision });
    const guarded = { compare: [session.guard()], success: [], failure: [] };
    expect((await other.txn(guarded)).succeeded).toBe(true);
    expect(await session.verify()).toBe(true);
    await client.close();
    expect(await under()).toEqual([]);
    expect((await other.txn(guarded)).succeeded).toBe(false);
  });

  it('SESSION-4 a session of the shortest TTL lives on, until its lease is revoked elsewhere', async () => {
    const other = await server.connect();
    const client = await Client.open({
      store: await server.connect(),
      namespace: uniqueName('session'),
      ttlMs: 2_000,
      closeStore: true,
    });
    onTestFinished(() => client.close());
    const session = await client.session();
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    expect(session.isLive()).toBe(true);
    const lost = new Promise((resolve) => session.signal.addEventListener('abort', resolve));
    await other.leaseRevoke(session.leaseId);
    await lost;
    expect(isQuorateError(session.signal.reason, 'session-lost')).toBe(true);
    const next = await client.session();
    expect(next.isLive()).toBe(true);
    expect(next.id).not.toBe(session.id);
  });

  it('subscribers of one range share one watch, and a later one is greeted at once', async () => {
    const client = await Client.open({
      store: await server.connect(),
      namespace: uniqueName('session'),
      closeStore: true,
    });
    onTestFinished(() => client.close());
    const prefix = client.keys.prefix('watch', 'w');
    const seen: string[][] = [[], []];
    const opened = new Promise<void>((resolve) => {
      client.hub.subscribe(prefixRange(prefix), (item) => {
        if (item.type === 'opened') resolve();
        if (item.type === 'events') seen[0]?.push(...item.events.map((event) => event.kv.key));
      });
    });
    await opened;
    let greeted = false;
    const both = new Promise<void>((resolve) => {
      client.hub.subscribe(prefixRange(prefix), (item) => {
        if (item.type === 'opened') greeted = true;
        if (item.type === 'events') seen[1]?.push(...item.events.map((event) => event.kv.key));
        if (seen[1]?.length === 2) resolve();
      });
    });
    expect(greeted).toBe(true);
    expect(client.hub.watchCount).toBe(1);
    for (const name of ['a', 'b']) {
      const value = new Uint8Array([1]);
      await client.store.txn({
        compare: [],
        success: [{ type: 'put', key: prefix + name, value }],
        failure: [],
      });
    }
    await both;
    expect(seen).toEqual([
      [`${prefix}a`, `${prefix}b`],
      [`${prefix}a`, `${prefix}b`],
    ]);
    await client.store.txn({
      compare: [],
      success: [{ type: 'delete', ...prefixRange(prefix) }],
      failure: [],
    });
  });
});
