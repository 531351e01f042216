import { expect, it } from 'vitest';
import {
  ConfigDocument,
  ConfigEditor,
  type ConfigHistoryEntry,
  differencesBetween,
} from '../../src/config/index.js';
import { ConfigKeys } from '../../src/config/keys.js';
import type { Client } from '../../src/session/index.js';
import { bytesOf, prefixRange, remove, type Store, textOf, txnOf } from '../../src/store/index.js';
import { testClients } from '../support/clients.js';
import { storeWith } from '../support/store-with.js';
import { describeStores } from '../support/stores.js';
import { documents, editorOf, flags, limits, motd, name, why } from './scene.js';

async function all<T>(items: AsyncIterable<T>): Promise<readonly T[]> {
  const taken: T[] = [];
  for await (const item of items) taken.push(item);
  return taken;
}

describeStores('ConfigEditor', (server) => {
  it('CONFIG-6 a change is made only if what it expects is there, whole, or not at all', async () => {
    const clients = testClients(server);
    const editor = editorOf(await clients.open());
    const first = await editor.change(limits.set({ perSecond: 1 }, { expected: 0 }), why);
    const conflict = { code: 'conflict', outcome: 'not-applied' };
    await expect(
      editor.change([flags.set({ a: true }), limits.set({ perSecond: 2 }, { expected: 0 })], why),
    ).rejects.toMatchObject({ ...conflict, details: { document: 'limits', found: first.revision } });
    expect((await editor.read(flags)).number).toBe(0);
    const second = await editor.change(limits.set({ perSecond: 2 }, { expected: first.revision }), why);
    await expect(editor.change(limits.remove({ expected: first.revision }), why)).rejects.toMatchObject(
      conflict,
    );
    await editor.change(limits.overlay('eu', { perSecond: 3 }, { expected: 0 }), why);
    expect(await editor.read(limits)).toMatchObject({
      number: 3,
      layers: [
        { scope: '', revision: second.revision, content: { perSecond: 2 } },
        { scope: 'eu', content: { perSecond: 3 } },
      ],
      rollout: undefined,
      policy: { approvals: 0, keep: 100 },
    });
  });

  it('CONFIG-6 of many who change one document at a time, each is made once, and all are in its history', async () => {
    const clients = testClients(server);
    const editors = await Promise.all(
      Array.from({ length: 4 }, async (_none, index) => editorOf(await clients.open(), `author ${index}`)),
    );
    const changes = await Promise.all(
      editors.flatMap((editor, at) =>
        Array.from({ length: 5 }, (_none, index) =>
          editor.change([limits.set({ perSecond: 10 * at + index }), flags.set({ [`f${at}`]: true })], why),
        ),
      ),
    );
    expect(new Set(changes.map(({ revision }) => revision)).size).toBe(20);
    const [editor] = editors as [ConfigEditor];
    const entries = await all(editor.history(limits));
    expect(entries.map(({ number }) => number)).toEqual(
      Array.from({ length: 20 }, (_none, index) => 20 - index),
    );
    const ids = changes.sort((one, other) => other.revision - one.revision).map(({ id }) => id);
    expect(entries.map(({ id }) => id)).toEqual(ids);
    for (const [index, entry] of entries.entries()) {
      expect(entry.layers[0]?.before).toEqual(entries[index + 1]?.layers[0]?.after);
    }
  });

  it('CONFIG-6 is made once for its id, however often it is asked for', async () => {
    const clients = testClients(server);
    const editor = editorOf(await clients.open());
    const options = { ...why, changeId: 'OPS-7' };
    const change = await editor.change(limits.set({ perSecond: 1 }), options);
    await editor.change(limits.set({ perSecond: 2 }), why);
    expect(await editor.change(limits.set({ perSecond: 1 }), options)).toEqual(change);
    expect(await editor.read(limits)).toMatchObject({ number: 2, layers: [{ content: { perSecond: 2 } }] });
    await expect(editor.change([limits.set({ perSecond: 1 }), flags.set({})], options)).rejects.toMatchObject(
      {
        code: 'invalid-argument',
      },
    );
  });

  it('CONFIG-8 history says who, when, why, before and after, and a rollback is a change like others', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const editor = editorOf(client, 'ada');
    const beganMs = Date.now();
    await editor.change([limits.set({ perSecond: 1 }), motd.set('one')], { reason: 'first' });
    await editorOf(client, 'bob').change(
      [limits.set({ perSecond: 2 }), limits.overlay('eu', { perSecond: 9 })],
      { reason: 'second', changeId: 'c2' },
    );
    await editor.change(limits.set({ perSecond: 3 }), { reason: 'third' });
    const [third, second, first] = (await all(editor.history(limits))) as ConfigHistoryEntry[];
    expect(second).toMatchObject({
      ...{ number: 2, action: 'change', id: 'c2', author: 'bob', reason: 'second', documents: ['limits'] },
      layers: [
        { scope: '', before: { perSecond: 1 }, after: { perSecond: 2 } },
        { scope: 'eu', before: undefined, after: { perSecond: 9 } },
      ],
    });
    expect(first?.documents).toEqual(['limits', 'motd']);
    expect(first?.atMs).toBeGreaterThanOrEqual(beganMs - 1);
    expect(third?.revision).toBeGreaterThan(second?.revision ?? 0);
    expect((await all(editor.history(motd)))[0]?.layers[0]?.after).toEqual(
      new Uint8Array(Buffer.from('one')),
    );
    expect(await editor.diff(limits, 1)).toEqual([
      { scope: '', differences: [{ path: '/perSecond', before: 1, after: 3 }] },
      { scope: 'eu', differences: [{ path: '', after: { perSecond: 9 } }] },
    ]);
    expect(await editor.diff(limits, 2, { to: 1 })).toEqual([
      { scope: '', differences: [{ path: '/perSecond', before: 2, after: 1 }] },
      { scope: 'eu', differences: [{ path: '', before: { perSecond: 9 } }] },
    ]);
    expect(await editor.diff(limits, 0, { to: 1 })).toHaveLength(1);
    await editor.rollback(limits, 1, { reason: 'it was better then' });
    expect((await editor.read(limits)).layers).toMatchObject([{ scope: '', content: { perSecond: 1 } }]);
    const [last] = await all(editor.history(limits, { limit: 1 }));
    expect(last).toMatchObject({ action: 'rollback', number: 4, rolledBackTo: 1 });
    expect(await all(editor.history(limits, { limit: 2 }))).toHaveLength(2);
    const edits = await editor.editsTo(limits, 2);
    await editor.change(edits, why);
    expect(await editor.diff(limits, 2)).toEqual([]);
    // Of a codec of its own: bytes, as a whole.
    const { numbers } = await editor.change([motd.set('one'), motd.overlay('eu', 'same')], why);
    await editor.change([motd.set('two'), motd.overlay('eu', 'same')], why);
    const [layer, ...others] = await editor.diff(motd, numbers.get('motd') as number);
    expect(others).toEqual([]);
    expect(layer).toMatchObject({ scope: '', differences: [{ path: '' }] });
    const text = (bytes: unknown) => textOf(bytes as Uint8Array);
    expect(layer?.differences.map(({ before, after }) => [text(before), text(after)])).toEqual([
      ['one', 'two'],
    ]);
    expect(differencesBetween(bytesOf('a'), { 0: 97 })).toHaveLength(1);
    await editor.rollback(limits, 0, why);
    expect((await editor.read(limits)).layers).toEqual([]);
    const both = await editor.change([limits.set({ perSecond: 7 }), motd.set('seven')], why);
    const { revision } = await editor.change([limits.set({ perSecond: 8 }), motd.set('eight')], why);
    const back = await editor.rollbackTo(both, why);
    expect(back.revision).toBeGreaterThan(revision);
    await expect(editor.rollbackTo({ numbers: new Map() }, why)).rejects.toThrow('nothing');
    for (const document of [limits, motd]) {
      const [layer] = (await editor.read(document)).layers;
      expect(layer).toMatchObject({ revision: back.revision });
    }
    expect((await editor.read(limits)).layers).toMatchObject([{ content: { perSecond: 7 } }]);
    await expect(editor.rollback(limits, 70, why)).rejects.toMatchObject({ code: 'invalid-argument' });
  });

  it('CONFIG-8 keeps as much history as is asked for, and nothing else grows', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const editor = editorOf(client);
    await editor.setPolicy(limits, { keep: 16 }, why);
    for (let perSecond = 1; perSecond <= 40; perSecond += 1)
      await editor.change(limits.set({ perSecond }), why);
    const entries = await all(editor.history(limits));
    expect(entries.map(({ number }) => number)).toEqual(
      Array.from({ length: 16 }, (_none, index) => 41 - index),
    );
    const keys = new ConfigKeys(client.keys.prefix('config', name));
    const { count } = await client.store.range({ ...prefixRange(keys.prefix), countOnly: true });
    // The history, the layer, the stamp, the head and the policy.
    expect(count).toBe(16 + 4);
    await editor.rollback(limits, 25, why);
    expect((await editor.read(limits)).layers).toMatchObject([{ content: { perSecond: 24 } }]);
    await expect(editor.rollback(limits, 24, why)).rejects.toMatchObject({ code: 'invalid-argument' });
    await editor.setPolicy(limits, { keep: 20 }, why);
    expect(await all(editor.history(limits))).toHaveLength(17);
    for (const wrong of [{ keep: 15 }, { approvals: -1 }, { approvals: 0.5 }]) {
      await expect(editor.setPolicy(limits, wrong, why)).rejects.toMatchObject({ code: 'invalid-argument' });
    }
  });

  it('CONFIG-8 goes back as far as history is kept, and never reads more than 20 changes at a time', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const keys = new ConfigKeys(client.keys.prefix('config', name));
    const writer = editorOf(client);
    for (let perSecond = 1; perSecond <= 65; perSecond += 1) {
      await writer.change(limits.set({ perSecond }), why);
    }
    const pages: number[] = [];
    let beforeRead = async () => {};
    const store = storeWith(client.store as Store, {
      range: async (request, options) => {
        await beforeRead();
        const reply = await client.store.range(request, options);
        if (request.key.startsWith(keys.histories('limits'))) pages.push(reply.kvs.length);
        return reply;
      },
    });
    const editor = editorOf(Object.create(client, { store: { value: store } }) as Client);
    expect(await editor.diff(limits, 4, { to: 45 })).toEqual([
      { scope: '', differences: [{ path: '/perSecond', before: 4, after: 45 }] },
    ]);
    expect(pages).toEqual([20, 20, 20, 1, 20]);
    await editor.rollback(limits, 4, why);
    expect((await editor.read(limits)).layers).toMatchObject([{ content: { perSecond: 4 } }]);
    const [edit] = await editor.editsTo(limits, 65);
    expect(JSON.parse(textOf((await edit?.bytes()) as Uint8Array))).toEqual({ perSecond: 65 });
    // Cut off while it is read.
    beforeRead = async () => {
      beforeRead = async () => {};
      await writer.setPolicy(limits, { keep: 16 }, why);
    };
    await expect(editor.rollback(limits, 4, why)).rejects.toMatchObject({
      ...{ code: 'invalid-argument', outcome: 'not-applied' },
      message: expect.stringContaining('a number from 51 to 67'),
    });
    beforeRead = async () => {
      beforeRead = async () => {};
      await client.store.txn(txnOf({ success: [remove(keys.history('limits', 60))] }));
    };
    await expect(editor.diff(limits, 55)).rejects.toMatchObject({ code: 'codec', outcome: 'not-applied' });
  });

  it('changes many layers at a time, and refuses what makes no sense', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const editor = editorOf(client);
    const zones = Array.from({ length: 30 }, (_none, index) =>
      flags.overlay(`z${index}`, { [`f${index}`]: true }),
    );
    await editor.change([flags.set({}), ...zones], why);
    expect((await editor.read(flags)).layers).toHaveLength(31);
    const wrong = { code: 'invalid-argument', outcome: 'not-applied' };
    const set = limits.set({ perSecond: 1 });
    await expect(editor.change([], why)).rejects.toMatchObject(wrong);
    await expect(editor.change([set, set], why)).rejects.toMatchObject(wrong);
    await expect(editor.change(set, { reason: ' ' })).rejects.toMatchObject(wrong);
    await expect(editor.change({} as never, why)).rejects.toMatchObject(wrong);
    await expect(editor.change(new ConfigDocument('other').set(1), why)).rejects.toMatchObject(wrong);
    await expect(editor.change(set, { ...why, timeoutMs: -1 })).rejects.toMatchObject(wrong);
    expect(() => new ConfigEditor(client, name, { documents, author: '' })).toThrow(
      expect.objectContaining(wrong),
    );
    await expect(editor.rollouts.promote({} as never, why)).rejects.toMatchObject(wrong);
    await expect(editor.reviews.publish({} as never, why)).rejects.toMatchObject(wrong);
  });
});
