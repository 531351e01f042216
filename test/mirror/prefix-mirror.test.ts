import { describe, expect, it, onTestFinished } from 'vitest';
import {
  type MirrorBatch,
  PrefixMirror,
  type PrefixMirrorOptions,
  putStamp,
  readStamp,
} from '../../src/mirror/index.js';
import { systemRuntime } from '../../src/runtime/index.js';
import {
  bytesOf,
  type Key,
  type KeyValue,
  keyOf,
  type Op,
  type RangeRequest,
  type Store,
  textOf,
  txnOf,
} from '../../src/store/index.js';
import { cuttingWatches } from '../support/cut-watches.js';
import { gatedReads } from '../support/gated-reads.js';
import { storeWith } from '../support/store-with.js';
import { describeStores, uniqueName } from '../support/stores.js';

function putOp(key: Key, value: string): Op {
  return { type: 'put', key, value: bytesOf(value) };
}

async function write(store: Store, ...ops: Op[]): Promise<number> {
  return (await store.txn(txnOf({ success: ops }))).revision;
}

/** A mirror that is closed when the test ends. */
async function mirrorOf(
  store: Store,
  prefix: Key,
  options: Partial<PrefixMirrorOptions<KeyValue>> = {},
): Promise<PrefixMirror> {
  const mirror = new PrefixMirror({ store, runtime: systemRuntime, prefix, ...options });
  onTestFinished(() => mirror.close());
  await mirror.ready({ timeoutMs: 20_000 });
  return mirror;
}

function textsIn(mirror: PrefixMirror): Record<string, string> {
  return Object.fromEntries([...mirror.entries()].map(([key, { value }]) => [key, textOf(value)]));
}

function told(batches: readonly MirrorBatch<KeyValue>[]): unknown[] {
  return batches.map(({ type, revision, changes }) => [
    type,
    revision,
    Object.fromEntries(
      changes.map(({ key, previous, current }) => [
        key,
        [previous && textOf(previous.value), current && textOf(current.value)],
      ]),
    ),
  ]);
}

describeStores('PrefixMirror', (server) => {
  it('REPLICA-1 is the state of the prefix as of its revision, and goes on with it', async () => {
    const store = await server.connect();
    const prefix = `${uniqueName('mirror')}/`;
    await write(store, putOp(`${prefix}a`, '1'), putOp(`${prefix}b`, '2'));
    await write(store, putOp(`${prefix.slice(0, -1)}x`, 'beside it'));
    const mirror = await mirrorOf(store, prefix);
    expect(textsIn(mirror)).toEqual({ [`${prefix}a`]: '1', [`${prefix}b`]: '2' });
    expect(mirror).toMatchObject({ size: 2, bytes: 2 * (prefix.length + 2) });
    const revision = await write(store, putOp(`${prefix}a`, '3'), putOp(prefix, 'of the prefix itself'), {
      type: 'delete',
      key: `${prefix}b`,
    });
    expect(await mirror.reach(revision, { timeoutMs: 20_000 })).toBe(revision);
    expect(textsIn(mirror)).toEqual({ [`${prefix}a`]: '3', [prefix]: 'of the prefix itself' });
    expect(mirror.state).toEqual({ status: 'live' });
    expect(mirror.has(`${prefix}b`)).toBe(false);
    expect(mirror.get(`${prefix}a`)?.modRevision).toBe(revision);
  });

  it('REPLICA-1 loads in pages of one revision, whatever is written between them', async () => {
    const inner = await server.connect();
    const prefix = `${uniqueName('mirror')}/`;
    const names = Array.from({ length: 50 }, (_none, index) => `${prefix}${String(index).padStart(2, '0')}`);
    await write(inner, ...names.map((name) => putOp(name, '1')));
    const pages: RangeRequest[] = [];
    const store = storeWith(inner, {
      range: async (request, options) => {
        pages.push(request);
        const page = await inner.range(request, options);
        // One that was read goes, one that was not is put, one comes to be in each part, one is recreated.
        if (pages.length === 1) {
          await write(inner, { type: 'delete', key: `${prefix}00` }, { type: 'delete', key: `${prefix}40` });
          await write(inner, putOp(`${prefix}40`, 'again'), putOp(`${prefix}49`, '2'));
          await write(inner, putOp(`${prefix}00a`, 'new'), putOp(`${prefix}48a`, 'new'));
        }
        return page;
      },
    });
    const mirror = new PrefixMirror({ store, runtime: systemRuntime, prefix });
    onTestFinished(() => mirror.close());
    const states: unknown[] = [];
    mirror.onBatch(({ type, revision, changes }) => {
      states.push([type, revision - (pages[1]?.revision ?? 0), changes.length, mirror.size]);
    });
    await mirror.ready({ timeoutMs: 20_000 });
    const { revision } = await inner.range({ key: prefix });
    expect(pages.map(({ limit }) => limit)).toEqual([16, 64]);
    expect(pages[0]?.revision).toBeUndefined();
    expect(pages[1]?.key).toBe(`${prefix}15\0`);
    await expect.poll(() => mirror.size).toBe(51);
    await expect.poll(() => states.length).toBe(4);
    expect(states).toEqual([
      ['reset', 0, 50, 50],
      ['revision', expect.any(Number), 2, 48],
      ['revision', expect.any(Number), 2, 49],
      ['revision', expect.any(Number), 2, 51],
    ]);
    expect(mirror.revision).toBeLessThanOrEqual(revision);
    expect(textsIn(mirror)).toMatchObject({ [`${prefix}40`]: 'again', [`${prefix}49`]: '2' });
  });

  it('REPLICA-2 tells each revision once, in one batch, after the memory has changed', async () => {
    const store = await server.connect();
    const prefix = `${uniqueName('mirror')}/`;
    await write(store, putOp(`${prefix}a`, '1'));
    const mirror = await mirrorOf(store, prefix);
    const batches: MirrorBatch<KeyValue>[] = [];
    const seen: unknown[] = [];
    mirror.onBatch((batch) => {
      batches.push(batch);
      seen.push([mirror.revision, textsIn(mirror)]);
    });
    const stop = mirror.onBatch(() => batches.push());
    stop();
    const first = await write(store, putOp(`${prefix}a`, '2'), putOp(`${prefix}b`, '2'));
    const second = await write(store, { type: 'delete', key: `${prefix}a` });
    const third = await write(store, { type: 'delete', key: prefix, rangeEnd: `${prefix}z` });
    await mirror.reach(third, { timeoutMs: 20_000 });
    const [a, b] = [`${prefix}a`, `${prefix}b`];
    expect(told(batches)).toEqual([
      ['revision', first, { [a]: ['1', '2'], [b]: [undefined, '2'] }],
      ['revision', second, { [a]: ['2', undefined] }],
      ['revision', third, { [b]: ['2', undefined] }],
    ]);
    expect(seen).toEqual([
      [first, { [a]: '2', [b]: '2' }],
      [second, { [b]: '2' }],
      [third, {}],
    ]);
  });

  it('mirrors prefixes that begin each other, and names of every kind', async () => {
    const store = await server.connect();
    const prefix = uniqueName('mirror');
    const outer = await mirrorOf(store, prefix);
    const inner = await mirrorOf(store, `${prefix}/é`.normalize());
    const names = ['', '/', '/é', '/é/ü', '/é😀', '\u0000', '~'].map((name) => prefix + keyOf(name));
    const deep = await mirrorOf(store, prefix + keyOf('/é'));
    const revision = await write(store, ...names.map((name) => putOp(name, 'x')));
    await Promise.all([outer.reach(revision), deep.reach(revision)]);
    expect([...outer.entries()].map(([key]) => key).sort()).toEqual([...names].sort());
    expect([...deep.entries()].map(([key]) => key).sort()).toEqual(names.slice(2, 5).sort());
    expect(inner.size).toBe(0);
  });

  it('takes in values as large as the store has them', async () => {
    const store = await server.connect();
    const prefix = `${uniqueName('mirror')}/`;
    const large = 'x'.repeat(1_400_000);
    for (const name of ['a', 'b', 'c']) await write(store, putOp(prefix + name, large + name));
    const mirror = await mirrorOf(store, prefix);
    const revision = await write(store, putOp(`${prefix}d`, `${large}d`));
    await mirror.reach(revision, { timeoutMs: 20_000 });
    expect([...mirror.entries()].map(([, { value }]) => textOf(value.slice(-1)))).toEqual([
      'a',
      'b',
      'c',
      'd',
    ]);
  });

  it('REPLICA-1 loses nothing over a cut, and tells that it is behind', async () => {
    const { store, cut } = cuttingWatches(await server.connect());
    const prefix = `${uniqueName('mirror')}/`;
    const mirror = await mirrorOf(store, prefix);
    await expect.poll(() => mirror.state.status).toBe('live');
    const states: string[] = [];
    const batches: MirrorBatch<KeyValue>[] = [];
    mirror.onState(({ status }) => states.push(status));
    mirror.onBatch((batch) => batches.push(batch));
    const mend = cut();
    const first = await write(store, putOp(`${prefix}a`, '1'));
    const second = await write(store, { type: 'delete', key: `${prefix}a` });
    mend();
    await mirror.reach(second, { timeoutMs: 20_000 });
    expect(states).toEqual(['behind', 'live']);
    expect(batches.map(({ type, revision }) => [type, revision])).toEqual([
      ['revision', first],
      ['revision', second],
    ]);
  });

  it('REPLICA-3 a proof by a stamp that writers put, or by one that is put for it', async () => {
    const store = await server.connect();
    const other = await server.connect();
    const prefix = `${uniqueName('mirror')}/`;
    const stamp = `${prefix}s`;
    const stamped = await mirrorOf(store, prefix, { proof: readStamp(store, stamp), proveEveryMs: Infinity });
    const stamping = await mirrorOf(store, prefix, { proof: putStamp(store, stamp), proveEveryMs: Infinity });
    // Nobody has put it yet.
    expect(await stamped.sync({ timeoutMs: 20_000 })).toBe(stamped.revision);
    for (let round = 0; round < 20; round += 1) {
      const value = String(round);
      await write(other, putOp(`${prefix}a`, value), putOp(stamp, ''));
      await stamped.sync({ timeoutMs: 20_000 });
      expect(textOf(stamped.get(`${prefix}a`)?.value ?? bytesOf(''))).toBe(value);
      await write(other, { type: 'delete', key: `${prefix}a` });
      await Promise.all([stamping.sync({ timeoutMs: 20_000 }), stamping.sync({ timeoutMs: 20_000 })]);
      expect(stamping.has(`${prefix}a`)).toBe(false);
    }
    expect(stamped.stalenessMs).toBeLessThan(5_000);
  });

  it('is ended by close, which ends what waits', async () => {
    const store = await server.connect();
    const prefix = `${uniqueName('mirror')}/`;
    const revision = await write(store, putOp(`${prefix}a`, '1'));
    const mirror = await mirrorOf(store, prefix, { proof: readStamp(store, `${prefix}s`) });
    const states: unknown[] = [];
    mirror.onState((state) => states.push(state));
    const waiting = mirror.reach(revision + 1_000_000);
    await mirror.close();
    await mirror.close();
    await expect(waiting).rejects.toMatchObject({ code: 'closed' });
    for (const call of [mirror.sync(), mirror.reach(revision + 1_000_000)]) {
      await expect(call).rejects.toMatchObject({ code: 'closed' });
    }
    expect(states.at(-1)).toMatchObject({ status: 'ended', error: { code: 'closed' } });
    expect(textsIn(mirror)).toEqual({ [`${prefix}a`]: '1' });
    expect(await mirror.reach(revision)).toBe(mirror.revision);
  });

  it('ends when its store is closed', async () => {
    const store = await server.connect();
    const mirror = await mirrorOf(store, `${uniqueName('mirror')}/`, {
      proof: async () => ({ revision: 0, storeRevision: Number.MAX_SAFE_INTEGER }),
    });
    await expect.poll(() => mirror.state.status).toBe('live');
    await store.close();
    await expect.poll(() => mirror.state.status).toBe('ended');
  });

  it('lets everybody give up, and refuses what makes no sense', async () => {
    const store = await server.connect();
    const prefix = `${uniqueName('mirror')}/`;
    const gated = gatedReads(store);
    const mirror = await mirrorOf(gated.store, prefix, {
      proof: readStamp(gated.store, `${prefix}s`),
      proveEveryMs: Infinity,
    });
    gated.hold();
    await expect(mirror.sync({ timeoutMs: 20 })).rejects.toMatchObject({ code: 'timeout' });
    const controller = new AbortController();
    const given = mirror.sync({ signal: controller.signal });
    controller.abort();
    await expect(given).rejects.toMatchObject({ code: 'aborted' });
    await expect(mirror.reach(2 ** 40, { timeoutMs: 20 })).rejects.toMatchObject({ code: 'timeout' });
    gated.letGo();
    expect(await mirror.sync({ timeoutMs: 20_000 })).toBe(mirror.revision);
    const without = await mirrorOf(store, prefix);
    await expect(without.sync()).rejects.toMatchObject({ code: 'unimplemented' });
    for (const wrong of [{ maxEntries: 0 }, { maxEntries: 1.5 }, { maxBytes: -1 }, { proveEveryMs: 0 }]) {
      expect(() => new PrefixMirror({ store, runtime: systemRuntime, prefix, ...wrong })).toThrow(/accepted/);
    }
  });
});

describe('PrefixMirror and its limits', () => {
  describeStores(
    'over a store of its own',
    (server) => {
      it('REPLICA-2 after history was compacted, tells the difference', async () => {
        const { store, cut } = cuttingWatches(await server.connect());
        const prefix = `${uniqueName('mirror')}/`;
        const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => prefix + name) as [Key, Key, Key, Key];
        await write(store, putOp(a, '1'), putOp(b, '1'), putOp(c, '1'));
        const mirror = await mirrorOf(store, prefix);
        await expect.poll(() => mirror.state.status).toBe('live');
        const batches: MirrorBatch<KeyValue>[] = [];
        mirror.onBatch((batch) => batches.push(batch));
        const mend = cut();
        await write(store, putOp(a, '2'), { type: 'delete', key: b });
        await write(store, { type: 'delete', key: c });
        await write(store, putOp(c, '1'), putOp(d, '1'));
        const last = await write(store, { type: 'delete', key: d });
        await store.compact(last);
        mend();
        await mirror.reach(last, { timeoutMs: 20_000 });
        expect(told(batches)).toEqual([
          ['reset', expect.any(Number), { [a]: ['1', '2'], [b]: ['1', undefined], [c]: ['1', '1'] }],
        ]);
        await expect.poll(() => mirror.state.status).toBe('live');
        const next = await write(store, putOp(d, '2'));
        await mirror.reach(next, { timeoutMs: 20_000 });
        expect(textsIn(mirror)).toEqual({ [a]: '2', [c]: '1', [d]: '2' });
      });

      it('REPLICA-1 a load during which its revision is compacted begins anew', async () => {
        const inner = await server.connect();
        const prefix = `${uniqueName('mirror')}/`;
        const names = Array.from({ length: 40 }, (_none, index) => `${prefix}${index}`);
        await write(inner, ...names.map((name) => putOp(name, '1')));
        const limits: unknown[] = [];
        const store = storeWith(inner, {
          range: async (request, options) => {
            limits.push(request.limit);
            const page = await inner.range(request, options);
            if (limits.length === 1) await inner.compact(await write(inner, putOp(`${prefix}0`, '2')));
            return page;
          },
        });
        const mirror = await mirrorOf(store, prefix);
        expect(limits).toEqual([16, 64, 64]);
        expect(mirror.size).toBe(40);
        expect(textsIn(mirror)[`${prefix}0`]).toBe('2');
      });

      it('REPLICA-7 is not loaded where there is too much, and does not outgrow its limits', async () => {
        const store = await server.connect();
        const prefix = `${uniqueName('mirror')}/`;
        const names = Array.from({ length: 4 }, (_none, index) => `${prefix}${index}`);
        await write(store, ...names.map((name) => putOp(name, '1')));
        await expect(mirrorOf(store, prefix, { maxEntries: 3 })).rejects.toMatchObject({
          code: 'over-limit',
          details: { entries: 4, maxEntries: 3 },
        });
        const bytes = 4 * (prefix.length + 2);
        await expect(mirrorOf(store, prefix, { maxBytes: bytes - 1 })).rejects.toMatchObject({
          code: 'over-limit',
        });
        const few = await mirrorOf(store, prefix, { maxEntries: 4 });
        const small = await mirrorOf(store, prefix, { maxBytes: bytes });
        const revision = few.revision;
        await write(store, putOp(`${prefix}4`, '1'));
        for (const mirror of [few, small]) {
          await expect
            .poll(() => mirror.state)
            .toMatchObject({ status: 'behind', error: { code: 'over-limit' } });
          expect([mirror.size, mirror.revision]).toEqual([4, revision]);
        }
        const batches: MirrorBatch<KeyValue>[] = [];
        few.onBatch((batch) => batches.push(batch));
        await write(store, putOp(`${prefix}0`, '2'));
        const last = await write(store, { type: 'delete', key: `${prefix}1` });
        await Promise.all([few, small].map((mirror) => mirror.reach(last, { timeoutMs: 15_000 })));
        expect(textsIn(few)).toMatchObject({ [`${prefix}0`]: '2', [`${prefix}4`]: '1' });
        expect(few.size).toBe(4);
        expect(batches[0]?.type).toBe('reset');
      }, 20_000);
    },
    ['memory', 'embedded'],
  );
});
