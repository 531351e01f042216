import { describe, expect, it } from 'vitest';
import { QuorateError } from '../../../src/errors.js';
import { checkedDefinition } from '../../../src/queues/conditions/definition.js';
import { presentTasks } from '../../../src/queues/conditions/read-conditions.js';
import { present } from '../../../src/queues/index.js';
import { itemId, placeOf, QueueKeys } from '../../../src/queues/keys.js';
import { encodeItem } from '../../../src/queues/records/index.js';
import { type KeyValue, noLease, type RangeRequest, type RangeResult } from '../../../src/store/index.js';

const keys = new QueueKeys('ns/queue/q/', 'condition');
const from = placeOf(0);
const stored = {
  definition: checkedDefinition({ when: present('t') }),
  definedAt: 2,
  released: { number: 0, upTo: from },
  ...{ gates: new Map(), done: new Set<string>() },
};

function id(n: number) {
  return itemId(n, 'p', n);
}

/** The n-th is at id n, and every tenth is of task `t`. */
function items(count: number, bytes: number): readonly KeyValue[] {
  const revisions = { createRevision: 1, modRevision: 1, version: 1, lease: noLease };
  return Array.from({ length: count }, (_, n) => {
    const traits = n % 10 === 0 ? { task: 't' } : undefined;
    return { key: keys.item(id(n)), value: encodeItem(new Uint8Array(bytes), 0, traits), ...revisions };
  });
}

/** Answers as a store that holds these, and notes the sizes of its pages. */
function storeOf(all: readonly KeyValue[]) {
  const pages: { readonly items: number; readonly bytes: number }[] = [];
  const read = async ({ key, limit = 0 }: RangeRequest): Promise<RangeResult> => {
    const left = all.filter((kv) => kv.key >= key);
    const kvs = left.slice(0, limit);
    pages.push({ items: kvs.length, bytes: kvs.reduce((sum, { value }) => sum + value.length, 0) });
    return { revision: 5, kvs, count: left.length, more: left.length > limit };
  };
  return { pages, read };
}

describe('items of tasks that are wanted present', () => {
  it('are read in pages of few requests, if they are small', async () => {
    const { pages, read } = storeOf(items(2_500, 20));
    const found = await presentTasks(keys, stored, { from, revision: 5 }, read);
    expect([...(found as ReadonlyMap<string, string>).keys()]).toEqual(
      Array.from({ length: 250 }, (_, n) => id(n * 10)),
    );
    expect(pages.map((page) => page.items)).toEqual([16, 1_000, 1_000, 484]);
  });

  it('are read in pages of few bytes, if they are large', async () => {
    const { pages, read } = storeOf(items(100, 50_000));
    const found = await presentTasks(keys, stored, { from, revision: 5 }, read);
    expect((found as ReadonlyMap<string, string>).size).toBe(10);
    expect(pages.reduce((sum, page) => sum + page.items, 0)).toBe(100);
    for (const page of pages) expect(page.bytes).toBeLessThanOrEqual(1_500_000);
  });

  it('are not known if history was compacted under the reads', async () => {
    const { read } = storeOf(items(100, 20));
    let requests = 0;
    const compacted = async (request: RangeRequest) => {
      requests += 1;
      if (requests === 2) throw new QuorateError('compacted', 'history was compacted');
      return read(request);
    };
    expect(await presentTasks(keys, stored, { from, revision: 5 }, compacted)).toBe('compacted');
  });
});
