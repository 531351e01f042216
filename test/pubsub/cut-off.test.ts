import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, inject, it, type TestContext, vi } from 'vitest';
import { startEmbedded } from '../../src/embedded/index.js';
import { openEtcd3Store } from '../../src/etcd3/index.js';
import { Channel, Topic } from '../../src/pubsub/index.js';
import { sleep } from '../../src/runtime/index.js';
import { Client } from '../../src/session/index.js';
import { type ProcessContext, Simulation } from '../../src/simulator/index.js';
import { uniqueName } from '../support/stores.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { numbers } from './take.js';

const cutMs = 10_000;

/** Of one process. What is no message is written down as it is. */
interface End {
  publish(n: number): Promise<unknown>;
  /** Writes down all that is published from now on. */
  listen(seen: unknown[], bufferSize?: number): Promise<void>;
}

type Kind = (client: Client) => End;

async function writeDown<T>(items: AsyncIterable<T>, seen: unknown[], numberIn: (item: T) => unknown) {
  for await (const item of items) seen.push(numberIn(item));
}

const channelEnd: Kind = (client) => {
  const channel = new Channel<number>(client, 'c');
  return {
    publish: (n) => channel.publish(n),
    listen: async (seen, bufferSize = 1_024) => {
      const items = await channel.subscribe({ bufferSize });
      void writeDown(items, seen, (item) => (item.type === 'message' ? item.payload : item)).catch(() => {});
    },
  };
};

const topicEnd: Kind = (client) => {
  const topic = new Topic<number>(client, 't', { partitions: 1, segmentFrames: 20 });
  return {
    publish: (n) => topic.publish(n),
    listen: async (seen) => {
      const items = topic.read();
      void writeDown(items, seen, (item) => (item.type === 'message' ? item.value : item)).catch(() => {});
    },
  };
};

/** So much is published while a link is cut, however long that takes. */
const enough = 500;

/** Publishes in pieces, many at a time and alone, until it is told to stop. Answers how many. */
async function publishAll(end: End, isOver: (last: number) => boolean, pause: () => Promise<void>) {
  let last = 0;
  while (!isOver(last)) {
    const piece = numbers(last + 1, last + 1 + (last % 7));
    last += piece.length;
    await Promise.all(piece.map((n) => end.publish(n)));
    await pause();
  }
  return last;
}

async function cutOff(kind: Kind, endpoint: string, { onTestFinished }: TestContext): Promise<void> {
  const namespace = uniqueName('ns');
  const open = async (hosts: string) => {
    const client = await Client.open({ store: await openEtcd3Store({ hosts }), closeStore: true, namespace });
    onTestFinished(() => client.close());
    return kind(client);
  };
  const proxies = [await TcpProxy.start(endpoint), await TcpProxy.start(endpoint)];
  onTestFinished(async () => {
    await Promise.all(proxies.map((proxy) => proxy.close()));
  });
  const publisher = await open(endpoint);
  const told: unknown[][] = [];
  const listen = async (end: End, bufferSize?: number) => {
    const seen: unknown[] = [];
    told.push(seen);
    await end.listen(seen, bufferSize);
  };
  const [refused, swallowed] = await Promise.all(proxies.map((proxy) => open(proxy.endpoint)));
  if (refused === undefined || swallowed === undefined) throw new Error('two links');
  for (const end of [refused, refused, swallowed]) await listen(end);
  await listen(swallowed, 5);
  let isOver = false;
  let soFar = 0;
  const published = publishAll(
    publisher,
    (last) => {
      soFar = last;
      return isOver;
    },
    () => delay(5),
  );
  await delay(300);
  // One link is broken, and the other goes nowhere without a word.
  const before = told.map((items) => items.length);
  await proxies[0]?.refuse();
  proxies[1]?.blackHole();
  await delay(cutMs);
  await vi.waitFor(() => expect(soFar).toBeGreaterThan(enough), { timeout: 60_000 });
  const during = told.map((items) => items.length);
  await proxies[0]?.accept();
  proxies[1]?.heal();
  await delay(300);
  isOver = true;
  const last = await published;
  const areAllTold = () => expect(told.map((items) => items.length)).toEqual(told.map(() => last));
  await vi.waitFor(areAllTold, { timeout: 20_000 });
  for (const seen of told) expect(seen).toEqual(numbers(1, last));
  // It was a cut, and there was a load.
  for (const [at, count] of during.entries()) expect(count - (before[at] ?? 0)).toBeLessThan(last / 4);
  expect(last).toBeGreaterThan(enough);
}

function suite(kind: Kind): void {
  it('resumes with nothing missing and nothing twice [embedded]', async (context) => {
    const server = await startEmbedded({ port: 0 });
    context.onTestFinished(() => server.close());
    await cutOff(kind, server.endpoint, context);
  });

  it.skipIf(inject('etcdEndpoint') === '')(
    'resumes with nothing missing and nothing twice [etcd]',
    (context) => cutOff(kind, inject('etcdEndpoint'), context),
    120_000,
  );

  it('resumes with nothing missing and nothing twice [simulator]', async () => {
    const simulation = new Simulation({ seed: 3 });
    const told: unknown[] = [];
    let last = 0;
    let isOver = false;
    const endOf = async ({ store, runtime }: ProcessContext) => kind(await Client.open({ store, runtime }));
    const subscriber = simulation.start('subscriber', async (context) => {
      await (await endOf(context)).listen(told);
    });
    simulation.start('publisher', async (context) => {
      const end = await endOf(context);
      await sleep(context.runtime, 500);
      last = await publishAll(
        end,
        () => isOver,
        () => sleep(context.runtime, 5),
      );
    });
    await simulation.run(1_500);
    const { nowMs: atMs } = simulation;
    simulation.inject({ kind: 'cut-link', atMs, durationMs: cutMs, target: subscriber.index });
    await simulation.run(cutMs / 2);
    const before = told.length;
    await simulation.run(cutMs / 2 - 100);
    expect(told.length).toBe(before);
    isOver = true;
    await simulation.runUntil(() => last > 0 && told.length >= last, 60_000);
    expect(last).toBeGreaterThan(enough);
    expect(told).toEqual(numbers(1, last));
  });
}

describe.concurrent('CHANNEL-3 a subscriber of a channel that is cut off for ten seconds under load', () => {
  suite(channelEnd);
});

describe.concurrent('TOPIC-3 a reader of a topic that is cut off for ten seconds under load', () => {
  suite(topicEnd);
});
