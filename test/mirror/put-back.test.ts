import { expect, it, onTestFinished } from 'vitest';
import {
  type MirrorBatch,
  PrefixMirror,
  type PrefixMirrorOptions,
  putStamp,
  readStamp,
} from '../../src/mirror/index.js';
import { bytesOf, type Key, type KeyValue, type Store, textOf, txnOf } from '../../src/store/index.js';
import { clusterToPutBack } from '../support/put-back.js';

const prefix = 'p/' as Key;
const stamp = 'p/s' as Key;

/** In one transaction, with the stamp; each to a text, or deleted. */
async function write(store: Store, texts: Readonly<Record<string, string | undefined>>): Promise<number> {
  const writes = Object.entries({ ...texts, s: '' }).map(([name, text]) =>
    text === undefined
      ? ({ type: 'delete', key: `p/${name}` } as const)
      : ({ type: 'put', key: `p/${name}`, value: bytesOf(text) } as const),
  );
  return (await store.txn(txnOf({ success: writes }))).revision;
}

async function elsewhere(store: Store, times: number): Promise<void> {
  const other = txnOf({ success: [{ type: 'put', key: 'other', value: bytesOf('') }] });
  for (let done = 0; done < times; done += 1) await store.txn(other);
}

async function scene(options: Partial<PrefixMirrorOptions<KeyValue>> = {}) {
  const cluster = await clusterToPutBack();
  const { runtime, store: old } = cluster.before;
  const mirrored = async (extra: Partial<PrefixMirrorOptions<KeyValue>> = {}) => {
    const mirror = new PrefixMirror({
      ...{ store: cluster.store, runtime, prefix, uncounted: stamp, proveEveryMs: Number.POSITIVE_INFINITY },
      ...{ proof: readStamp(cluster.store, stamp), ...options, ...extra },
    });
    onTestFinished(() => mirror.close());
    await mirror.ready();
    const batches: MirrorBatch<KeyValue>[] = [];
    mirror.onBatch((batch) => batches.push(batch));
    const texts = () =>
      Object.fromEntries(
        [...mirror.entries()].flatMap(([key, { value }]) => (key === stamp ? [] : [[key, textOf(value)]])),
      );
    return { mirror, batches, texts };
  };
  return { ...cluster, old, now: cluster.after.store, mirrored };
}

it('REPLICA-1 what does not go on from what is in memory is not laid over it: all is read anew', async () => {
  const { old, now, putBack, mirrored } = await scene();
  for (const store of [old, now]) await write(store, { a: 'kept', b: 'kept' });
  await write(old, { a: 'lost' });
  const { mirror, batches, texts } = await mirrored();
  await mirror.sync();
  putBack();
  // Between two proofs the cluster passes the revision of the mirror, by as many changes as there had been.
  await write(now, { b: 'new' });
  const revision = await write(now, { b: 'newer' });
  await expect.poll(texts).toEqual({ 'p/a': 'kept', 'p/b': 'newer' });
  expect(batches).toMatchObject([{ type: 'reset', revision }]);
  expect(mirror.state.status).toBe('live');
  expect(await mirror.sync({ timeoutMs: 2_000 })).toBe(revision);
});

it.each([
  ['was deleted, and created since', { a: undefined }, { a: 'again' }],
  ['is not there to be deleted', { a: undefined, b: 'x' }, { a: 'y', b: 'y' }],
])('REPLICA-1 all is read anew where a key %s', async (_what, first, second) => {
  const { old, now, putBack, mirrored } = await scene();
  for (const store of [old, now]) await write(store, { a: 'kept' });
  await write(old, { c: 'lost' });
  const { texts, batches } = await mirrored();
  putBack();
  await write(now, first);
  await write(now, second);
  await expect.poll(texts).toEqual({ ...('b' in second ? { 'p/b': 'y' } : {}), 'p/a': second.a });
  expect(batches[0]?.type).toBe('reset');
});

it('REPLICA-1 what has the revision of something in memory is not taken for it', async () => {
  const { old, now, putBack, mirrored } = await scene();
  for (const store of [old, now]) await write(store, { a: 'kept' });
  await write(old, { a: 'lost' });
  await write(old, { b: 'lost' });
  const { mirror, texts } = await mirrored();
  putBack();
  await write(now, { a: 'found' });
  await expect(mirror.sync({ timeoutMs: 50 })).rejects.toMatchObject({ code: 'timeout' });
  await elsewhere(now, 3);
  await mirror.sync({ timeoutMs: 5_000 });
  expect(texts()).toEqual({ 'p/a': 'found' });
});

it.each([
  ['reads the stamp', readStamp],
  ['puts the stamp', putStamp],
] as const)(
  'REPLICA-3 a proof that %s proves nothing of a store that was put back, until it is read anew',
  async (_what, proofOf) => {
    const { old, now, store, putBack, mirrored } = await scene();
    for (const each of [old, now]) await write(each, { a: 'kept' });
    await elsewhere(old, 4);
    await write(old, { a: 'lost' });
    const { mirror, batches, texts } = await mirrored({ proof: proofOf(store, stamp) });
    const stoodAt = mirror.revision;
    putBack();
    await expect(mirror.sync({ timeoutMs: 50 })).rejects.toMatchObject({ code: 'timeout' });
    expect(mirror.state).toMatchObject({ status: 'behind', error: { code: 'unavailable' } });
    expect([mirror.revision, texts()]).toEqual([stoodAt, { 'p/a': 'lost' }]);
    // Passed by writes of other keys: none of this prefix comes.
    await elsewhere(now, 20);
    await mirror.sync({ timeoutMs: 5_000 });
    expect(texts()).toEqual({ 'p/a': 'kept' });
    expect(batches[0]?.type).toBe('reset');
    expect(mirror.revision).toBeGreaterThan(stoodAt);
    expect(mirror.stalenessMs).toBeLessThan(5_000);
  },
);
