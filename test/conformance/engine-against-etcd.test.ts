/**
 * The same random operations go to the engine, through the memory store, and to a real etcd that began as empty.
 * Both make the same revisions, so every answer must be equal to the letter: replies, refusals, revisions, what
 * watches saw, and at the end of each sequence the hash of the whole retained history.
 */
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { openEtcd3Store } from '../../src/etcd3/index.js';
import { MemoryServer } from '../../src/memory/index.js';
import type { Op, Store, WatchRequest } from '../../src/store/index.js';
import { bytesOf, txnOf } from '../../src/store/index.js';
import { type EtcdProcess, startEtcd } from '../support/etcd-process.js';
import { type Operation, OperationSource } from '../support/operations.js';
import { hashOf } from './hash.js';
import { type Answer, answerOf, eventually, Follower, plain } from './lockstep.js';

const sequences = Number(process.env.QUORATE_CONFORMANCE_SEQUENCES ?? 300);
const operationsPerSequence = 25;
const budgetMs = Number(process.env.QUORATE_CONFORMANCE_BUDGET_MS ?? 15_000);
const fewestSequences = 100;
const seed = Number(process.env.QUORATE_SEED ?? Date.now() % 1_000_000);

interface Pair {
  readonly ours: Follower;
  readonly theirs: Follower;
  readonly request: WatchRequest;
  /** True once etcd serves the watch as things happen, and no longer reads history for it. */
  live: boolean;
}

describe.skipIf(inject('etcdEndpoint') === '')('the engine against a real etcd', () => {
  const server = new MemoryServer();
  const ours = server.connect();
  let etcd: EtcdProcess;
  let theirs: Store;

  beforeAll(async () => {
    etcd = await startEtcd(process.env.QUORATE_ETCD || 'etcd', ['--unsafe-no-fsync']);
    theirs = await openEtcd3Store({ hosts: etcd.endpoint });
  });

  afterAll(async () => {
    await theirs?.close();
    await etcd?.stop();
    await server.close();
  });

  let pairs: Pair[] = [];

  async function openWatches(operation: Extract<Operation, { call: 'watch' }>): Promise<void> {
    const { request } = operation;
    const pair = {
      ours: new Follower(ours.watch(request)),
      theirs: new Follower(theirs.watch(request)),
      request,
      live: (request.fromRevision ?? 0) === 0,
    };
    pairs.push(pair);
    expect(await eventually(() => pair.ours.items.length > 0 && pair.theirs.items.length > 0)).toBe(true);
  }

  /**
   * Waits until etcd has sent what the engine has. etcd reads history for a watch only ten times a second, and a
   * compaction that comes first changes what it finds; that it is done shows in an event that comes after it.
   */
  async function settleWatches(): Promise<void> {
    for (const { request, live } of pairs) {
      if (live) continue;
      const { key } = request;
      const ops: readonly Op[] = [
        { type: 'put', key, value: bytesOf('settle') },
        { type: 'delete', key },
      ];
      for (const op of ops) {
        await sameAnswer({ call: 'txn', request: txnOf({ success: [op] }) });
      }
    }
    for (const pair of pairs) {
      const { ours, theirs, request } = pair;
      await eventually(() => theirs.eventCount >= ours.eventCount && theirs.ended === ours.ended);
      expect(theirs.seen(), `seed ${seed}: watch ${JSON.stringify(request)}`).toEqual(ours.seen());
      pair.live = true;
    }
  }

  async function sameAnswer(operation: Operation): Promise<Answer> {
    const [answer, real] = [await answerOf(ours, operation), await answerOf(theirs, operation)];
    expect(answer, `seed ${seed}: ${JSON.stringify(operation)}`).toEqual(real);
    return real;
  }

  async function closeWatches(): Promise<void> {
    await settleWatches();
    for (const pair of pairs) {
      pair.ours.close();
      pair.theirs.close();
    }
    pairs = [];
  }

  async function compareStates(): Promise<void> {
    const all = { key: '\0', rangeEnd: '\0' };
    expect(plain(await ours.range(all))).toEqual(plain(await theirs.range(all)));
    // Without any key etcd's hash depends on how far its compaction has come.
    if (server.engine.keyCount === 0) return;
    expect(server.engine.hash()).toBe(await hashOf(etcd.endpoint));
  }

  test(`ENGINE-1 random sequences get the same answers, watches and history (seed ${seed})`, async () => {
    const calls: Record<string, number> = {};
    const refusals: Record<string, number> = {};
    const { engine } = server;
    const until = Date.now() + budgetMs;
    let done = 0;
    while (done < sequences && (Date.now() < until || done < fewestSequences)) {
      const source = new OperationSource(seed * 1_000 + done);
      for (let step = 0; step < operationsPerSequence; step += 1) {
        const kvs = engine.range({ key: '\0', rangeEnd: '\0' }).kvs;
        const { revision, compactRevision } = engine;
        const operation = source.next({ revision, compactRevision, kvs });
        if (operation.call === 'watch') {
          // What is left of the compacted revision itself depends on how far etcd's compaction has come.
          if (operation.request.fromRevision === compactRevision) continue;
          await openWatches(operation);
        } else {
          if (operation.call === 'compact') await settleWatches();
          const real = await sameAnswer(operation);
          if ('refused' in real) refusals[real.refused] = (refusals[real.refused] ?? 0) + 1;
        }
        calls[operation.call] = (calls[operation.call] ?? 0) + 1;
      }
      if (pairs.length > 20) await closeWatches();
      await compareStates();
      done += 1;
    }
    await closeWatches();
    process.stderr.write(`conformance: ${done} sequences ${JSON.stringify({ calls, refusals })}\n`);
    expect(done).toBeGreaterThanOrEqual(fewestSequences);
    for (const code of [
      'duplicate-key',
      'too-many-operations',
      'lease-not-found',
      'lease-exists',
      'key-not-found',
      'compacted',
      'future-revision',
      'invalid-argument',
    ]) {
      expect(refusals, 'the sequences reach every kind of refusal').toHaveProperty(`${code} (not-applied)`);
    }
  }, 60_000);
});
