/** The `Mutex` of npm's redis-semaphore as a contender: see bench/locks/loop.ts. */
import { contend } from '../../locks/loop.js';
import { connectRedis, optional, type RedisClient } from './redis.js';

interface SemaphorePackage {
  readonly Mutex: new (
    client: RedisClient,
    name: string,
    options: { lockTimeout: number; acquireTimeout: number; retryInterval: number },
  ) => { acquire(): Promise<void>; release(): Promise<void> };
}

const { Mutex } = await optional<SemaphorePackage>('redis-semaphore');

await contend(async ({ endpoint, name }) => {
  const redis = await connectRedis(endpoint);
  return {
    acquire: async () => {
      const mutex = new Mutex(redis, name, {
        lockTimeout: 10_000,
        acquireTimeout: 600_000,
        retryInterval: 5,
      });
      await mutex.acquire();
      return () => mutex.release();
    },
    close: () => redis.quit(),
  };
});
