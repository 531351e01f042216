/**
 * What etcd 3.4 does where its documentation is silent or could be read in two ways, each fact by itself, on the engine,
 * on the embedded server and on a real etcd. A newer etcd has to pass these before it is called supported.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isQuorateError } from '../../src/errors.js';
import {
  compare,
  get,
  getPrefix,
  nested,
  type Op,
  put,
  remove,
  removePrefix,
  type Store,
  txnOf,
} from '../../src/store/index.js';
import { findEtcd } from '../support/etcd-process.js';
import { type Contestant, startTrio, type Trio } from './contestants.js';
import { eventually, Follower } from './follower.js';

const etcdBinary = findEtcd();
const names = ['engine', 'embedded', 'etcd'] as const;

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (isQuorateError(error)) return `${error.code}, ${error.outcome}`;
    throw error;
  }
  return 'accepted';
}

describe.skipIf(etcdBinary === undefined)('facts of etcd 3.4', () => {
  let trio: Trio;
  let compactions = 0;

  beforeAll(async () => {
    trio = await startTrio(etcdBinary ?? '');
  });

  afterAll(() => trio?.close());

  describe.each(names)('%s', (name) => {
    let contestant: Contestant;
    let store: Store;

    beforeAll(() => {
      contestant = trio.contestants[names.indexOf(name)] ?? trio.contestants[0];
      store = contestant.store;
      compactions = 0;
    });

    const now = async () => (await store.range({ key: 'none' })).revision;
    const write = (...ops: Op[]) => store.txn(txnOf({ success: ops }));
    const keyAt = async (key: string, revision = 0) => (await store.range({ key, revision })).kvs[0];

    async function opened(key: string, rest: object = {}): Promise<Follower> {
      const follower = new Follower(() => contestant.watch({ key, ...rest }));
      expect(await eventually(() => follower.answered)).toBe(true);
      return follower;
    }

    // The first of all: the servers are still empty.
    test('an empty store is at revision 1, and the first write makes revision 2', async () => {
      expect(await now()).toBe(1);
      expect((await store.status()).revision).toBe(1);
      expect((await write(put('first', ''))).revision).toBe(2);
    });

    describe('what makes a revision', () => {
      test('not: to grant, keep alive and revoke a lease without keys', async () => {
        const before = await now();
        await store.leaseGrant({ id: '11', ttlSeconds: 60 });
        await store.leaseKeepAlive('11');
        await store.leaseRevoke('11');
        expect(await now()).toBe(before);
      });

      test('not: a transaction that only reads, or does nothing', async () => {
        const before = await now();
        expect((await write(get('first'), getPrefix('f'))).revision).toBe(before);
        expect((await write()).revision).toBe(before);
      });

      test('not: to delete nothing', async () => {
        const before = await now();
        const { revision, replies } = await write(remove('none'), removePrefix('none/'));
        expect(revision).toBe(before);
        expect(replies).toMatchObject([{ deleted: 0 }, { deleted: 0 }]);
      });

      test('once: a transaction, however much it writes and however deep', async () => {
        const before = await now();
        const reply = await write(put('m1', ''), remove('first'), nested({ success: [put('m2', '')] }));
        expect(reply.revision).toBe(before + 1);
        expect((await keyAt('m1'))?.modRevision).toBe(before + 1);
        expect((await keyAt('m2'))?.modRevision).toBe(before + 1);
      });

      test('once: to put the value that is there already', async () => {
        const { revision } = await write(put('m1', ''));
        expect(await keyAt('m1')).toMatchObject({ version: 2, modRevision: revision });
      });

      test('not: compaction', async () => {
        const before = await now();
        await store.compact(before);
        compactions += 1;
        expect(await now()).toBe(before);
      });
    });

    describe('what is refused', () => {
      test('a key that is written twice in one transaction, which is then not applied at all', async () => {
        const before = await now();
        for (const ops of [
          [put('t', '1'), put('t', '2')],
          [put('t', '1'), remove('t')],
          [put('t', '1'), removePrefix('t')],
          [nested({ success: [put('t', '1')] }), nested({ failure: [put('t', '2')] })],
        ]) {
          expect(await codeOf(write(...ops))).toBe('duplicate-key, not-applied');
        }
        expect(await now()).toBe(before);
      });

      test('not: a key in both branches of one nested transaction, nor deleted twice', async () => {
        expect(await codeOf(write(nested({ success: [put('t', '1')], failure: [put('t', '2')] })))).toBe(
          'accepted',
        );
        expect(await codeOf(write(remove('t'), removePrefix('t')))).toBe('accepted');
      });

      test('an unknown lease, with the whole transaction around it', async () => {
        const before = await now();
        const request = write(put('u1', ''), put('u2', '', { lease: '404' }), remove('m1'));
        expect(await codeOf(request)).toBe('lease-not-found, not-applied');
        expect(await now()).toBe(before);
        expect(await keyAt('u1')).toBeUndefined();
      });

      test('a key that shall keep its value or lease and is not there, with the whole transaction', async () => {
        const before = await now();
        for (const keep of [{ ignoreValue: true }, { ignoreLease: true }]) {
          const request = write(put('u1', ''), { ...put('none', ''), ...keep });
          expect(await codeOf(request)).toBe('key-not-found, not-applied');
        }
        expect(await now()).toBe(before);
      });

      test('an unknown lease before a revision that cannot be read, wherever they stand', async () => {
        const request = write(get('m1', { revision: 1_000_000 }), put('u1', '', { lease: '404' }));
        expect(await codeOf(request)).toBe('lease-not-found, not-applied');
      });

      test('to read the future', async () => {
        const next = (await now()) + 1;
        expect(await codeOf(store.range({ key: 'm1', revision: next }))).toBe('future-revision, not-applied');
      });
    });

    describe('compaction', () => {
      test('leaves the compacted revision readable, and nothing below it', async () => {
        const { revision: old } = await write(put('c', 'old'));
        const { revision: kept } = await write(put('c', 'kept'));
        await write(put('c', 'new'));
        await store.compact(kept);
        compactions += 1;
        expect((await keyAt('c', kept))?.modRevision).toBe(kept);
        expect(await codeOf(store.range({ key: 'c', revision: old }))).toBe('compacted, not-applied');
        expect(await codeOf(store.compact(kept))).toBe('compacted, not-applied');
        expect(await codeOf(store.compact((await now()) + 1))).toBe('future-revision, not-applied');
        const late = await opened('c', { fromRevision: old });
        expect(await eventually(() => late.ended)).toBe(true);
        expect(late.items).toMatchObject([
          { type: 'opened' },
          { type: 'compacted', fromRevision: old, compactRevision: kept },
        ]);
      });

      test('takes prevKv from the history that a watch reads later', async () => {
        await write(put('c', 'gone'));
        const { revision } = await write(put('c', 'first that is left'));
        await write(put('c', 'second'));
        await store.compact(revision);
        compactions += 1;
        await contestant.settled(compactions);
        const follower = await opened('c', { fromRevision: revision, prevKv: true });
        expect(await eventually(() => follower.events.length === 2)).toBe(true);
        expect(follower.events.map(({ prevKv }) => prevKv?.modRevision)).toEqual([undefined, revision]);
        follower.close();
      });
    });

    describe('leases', () => {
      test('a TTL below 2 is raised to 2', async () => {
        for (const ttlSeconds of [0, 1]) {
          expect(await store.leaseGrant({ id: '12', ttlSeconds })).toEqual({ id: '12', ttlSeconds: 2 });
          expect(await store.leaseKeepAlive('12')).toBe(2);
          await store.leaseRevoke('12');
        }
      });

      test('the keys of a lease die in one revision, in key order, and not before its time', async () => {
        const follower = await opened('l', { rangeEnd: 'm', without: ['put'] });
        const grantedMs = performance.now();
        await store.leaseGrant({ id: '13', ttlSeconds: 1 });
        const { revision } = await write(put('lb', '', { lease: '13' }), put('la', '', { lease: '13' }));
        expect(await eventually(() => follower.events.length === 2)).toBe(true);
        expect(performance.now() - grantedMs).toBeGreaterThan(1_950);
        expect(follower.events.map(({ kv }) => `${kv.key} ${kv.modRevision}`)).toEqual([
          `la ${revision + 1}`,
          `lb ${revision + 1}`,
        ]);
        follower.close();
      });

      test('of one that is gone: keep-alive answers 0 without an error, time to live -1; revoking fails', async () => {
        expect(await store.leaseKeepAlive('13')).toBe(0);
        expect(await store.leaseTimeToLive('13', { keys: true })).toEqual({
          id: '13',
          grantedTtlSeconds: 0,
          remainingSeconds: -1,
          keys: [],
        });
        expect(await codeOf(store.leaseRevoke('13'))).toBe('lease-not-found, not-applied');
      });

      test('a put without a lease takes the key from its lease; to grant an id twice fails', async () => {
        await store.leaseGrant({ id: '14', ttlSeconds: 60 });
        await write(put('l1', '', { lease: '14' }), put('l2', '', { lease: '14' }));
        await write(put('l1', ''));
        expect((await store.leaseTimeToLive('14', { keys: true })).keys).toEqual(['l2']);
        expect(await codeOf(store.leaseGrant({ id: '14', ttlSeconds: 60 }))).toBe(
          'lease-exists, not-applied',
        );
        await store.leaseRevoke('14');
        expect((await keyAt('l1'))?.lease).toBe('0');
        expect(await keyAt('l2')).toBeUndefined();
      });
    });

    describe('compares and ranges', () => {
      const holds = async (...compares: Parameters<typeof txnOf>[0]['compare'] & object) =>
        (await store.txn(txnOf({ compare: compares }))).succeeded;

      test('compares of a nested transaction see the state before the whole, its ranges the writes before them', async () => {
        const inner = nested({
          compare: [compare.create('n', 'equal', 0)],
          success: [get('n')],
        });
        const reply = await write(put('n', ''), inner);
        expect(reply.replies[1]).toMatchObject({ succeeded: true, replies: [{ count: 1 }] });
      });

      test('a value that is not there compares as nothing; all else of a missing key is 0', async () => {
        for (const result of ['equal', 'not-equal', 'greater', 'less'] as const) {
          expect(await holds(compare.value('none', result, 'x'))).toBe(false);
        }
        const empty = { key: 'none', rangeEnd: 'nonf' };
        expect(await holds(compare.create('none', 'equal', 0), compare.mod(empty, 'less', 1))).toBe(true);
        expect(await holds(compare.lease('none', 'equal', '0'), compare.version(empty, 'equal', 0))).toBe(
          true,
        );
      });

      test('count is that of the range, before the filters by revision and the limit', async () => {
        await write(put('q1', ''), put('q2', ''));
        const { revision } = await write(put('q3', ''));
        const range = { key: 'q', rangeEnd: 'r' };
        expect(await store.range({ ...range, minModRevision: revision })).toMatchObject({
          count: 3,
          more: false,
        });
        expect(await store.range({ ...range, limit: 2 })).toMatchObject({ count: 3, more: true });
        expect(await store.range({ ...range, limit: 3 })).toMatchObject({ count: 3, more: false });
      });
    });

    test('the event of a deletion names key and revision alone; a key made anew begins at version 1', async () => {
      await write(put('e', 'old'), put('f', ''));
      const follower = await opened('e', { prevKv: true });
      const { revision } = await write(remove('e'));
      await write(put('e', 'new'));
      expect(await eventually(() => follower.events.length === 2)).toBe(true);
      expect(follower.events).toMatchObject([
        {
          type: 'delete',
          kv: { key: 'e', modRevision: revision, createRevision: 0, version: 0, lease: '0' },
          prevKv: { version: 1 },
        },
        { type: 'put', kv: { createRevision: revision + 1, version: 1 } },
      ]);
      expect(follower.events[0]?.kv.value).toHaveLength(0);
      expect(follower.events[1]?.prevKv).toBeUndefined();
      follower.close();
    });
  });
});
