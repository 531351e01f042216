/**
 * Messages a second into one channel from one process, with many calls under way, beside puts of the same bytes through the same
 * client, one after the other, each on its own; and beside the same channel when each call waits for the one before.
 */
import { Channel, Client, put } from 'quorate';
import { openEtcd3Store } from 'quorate/etcd3';
import { type BenchOptions, closedLoop, compared, interleave, type Measure } from '../harness.js';
import { hasRedisWith } from '../peers/installed.js';
import { redisServer } from '../servers.js';
import { whyNoRedis } from './delivery.js';
import { type Part, payload } from './part.js';
import { openRedisPubSub } from './redis.js';

const callers = 1_024;

export async function publishingPart({ endpoint, quick }: BenchOptions): Promise<Part> {
  const durationMs = quick ? 300 : 1_500;
  const rounds = quick ? 2 : 7;
  const store = await openEtcd3Store({ hosts: endpoint });
  const client = await Client.open({ store, closeStore: true, namespace: 'bench' });
  const channel = new Channel<string>(client, 'published');
  const heard = new Channel<string>(client, 'heard');
  let told = 0;
  const subscription = await heard.subscribe({
    onItem: () => {
      told += 1;
    },
  });
  const bytes = Buffer.from(JSON.stringify(payload));
  const putOne = () =>
    client.plainStore.txn({ compare: [], success: [put('bench/put', bytes)], failure: [] });
  const measures: Record<string, Measure> = {
    grouped: () => closedLoop(callers, durationMs, () => channel.publish(payload)),
    heard: () => closedLoop(callers, durationMs, () => heard.publish(payload)),
    single: () => closedLoop(1, durationMs, () => channel.publish(payload)),
    puts: () => closedLoop(1, durationMs, putOne),
  };
  const redis = hasRedisWith(['ioredis']) ? await redisServer('everysec') : undefined;
  const pubSub = redis && (await openRedisPubSub(redis.endpoint, () => {}));
  if (pubSub !== undefined) {
    measures['redis'] = () => closedLoop(callers, durationMs, () => pubSub.publish(JSON.stringify(payload)));
  }
  const figures = await interleave(measures, rounds);
  await subscription.close();
  await pubSub?.end();
  await redis?.stop();
  await client.close();
  const of = (name: string) => figures[name] ?? [];
  const beside = 'raw puts, one after the other';
  const many = `published, ${callers} calls under way`;
  const redisName = `Redis pub/sub, ${callers} calls under way, on no disk`;
  return {
    settings: {
      publishing: `one process, one client, one channel; 98 bytes; a publish is done when etcd has it on disk`,
      'publishing, rounds': `${rounds} of ${durationMs} ms, interleaved; medians`,
    },
    rows: [
      compared(many, '/s', of('grouped'), beside, of('puts'), { atLeast: 8 }),
      compared(`${many}, with one subscriber`, '/s', of('heard'), beside, of('puts')),
      compared('published, one after the other', '/s', of('single'), beside, of('puts')),
      ...(redis === undefined ? [] : [compared(many, '/s', of('grouped'), redisName, of('redis'))]),
    ],
    rounds: figures,
    leftOut: redis === undefined ? [whyNoRedis] : [],
    remarks: [`${told} of these messages were told to the subscriber by the end`],
  };
}
