import { expect, it } from 'vitest';
import {
  Config,
  ConfigDocument,
  ConfigEditor,
  type ConfigReaderClient,
  type ConfigView,
} from '../../src/config/index.js';
import { ConfigKeys } from '../../src/config/keys.js';
import { QuorateError } from '../../src/errors.js';
import { put, type Store, txnOf } from '../../src/store/index.js';
import { testClients } from '../support/clients.js';
import { storeWith } from '../support/store-with.js';
import { describeStores } from '../support/stores.js';
import { documents, editorOf, flags, limits, limitsSchema, motd, name, openConfig, why } from './scene.js';

describeStores('Config', (server, kind) => {
  it('CONFIG-1 gives what was changed, of all documents at once, to readers in other processes', async () => {
    const clients = testClients(server);
    const config = await openConfig(await clients.open());
    expect(config.get(limits)).toBeUndefined();
    const editor = editorOf(await clients.open());
    const { revision } = await editor.change([limits.set({ perSecond: 5 }), flags.set({ beta: true })], why);
    expect(await config.sync()).toBe(revision);
    expect(config.get(limits)).toEqual({ perSecond: 5 });
    expect(config.get(flags)).toEqual({ beta: true });
    expect(config.view(limits)).toEqual({ value: { perSecond: 5 }, revision, rollout: undefined });
    const before = config.snapshot;
    await editor.change([limits.set({ perSecond: 6 }), flags.remove()], why);
    await config.sync();
    expect([config.get(limits), config.get(flags)]).toEqual([{ perSecond: 6 }, undefined]);
    expect([before.get(limits), before.get(flags), before.revision]).toEqual([
      { perSecond: 5 },
      { beta: true },
      revision,
    ]);
  });

  it('what is given is frozen, the same object until it changes, and no one’s but a document’s of the reader', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const editor = editorOf(client);
    await editor.change([limits.set({ perSecond: 5, hosts: ['a'] }), motd.set('héllo')], why);
    const config = await openConfig(client);
    const given = config.get(limits);
    expect(Object.isFrozen(given)).toBe(true);
    expect(Object.isFrozen(given?.hosts)).toBe(true);
    expect(config.get(motd)).toBe('héllo');
    await editor.change(flags.set({ a: true }), why);
    await config.sync();
    expect(config.get(limits)).toBe(given);
    const other = new ConfigDocument<number>('other');
    expect(() => config.get(other)).toThrow(expect.objectContaining({ code: 'invalid-argument' }));
  });

  it('what a schema has frozen on its outside alone is frozen all the way down', async () => {
    const client = await testClients(server).open();
    const validate = (value: unknown) => ({ value: Object.freeze(value as { inner: object }) });
    const schema = { '~standard': { version: 1, vendor: 'test', validate } } as const;
    const outside = new ConfigDocument<{ inner: object }>('outside', { schema });
    const editor = new ConfigEditor(client, name, { documents: [outside], author: 'ada' });
    await editor.change(outside.set({ inner: { a: 1 } }), why);
    const config = await openConfig(client, { documents: [outside] });
    expect(Object.isFrozen(config.get(outside)?.inner)).toBe(true);
  });

  it('merges the layers of its scope, the base first, and leaves those of others alone', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const editor = editorOf(client);
    await editor.change(
      [
        limits.set({ perSecond: 5, burst: 9, hosts: ['base'] }),
        limits.overlay('production', { perSecond: 8, burst: null }),
        limits.overlay('production/eu-1', { hosts: ['eu'] }),
        limits.overlay('staging', { perSecond: 1 }),
        motd.set('base'),
        motd.overlay('production', 'whole'),
      ],
      why,
    );
    const readers = await Promise.all(
      ['', 'production', 'production/eu-1', 'production/eu-2', 'staging', 'production2'].map((scope) =>
        openConfig(client, { scope }),
      ),
    );
    expect(readers.map((config) => config.get(limits))).toEqual([
      { perSecond: 5, burst: 9, hosts: ['base'] },
      { perSecond: 8, hosts: ['base'] },
      { perSecond: 8, hosts: ['eu'] },
      { perSecond: 8, hosts: ['base'] },
      { perSecond: 1, burst: 9, hosts: ['base'] },
      { perSecond: 5, burst: 9, hosts: ['base'] },
    ]);
    expect(readers.map((config) => config.get(motd))).toEqual([
      ...['base', 'whole', 'whole', 'whole', 'base', 'base'],
    ]);
    const gone = ['', 'production', 'production/eu-1'].map((scope) => limits.remove({ scope }));
    await editor.change(gone, why);
    await Promise.all(readers.map((config) => config.sync()));
    const left = readers.map((config) => config.get(limits));
    expect(left).toEqual([undefined, undefined, undefined, undefined, { perSecond: 1 }, undefined]);
  });

  it('CONFIG-2 follows a document, conflated, and ends with the signal, the reader, or the configuration', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const config = await openConfig(client);
    const editor = editorOf(client);
    const seen: ConfigView<unknown>[] = [];
    const stop = new AbortController();
    const following = (async () => {
      for await (const view of config.watch(limits, { signal: stop.signal })) seen.push(view);
    })();
    for (let perSecond = 1; perSecond <= 20; perSecond += 1) {
      await editor.change(limits.set({ perSecond }), why);
      await editor.change(flags.set({ even: perSecond % 2 === 0 }), why);
    }
    await config.sync();
    await expect.poll(() => seen.at(-1)?.value).toEqual({ perSecond: 20 });
    const revisions = seen.map(({ revision }) => revision);
    expect(revisions).toEqual([...revisions].sort((one, other) => one - other));
    expect(new Set(revisions).size).toBe(seen.length);
    stop.abort();
    await following;
    const first = config.watch(flags);
    expect((await first.next()).value).toMatchObject({ value: { even: true } });
    const next = first.next();
    const late = config.watch(flags);
    await late.next();
    const left = config.watch(flags);
    await editor.change(flags.set({ even: false }), why);
    await config.sync();
    const leaving = new AbortController();
    const leaver = config.watch(flags, { signal: leaving.signal });
    leaving.abort();
    await config.close();
    // What was given by then is told, also to those who were slow, or had not begun; but not to those who have left.
    expect((await next).value).toMatchObject({ value: { even: false } });
    for (const follower of [late, left]) {
      expect(await follower.next()).toMatchObject({ done: false, value: { value: { even: false } } });
      expect((await follower.next()).done).toBe(true);
    }
    expect((await first.next()).done).toBe(true);
    expect((await leaver.next()).done).toBe(true);
    expect(config.get(flags)).toEqual({ even: false });
    await expect(config.sync()).rejects.toMatchObject({ code: 'closed' });
  });

  it('CONFIG-3 a change that fails a schema for any reader is refused, and nothing of it is written', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const editor = editorOf(client);
    const refused = { code: 'invalid-argument', outcome: 'not-applied' };
    await expect(editor.change(limits.set({} as never), why)).rejects.toMatchObject(refused);
    await editor.change([limits.set({ perSecond: 5 }), limits.overlay('eu', { burst: 6 })], why);
    // Right by itself, and wrong with the overlay.
    await expect(
      editor.change([flags.set({ a: true }), limits.set({ perSecond: 7 })], why),
    ).rejects.toMatchObject({
      ...refused,
      details: { document: 'limits', scope: 'eu', issues: [{ path: 'burst' }] },
    });
    await expect(editor.change(limits.overlay('eu', { perSecond: null }), why)).rejects.toMatchObject(
      refused,
    );
    expect((await editor.read(flags)).layers).toEqual([]);
    await editor.change([limits.set({ perSecond: 7 }), limits.overlay('eu', { burst: 8 })], why);
    expect((await editor.read(limits)).layers).toMatchObject([
      { scope: '', content: { perSecond: 7 } },
      { scope: 'eu', content: { burst: 8 } },
    ]);
  });

  it('CONFIG-3 what another program breaks is never given: the last good revision stays, whole, and it is told', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const editor = editorOf(client);
    await editor.change([limits.set({ perSecond: 5 }), flags.set({ a: false })], why);
    const config = await openConfig(client);
    const problems: number[] = [];
    config.onProblem(({ revision }) => problems.push(revision));
    const good = config.snapshot.revision;
    const keys = new ConfigKeys(client.keys.prefix('config', name));
    const bad = await client.store.txn(
      txnOf({
        success: [
          put(keys.layer('limits', ''), '{"perSecond":"many"}'),
          put(keys.layer('flags', ''), '{"a":true}'),
          put(keys.stamp, ''),
        ],
      }),
    );
    await expect(config.sync()).rejects.toMatchObject({
      code: 'codec',
      details: { documents: ['limits'], revision: bad.revision },
    });
    expect([config.get(limits), config.get(flags)]).toEqual([{ perSecond: 5 }, { a: false }]);
    expect(config.snapshot.revision).toBe(good);
    expect(config.problem).toMatchObject({ revision: bad.revision, failures: [{ document: 'limits' }] });
    await expect(Config.open(client, name, { documents })).rejects.toMatchObject({ code: 'codec' });
    // A reader that has nothing to do with it is not held up.
    const other = await openConfig(client, { documents: [flags] });
    expect(other.get(flags)).toEqual({ a: true });
    const age = config.stalenessMs;
    await expect.poll(() => config.stalenessMs).toBeGreaterThan(age + 150);
    await editor.change(limits.set({ perSecond: 6 }), why);
    await config.sync();
    expect([config.get(limits), config.get(flags)]).toEqual([{ perSecond: 6 }, { a: true }]);
    expect(config.problem).toBeUndefined();
    expect(problems).toEqual([bad.revision]);
  });

  it('CONFIG-1 a schema that takes its time holds up neither order nor wholeness', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const slow = new ConfigDocument('limits', { schema: limitsSchema({ delayMs: 20 }) });
    const config = await openConfig(client, { documents: [slow, flags] });
    const editor = editorOf(client);
    const given: unknown[] = [];
    config.onUpdate(({ snapshot }) => {
      given.push([snapshot.get(slow)?.perSecond, snapshot.get(flags)?.['even']]);
    });
    for (let perSecond = 1; perSecond <= 10; perSecond += 1) {
      const both = [limits.set({ perSecond }), flags.set({ even: perSecond % 2 === 0 })];
      await editor.change(both, why);
    }
    await config.sync();
    expect(given.at(-1)).toEqual([10, true]);
    for (const [perSecond, even] of given as [number, boolean][]) expect(even).toBe(perSecond % 2 === 0);
  });

  it('CONFIG-9 tells how old it may be, and is as new as a call of sync', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const config = await openConfig(client, { proveEveryMs: 20 });
    const editor = editorOf(await clients.open());
    for (let perSecond = 1; perSecond <= 20; perSecond += 1) {
      await editor.change(limits.set({ perSecond }), why);
      await config.sync();
      expect(config.get(limits)).toEqual({ perSecond });
      expect(config.stalenessMs).toBeLessThan(2_000);
    }
    await config.close();
    const age = config.stalenessMs;
    await expect.poll(() => config.stalenessMs).toBeGreaterThan(age + 100);
  });

  it('begins with a picture, says so, and goes on from the store when that is there', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const editor = editorOf(client);
    await editor.change([limits.set({ perSecond: 5 }), motd.set('é')], why);
    const before = await openConfig(client);
    const picture = before.picture();
    expect(picture).toMatchObject({ clusterId: before.clusterId, revision: before.snapshot.revision });
    await editor.change(limits.set({ perSecond: 6 }), why);
    const config = await openConfig(client, { seed: picture });
    expect(config.snapshot.isOffline).toBe(true);
    expect(config.stalenessMs).toBe(Number.POSITIVE_INFINITY);
    expect([config.get(limits), config.get(motd), config.get(flags)]).toEqual([
      { perSecond: 5 },
      'é',
      undefined,
    ]);
    expect(config.picture()).toEqual(picture);
    await config.sync();
    expect(config.snapshot.isOffline).toBe(false);
    expect(config.get(limits)).toEqual({ perSecond: 6 });
  });

  it('CONFIG-3 leaves a seed aside of which a document fails its schema, tells why, and reads the store in its place', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    await editorOf(client).change([limits.set({ perSecond: 5 }), flags.set({ a: true })], why);
    const contents = new Map([
      ['limits', Buffer.from('{}')],
      ['flags', Buffer.from('{"a":false}')],
    ]);
    const { clusterId } = await client.store.status();
    // Nothing is known of it that could hold up what the store has.
    const seed = { clusterId, revision: 1_000_000, contents };
    const config = await openConfig(client, { seed });
    expect(config.seedProblem).toMatchObject({
      ...{ revision: seed.revision, failures: [{ document: 'limits', error: { code: 'codec' } }] },
    });
    expect([config.get(limits), config.get(flags)]).toEqual([{ perSecond: 5 }, { a: true }]);
    expect([config.snapshot.isOffline, config.problem]).toEqual([false, undefined]);
    const whole = await openConfig(client, { seed: config.picture() });
    expect([whole.snapshot.isOffline, whole.seedProblem]).toEqual([true, undefined]);
    const away: ConfigReaderClient = {
      ...{ keys: client.keys, runtime: client.runtime, label: 'early' },
      store: storeWith(client.store as Store, {
        status: () => Promise.reject(new QuorateError('unavailable', 'away')),
      }),
    };
    const opening = Config.open(away, name, { documents, seed, timeoutMs: 50 });
    await expect(opening).rejects.toMatchObject({
      ...{ code: 'unreachable', message: expect.stringContaining('document "limits"') },
      details: { documents: ['limits'], revision: seed.revision },
    });
  });

  it('begins with a picture while the store is away, without a client, and goes on when that comes back', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    await editorOf(client).change(limits.set({ perSecond: 5 }), why);
    const { clusterId } = await client.store.status();
    let isAway = true;
    const reach = <T>(call: () => Promise<T>): Promise<T> =>
      isAway ? Promise.reject(new QuorateError('unavailable', 'etcd is away')) : call();
    const away: ConfigReaderClient = {
      ...{ keys: client.keys, runtime: client.runtime, label: 'early' },
      store: {
        range: (request, options) => reach(() => client.store.range(request, options)),
        status: (options) => reach(() => client.store.status(options)),
        watch: (request) => client.store.watch(request),
      },
    };
    const contents = new Map([['limits', Buffer.from('{"perSecond":4}')]]);
    const config = await Config.open(away, name, { documents, seed: { clusterId, revision: 1, contents } });
    expect([config.get(limits), config.clusterId]).toEqual([{ perSecond: 4 }, '']);
    isAway = false;
    await config.sync();
    expect([config.get(limits), config.clusterId]).toEqual([{ perSecond: 5 }, clusterId]);
    await config.close();
    isAway = true;
    await expect(Config.open(away, name, { documents, timeoutMs: 100 })).rejects.toMatchObject({
      code: 'timeout',
    });
  });

  it('CONFIG-2 never goes below the revision of a picture of the same cluster', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const editor = editorOf(client);
    const { revision } = await editor.change(limits.set({ perSecond: 5 }), why);
    const { clusterId } = await client.store.status();
    const contents = new Map([['limits', Buffer.from('{"perSecond":9}')]]);
    const ahead = { revision: revision + 1_000_000, contents };
    const config = await openConfig(client, { seed: { ...ahead, clusterId } });
    const other = await openConfig(client, { seed: { ...ahead, clusterId: 'another' } });
    await other.sync();
    expect(other.get(limits)).toEqual({ perSecond: 5 });
    const behind = {
      code: 'future-revision',
      message: expect.stringContaining(`below ${ahead.revision}`),
    };
    await expect(config.sync()).rejects.toMatchObject({ code: 'future-revision' });
    expect(config.problem?.failures).toMatchObject([
      { document: 'limits', error: behind },
      { document: 'flags', error: behind },
      { document: 'motd', error: behind },
    ]);
    expect(config.get(limits)).toEqual({ perSecond: 9 });
    expect(config.snapshot.isOffline).toBe(true);
    expect(config.stalenessMs).toBe(Number.POSITIVE_INFINITY);
    // Others write to the shared etcd, which may pass so little at any time.
    if (kind === 'etcd') return;
    const next = await openConfig(client, {
      seed: { clusterId, contents, revision: (await client.store.status()).revision + 3 },
    });
    await expect(next.sync()).rejects.toMatchObject({ code: 'future-revision' });
    // Once the cluster has passed it, readers go on.
    for (const burst of [6, 7, 8, 9]) await editor.change(limits.set({ perSecond: 5, burst }), why);
    await expect.poll(() => next.get(limits)).toEqual({ perSecond: 5, burst: 9 });
    expect(next.problem).toBeUndefined();
  });

  it('costs no request to read, and those stated to open, to prove and to change', async () => {
    const clients = testClients(server);
    const { client, counts } = await clients.openCounted();
    const editor = editorOf(client);
    counts.reset();
    await editor.change([limits.set({ perSecond: 1 }), flags.set({})], why);
    expect(counts.total()).toBe(2);
    counts.reset();
    const config = await openConfig(client, { proveEveryMs: Number.POSITIVE_INFINITY });
    expect(counts.calls).toMatchObject({ status: 1, range: 1, watch: 1 });
    counts.reset();
    for (let reads = 0; reads < 1_000; reads += 1) config.get(limits);
    expect(counts.total()).toBe(0);
    await Promise.all([config.sync(), config.sync(), config.sync()]);
    expect(counts.calls['range']).toBeLessThanOrEqual(2);
  });

  it('refuses what makes no sense', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const wrong = { code: 'invalid-argument' };
    for (const options of [
      ...[{ documents: [] }, { documents: [limits, new ConfigDocument('limits')] }, { scope: 'a//b' }],
      ...[{ instance: { id: '' } }, { proveEveryMs: 0 }, { documents: ['limits'] }],
    ]) {
      await expect(openConfig(client, options as never)).rejects.toMatchObject(wrong);
    }
    expect(() => new ConfigDocument('')).toThrow(expect.objectContaining(wrong));
    expect(() => new ConfigDocument('a', { schema: {} as never })).toThrow(expect.objectContaining(wrong));
    expect(() => limits.overlay('', {})).toThrow(expect.objectContaining(wrong));
    expect(() => limits.set({ perSecond: 1 }, { expected: -1 })).toThrow(expect.objectContaining(wrong));
    const stop = new AbortController();
    stop.abort();
    await expect(openConfig(client, { signal: stop.signal })).rejects.toMatchObject({ code: 'aborted' });
  });
});
