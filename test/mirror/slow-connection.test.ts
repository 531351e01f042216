import { expect, it, onTestFinished } from 'vitest';
import { QuorateError } from '../../src/errors.js';
import { PrefixMirror } from '../../src/mirror/index.js';
import { sleep } from '../../src/runtime/index.js';
import type { CallOptions, KeyValue, RangeRequest, RangeResult, Store } from '../../src/store/index.js';
import { ManualRuntime } from '../support/manual-runtime.js';
import { scriptedStore } from '../watch/scripted-store.js';

function kvs(letter: string, count: number, valueBytes: number): KeyValue[] {
  const value = new Uint8Array(valueBytes);
  return Array.from({ length: count }, (_none, index) => {
    const key = `k${letter}${String(index).padStart(6, '0')}`;
    return { ...{ key, value, createRevision: 5, modRevision: 5 }, version: 1, lease: '0' };
  });
}

/** A mirror of all these, read over a connection that brings so many bytes each ms. Each page's bytes, and whether it came in time. */
function mirrorOver(bytesPerMs: number, all: readonly KeyValue[]) {
  const runtime = new ManualRuntime();
  const pages: { readonly keys: number; readonly bytes: number; readonly inTime: boolean }[] = [];
  const range = async (request: RangeRequest, { timeoutMs = 0 }: CallOptions = {}): Promise<RangeResult> => {
    const rest = all.filter(({ key }) => key >= request.key);
    const found = rest.slice(0, request.limit);
    const bytes = found.reduce((sum, { key, value }) => sum + key.length + value.length, 0);
    const inTime = bytes / bytesPerMs <= timeoutMs;
    pages.push({ keys: found.length, bytes, inTime });
    await sleep(runtime, Math.min(bytes / bytesPerMs, timeoutMs));
    if (!inTime) throw new QuorateError('timeout', 'it did not come in time');
    return { revision: 9, kvs: found, count: rest.length, more: found.length < rest.length };
  };
  const { store } = scriptedStore();
  const mirror = new PrefixMirror({
    ...{ store: { range, watch: (request) => store.watch(request) } as Store, runtime, prefix: 'k' },
    proveEveryMs: Number.POSITIVE_INFINITY,
  });
  onTestFinished(() => mirror.close());
  mirror.start();
  return { runtime, mirror, pages };
}

it('is loaded over a slow connection, though small values are followed by large ones', async () => {
  // 50 MB, so 20 s in one go; a page of the large ones that is asked for as if they were small is never in time.
  const { runtime, mirror, pages } = mirrorOver(2_500, [...kvs('a', 6_000, 1), ...kvs('b', 100, 500_000)]);
  await runtime.advance(40_000);
  expect([mirror.size, mirror.state.status, mirror.revision]).toEqual([6_100, 'loading', 9]);
  expect(Math.max(...pages.map(({ keys }) => keys))).toBe(1_000);
  const late = pages.filter(({ inTime }) => !inTime);
  expect(late.length).toBeLessThan(5);
  // Those that follow are about a megabyte.
  const large = pages.slice(pages.lastIndexOf(late.at(-1) as (typeof pages)[number]) + 2);
  expect(Math.max(...large.map(({ bytes }) => bytes))).toBeLessThan(1_600_000);
});

it('does not ask for what it cannot have in time, again and again', async () => {
  // 100 kB/s: a page of a megabyte takes 10 s, and the first attempt at one has 2 s.
  const { runtime, mirror, pages } = mirrorOver(100, kvs('a', 300, 10_000));
  await runtime.advance(45_000);
  expect(mirror.size).toBe(300);
  expect(pages.filter(({ inTime }) => !inTime).length).toBeLessThan(3);
});

it('takes few requests for small values, and bounded answers for large ones', async () => {
  const fast = 1_000_000;
  const small = mirrorOver(fast, kvs('a', 10_000, 100));
  await small.runtime.advance(5_000);
  expect(small.mirror.size).toBe(10_000);
  expect(small.pages.map(({ keys }) => keys).slice(0, 5)).toEqual([16, 64, 256, 1_000, 1_000]);
  expect(small.pages.length).toBeLessThanOrEqual(13);

  const mega = 2 ** 20;
  // A mirror holds 256 MiB by default.
  const large = mirrorOver(fast, kvs('a', 200, mega));
  await large.runtime.advance(30_000);
  expect(large.mirror.size).toBe(200);
  const [first, ...others] = large.pages.map(({ bytes }) => bytes);
  expect(first).toBeLessThan(17 * mega);
  expect(Math.max(...others)).toBeLessThan(1.1 * mega);
});

it('is surprised by large values among small ones once, and not by each run of them', async () => {
  const mega = 2 ** 20;
  const runs = ['b', 'c', 'd', 'e'].flatMap((letter) => [
    ...kvs(`${letter}0`, 60, 100),
    ...kvs(`${letter}1`, 40, mega),
  ]);
  const { runtime, mirror, pages } = mirrorOver(1_000_000, [...kvs('a', 3_000, 100), ...runs]);
  await runtime.advance(60_000);
  expect(mirror.size).toBe(3_400);
  const surprises = pages.filter(({ bytes }) => bytes > 20 * mega);
  expect(surprises).toHaveLength(1);
  expect(pages.length).toBeLessThan(200);
});
