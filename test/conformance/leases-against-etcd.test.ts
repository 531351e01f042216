/** What needs real time or a moment of its own: the end of a lease, and watches at the edge of compaction. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compare, getPrefix, put, type Store, txnOf } from '../../src/store/index.js';
import { findEtcd } from '../support/etcd-process.js';
import { answered, answerOf, plain } from './answers.js';
import { type Contestant, startTrio, type Trio } from './contestants.js';
import { eventually, Follower } from './follower.js';

const etcdBinary = findEtcd();

describe.skipIf(etcdBinary === undefined)('engine, embedded server and etcd', () => {
  let trio: Trio;

  beforeAll(async () => {
    trio = await startTrio(etcdBinary ?? '');
  });

  afterAll(() => trio?.close());

  async function same(story: (store: Store, each: Contestant) => Promise<unknown>): Promise<void> {
    const [engine, embedded, etcd] = await Promise.all(
      trio.contestants.map((each) => story(each.store, each)),
    );
    expect(engine, 'the engine').toEqual(etcd);
    expect(embedded, 'the embedded server').toEqual(etcd);
  }

  async function lifeOfALease(store: Store): Promise<unknown> {
    const id = '77';
    const answers: unknown[] = [];
    const follower = new Follower(() => store.watch({ key: 'k', rangeEnd: 'l', prevKv: true }));
    await eventually(() => follower.answered);
    answers.push(await answerOf(store, { call: 'grant', id, ttlSeconds: 1 }));
    answers.push(
      await store.txn(txnOf({ success: [put('kb', '2', { lease: id }), put('ka', '1', { lease: id })] })),
    );
    answers.push(await answerOf(store, { call: 'timeToLive', id, keys: true }));
    // Some time later it is renewed, so that its end shows what a keep-alive does.
    await new Promise((resolve) => setTimeout(resolve, 500));
    const renewedMs = performance.now();
    answers.push(await answerOf(store, { call: 'keepAlive', id }));
    expect(await eventually(() => follower.events.length === 4)).toBe(true);
    expect(performance.now() - renewedMs, 'never early').toBeGreaterThan(1_950);
    answers.push(await answerOf(store, { call: 'timeToLive', id, keys: true }));
    answers.push(await answerOf(store, { call: 'keepAlive', id }));
    answers.push(await answerOf(store, { call: 'revoke', id }));
    const leased = txnOf({ success: [put('kc', '', { lease: id })] });
    answers.push(await answerOf(store, { call: 'txn', request: leased }));
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

  test('ENGINE-2 a lease ends, with all its keys in one revision, as it does in etcd', () =>
    same(lifeOfALease));

  test('ENGINE-3 a watch from the compacted revision itself sees of it what compaction has left', async () => {
    const revisions = await Promise.all(
      trio.contestants.map(async ({ store, settled }) => {
        const last = await store.txn(txnOf({ success: [put('ca', '1'), put('cb', '1')] }));
        await store.txn(txnOf({ success: [put('cb', '2')] }));
        await store.compact(last.revision);
        await settled(1);
        return last.revision;
      }),
    );
    await same(async (_, server) => {
      const fromRevision = revisions[0] ?? 0;
      const range = { key: 'c', rangeEnd: 'd' };
      const follower = new Follower(() => server.watch({ ...range, fromRevision, prevKv: true }));
      const tooEarly = new Follower(() => server.watch({ ...range, fromRevision: fromRevision - 1 }));
      await eventually(() => follower.events.length === 3 && tooEarly.ended);
      const result = [follower.seen(), tooEarly.seen()];
      follower.close();
      return result;
    });
  });

  test('a negative TTL is refused before anything is asked of the server', () =>
    same((store) => answered(() => store.leaseGrant({ id: '78', ttlSeconds: -1 }))));
});
