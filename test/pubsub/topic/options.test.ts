import { describe, expect, it } from 'vitest';
import { MemoryServer } from '../../../src/memory/index.js';
import { type ConsumeOptions, Topic, type TopicOptions } from '../../../src/pubsub/index.js';
import { Client } from '../../../src/session/index.js';

async function withTopic(work: (topic: Topic<number>, client: Client) => Promise<void>): Promise<void> {
  const server = new MemoryServer();
  const client = await Client.open({ store: server.connect(), closeStore: true });
  try {
    await work(new Topic<number>(client, 'options', { partitions: 2 }), client);
  } finally {
    await client.close();
    await server.close();
  }
}

const wrong = { code: 'invalid-argument', outcome: 'not-applied' };

describe('options of topics', () => {
  it('are refused with what is accepted', () =>
    withTopic(async (_topic, client) => {
      const options: readonly unknown[] = [
        { partitions: 0 },
        { partitions: 65 },
        { partitions: 1.5 },
        { partitions: '4' },
        { retention: 5 },
        { retention: { maxMessages: 0 } },
        { retention: { maxAgeMs: 10 } },
        { retention: { maxBytes: -1 } },
        { retentionCheckMs: 1 },
        { segmentFrames: 0 },
        { framesPerPage: 101 },
        { codec: {} },
        { schema: 7 },
      ];
      for (const each of options) {
        expect(() => new Topic(client, 't', each as TopicOptions<unknown>)).toThrow('accepted');
      }
      expect(() => new Topic(client, '')).toThrow('topic name is empty');
      expect(() => new Topic(client, 't', null as never)).toThrow('options is null; accepted');
    }));

  it('of publishing, reading and seeking too', () =>
    withTopic(async (topic) => {
      const calls: readonly (() => Promise<unknown>)[] = [
        () => topic.publish(1, { key: 'k', partition: 1 }),
        () => topic.publish(1, { key: '\ud800' }),
        () => topic.publish(1, { key: 5 as unknown as string }),
        () => topic.publish(1, { key: 'x'.repeat(1_025) }),
        () => topic.publish(1, { partition: 2 }),
        () => topic.publish(1, { partition: -1 }),
        () => topic.publish(1, { timeoutMs: 0 }),
        () => topic.publishAll(1 as unknown as number[]),
        () => topic.publishAll([1], { key: 'k' as unknown as () => string }),
        () => topic.publishAll([1], { key: () => 7 as unknown as string }),
        () => topic.setRetention({ maxMessages: 0 }),
        () => topic.setRetention(undefined as unknown as object),
        async () => topic.read({ from: 'end' as unknown as 'now' }),
        async () => topic.read({ from: { revision: -1 } }),
        async () => topic.read({ from: { time: Number.NaN } }),
        async () => topic.read(null as unknown as undefined),
        async () => topic.read(5 as unknown as undefined),
        async () => topic.read({ follow: 1 as unknown as boolean }),
        async () => topic.read({ signal: {} as AbortSignal }),
        () => topic.read({ partition: 9 }).next(),
        () => topic.group('g').seek('end' as unknown as 'now'),
        () => topic.group('g').seek('now', { partition: 9 }),
        () => topic.group('g').resume(-1),
        () => topic.group('g').deadLetters.list({ limit: 0 }),
        async () => topic.group(''),
      ];
      for (const call of calls) await expect(call(), String(call)).rejects.toMatchObject(wrong);
      expect(await topic.publishAll([])).toEqual([]);
    }));

  it('and of consuming', () =>
    withTopic(async (topic) => {
      const options: readonly unknown[] = [
        { concurrency: 0 },
        { concurrency: 5_000 },
        { prefetch: 0 },
        { attempts: 0 },
        { ack: 'never' },
        { onExhausted: 'forget' },
        { handoverMs: -1 },
        { retryDelay: { firstMs: 1 } },
        { retryDelay: 1_000 },
        { onEvent: 'log' },
        { from: 3 },
        { timeoutMs: -5 },
      ];
      const group = topic.group('g');
      for (const each of options) {
        await expect(group.consume(() => {}, each as ConsumeOptions)).rejects.toMatchObject(wrong);
      }
      await expect(group.consume(undefined as unknown as () => void)).rejects.toMatchObject(wrong);
      const aborted = group.consume(() => {}, { signal: AbortSignal.abort() });
      await expect(aborted).rejects.toMatchObject({ code: 'aborted' });
    }));

  it('change the retention of a topic that there is', () =>
    withTopic(async (topic) => {
      expect((await topic.describe()).retention).toEqual({});
      await topic.setRetention({ maxMessages: 5, maxBytes: 10_000 });
      expect((await topic.describe()).retention).toEqual({ maxMessages: 5, maxBytes: 10_000 });
      await topic.setRetention({});
      expect((await topic.describe()).retention).toEqual({});
      await topic.close();
      await topic.close();
      await expect(topic.describe()).rejects.toMatchObject({ code: 'closed' });
      await expect(topic.group('g').consume(() => {})).rejects.toMatchObject({ code: 'closed' });
    }));
});

it('the time that a caller gives is given to the store too, and the usual one where none is', () =>
  withTopic(async (topic, client) => {
    await topic.publish(1);
    const group = topic.group('g');
    const allowed: (number | undefined)[] = [];
    const txn = client.store.txn.bind(client.store);
    Object.assign(client.store, {
      txn: (...[request, options]: Parameters<typeof txn>) => {
        allowed.push(options?.timeoutMs);
        return txn(request, options);
      },
    });
    const wait = { timeoutMs: 60_000 };
    await group.seek('start', wait);
    await group.remove(wait);
    await group.remove({ timeoutMs: undefined });
    await topic.setRetention({}, wait);
    // The call as a whole is limited, and its signal ends them.
    expect(new Set(allowed)).toEqual(new Set([Number.POSITIVE_INFINITY]));
  }));
