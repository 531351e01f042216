/** What the peers on Redis share. Their packages are optional, so they are looked up by name and described here. */

export interface RedisClient {
  ping(): Promise<string>;
  set(key: string, value: string): Promise<string>;
  quit(): Promise<string>;
}

/** A connected client of `ioredis`. */
export async function connectRedis(endpoint: string): Promise<RedisClient> {
  const { Redis } = await optional<{ Redis: new (url: string) => RedisClient }>('ioredis');
  const client = new Redis(`redis://${endpoint}`);
  await client.ping();
  return client;
}

/** A package that the library itself does not depend on, so that its types may be missing. */
export async function optional<Package>(name: string): Promise<Package> {
  return (await import(name)) as Package;
}
