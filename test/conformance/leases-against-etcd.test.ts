/** What needs real time: the least TTL, the end of a lease, and what is said of it afterwards. */
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { openEtcd3Store } from '../../src/etcd3/index.js';
import { MemoryServer } from '../../src/memory/index.js';
import { compare, getPrefix, put, type Store, txnOf } from '../../src/store/index.js';
import { type EtcdProcess, startEtcd } from '../support/etcd-process.js';
import { answerOf, eventually, Follower, plain } from './lockstep.js';

describe.skipIf(inject('etcdEndpoint') === '')('leases of the engine against a real etcd', () => {
  const server = new MemoryServer();
  let etcd: EtcdProcess;
  let stores: readonly [ours: Store, theirs: Store];

  beforeAll(async () => {
    etcd = await startEtcd(process.env.QUORATE_ETCD || 'etcd', ['--unsafe-no-fsync']);
    stores = [server.connect(), await openEtcd3Store({ hosts: etcd.endpoint })];
  });

  afterAll(async () => {
    await Promise.all((stores ?? []).map((store) => store.close()));
    await etcd?.stop();
    await server.close();
  });

  async function lifeOfALease(store: Store): Promise<unknown> {
    const id = '77';
    const answers: unknown[] = [];
    const follower = new Follower(store.watch({ key: 'k', rangeEnd: 'l', prevKv: true }));
    await eventually(() => follower.items.length > 0);
    answers.push(await answerOf(store, { call: 'grant', id, ttlSeconds: 1 }));
    answers.push(
      await store.txn(txnOf({ success: [put('kb', '2', { lease: id }), put('ka', '1', { lease: id })] })),
    );
    answers.push(await answerOf(store, { call: 'timeToLive', id }));
    answers.push(await answerOf(store, { call: 'keepAlive', id }));
    const grantedMs = performance.now();
    expect(await eventually(() => follower.eventCount === 4)).toBe(true);
    expect(performance.now() - grantedMs, 'never early').toBeGreaterThan(1_900);
    answers.push(await answerOf(store, { call: 'timeToLive', id }));
    answers.push(await answerOf(store, { call: 'keepAlive', id }));
    answers.push(await answerOf(store, { call: 'revoke', id }));
    answers.push(
      await answerOf(store, { call: 'txn', request: txnOf({ success: [put('kc', '', { lease: id })] }) }),
    );
    // A lease that is gone rejects only on the path that is taken.
    const untaken = txnOf({
      compare: [compare.create('ka', 'equal', 0)],
      failure: [put('ka', '', { lease: id })],
    });
    answers.push(await answerOf(store, { call: 'txn', request: untaken }));
    answers.push(await store.txn(txnOf({ success: [getPrefix('k')] })));
    answers.push(follower.seen());
    follower.close();
    return plain(answers);
  }

  test('ENGINE-2 a lease ends, with all its keys in one revision, as it does in etcd', async () => {
    const [ours, theirs] = await Promise.all(stores.map((store) => lifeOfALease(store)));
    expect(ours).toEqual(theirs);
  });

  test('ENGINE-3 a watch from the compacted revision itself sees of it what compaction has left', async () => {
    const seen = await Promise.all(
      stores.map(async (store) => {
        const last = await store.txn(txnOf({ success: [put('ca', '1'), put('cb', '1')] }));
        await store.txn(txnOf({ success: [put('cb', '2')] }));
        await store.compact(last.revision);
        const follower = new Follower(
          store.watch({ key: 'c', rangeEnd: 'd', fromRevision: last.revision, prevKv: true }),
        );
        const tooEarly = new Follower(
          store.watch({ key: 'c', rangeEnd: 'd', fromRevision: last.revision - 1 }),
        );
        await eventually(() => follower.eventCount === 3 && tooEarly.ended);
        const result = [follower.seen(), tooEarly.seen()];
        follower.close();
        return result;
      }),
    );
    expect(seen[0]).toEqual(seen[1]);
  });
});
