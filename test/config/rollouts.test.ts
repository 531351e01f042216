import { expect, it } from 'vitest';
import { testClients } from '../support/clients.js';
import { describeStores } from '../support/stores.js';
import { editorOf, flags, limits, openConfig, why } from './scene.js';

describeStores('rollouts of a configuration', (server) => {
  it('CONFIG-4 is taken by whom its rules name, of all documents together, and kept as it grows', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const editor = editorOf(client);
    await editor.change([limits.set({ perSecond: 1 }), flags.set({ new: false })], why);
    const readers = await Promise.all(
      Array.from({ length: 20 }, (_none, index) =>
        openConfig(client, {
          instance: { id: `web-${index}`, addresses: [`10.0.0.${index}`], labels: { zone: `z${index % 4}` } },
        }),
      ),
    );
    const takers = async () => {
      await Promise.all(readers.map((config) => config.sync()));
      return readers.flatMap((config, index) => {
        const isNew = config.get(flags)?.['new'];
        expect(config.get(limits)?.perSecond).toBe(isNew ? 2 : 1);
        expect(config.view(limits).rollout).toBe(isNew ? rollout.id : undefined);
        return isNew ? [index] : [];
      });
    };
    let rollout = await editor.rollouts.start(
      [limits.set({ perSecond: 2 }), flags.set({ new: true })],
      { instances: ['web-3'] },
      why,
    );
    expect(rollout.documents).toEqual(['limits', 'flags']);
    expect(await takers()).toEqual([3]);
    rollout = await editor.rollouts.grow(rollout, { addresses: ['10.0.0.5', 'other'] }, why);
    expect(await takers()).toEqual([3, 5]);
    rollout = await editor.rollouts.grow(rollout, { labels: { zone: 'z2' } }, why);
    expect(await takers()).toEqual([2, 3, 5, 6, 10, 14, 18]);
    rollout = await editor.rollouts.grow(rollout, { percent: 50 }, why);
    const half = await takers();
    expect(half).toEqual(expect.arrayContaining([2, 3, 5, 6, 10, 14, 18]));
    expect(half.length).toBeLessThan(20);
    expect(await editor.rollouts.of(flags)).toEqual(rollout);
    await editor.rollouts.promote(rollout, why);
    await Promise.all(readers.map((config) => config.sync()));
    expect(new Set(readers.map((config) => config.get(limits)?.perSecond))).toEqual(new Set([2]));
    expect(new Set(readers.map((config) => config.view(limits).rollout))).toEqual(new Set([undefined]));
    expect(await editor.rollouts.of(flags)).toBeUndefined();
    await editor.rollback(limits, 1, why);
    await readers[0]?.sync();
    expect(readers[0]?.get(limits)).toEqual({ perSecond: 1 });
  });

  it('CONFIG-5 an abort takes it back, and a rollback after a promotion brings what was before', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const editor = editorOf(client);
    await editor.change(limits.set({ perSecond: 1 }), why);
    const config = await openConfig(client, { instance: { id: 'me' } });
    const rollout = await editor.rollouts.start(limits.set({ perSecond: 2 }), { instances: ['me'] }, why);
    await config.sync();
    expect(config.get(limits)).toEqual({ perSecond: 2 });
    await editor.rollouts.abort(rollout, { reason: 'errors rise' });
    await config.sync();
    expect(config.get(limits)).toEqual({ perSecond: 1 });
    const gone = { code: 'conflict', outcome: 'not-applied' };
    await expect(editor.rollouts.promote(rollout, why)).rejects.toMatchObject(gone);
    await expect(editor.rollouts.grow(rollout, { percent: 50 }, why)).rejects.toMatchObject(gone);
    await expect(editor.rollouts.abort(rollout, why)).rejects.toMatchObject(gone);
    const actions: string[] = [];
    for await (const { action, rollout: told } of editor.history(limits)) {
      actions.push(`${action} ${told?.id === rollout.id}`);
    }
    expect(actions).toEqual(['abort true', 'rollout true', 'change false']);
  });

  it('CONFIG-5 promotes exactly what was seen, and only in the place of what it was made from', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const editor = editorOf(client);
    const conflict = { code: 'conflict', outcome: 'not-applied' };
    await editor.change([limits.set({ perSecond: 1 }), limits.overlay('eu', { burst: 5 })], why);
    const begun = await editor.rollouts.start(limits.set({ perSecond: 2 }), { percent: 1 }, why);
    await expect(
      editor.rollouts.start(limits.set({ perSecond: 3 }), { percent: 1 }, why),
    ).rejects.toMatchObject(conflict);
    const grown = await editor.rollouts.grow(begun, { percent: 2 }, why);
    await expect(editor.rollouts.promote(begun, why)).rejects.toMatchObject(conflict);
    // Another layer may change beside it, not the one that it is to replace; and what is not right with it neither.
    await editor.change(limits.overlay('eu', { burst: 6 }), why);
    await expect(editor.change(limits.overlay('eu', { burst: 1 }), why)).rejects.toMatchObject({
      code: 'invalid-argument',
      message: expect.stringContaining('readers in the rollout'),
    });
    await editor.change(limits.set({ perSecond: 4 }), why);
    await expect(editor.rollouts.promote(grown, why)).rejects.toMatchObject(conflict);
    await editor.rollouts.abort(grown, why);
    const again = await editor.rollouts.start(limits.set({ perSecond: 2 }), { percent: 1 }, why);
    const options = { ...why, changeId: 'promotion' };
    const promoted = await editor.rollouts.promote(again, options);
    expect(await editor.rollouts.promote(again, options)).toEqual(promoted);
    expect((await editor.read(limits)).layers).toMatchObject([
      { content: { perSecond: 2 }, revision: promoted.revision },
      { content: { burst: 6 } },
    ]);
  });

  it('overlays lie on top of it, and one of an overlay is for those of that scope', async () => {
    const clients = testClients(server);
    const client = await clients.open();
    const editor = editorOf(client);
    await editor.change([limits.set({ perSecond: 1, burst: 9 }), limits.overlay('eu', { burst: 8 })], why);
    const open = (scope: string, id: string) => openConfig(client, { scope, instance: { id } });
    const readers = [await open('', 'new'), await open('eu', 'new'), await open('eu', 'old')] as const;
    const seen = async () => {
      await Promise.all(readers.map((config) => config.sync()));
      return readers.map((config) => config.get(limits));
    };
    const rule = { instances: ['new'] };
    const base = await editor.rollouts.start(limits.set({ perSecond: 2, burst: 5 }), rule, why);
    expect(await seen()).toEqual([
      { perSecond: 2, burst: 5 },
      { perSecond: 2, burst: 8 },
      { perSecond: 1, burst: 8 },
    ]);
    const promoted = await editor.rollouts.promote(base, why);
    const overlay = await editor.rollouts.start(
      [limits.overlay('eu', { burst: 7 }), limits.remove({ scope: 'us' })],
      rule,
      why,
    );
    expect(await seen()).toEqual([
      { perSecond: 2, burst: 5 },
      { perSecond: 2, burst: 7 },
      { perSecond: 2, burst: 8 },
    ]);
    // Of the base none of it is: whoever reads that takes nothing, though he is named.
    expect(readers.map((config) => config.view(limits).rollout)).toEqual([undefined, overlay.id, undefined]);
    expect(readers[0].view(limits).revision).toBe(promoted.revision);
  });
});
