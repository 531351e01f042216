/** The `Lock` of npm's etcd3 as a contender: see bench/locks/loop.ts. It does not wait, so it is asked again. */
import { Etcd3, EtcdLockFailedError } from 'etcd3';
import { contend, polled } from '../../locks/loop.js';

/** Shorter pauses gave fewer acquisitions: each attempt grants and revokes a lease. */
const pauseMs = 5;

await contend(async ({ endpoint, name }) => {
  const client = new Etcd3({ hosts: endpoint });
  await client.get('ready').string();
  return {
    acquire: async () => {
      const lock = await polled(async () => {
        try {
          return await client.lock(name).ttl(10).acquire();
        } catch (error) {
          if (error instanceof EtcdLockFailedError) return undefined;
          throw error;
        }
      }, pauseMs);
      return () => lock.release();
    },
    close: async () => client.close(),
  };
});
