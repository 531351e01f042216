/**
 * Ids, and additions to a counter, beside the transaction that either would be without blocks and batches: one compare-and-set
 * for each, as cheap as it can be made: it knows what it compares with, so it is one request.
 */
import { Client, Counter, compare, get, IdAllocator, put } from 'quorate';
import { openEtcd3Store } from 'quorate/etcd3';
import { type BenchOptions, closedLoop, compared, interleave, type Measure } from '../harness.js';
import type { Part } from './part.js';

const adders = 1_024;

/** Ids a second, and additions a second of many callers in one process, each beside one compare-and-set after the other. */
export async function idsPart({ endpoint, quick }: BenchOptions): Promise<Part> {
  const durationMs = quick ? 300 : 1_500;
  const rounds = quick ? 2 : 7;
  const store = await openEtcd3Store({ hosts: endpoint });
  const client = await Client.open({ store, closeStore: true, namespace: 'bench' });
  const ids = new IdAllocator(client, 'ids');
  const counter = new Counter(client, 'counter');
  const measures: Record<'compare-and-set' | 'ids' | 'additions', Measure> = {
    'compare-and-set': swapOneByOne(client, durationMs),
    ids: () => closedLoop(1, durationMs, () => ids.next()),
    additions: () => closedLoop(adders, durationMs, () => counter.add(1)),
  };
  const figures = await interleave(measures, rounds);
  await client.close();
  const beside = 'one compare-and-set each, one after the other';
  const swaps = figures['compare-and-set'];
  return {
    settings: {
      ids: 'one process, one caller that waits for each; blocks of 32 to 65,536 ids, by demand',
      'ids, rounds': `${rounds} of ${durationMs} ms, interleaved; medians`,
    },
    rows: [
      compared('ids, one after the other', '/s', figures.ids, beside, swaps, { atLeast: 100 }),
      compared(`additions to a counter, ${adders} callers`, '/s', figures.additions, beside, swaps),
    ],
    rounds: figures,
    leftOut: [],
  };
}

/** A number under a key, moved on by one each time. */
function swapOneByOne({ store }: Client, durationMs: number): Measure {
  const key = 'bench/swapped';
  let mod = 0;
  let next = 0;
  return () =>
    closedLoop(1, durationMs, async () => {
      next += 1;
      const { succeeded, revision } = await store.txn({
        compare: [compare.mod(key, 'equal', mod)],
        success: [put(key, String(next))],
        failure: [get(key)],
      });
      if (!succeeded) throw new Error('nobody else writes this key');
      mod = revision;
    });
}
