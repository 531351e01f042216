import { expect, it } from 'vitest';
import { ConfigDocument, ConfigEditor } from '../../src/config/index.js';
import { testClients } from '../support/clients.js';
import { describeStores } from '../support/stores.js';
import { editorOf, flags, limits, motd, name, why } from './scene.js';

const another = { code: 'invalid-argument', outcome: 'not-applied' };
const conflict = { code: 'conflict', outcome: 'not-applied' };
const id = { ...why, changeId: 'OPS-7' };

describeStores('change ids of a configuration', (server) => {
  it('CONFIG-6 an id answers the call that it was given for, and refuses every other', async () => {
    const clients = testClients(server);
    const editor = editorOf(await clients.open());
    const change = await editor.change(limits.set({ perSecond: 1, burst: 2 }), id);
    // The same content, of fields in another order.
    expect(await editor.change(limits.set({ burst: 2, perSecond: 1 }), id)).toEqual(change);
    for (const other of [
      () => editor.change(limits.set({ perSecond: 2 }), id),
      () => editor.change(limits.remove(), id),
      () => editor.change(limits.overlay('eu', { perSecond: 1, burst: 2 }), id),
      () => editor.change([limits.set({ perSecond: 1, burst: 2 }), limits.overlay('eu', {})], id),
      () => editor.change([limits.set({ perSecond: 1, burst: 2 }), flags.set({})], id),
      () => editor.rollback(limits, 0, id),
      () => editor.setPolicy(limits, { keep: 50 }, id),
      () => editor.rollouts.start(limits.set({ perSecond: 1, burst: 2 }), { percent: 1 }, id),
    ]) {
      await expect(other()).rejects.toMatchObject({
        ...another,
        message: expect.stringContaining('the change id OPS-7 is that of'),
      });
    }
    expect(await editor.read(limits)).toMatchObject({ number: 1, rollout: undefined });
    const both = { ...why, changeId: 'both' };
    await editor.change([limits.set({ perSecond: 3 }), flags.set({ a: true })], both);
    // Half of it is another.
    await expect(editor.change(limits.set({ perSecond: 3 }), both)).rejects.toMatchObject(another);
    const single = { ...why, changeId: 'single' };
    await editor.change(limits.set({ perSecond: 4 }), single);
    await editor.change(flags.set({ a: false }), single);
    // Two changes of one id are not one of both.
    await expect(
      editor.change([limits.set({ perSecond: 4 }), flags.set({ a: false })], single),
    ).rejects.toMatchObject(another);
    const policy = { ...why, changeId: 'policy' };
    const set = await editor.setPolicy(limits, { keep: 50 }, policy);
    expect(await editor.setPolicy(limits, { keep: 50 }, policy)).toEqual(set);
    await expect(editor.setPolicy(limits, { keep: 51 }, policy)).rejects.toMatchObject(another);
    const back = { ...why, changeId: 'back' };
    const rolledBack = await editor.rollback(limits, 1, back);
    expect(await editor.rollback(limits, 1, back)).toEqual(rolledBack);
    await expect(editor.rollback(limits, 2, back)).rejects.toMatchObject(another);
  });

  it('CONFIG-6 a change of several documents is found by the id that one of them remembers, and the histories of the others', async () => {
    const clients = testClients(server);
    const editor = editorOf(await clients.open());
    const edits = [limits.set({ perSecond: 1 }), flags.set({ a: true })];
    await editor.change(flags.set({}), why);
    const change = await editor.change(edits, id);
    const others = async (times: number) => {
      for (let index = 0; index < times; index += 1) await editor.change(flags.set({ b: true }), why);
    };
    await others(16);
    expect(await editor.change(edits, id)).toEqual(change);
    expect(await editor.change([...edits].reverse(), id)).toEqual(change);
    for (const wrong of [
      [limits.set({ perSecond: 1 }), flags.set({ a: false })],
      [limits.set({ perSecond: 1 }), motd.set('a')],
      [...edits, motd.set('a')],
    ]) {
      await expect(editor.change(wrong, id)).rejects.toMatchObject(another);
    }
    // By now the id is that of another change of the one, too.
    await editor.change(flags.set({ c: true }), id);
    expect(await editor.change(edits, id)).toEqual(change);
    await editor.setPolicy(flags, { keep: 16 }, why);
    await others(1);
    await expect(editor.change(edits, id)).rejects.toMatchObject({
      ...conflict,
      message: expect.stringContaining('was made'),
      details: { change: 'OPS-7' },
    });
    expect((await editor.read(limits)).number).toBe(1);
  });

  it('CONFIG-6 a stage of a rollout is not taken for another, or for one of another rollout', async () => {
    const clients = testClients(server);
    const editor = editorOf(await clients.open());
    const { rollouts } = editor;
    const edit = limits.set({ perSecond: 1 });
    const begun = await rollouts.start(edit, { percent: 1 }, id);
    // Whoever makes it again is told whose it is, and why.
    const bob = editorOf(await clients.open(), 'bob');
    const again = { reason: 'the same, by another', changeId: id.changeId };
    expect(await bob.rollouts.start(edit, { percent: 1 }, again)).toEqual(begun);
    expect(await rollouts.of(limits)).toEqual(begun);
    await expect(rollouts.start(edit, { percent: 2 }, id)).rejects.toMatchObject(another);
    await expect(rollouts.grow(begun, { percent: 100 }, id)).rejects.toMatchObject(another);
    await expect(rollouts.promote(begun, id)).rejects.toMatchObject(another);
    await expect(rollouts.abort(begun, id)).rejects.toMatchObject(another);
    expect((await rollouts.of(limits))?.rule.percent).toBe(1);
    const stage = { ...why, changeId: 'stage 2' };
    const grown = await rollouts.grow(begun, { percent: 10, labels: { zone: 'b' } }, stage);
    expect(await rollouts.grow(begun, { percent: 10, labels: { zone: 'b' } }, stage)).toEqual(grown);
    // After a crash it is seen as it is by then.
    expect(await rollouts.grow(grown, { percent: 10, labels: { zone: 'b' } }, stage)).toEqual(grown);
    for (const rule of [{ percent: 100 }, { percent: 5 }, { percent: 10, labels: { zone: 'c' } }]) {
      await expect(rollouts.grow(begun, rule, stage)).rejects.toMatchObject(another);
    }
    expect((await rollouts.of(limits))?.rule.percent).toBe(10);
    await rollouts.abort(grown, { ...why, changeId: 'end' });
    const second = await rollouts.start(edit, { percent: 1 }, why);
    await expect(rollouts.abort(second, { ...why, changeId: 'end' })).rejects.toMatchObject(another);
    expect(await rollouts.of(limits)).toMatchObject({ id: second.id });
  });

  it('CONFIG-6 an id is one of a proposal too: of its content, and once it is published of no other', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const [ada, bob] = [editorOf(client, 'ada'), editorOf(client, 'bob')];
    const proposal = await ada.reviews.propose(limits.set({ perSecond: 2 }), id);
    await expect(ada.reviews.propose(limits.set({ perSecond: 3 }), id)).rejects.toMatchObject(another);
    await expect(
      ada.reviews.propose([limits.set({ perSecond: 2 }), flags.set({})], id),
    ).rejects.toMatchObject(another);
    const publish = { ...why, changeId: 'publish' };
    const published = await ada.reviews.publish(proposal, publish);
    expect(await ada.reviews.publish(proposal, publish)).toEqual(published);
    const rule = { percent: 1 };
    await expect(ada.reviews.publish(proposal, { ...publish, rule })).rejects.toMatchObject(another);
    await expect(ada.change(limits.set({ perSecond: 2 }), publish)).rejects.toMatchObject(another);
    await expect(ada.reviews.propose(limits.set({ perSecond: 2 }), id)).rejects.toMatchObject({
      ...conflict,
      message: expect.stringContaining('was published already'),
      details: { proposal: 'OPS-7', change: 'publish', document: 'limits', number: 1 },
    });
    expect(await ada.reviews.list()).toEqual([]);
    // Another author's id is another.
    const other = await bob.reviews.propose(limits.set({ perSecond: 2 }), id);
    await expect(bob.reviews.publish(other, publish)).rejects.toMatchObject(another);
    const rolled = await bob.reviews.publish(other, { ...why, rule, changeId: 'roll' });
    expect(await bob.reviews.publish(other, { ...why, rule, changeId: 'roll' })).toEqual(rolled);
    await expect(
      bob.reviews.publish(other, { ...why, rule: { percent: 2 }, changeId: 'roll' }),
    ).rejects.toMatchObject(another);
    await expect(bob.reviews.propose(limits.set({ perSecond: 2 }), id)).rejects.toMatchObject(conflict);
    for (let index = 0; index < 16; index += 1) await ada.change(motd.set(`${index}`), why);
    // Of other documents than those that were changed since.
    await expect(ada.reviews.propose(limits.set({ perSecond: 2 }), id)).rejects.toMatchObject(conflict);
  });

  it('CONFIG-6 a codec that makes other bytes each time is asked for the layer, not for the bytes', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    let salt = 0;
    const salted = new ConfigDocument<string>('salted', {
      codec: {
        encode: (text) => {
          salt += 1;
          return Buffer.from(`${salt} ${text}`);
        },
        decode: (bytes) => Buffer.from(bytes).toString(),
      },
    });
    const editor = new ConfigEditor(client, name, { documents: [salted], author: 'ada' });
    const change = await editor.change(salted.set('one'), id);
    expect(await editor.change(salted.set('one'), id)).toEqual(change);
    await expect(editor.change(salted.remove(), id)).rejects.toMatchObject(another);
  });
});
