import { expect, it } from 'vitest';
import { clusterToPutBack } from '../support/put-back.js';
import { editorOf, flags, limits, openConfig, why } from './scene.js';

async function scene() {
  const cluster = await clusterToPutBack();
  const { keys, runtime, label } = cluster.before;
  const [old, now] = [editorOf(cluster.before), editorOf(cluster.after)];
  for (const editor of [old, now]) {
    await editor.change([limits.set({ perSecond: 1 }), flags.set({ dark: false })], why);
  }
  const open = (proveEveryMs: number) =>
    openConfig({ keys, runtime, label, store: cluster.store } as never, { proveEveryMs });
  return { ...cluster, old, now, open };
}

it.each([
  ['before anything was proved', false],
  ['after something was proved', true],
])(
  'CONFIG-9 a reader whose cluster was put back, %s, does not call itself fresh',
  async (_when, isProved) => {
    const { old, open, putBack } = await scene();
    if (!isProved) await old.change(limits.set({ perSecond: 2 }), why);
    const config = await open(60_000);
    if (isProved) {
      await config.sync();
      await old.change(limits.set({ perSecond: 2 }), why);
      await expect.poll(() => config.get(limits)).toEqual({ perSecond: 2 });
    }
    putBack();
    const { stalenessMs } = config;
    await expect(config.sync({ timeoutMs: 200 })).rejects.toMatchObject({ code: 'timeout' });
    expect(config.stalenessMs).toBeGreaterThanOrEqual(stalenessMs + 100);
    expect(config.get(limits)).toEqual({ perSecond: 2 });
  },
);

it('CONFIG-1 a reader whose cluster was put back, and has passed what it was given, is given what that holds', async () => {
  const { old, now, open, putBack } = await scene();
  await old.change(limits.set({ perSecond: 2 }), why);
  const config = await open(100);
  await config.sync();
  putBack();
  for (const dark of [true, false, true]) await now.change(flags.set({ dark }), why);
  await expect.poll(() => config.get(flags)).toEqual({ dark: true });
  expect(config.get(limits)).toEqual({ perSecond: 1 });
  await config.sync({ timeoutMs: 5_000 });
  expect(config.problem).toBeUndefined();
});
