/** Redis pub/sub: what is published is kept nowhere, and told to who is connected at that moment. */
import { optional } from '../peers/node/redis.js';

interface RedisClient {
  publish(channel: string, message: string): Promise<number>;
  subscribe(channel: string): Promise<unknown>;
  on(event: 'message', listener: () => void): unknown;
  quit(): Promise<unknown>;
}

export interface RedisPubSub {
  readonly publish: (message: string) => Promise<unknown>;
  readonly end: () => Promise<unknown>;
}

const channel = 'bench';

/** A connection that publishes, and one that subscribes, as Redis asks for. */
export async function openRedisPubSub(endpoint: string, onMessage: () => void): Promise<RedisPubSub> {
  const { Redis } = await optional<{ Redis: new (url: string) => RedisClient }>('ioredis');
  const [publisher, subscriber] = [new Redis(`redis://${endpoint}`), new Redis(`redis://${endpoint}`)];
  subscriber.on('message', onMessage);
  await subscriber.subscribe(channel);
  return {
    publish: (message) => publisher.publish(channel, message),
    end: () => Promise.all([publisher.quit(), subscriber.quit()]),
  };
}
