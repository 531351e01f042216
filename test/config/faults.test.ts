import { expect, it } from 'vitest';
import { Config, ConfigDocument, ConfigEditor } from '../../src/config/index.js';
import { ConfigKeys } from '../../src/config/keys.js';
import { QuorateError } from '../../src/errors.js';
import { MemoryServer } from '../../src/memory/index.js';
import { Client } from '../../src/session/index.js';
import { Simulation } from '../../src/simulator/index.js';
import { put, type Store, type TxnRequest, textOf, txnOf } from '../../src/store/index.js';
import { storeWith } from '../support/store-with.js';
import { documents, editorOf, flags, limits, name, openConfig, why } from './scene.js';

const doubt = () =>
  new QuorateError('compacted', 'history is gone, and with it the reply', { outcome: 'unknown' });

/** A client whose exactly-once store is asked by `asked` first. */
async function clientWith(asked: (request: TxnRequest, send: () => Promise<void>) => Promise<void>) {
  const server = new MemoryServer();
  const client = await Client.open({ store: server.connect(), closeStore: true });
  const store = storeWith(client.store as Store, {
    txn: async (request, options) => {
      let reply: Awaited<ReturnType<Store['txn']>> | undefined;
      const send = async () => {
        reply = await client.store.txn(request, options);
      };
      if (request.success.some(({ type }) => type === 'put')) await asked(request, send);
      else await send();
      return reply ?? client.store.txn(request, options);
    },
  });
  const doubtful = Object.create(client, { store: { value: store } }) as Client;
  return { client: doubtful, close: () => client.close() };
}

it('CONFIG-6 a change whose reply is lost with the history is found by its id, and not made again', async () => {
  let writes = 0;
  const { client, close } = await clientWith(async (_request, send) => {
    writes += 1;
    await send();
    if (writes === 1) throw doubt();
  });
  const editor = editorOf(client);
  const change = await editor.change(limits.set({ perSecond: 1 }), why);
  expect(writes).toBe(1);
  expect(await editor.read(limits)).toMatchObject({ number: 1, layers: [{ revision: change.revision }] });
  expect(change.numbers).toEqual(new Map([['limits', 1]]));
  await close();
});

it('CONFIG-6 a change of which nobody knows, and that was not applied, is made again under the same guard', async () => {
  let writes = 0;
  const requests: TxnRequest[] = [];
  const { client, close } = await clientWith(async (request, send) => {
    writes += 1;
    requests.push(request);
    if (writes === 1) throw doubt();
    await send();
  });
  const editor = editorOf(client);
  await editor.change(limits.set({ perSecond: 1 }), why);
  expect(writes).toBe(2);
  expect(requests[0]?.compare[0]).toEqual(requests[1]?.compare[0]);
  expect((await editor.read(limits)).number).toBe(1);
  await close();
});

it('CONFIG-6 what came of a change that was forgotten meanwhile is unknown, and said to be', async () => {
  let writes = 0;
  const { client, close } = await clientWith(async (_request, send) => {
    writes += 1;
    if (writes > 1) return send();
    const other = editorOf(client, 'another');
    for (let changes = 0; changes < 18; changes += 1)
      await other.change(limits.set({ perSecond: changes }), why);
    throw doubt();
  });
  const editor = editorOf(client);
  await expect(editor.change(limits.set({ perSecond: 99 }), why)).rejects.toMatchObject({
    outcome: 'unknown',
  });
  expect((await editor.read(limits)).layers).toMatchObject([{ content: { perSecond: 17 } }]);
  await close();
});

it('CONFIG-6 a call that is given up says whether its change may have been made', async () => {
  const { client, close } = await clientWith(async (_request, send) => {
    void send();
    await new Promise((_resolve, reject) => {
      setTimeout(() => reject(new QuorateError('timeout', 'too late', { outcome: 'unknown' })), 20);
    });
  });
  const editor = editorOf(client);
  const late = editor.change(limits.set({ perSecond: 1 }), { ...why, changeId: 'late' });
  await expect(late).rejects.toMatchObject({ code: 'timeout', outcome: 'unknown' });
  await close();
  const stuck = await clientWith(async () => {});
  const read = storeWith(stuck.client.store as Store, {
    txn: () => Promise.reject(new QuorateError('timeout', 'no answer', { outcome: 'unknown' })),
  });
  const reading = editorOf(Object.create(stuck.client, { store: { value: read } }) as Client);
  // Nothing was sent but a read.
  await expect(reading.change(flags.set({}), why)).rejects.toMatchObject({
    code: 'timeout',
    outcome: 'not-applied',
  });
  await stuck.close();
});

it('CONFIG-6 whoever gives up after an attempt in doubt is told that nobody knows', async () => {
  const stop = new AbortController();
  const { client, close } = await clientWith(async (_request, send) => {
    await send();
    // While it waits for the next attempt.
    setImmediate(() => stop.abort());
    throw doubt();
  });
  const editor = editorOf(client);
  const change = editor.change(limits.set({ perSecond: 1 }), { ...why, signal: stop.signal });
  await expect(change).rejects.toMatchObject({ code: 'aborted', outcome: 'unknown' });
  expect((await editor.read(limits)).number).toBe(1);
  await close();
});

it('CONFIG-2 a reader that was cut off for ten seconds, while history went, has the newest and told how old it was', async () => {
  const simulation = new Simulation({ seed: 4, members: 3 });
  const seen: { perSecond: number; revision: number }[] = [];
  let oldestMs = 0;
  const reader = simulation.start('reader', async ({ store, runtime }) => {
    const client = await Client.open({ store, runtime });
    const config = await Config.open(client, name, { documents, proveEveryMs: 500, timeoutMs: 30_000 });
    config.onUpdate(({ snapshot }) => {
      seen.push({ perSecond: snapshot.get(limits)?.perSecond ?? 0, revision: snapshot.revision });
    });
    for (;;) {
      oldestMs = Math.max(oldestMs, Number.isFinite(config.stalenessMs) ? config.stalenessMs : 0);
      await new Promise<void>((resolve) => runtime.setTimer(50, resolve));
    }
  });
  const writer = simulation.start('writer', async ({ store, runtime }) => {
    const client = await Client.open({ store, runtime });
    const editor = new ConfigEditor(client, name, { documents, author: 'ada' });
    for (let perSecond = 1; perSecond <= 150; perSecond += 1) {
      await editor.change([limits.set({ perSecond }), flags.set({ a: true })], why);
      await new Promise<void>((resolve) => runtime.setTimer(100, resolve));
    }
  });
  simulation.inject({ kind: 'cut-link', atMs: 2_000, durationMs: 10_000, target: reader.index });
  simulation.inject({ kind: 'compaction', atMs: 6_000, durationMs: 5_000, target: 0 });
  const done = () => writer.status === 'finished' && seen.at(-1)?.perSecond === 150;
  expect(await simulation.runUntil(done, 120_000)).toBe(true);
  const revisions = seen.map(({ revision }) => revision);
  expect(revisions).toEqual([...new Set(revisions)].sort((one, other) => one - other));
  expect(oldestMs).toBeGreaterThan(9_000);
});

it('what can never go on is told to those who follow, and what is there stays readable', async () => {
  const server = new MemoryServer();
  const client = await Client.open({ store: server.connect(), closeStore: true });
  await editorOf(client).change(limits.set({ perSecond: 1 }), why);
  const config = await openConfig(client);
  const following = config.watch(limits);
  await following.next();
  const next = following.next();
  await client.close();
  await expect(next).rejects.toMatchObject({ code: 'closed' });
  expect(config.failure).toMatchObject({ code: 'closed' });
  await expect(config.sync()).rejects.toMatchObject({ code: 'closed' });
  expect(config.get(limits)).toEqual({ perSecond: 1 });
  await expect(Config.open(client, name, { documents })).rejects.toMatchObject({ code: 'closed' });
});

it('a listener that throws harms nobody, and one that was taken off is told nothing', async () => {
  const server = new MemoryServer();
  const client = await Client.open({ store: server.connect(), closeStore: true });
  const editor = editorOf(client);
  const config = await openConfig(client);
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => warnings.push(warning);
  process.on('warning', onWarning);
  const told: number[] = [];
  config.onUpdate(() => {
    throw new RangeError('a listener of a test');
  });
  const stop = config.onUpdate(({ snapshot, changed }) => {
    told.push(snapshot.revision);
    expect(changed.map((document) => document.name)).toEqual(['limits']);
  });
  const { revision } = await editor.change(limits.set({ perSecond: 1 }), why);
  await config.sync();
  stop();
  await editor.change(limits.set({ perSecond: 2 }), why);
  await config.sync();
  expect(told).toEqual([revision]);
  await expect.poll(() => warnings.length).toBeGreaterThan(0);
  process.off('warning', onWarning);
  await config.close();
  await client.close();
});

it('keys of other programs beside its own disturb nobody', async () => {
  const server = new MemoryServer();
  const client = await Client.open({ store: server.connect(), closeStore: true });
  const { keys } = client;
  const prefix = keys.prefix('config', name);
  const value = new TextEncoder().encode('?');
  for (const key of [
    'live/x',
    'live/c/',
    'live/c/%',
    'live/c/limits',
    'review/x',
    'review/%/vote/a',
    'review/a/vote/b',
    'review/a/vote/b/c',
  ]) {
    await client.store.txn({
      ...{ compare: [], failure: [] },
      success: [{ type: 'put', key: `${prefix}${key}`, value }],
    });
  }
  const editor = editorOf(client);
  await editor.change(limits.set({ perSecond: 1 }), why);
  const config = await openConfig(client);
  expect(config.get(limits)).toEqual({ perSecond: 1 });
  expect(await editor.reviews.list()).toEqual([]);
  await client.store.txn({
    ...{ compare: [], failure: [] },
    success: [{ type: 'put', key: `${prefix}policy/flags`, value }],
  });
  // Nobody knows what it asks for: so nothing is changed.
  await expect(editor.change(flags.set({}), why)).rejects.toMatchObject({
    code: 'codec',
    outcome: 'not-applied',
  });
  expect(textOf(value)).toBe('?');
  await config.close();
  await client.close();
});

it('CONFIG-1 keys that only decode to those of a layer or a rollout are neither, and hinder no change', async () => {
  const client = await Client.open({ store: new MemoryServer().connect(), closeStore: true });
  const keys = new ConfigKeys(client.keys.prefix('config', name));
  const odd = new ConfigDocument<Readonly<Record<string, number>>>('a/b');
  const editor = new ConfigEditor(client, name, { documents: [odd], author: 'ada' });
  await editor.change([odd.set({ n: 1 }), odd.overlay('é', { n: 2 })], why);
  const { live } = keys;
  const others = ['c/a%2Fb/%c3%a9', 'c/a%2fb/', 'c/%61%2Fb/', 'r/a/b', 'r/a%2fb', 'c/a%2Fb/%'];
  await client.store.txn(txnOf({ success: others.map((path) => put(live + path, '{"n":9}')) }));
  const open = (scope: string) => Config.open(client, name, { documents: [odd], scope });
  const [base, over] = [await open(''), await open('é')];
  expect([base.get(odd), over.get(odd)]).toEqual([{ n: 1 }, { n: 2 }]);
  expect([base.problem, over.problem]).toEqual([undefined, undefined]);
  const { revision } = await editor.change(odd.overlay('é', { n: 4 }), why);
  await client.store.txn(txnOf({ success: others.map((path) => put(live + path, '{"n":8}')) }));
  await over.sync();
  expect(over.get(odd)).toEqual({ n: 4 });
  const stored = await editor.read(odd);
  expect(stored.layers).toMatchObject([
    { scope: '', content: { n: 1 } },
    { scope: 'é', content: { n: 4 }, revision },
  ]);
  expect(stored.rollout).toBeUndefined();
  await Promise.all([base.close(), over.close()]);
  await client.close();
});
