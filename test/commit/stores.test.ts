import fc from 'fast-check';
import { expect, it } from 'vitest';
import { marked, randomRequest } from '../../property-tests/commit/random-txn.js';
import { type CommitStore, openCommitStore } from '../../src/commit/index.js';
import { isQuorateError, QuorateError } from '../../src/errors.js';
import { systemRuntime } from '../../src/runtime/index.js';
import {
  compare,
  get,
  put,
  type Store,
  type TxnOp,
  type TxnReply,
  type TxnRequest,
  txnOf,
} from '../../src/store/index.js';
import { faultyStore } from '../support/faulty-store.js';
import { hookedStore } from '../support/hooked-store.js';
import { propertyRuns } from '../support/property-runs.js';
import { describeStores, uniqueName } from '../support/stores.js';
import { failureOf } from './scene.js';

async function withCommits(
  store: Store,
  use: (commits: CommitStore, prefix: string) => Promise<void>,
): Promise<void> {
  const prefix = `${uniqueName('commit')}/`;
  const commits = await openCommitStore(store, { runtime: systemRuntime, lanePrefix: `${prefix}lane/` });
  try {
    await use(commits, prefix);
  } finally {
    await commits.close();
  }
}

const create = (key: string) =>
  txnOf({ compare: [compare.create(key, 'equal', 0)], success: [put(key, '')], failure: [get(key)] });

/** The same over keys of its own, and reading no revision of a store that others write too. */
function moved(request: TxnRequest, prefix: string): TxnRequest {
  const move = <T extends { readonly key: string; readonly rangeEnd?: string }>(range: T): T => ({
    ...range,
    key: prefix + (range.key === '\0' ? 'a' : range.key),
    ...(range.rangeEnd === undefined
      ? {}
      : { rangeEnd: prefix + (range.rangeEnd === '\0' ? 'z' : range.rangeEnd) }),
  });
  const op = (one: TxnRequest['success'][number]): TxnRequest['success'][number] => {
    if (one.type === 'txn') return { type: 'txn', ...moved(one, prefix) };
    if (one.type !== 'range') return move(one);
    // etcd leaves the order of equals open in a sort by anything but the key.
    const { revision: _, sort, ...rest } = one;
    return move(sort?.target === 'key' ? { ...rest, sort } : rest);
  };
  return {
    compare: request.compare.map(move),
    success: request.success.map(op),
    failure: request.failure.map(op),
  };
}

/** The same with values as text, since stores differ in the kind of byte array that they give. */
function withPlainBytes(reply: unknown): unknown {
  return JSON.parse(
    JSON.stringify(reply, (key, value) => (key === 'value' ? Buffer.from(value).toString('hex') : value)),
  );
}

describeStores('commit store', (server) => {
  it('COMMIT-2 concurrent creates over a network that loses requests and replies', async () => {
    const network = faultyStore(await server.connect(), {
      seed: 7,
      rates: { 'lose-request': 0.15, 'lose-reply': 0.15, late: 0.15, refuse: 0.1 },
    });
    await withCommits(network, async (commits, prefix) => {
      const names = Array.from({ length: 300 }, (_, index) => `${prefix}k/${index % 150}`);
      const replies = await Promise.all(names.map((name) => commits.txn(create(name))));
      const winners = replies.filter((reply) => reply.succeeded);
      expect(winners).toHaveLength(150);
      network.heal();
      await network.releaseHeld();
      const { kvs } = await commits.range({ key: `${prefix}k/`, rangeEnd: `${prefix}k0` });
      expect(kvs.map((kv) => kv.version)).toEqual(Array.from({ length: 150 }, () => 1));
      const created = new Map(
        names.map((name, index) => [name, replies[index]] as const).filter(([, reply]) => reply?.succeeded),
      );
      for (const kv of kvs) expect(created.get(kv.key)?.revision).toBe(kv.createRevision);
    });
  });

  it('COMMIT-1 a refused member fails alone', async () => {
    await withCommits(await server.connect(), async (commits, prefix) => {
      const calls = Array.from({ length: 20 }, (_, index) =>
        commits.txn(txnOf({ success: [put(`${prefix}${index}`, '', index === 7 ? { lease: '4711' } : {})] })),
      );
      const refused = failureOf(calls[7] ?? Promise.resolve());
      const settled = await Promise.allSettled(calls);
      expect(settled.filter((result) => result.status === 'fulfilled')).toHaveLength(19);
      expect(await refused).toMatchObject({ code: 'lease-not-found', outcome: 'not-applied' });
    });
  });

  it('COMMIT-2 a lane that vanished with the reply is replayed', async () => {
    const hooked = hookedStore(await server.connect());
    await withCommits(hooked.store, async (commits, prefix) => {
      const lanes = { key: `${prefix}lane/`, rangeEnd: `${prefix}lane0` };
      const [lane] = (await commits.range(lanes)).kvs;
      let lose = true;
      hooked.hook = async (_request, send) => {
        const reply = await send();
        if (!lose) return reply;
        lose = false;
        await commits.leaseRevoke(lane?.lease ?? '0');
        throw new QuorateError('unavailable', 'lost by a test', { outcome: 'unknown' });
      };
      const reply = await commits.txn(create(`${prefix}k`));
      expect(reply.succeeded).toBe(true);
      expect((await commits.range({ key: `${prefix}k` })).kvs[0]).toMatchObject({
        createRevision: reply.revision,
      });
      expect(commits.stats.resolvedByLane).toBe(1);
      expect((await commits.txn(create(`${prefix}k`))).succeeded).toBe(false);
    });
  });

  it('COMMIT-2 a recovered reply is the one that was lost', async () => {
    const hooked = hookedStore(await server.connect());
    const lostReplies = new Map<string, TxnReply>();
    hooked.hook = async (request, send) => {
      const reply = await send();
      const members = request.success.slice(1).filter((op): op is TxnOp => op.type === 'txn');
      if (!reply.succeeded || members.length === 0) return reply;
      for (const [index, member] of members.entries()) {
        const [first] = member.success;
        const part = reply.replies[index + 1];
        if (first?.type === 'put' && part?.type === 'txn') {
          const { succeeded, replies } = part;
          lostReplies.set(first.key, { revision: reply.revision, succeeded, replies });
        }
      }
      throw new QuorateError('unavailable', 'lost by a test', { outcome: 'unknown' });
    };
    await withCommits(hooked.store, async (commits, prefix) => {
      let marker = 0;
      const requests = fc.array(randomRequest, { minLength: 1, maxLength: 10 });
      const compareReplies = async (batch: readonly TxnRequest[]) => {
        const calls = batch.map((request) => {
          marker += 1;
          const key = `${prefix}t/${marker}`;
          return {
            key,
            reply: commits.txn(marked(moved(request, prefix), key)).catch((error: unknown) => error),
          };
        });
        for (const { key, reply } of calls) {
          const recovered = await reply;
          if (isQuorateError(recovered)) expect(recovered.outcome).toBe('not-applied');
          else expect(withPlainBytes(recovered)).toEqual(withPlainBytes(lostReplies.get(key)));
        }
      };
      await fc.assert(fc.asyncProperty(requests, compareReplies), propertyRuns(60));
      expect(commits.stats.resolvedByLane).toBeGreaterThan(100);
    });
  });
});
