/** npm's redlock on one Redis as a contender: see bench/locks/loop.ts. */
import { contend } from '../../locks/loop.js';
import { connectRedis, optional, type RedisClient } from './redis.js';

interface RedlockLock {
  unlock(): PromiseLike<unknown>;
}

interface RedlockPackage {
  readonly default: new (
    clients: readonly RedisClient[],
    options: { retryCount: number; retryDelay: number; retryJitter: number },
  ) => { lock(name: string, ttlMs: number): PromiseLike<RedlockLock> };
}

const { default: Redlock } = await optional<RedlockPackage>('redlock');

await contend(async ({ endpoint, name }) => {
  const redis = await connectRedis(endpoint);
  const redlock = new Redlock([redis], { retryCount: -1, retryDelay: 5, retryJitter: 0 });
  return {
    acquire: async () => {
      const lock = await redlock.lock(name, 10_000);
      return async () => lock.unlock();
    },
    close: () => redis.quit(),
  };
});
