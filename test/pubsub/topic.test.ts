import { expect, it } from 'vitest';
import { isQuorateError } from '../../src/errors.js';
import { Topic, type TopicItem } from '../../src/pubsub/index.js';
import { sleep, systemRuntime } from '../../src/runtime/index.js';
import { testClients } from '../support/clients.js';
import { describeStores } from '../support/stores.js';

async function valuesOf<T>(items: AsyncIterable<TopicItem<T>>): Promise<T[]> {
  const values: T[] = [];
  for await (const item of items) if (item.type === 'message') values.push(item.value);
  return values;
}

const upTo = (count: number) => Array.from({ length: count }, (_, n) => n);
const poll = { timeout: 15_000, interval: 20 };

describeStores('topic', (server) => {
  it('TOPIC-1 TOPIC-2 keeps messages of one key in the order of their publishing, over segments', async () => {
    const clients = testClients(server);
    const topic = new Topic<number>(await clients.open(), 'log', { partitions: 4, segmentFrames: 3 });
    const published = [];
    for (const n of upTo(20)) published.push(await topic.publish(n, { key: 'k' }));
    expect(new Set(published.map(({ partition }) => partition)).size).toBe(1);
    const revisions = published.map(({ revision }) => revision);
    expect(revisions).toEqual([...revisions].sort((a, b) => a - b));

    const reader = new Topic<number>(await clients.open(), 'log');
    expect(await valuesOf(reader.read({ follow: false }))).toEqual(upTo(20));
    const { segment, segments, partitions } = await reader.describe();
    expect(segment).toBeGreaterThan(4);
    expect(segments).toBe(segment);
    expect(partitions.reduce((sum, { messages }) => sum + messages, 0)).toBe(20);
    await topic.close();
    await reader.close();
  });

  it('TOPIC-2 puts the messages of concurrent calls into few revisions, in the order of the calls', async () => {
    const clients = testClients(server);
    const topic = new Topic<number>(await clients.open(), 'grouped', { partitions: 1 });
    const published = await Promise.all(upTo(200).map((n) => topic.publish(n)));
    expect(new Set(published.map(({ revision }) => revision)).size).toBeLessThan(5);
    expect(await valuesOf(topic.read({ follow: false }))).toEqual(upTo(200));
    const all = await topic.publishAll(upTo(1_200), { key: (n) => `k${n % 7}` });
    expect(all).toHaveLength(1_200);
    expect(await valuesOf(topic.read({ follow: false, from: { revision: all[0]?.revision ?? 0 } }))).toEqual(
      upTo(1_200),
    );
    await topic.close();
  });

  it('refuses to open a topic with another number of partitions', async () => {
    const clients = testClients(server);
    const topic = new Topic<number>(await clients.open(), 'fixed', { partitions: 3 });
    await topic.publish(1);
    const other = new Topic<number>(await clients.open(), 'fixed', { partitions: 4 });
    const refusal = await other.publish(2).catch((error: unknown) => error);
    expect(isQuorateError(refusal, 'invalid-argument')).toBe(true);
    expect(String(refusal)).toContain('has 3 partitions, not 4');
    expect((await new Topic<number>(await clients.open(), 'fixed').publish(2)).partition).toBeLessThan(3);
  });

  it('TOPIC-3 reads from the start, from a revision, from a time and from now', async () => {
    const clients = testClients(server);
    const topic = new Topic<number>(await clients.open(), 'from', { partitions: 1, segmentFrames: 2 });
    const places = [];
    for (const n of upTo(6)) places.push(await topic.publish(n));
    await sleep(systemRuntime, 30);
    const atMs = Date.now();
    await topic.publish(6);
    const read = (from: Parameters<typeof topic.read>[0]) => valuesOf(topic.read({ follow: false, ...from }));
    expect(await read({})).toEqual(upTo(7));
    expect(await read({ from: { revision: places[4]?.revision ?? 0 } })).toEqual([4, 5, 6]);
    expect(await read({ from: { time: atMs } })).toEqual([6]);
    expect(await read({ from: { time: 0 } })).toEqual(upTo(7));
    expect(await read({ from: { time: new Date(atMs + 60_000) } })).toEqual([]);
    expect(await read({ from: 'now' })).toEqual([]);
    await expect(read({ from: { revision: 1e9 } })).rejects.toMatchObject({ code: 'future-revision' });

    const stop = new AbortController();
    const seen: number[] = [];
    const following = (async () => {
      for await (const item of topic.read({ from: 'now', signal: stop.signal })) {
        if (item.type === 'message') seen.push(item.value);
      }
    })();
    const isRead = async () => {
      await topic.publish(7);
      return seen.includes(7);
    };
    // It begins where the log ends when it looks, which is some time from now.
    await expect.poll(isRead, poll).toBe(true);
    for (const n of [8, 9]) await topic.publish(n);
    await expect.poll(() => seen.filter((n) => n !== 7), poll).toEqual([8, 9]);
    stop.abort();
    await following;
    await topic.close();
  });

  it('TOPIC-5 shares the partitions of a group among its members, and hands them over as members come and go', async () => {
    const clients = testClients(server);
    const topic = new Topic<number>(await clients.open(), 'shared', { partitions: 6 });
    const seen: number[] = [];
    const handler = (message: { value: number }) => void seen.push(message.value);
    await topic.publishAll(upTo(100), { key: (n) => `k${n % 20}` });
    const first = await new Topic<number>(await clients.open(), 'shared').group('g').consume(handler);
    await expect.poll(() => seen.length, poll).toBe(100);
    const second = await new Topic<number>(await clients.open(), 'shared').group('g').consume(handler);
    const owners = async () => {
      const { partitions } = await topic.group('g').describe();
      return partitions.map(({ owner }) => owner);
    };
    await expect
      .poll(async () => (await owners()).filter((owner) => owner === second.member).length, poll)
      .toBe(3);
    await topic.publishAll(upTo(100), { key: (n) => `k${n % 20}` });
    await expect.poll(() => seen.length, poll).toBe(200);
    await first.close();
    await expect.poll(async () => new Set(await owners()), poll).toEqual(new Set([second.member]));
    await topic.publishAll(upTo(50), { key: (n) => `k${n % 20}` });
    await expect.poll(() => seen.length, poll).toBe(250);
    await expect
      .poll(async () => (await topic.group('g').lag()).reduce((sum, { messages }) => sum + messages, 0), poll)
      .toBe(0);
    await second.close();
    expect((await topic.group('g').describe()).partitions[0]?.standing).toEqual({ status: 'no-members' });
    await topic.close();
  });

  it('TOPIC-6 goes on where the group was, and gives every group every message', async () => {
    const clients = testClients(server);
    const topic = new Topic<number>(await clients.open(), 'groups', { partitions: 2 });
    await topic.publishAll(upTo(10));
    const seen: Record<string, number[]> = { a: [], b: [] };
    const consume = (name: string) => topic.group(name).consume(({ value }) => void seen[name]?.push(value));
    const a = await consume('a');
    await expect.poll(() => seen.a?.length, poll).toBe(10);
    await a.close();
    await topic.publishAll([10, 11]);
    const again = await consume('a');
    const b = await consume('b');
    await expect.poll(() => [seen.a?.length, seen.b?.length], poll).toEqual([12, 12]);
    expect(seen.a?.slice(10).sort()).toEqual([10, 11]);
    await Promise.all([again.close(), b.close()]);
    await topic.close();
  });

  it('removes a group that has no members, with all that is left of it, and never one that has', async () => {
    const clients = testClients(server);
    const topic = new Topic<number>(await clients.open(), 'removed', { partitions: 2 });
    await topic.publishAll(upTo(10));
    const group = topic.group('g');
    expect(await group.remove()).toBe(false);
    const seen: number[] = [];
    const work = ({ value }: { value: number }) => {
      seen.push(value);
      if (value === 7) throw new Error('no');
    };
    const first = await group.consume(work, { attempts: 1 });
    await expect.poll(async () => (await group.deadLetters.list()).length, poll).toBe(1);
    const refusal = await group.remove().catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: 'conflict', outcome: 'not-applied' });
    expect(await group.deadLetters.list()).toHaveLength(1);
    await expect.poll(() => seen.length, poll).toBe(10);
    await first.close();

    expect(await group.remove()).toBe(true);
    expect(await group.remove()).toBe(false);
    expect(await group.deadLetters.list()).toEqual([]);
    expect(await valuesOf(topic.read({ follow: false }))).toHaveLength(10);
    seen.length = 0;
    const again = await group.consume(work);
    await expect.poll(() => seen.length, poll).toBe(10);
    await again.close();
    await topic.close();
  });

  it('TOPIC-6 joins anew where the group is removed after its cursors were looked for', async () => {
    const clients = testClients(server);
    const topic = new Topic<number>(await clients.open(), 'raced', { partitions: 1 });
    await topic.publishAll(upTo(3));
    await (await topic.group('g').consume(() => {})).close();
    const client = await clients.open();
    const { store } = client;
    const range = store.range.bind(store);
    let removed = 0;
    Object.assign(store, {
      range: async (...call: Parameters<typeof range>) => {
        const reply = await range(...call);
        if (removed === 0 && reply.kvs.some(({ key }) => key.includes('/c/g/'))) {
          removed += 1;
          expect(await topic.group('g').remove()).toBe(true);
        }
        return reply;
      },
    });
    const seen: number[] = [];
    const consumer = await new Topic<number>(client, 'raced')
      .group('g')
      .consume(({ value }) => void seen.push(value), { from: 'now' });
    expect(removed).toBe(1);
    await topic.publish(3);
    await expect.poll(() => seen.at(-1), poll).toBe(3);
    expect(seen).toEqual([3]);
    await consumer.close();
    await topic.close();
  });

  it('TOPIC-4 hands a message out again that failed, before others of its key, and puts it aside in the end', async () => {
    const clients = testClients(server);
    const topic = new Topic<string>(await clients.open(), 'failing', { partitions: 1 });
    const seen: string[] = [];
    const group = topic.group('g');
    const retryDelay = { firstMs: 5, longestMs: 20 };
    const consumer = await group.consume(
      ({ value, attempt }) => {
        seen.push(`${value}${attempt}`);
        if (value === 'bad' || (value === 'late' && attempt < 3)) throw new Error('no');
      },
      { attempts: 3, retryDelay },
    );
    await topic.publish('late', { key: 'k' });
    await topic.publish('next', { key: 'k' });
    await topic.publish('bad', { key: 'b' });
    await expect.poll(() => seen.length, poll).toBe(7);
    expect(seen.filter((one) => !one.startsWith('bad'))).toEqual(['late1', 'late2', 'late3', 'next1']);
    await expect.poll(async () => (await group.deadLetters.list()).length, poll).toBe(1);
    const [letter] = await group.deadLetters.list();
    expect(letter).toMatchObject({ value: 'bad', key: 'b', attempts: 3, reason: 'no' });
    if (letter !== undefined) expect(await group.deadLetters.discard(letter)).toBe(true);
    expect(await group.deadLetters.list()).toEqual([]);
    await expect.poll(async () => (await group.lag())[0]?.messages, poll).toBe(0);
    await consumer.close();
    await topic.close();
  });

  it('stops a partition at a message, if told so, until somebody resumes it', async () => {
    const clients = testClients(server);
    const topic = new Topic<string>(await clients.open(), 'stopping', { partitions: 1 });
    const seen: string[] = [];
    const group = topic.group('g');
    const consumer = await group.consume(
      ({ value }) => {
        seen.push(value);
        if (value === 'bad') throw new Error('no');
      },
      { attempts: 1, onExhausted: 'stop' },
    );
    await topic.publishAll(['fine', 'bad', 'after']);
    const standing = async () => (await group.describe()).partitions[0]?.standing;
    await expect.poll(standing, poll).toMatchObject({ status: 'stopped', reason: 'no' });
    expect(seen).toEqual(['fine', 'bad']);
    expect(await group.resume(0, { skip: true })).toBe(true);
    await expect.poll(() => seen, poll).toEqual(['fine', 'bad', 'after']);
    expect(await group.resume(0)).toBe(false);
    await consumer.close();
    await topic.close();
  });

  it('TOPIC-5 TOPIC-6 seeks back and forth while members work', async () => {
    const clients = testClients(server);
    const topic = new Topic<number>(await clients.open(), 'seeking', { partitions: 2 });
    const published = await topic.publishAll(upTo(10), { key: String });
    const seen: number[] = [];
    const group = topic.group('g');
    const consumer = await group.consume(({ value }) => void seen.push(value));
    await expect.poll(() => seen.length, poll).toBe(10);
    await group.seek('start');
    await expect.poll(() => seen.length, poll).toBe(20);
    await group.seek('now');
    await topic.publish(10, { key: 'x' });
    await expect.poll(() => seen.length, poll).toBe(21);
    await group.seek({ revision: published[0]?.revision ?? 0 }, { partition: published[0]?.partition });
    const again = published.filter(({ partition }) => partition === published[0]?.partition).length;
    await expect.poll(() => seen.length, poll).toBeGreaterThanOrEqual(21 + again);
    await consumer.close();
    await topic.close();
  });

  it('TOPIC-8 TOPIC-9 removes what is too much, and tells readers and groups what they miss', async () => {
    const clients = testClients(server);
    const topic = new Topic<number>(await clients.open(), 'kept', {
      ...{ partitions: 1, retention: { maxMessages: 10 }, retentionCheckMs: 50, segmentFrames: 4 },
    });
    const events: unknown[] = [];
    const group = topic.group('slow');
    const [first] = await topic.publishAll([0]);
    const early = await group.consume(() => {}, {});
    await expect.poll(async () => (await group.lag())[0]?.messages, poll).toBe(0);
    await early.close();
    for (const n of upTo(40).slice(1)) await topic.publish(n);
    const report = async () => (await topic.describe()).partitions[0];
    await expect.poll(async () => (await report())?.messages, poll).toBe(10);
    expect((await report())?.removed.messages).toBe(30);
    expect((await group.lag())[0]).toEqual({ partition: 0, messages: 10, missed: 29 });
    await expect.poll(async () => (await topic.describe()).segments, poll).toBeLessThan(6);
    expect(await valuesOf(topic.read({ follow: false }))).toEqual(upTo(40).slice(30));

    const seen: number[] = [];
    const consumer = await group.consume(({ value }) => void seen.push(value), {
      onEvent: (event) => {
        if (event.type === 'gap') events.push(event.gap);
      },
    });
    await expect.poll(() => seen, poll).toEqual(upTo(40).slice(30));
    expect(events).toEqual([
      {
        ...{ partition: 0, messages: 29, toRevision: (await report())?.removed.upTo },
        after: { revision: first?.revision, index: first?.index },
      },
    ]);
    const gaps = [];
    const from = { revision: first?.revision ?? 0 };
    for await (const item of topic.read({ follow: false, from })) if (item.type === 'gap') gaps.push(item);
    expect(gaps).toMatchObject([{ partition: 0, messages: 30 }].map(({ partition }) => ({ partition })));
    await consumer.close();
    await topic.close();
  });

  it('is read one by one, and what was not asked for is handed out again', async () => {
    const clients = testClients(server);
    const topic = new Topic<number>(await clients.open(), 'iterated', { partitions: 1 });
    await topic.publishAll(upTo(5));
    const first: number[] = [];
    for await (const message of topic.group('g').messages()) {
      first.push(message.value);
      if (first.length === 3) break;
    }
    const rest: number[] = [];
    for await (const message of topic.group('g').messages({ ack: 'manual' })) {
      rest.push(message.value);
      await message.ack();
      if (rest.at(-1) === 4) break;
    }
    expect(first).toEqual([0, 1, 2]);
    expect(rest).toEqual([2, 3, 4]);
    expect((await topic.group('g').lag())[0]?.messages).toBe(0);
    await topic.close();
  });
});
