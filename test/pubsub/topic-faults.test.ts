import { expect, it } from 'vitest';
import { isQuorateError, QuorateError } from '../../src/errors.js';
import { type ConsumerEvent, Topic, type TopicItem } from '../../src/pubsub/index.js';
import { sleep, systemRuntime } from '../../src/runtime/index.js';
import { testClients } from '../support/clients.js';
import { cuttingWatches } from '../support/cut-watches.js';
import { hookedStore } from '../support/hooked-store.js';
import { describeStores } from '../support/stores.js';

const upTo = (count: number) => Array.from({ length: count }, (_, n) => n);
const poll = { timeout: 15_000, interval: 20 };

function readInto(topic: Topic<number>, seen: number[], slowMs = 0): { stop(): Promise<void> } {
  const stop = new AbortController();
  const reading = (async () => {
    for await (const item of topic.read({ signal: stop.signal })) {
      if (item.type === 'message') seen.push(item.value);
      if (slowMs > 0 && seen.length < 20) await sleep(systemRuntime, slowMs);
    }
  })();
  return {
    stop: async () => {
      stop.abort();
      await reading;
    },
  };
}

describeStores('topic in trouble', (server) => {
  it('TOPIC-3 a reader and a group that were cut off under load go on with nothing missing and nothing twice', async () => {
    const clients = testClients(server);
    const publisher = new Topic<number>(await clients.open(), 'cut', { partitions: 1, segmentFrames: 20 });
    const cutting = cuttingWatches(await server.connect());
    const client = await clients.open({ store: cutting.store, closeStore: false });
    const topic = new Topic<number>(client, 'cut');
    await publisher.publish(0);
    const [seen, handled]: [number[], number[]] = [[], []];
    const reader = readInto(topic, seen);
    const consumer = await topic.group('g').consume(({ value }) => void handled.push(value));
    let published = 1;
    let isOver = false;
    const load = (async () => {
      while (!isOver) {
        await publisher.publish(published);
        published += 1;
      }
    })();
    await expect.poll(() => Math.min(seen.length, handled.length), poll).toBeGreaterThan(20);
    cutting.cut(1_000);
    await sleep(systemRuntime, 1_300);
    cutting.cut(10);
    isOver = true;
    await load;
    await expect.poll(() => [seen.length, handled.length], poll).toEqual([published, published]);
    expect(seen).toEqual(upTo(published));
    expect(handled).toEqual(upTo(published));
    await reader.stop();
    await consumer.close();
    await publisher.close();
  });

  it('TOPIC-3 a reader that is slower than what it holds turns to the store again', async () => {
    const clients = testClients(server);
    const topic = new Topic<number>(await clients.open(), 'slow', { partitions: 1 });
    await topic.publish(0);
    const seen: number[] = [];
    const reader = readInto(topic, seen, 20);
    await expect.poll(() => seen.length, poll).toBe(1);
    // Each in a revision of its own, and more of them than a reader keeps.
    for (const n of upTo(700).slice(1)) await topic.publish(n);
    await expect.poll(() => seen.length, poll).toBe(700);
    expect(seen).toEqual(upTo(700));
    await reader.stop();
    await topic.close();
  });

  it('TOPIC-7 an owner whose session is lost is refused, and another goes on', async () => {
    const clients = testClients(server);
    const [first, second] = [await clients.open(), await clients.open()];
    const topic = new Topic<number>(first, 'lost', { partitions: 1 });
    await topic.publishAll(upTo(3));
    const begun: number[] = [];
    let release: () => void = () => {};
    const refusals: unknown[] = [];
    const held = await topic.group('g').consume(
      async (message) => {
        begun.push(message.value);
        await new Promise<void>((resolve) => {
          release = resolve;
        });
        await message.ack().catch((error: unknown) => refusals.push(error));
      },
      { ack: 'manual' },
    );
    await expect.poll(() => begun, poll).toEqual([0]);
    await (await first.session()).close();
    const handled: number[] = [];
    const other = await new Topic<number>(second, 'lost')
      .group('g')
      .consume(({ value }) => void handled.push(value));
    await expect.poll(() => handled, poll).toEqual([0, 1, 2]);
    release();
    await expect.poll(() => refusals.length, poll).toBe(1);
    expect(isQuorateError(refusals[0], 'session-lost')).toBe(true);
    await Promise.all([held.close(), other.close()]);
    await topic.close();
  });

  it('TOPIC-6 hands nothing out again that was done above the cursor', async () => {
    const clients = testClients(server);
    const topic = new Topic<number>(await clients.open(), 'above', { partitions: 1 });
    await topic.publishAll(upTo(6), { key: String });
    const done: number[] = [];
    let stuck: () => void = () => {};
    let told: AbortSignal | undefined;
    const consumer = await topic.group('g').consume(
      async ({ value, signal }) => {
        if (value === 0) told = signal;
        if (value === 0) await new Promise<void>((resolve) => (stuck = resolve));
        done.push(value);
      },
      { concurrency: 3 },
    );
    await expect.poll(() => done.length, poll).toBe(5);
    await expect.poll(async () => (await topic.group('g').describe()).partitions[0]?.doneAbove, poll).toBe(5);
    expect((await topic.group('g').lag())[0]?.messages).toBe(1);
    const closing = consumer.close({ graceMs: 10 });
    await expect.poll(() => told?.aborted, poll).toBe(true);
    stuck();
    await closing;
    const again: number[] = [];
    const next = await topic.group('g').consume(({ value }) => void again.push(value));
    await expect.poll(() => again, poll).toEqual([0]);
    await expect.poll(async () => (await topic.group('g').lag())[0]?.messages, poll).toBe(0);
    await next.close();
    await topic.close();
  });

  it('TOPIC-7 gives a partition away over the heads of handlers that do not end', async () => {
    const clients = testClients(server);
    const topic = new Topic<number>(await clients.open(), 'stuck', { partitions: 2 });
    await topic.publish(0, { partition: 0 });
    await topic.publish(1, { partition: 1 });
    const endless: (() => void)[] = [];
    const signals: AbortSignal[] = [];
    const first = await topic.group('g').consume(
      ({ signal }) => {
        signals.push(signal);
        return new Promise<void>((resolve) => endless.push(resolve));
      },
      { handoverMs: 50 },
    );
    await expect.poll(() => endless.length, poll).toBe(2);
    const handled: number[] = [];
    const second = await new Topic<number>(await clients.open(), 'stuck')
      .group('g')
      .consume(({ value }) => void handled.push(value));
    await expect.poll(() => handled.length, poll).toBe(1);
    expect(signals.filter(({ aborted }) => aborted)).toHaveLength(1);
    for (const end of endless) end();
    await Promise.all([first.close(), second.close()]);
    await topic.close();
  });

  it('TOPIC-1 tells who gives up whether it may have been published', async () => {
    const clients = testClients(server);
    const hooked = hookedStore(await server.connect());
    const client = await clients.open({ store: hooked.store, closeStore: false });
    const topic = new Topic<number>(client, 'given-up', { partitions: 1 });
    await topic.publish(0);
    let letGo: () => void = () => {};
    hooked.hook = async (_request, send) => {
      await new Promise<void>((resolve) => {
        letGo = resolve;
      });
      return send();
    };
    const sent = topic.publish(1, { timeoutMs: 100 }).catch((error: unknown) => error);
    await sleep(systemRuntime, 20);
    const waiting = topic.publish(2, { timeoutMs: 50 }).catch((error: unknown) => error);
    expect(await waiting).toMatchObject({ code: 'timeout', outcome: 'not-applied' });
    expect(await sent).toMatchObject({ code: 'timeout', outcome: 'unknown' });
    const controller = new AbortController();
    const aborted = topic.publish(3, { signal: controller.signal }).catch((error: unknown) => error);
    controller.abort();
    expect(await aborted).toMatchObject({ code: 'aborted', outcome: 'not-applied' });
    hooked.hook = undefined;
    letGo();
    await topic.publish(4);
    const values: number[] = [];
    for await (const item of topic.read({ follow: false }))
      if (item.type === 'message') values.push(item.value);
    expect(values.filter((value) => value !== 1)).toEqual([0, 4]);
    await topic.close();
    await expect(topic.publish(5)).rejects.toMatchObject({ code: 'closed' });
  });

  it('TOPIC-7 tells who gives up a seek whether it may have been done', async () => {
    const clients = testClients(server);
    const hooked = hookedStore(await server.connect());
    const client = await clients.open({ store: hooked.store, closeStore: false });
    const topic = new Topic<number>(client, 'sought', { partitions: 1 });
    await topic.publish(0);
    let letGo: () => void = () => {};
    hooked.hook = async (request, send) => {
      if (JSON.stringify(request).includes('/c/g/')) {
        await new Promise<void>((resolve) => {
          letGo = resolve;
        });
      }
      return send();
    };
    const group = topic.group('g');
    const sent = group.seek('now', { timeoutMs: 150 });
    await expect(sent).rejects.toMatchObject({ code: 'timeout', outcome: 'unknown' });
    hooked.hook = undefined;
    letGo();
    const refused = group.seek('now', { signal: AbortSignal.abort() });
    await expect(refused).rejects.toMatchObject({ code: 'aborted', outcome: 'not-applied' });
    expect(await group.seek('start')).toBeGreaterThan(0);
    await topic.close();
  });

  it('TOPIC-6 a group whose cursor cannot be written says so, and tries again', async () => {
    const clients = testClients(server);
    const hooked = hookedStore(await server.connect());
    const client = await clients.open({ store: hooked.store, closeStore: false });
    const topic = new Topic<number>(client, 'refused', { partitions: 1 });
    const handled: number[] = [];
    const events: ConsumerEvent[] = [];
    const consumer = await topic.group('g').consume(({ value }) => void handled.push(value), {
      onEvent: (event) => events.push(event),
    });
    let refusals = 3;
    hooked.hook = async (request, send) => {
      const moves = JSON.stringify(request).includes('/c/g/');
      if (!moves || refusals === 0) return send();
      refusals -= 1;
      throw new QuorateError('no-space', 'full');
    };
    await topic.publish(0);
    await expect.poll(async () => (await topic.group('g').lag())[0]?.messages, poll).toBe(0);
    hooked.hook = undefined;
    expect(handled[0]).toBe(0);
    expect(events.some(({ type }) => type === 'claimed')).toBe(true);
    await consumer.close();
    await topic.close();
  });

  it('hands out what the codec refuses to the dead letters, and readers are told', async () => {
    const clients = testClients(server);
    const written = new Topic<string>(await clients.open(), 'unreadable', { partitions: 1 });
    await written.publishAll(['fine', 'broken', 'fine too']);
    const schema = {
      '~standard': {
        version: 1 as const,
        vendor: 'test',
        validate: (value: unknown) =>
          value === 'broken' ? { issues: [{ message: 'is broken' }] } : { value: value as string },
      },
    };
    const read = new Topic<string>(await clients.open(), 'unreadable', { schema });
    const items: TopicItem<string>[] = [];
    for await (const item of read.read({ follow: false })) items.push(item);
    expect(items.map(({ type }) => type)).toEqual(['message', 'unreadable', 'message']);
    await expect(read.publish('broken')).rejects.toMatchObject({ code: 'invalid-argument' });
    const handled: string[] = [];
    const consumer = await read.group('g').consume(({ value }) => void handled.push(value));
    await expect.poll(() => handled, poll).toEqual(['fine', 'fine too']);
    await expect.poll(async () => (await written.group('g').deadLetters.list()).length, poll).toBe(1);
    await consumer.close();
    await Promise.all([read.close(), written.close()]);
  });
});
