import { describe, expect, inject, it } from 'vitest';
import { openCommitStore } from '../../src/commit/index.js';
import { isQuorateError } from '../../src/errors.js';
import { openEtcd3Store } from '../../src/etcd3/index.js';
import { systemRuntime } from '../../src/runtime/index.js';
import { put, txnOf } from '../../src/store/index.js';
import { startEtcd } from '../support/etcd-process.js';

describe.skipIf(inject('etcdEndpoint') === '')('an etcd that runs out of space', () => {
  it('COMMIT-2 what it refuses for lack of space was not applied, though etcd may apply and say so', async () => {
    const etcd = await startEtcd(process.env['QUORATE_ETCD'] ?? 'etcd', ['--quota-backend-bytes=1500000']);
    const store = await openEtcd3Store({ hosts: etcd.endpoint });
    try {
      const commits = await openCommitStore(store, {
        runtime: systemRuntime,
        lanePrefix: 'q/lane/',
        lanes: 8,
      });
      const refused: string[] = [];
      const applied: string[] = [];
      for (let round = 0; round < 40 && refused.length < 8; round += 1) {
        const keys = Array.from({ length: 8 }, (_, index) => `k/${round}/${index}`);
        // In ticks of their own, so that each has a lane to itself and they are in flight together.
        const calls = keys.map(async (key, index) => {
          for (let turn = 0; turn < index * 20; turn += 1) await Promise.resolve();
          await commits.txn(txnOf({ success: [put(key, new Uint8Array(30_000))] })).then(
            () => applied.push(key),
            (error: unknown) => {
              if (!isQuorateError(error, 'no-space')) throw error;
              expect(error.outcome).toBe('not-applied');
              refused.push(key);
            },
          );
        });
        await Promise.all(calls);
      }
      expect(refused.length).toBeGreaterThan(0);
      const { kvs } = await store.range({ key: 'k/', rangeEnd: 'k0', keysOnly: true });
      expect(kvs.map((kv) => kv.key)).toEqual(applied.sort());
      await commits.close();
    } finally {
      await store.close();
      await etcd.stop();
    }
  });
});
