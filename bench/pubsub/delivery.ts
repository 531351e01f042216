/**
 * From the call of `publish` to the message in the hands of each subscriber, beside a put and its event on a watch: the same client,
 * the same connection, the same bytes, one message at a time, each sent when the one before was answered and had reached all. To wake
 * a thousand loops takes longer than the rest together; so subscribers that iterate stand beside a watch that hands its event
 * to as many loops, by the least code that does.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Channel, Client, put } from 'quorate';
import { openEtcd3Store } from 'quorate/etcd3';
import { type BenchOptions, compared, interleave, type Measure, median, type Row } from '../harness.js';
import { hasRedisWith } from '../peers/installed.js';
import { redisServer } from '../servers.js';
import { Deliveries } from './deliveries.js';
import { type Part, payload } from './part.js';
import { openRedisPubSub } from './redis.js';

const crowds = [1, 100, 1_000] as const;
const forms = ['iterating', 'listening'] as const;
const besideRaw = { atMost: 1.3 };

/** Sends one message, and resolves once it was answered and had reached all; ends what was opened for it. */
interface Contest {
  readonly deliveries: Deliveries;
  readonly send: () => Promise<unknown>;
  readonly end: () => Promise<unknown>;
}

export async function deliveryPart({ endpoint, quick }: BenchOptions): Promise<Part> {
  const messages = quick ? 50 : 300;
  const rounds = quick ? 2 : 9;
  const store = await openEtcd3Store({ hosts: endpoint });
  const client = await Client.open({ store, closeStore: true, namespace: 'bench' });
  const contests: Record<string, Contest> = { raw: rawContest(client, 'raw', (arrived) => arrived, 1) };
  for (const count of crowds) {
    contests[`by hand ${count}`] = rawContest(client, `by-hand-${count}`, iteratorsByHand(count), count);
  }
  for (const form of forms) {
    for (const count of crowds) contests[`${form} ${count}`] = await channelContest(client, form, count);
  }
  const redis = hasRedisWith(['ioredis']) ? await redisServer('everysec') : undefined;
  if (redis !== undefined) contests['redis'] = await redisContest(redis.endpoint);
  const last: Record<string, number[]> = {};
  const measures: Record<string, Measure> = {};
  for (const [name, { deliveries, send }] of Object.entries(contests)) {
    const found: number[] = [];
    last[name] = found;
    measures[name] = async () => {
      for (let sent = 0; sent < messages; sent += 1) await deliveries.send(send);
      const medians = deliveries.take();
      found.push(medians.last);
      // Garbage of one is not swept up in the time of the next.
      await delay(20);
      return medians.all;
    };
  }
  const figures = await interleave(measures, rounds);
  for (const { end } of Object.values(contests)) await end();
  await client.close();
  await redis?.stop();
  const of = (name: string) => figures[name] ?? [];
  const beside = 'raw put to raw watch event';
  const rows = forms.flatMap((form) =>
    crowds.flatMap((count): Row[] => {
      const name = `${form} ${count}`;
      const what = `publish to delivery, ${count} ${form}, p50`;
      const lastOfEach: Row = {
        what: `${what} of the last`,
        unit: 'ms',
        ours: median((last[name] ?? []).slice(1)),
      };
      if (count === 1) return [compared(what, 'ms', of(name), beside, of('raw'), besideRaw)];
      if (form === 'listening') {
        return [compared(what, 'ms', of(name), beside, of('raw'), besideRaw), lastOfEach];
      }
      // A loop that is woken takes Node a while, whoever wakes it.
      const byHand = of(`by hand ${count}`);
      return [
        compared(what, 'ms', of(name), `${beside}, to as many iterators by hand`, byHand, besideRaw),
        compared(what, 'ms', of(name), beside, of('raw')),
        lastOfEach,
      ];
    }),
  );
  const redisName = 'Redis pub/sub, on no disk, to nobody who is away';
  const besideRedis = compared(
    'publish to delivery, 1 iterating, p50',
    'ms',
    of('iterating 1'),
    redisName,
    of('redis'),
  );
  return {
    settings: {
      delivery:
        'publisher, subscribers and watch in one process, on one client; 98 bytes; one message at a time; etcd with fsync',
      'delivery, rounds': `${rounds} of ${messages} messages each, interleaved; medians of their medians`,
    },
    rows: redis === undefined ? rows : [...rows, besideRedis],
    rounds: figures,
    leftOut: redis === undefined ? [whyNoRedis] : [],
  };
}

export const whyNoRedis =
  'Redis pub/sub (npm ci --prefix bench/peers/node; Debian: apt-get install redis-server)';

/** `handOn`: makes what is called once an event, of what is called by each who is told. */
function rawContest(
  { plainStore: store }: Client,
  name: string,
  handOn: (arrived: () => void) => () => void,
  count: number,
): Contest {
  const key = `bench/${name}`;
  const deliveries = new Deliveries(count);
  const tell = handOn(deliveries.arrived);
  const watch = store.watch({ key });
  void (async () => {
    for await (const item of watch) {
      if (item.type === 'events') for (const _event of item.events) tell();
    }
  })();
  const bytes = Buffer.from(JSON.stringify(payload));
  const send = () => store.txn({ compare: [], success: [put(key, bytes)], failure: [] });
  return { deliveries, send, end: async () => watch.close() };
}

/** So many `for await` loops, each over the least that can be iterated. */
function iteratorsByHand(count: number): (arrived: () => void) => () => void {
  return (arrived) => {
    const waiting: ((result: IteratorResult<undefined>) => void)[] = [];
    const iterator: AsyncIterableIterator<undefined> = {
      next: () => new Promise((resolve) => waiting.push(resolve)),
      [Symbol.asyncIterator]: () => iterator,
    };
    for (let one = 0; one < count; one += 1) {
      void (async () => {
        for await (const _item of iterator) arrived();
      })();
    }
    return () => {
      for (const resolve of waiting.splice(0)) resolve({ value: undefined, done: false });
    };
  };
}

async function channelContest(client: Client, form: (typeof forms)[number], count: number): Promise<Contest> {
  const deliveries = new Deliveries(count);
  const channel = new Channel<string>(client, `${form} ${count}`);
  const subscriptions = await Promise.all(
    Array.from({ length: count }, () =>
      channel.subscribe(form === 'listening' ? { onItem: deliveries.arrived } : {}),
    ),
  );
  if (form === 'iterating') {
    for (const subscription of subscriptions) {
      void (async () => {
        for await (const _item of subscription) deliveries.arrived();
      })();
    }
  }
  return {
    deliveries,
    send: () => channel.publish(payload),
    end: () => Promise.all(subscriptions.map((subscription) => subscription.close())),
  };
}

async function redisContest(endpoint: string): Promise<Contest> {
  const deliveries = new Deliveries(1);
  const { publish, end } = await openRedisPubSub(endpoint, deliveries.arrived);
  return { deliveries, send: () => publish(JSON.stringify(payload)), end };
}
