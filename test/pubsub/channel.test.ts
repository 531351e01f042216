import { setTimeout as delay } from 'node:timers/promises';
import { expect, it, vi } from 'vitest';
import { Mutex } from '../../src/locks/index.js';
import { Channel, type ChannelItem, ChannelPattern, type ChannelPlace } from '../../src/pubsub/index.js';
import { put } from '../../src/store/index.js';
import { testClients } from '../support/clients.js';
import { describeStores } from '../support/stores.js';
import { numbers, payloadsOf, take } from './take.js';

const kinds = ['memory', 'embedded', 'etcd', 'simulated'] as const;

describeStores(
  'Channel',
  (server) => {
    it('CHANNEL-1, CHANNEL-3 and CHANNEL-5: all who subscribe are told what is published from then on, and where it stands', async () => {
      const clients = testClients(server);
      const publisher = new Channel<{ n: number }>(await clients.open(), 'prices');
      const subscriber = new Channel<{ n: number }>(await clients.open(), 'prices');
      await publisher.publish({ n: 0 });
      const one = await subscriber.subscribe();
      const other = await subscriber.subscribe();
      const places: ChannelPlace[] = [];
      for (const n of [1, 2, 3]) places.push(await publisher.publish({ n }));
      const told = await take(one, 3);
      expect(told).toEqual(
        places.map((place, at) => ({
          ...{ type: 'message', channel: 'prices', ...place, payload: { n: at + 1 } },
        })),
      );
      expect(await take(other, 3)).toEqual(told);
      expect(one.position).toEqual(told[2]);
      expect(one.start.revision).toBeLessThan(places[0]?.revision ?? 0);
    });

    it('costs one request a message alone, one for all that are published meanwhile, and one watch, and a read, for all who subscribe', async () => {
      const clients = testClients(server);
      const { client, counts } = await clients.openCounted();
      const channel = new Channel<number>(client, 'n');
      counts.reset();
      const first = await channel.publish(1);
      expect(first.index).toBe(0);
      expect(counts.total()).toBe(1);
      counts.reset();
      const places = await Promise.all(numbers(1, 500).map((n) => channel.publish(n)));
      // The first alone or with those of its turn, the rest behind it.
      expect(counts.total()).toBeLessThanOrEqual(2);
      const inOrder = [...places].sort((a, b) => a.revision - b.revision || a.index - b.index);
      expect(places).toEqual(inOrder);
      counts.reset();
      const subscriptions = await Promise.all(numbers(1, 1_000).map(() => channel.subscribe()));
      expect(counts.calls).toMatchObject({ watch: 1, range: 1, txn: 0 });
      await channel.publish(7);
      const told = await Promise.all(subscriptions.map((each) => take(each, 1)));
      expect(told.every((items) => items[0] === told[0]?.[0])).toBe(true);
      await Promise.all(subscriptions.map((each) => each.close()));
      counts.reset();
      await channel.subscribe();
      expect(counts.calls).toMatchObject({ watch: 1, range: 1, txn: 0 });
    });

    it('CHANNEL-2 messages of several publishers are in one order for all, and each one’s in that of its calls', async () => {
      const clients = testClients(server);
      const reader = new Channel<string>(await clients.open(), 'c');
      const [one, other] = await Promise.all([reader.subscribe(), reader.subscribe()]);
      const publish = async (name: string) => {
        const channel = new Channel<string>(await clients.open(), 'c');
        const calls = numbers(1, 100).map((n) => channel.publish(`${name}${n}`));
        await Promise.all(calls);
      };
      await Promise.all(['a', 'b', 'c'].map(publish));
      const told = payloadsOf(await take(one, 300)) as readonly string[];
      expect(payloadsOf(await take(other, 300))).toEqual(told);
      for (const name of ['a', 'b', 'c']) {
        expect(told.filter((text) => text.startsWith(name))).toEqual(
          numbers(1, 100).map((n) => `${name}${n}`),
        );
      }
    });

    it('CHANNEL-1 publishes several at one revision, or none', async () => {
      const clients = testClients(server);
      const client = await clients.open();
      const channel = new Channel<number>(client, 'c');
      const subscription = await channel.subscribe();
      const before = channel.publish(0);
      const places = await channel.publishAll(numbers(1, 2_000));
      await before;
      expect(new Set(places.map(({ revision }) => revision)).size).toBe(1);
      const [{ index: first } = { index: -1 }] = places;
      expect(places.map(({ index }) => index)).toEqual(numbers(first, first + 1_999));
      expect(payloadsOf(await take(subscription, 2_001))).toEqual(numbers(0, 2_000));
      expect(await channel.publishAll([])).toEqual([]);
      const large = 'x'.repeat(700_000);
      const texts = new Channel<string>(client, 't');
      await expect(texts.publishAll([large, large, large])).rejects.toMatchObject({
        code: 'request-too-large',
      });
      const [one, two] = await Promise.all([texts.publish(large), texts.publish(large)]);
      expect(two.revision).toBeGreaterThan(one.revision);
    });

    it('CHANNEL-3 goes on from a position, within a frame too, in another process, from a revision, and from the beginning', async () => {
      const clients = testClients(server);
      const channel = new Channel<number>(await clients.open(), 'c');
      const places = [
        ...(await channel.publishAll([1, 2, 3])),
        ...(await channel.publishAll([4, 5, 6])),
        await channel.publish(7),
      ];
      const reader = new Channel<number>(await clients.open(), 'c');
      for (const [at, place] of places.entries()) {
        const subscription = await reader.subscribe({ after: JSON.parse(JSON.stringify(place)) });
        await channel.publish(100 + at);
        const told = payloadsOf(await take(subscription, 7));
        expect(told).toEqual([...numbers(at + 2, 7), ...numbers(100, 100 + at)]);
        await subscription.close();
      }
      const [first, fourth] = [places[0], places[3]];
      const fromStart = await reader.subscribe({ after: 0 });
      expect(payloadsOf(await take(fromStart, 8))).toEqual([...numbers(1, 7), 100]);
      const afterFirst = await reader.subscribe({ after: first?.revision ?? 0 });
      expect(payloadsOf(await take(afterFirst, 4))).toEqual([4, 5, 6, 7]);
      const byItem = await reader.subscribe({ after: afterFirst.position });
      expect(payloadsOf(await take(byItem, 1))).toEqual([100]);
      await expect(reader.subscribe({ after: { revision: 1e12 } })).rejects.toMatchObject({
        code: 'future-revision',
      });
      const wrong = reader.subscribe({ after: { ...fourth, revision: 1, channel: 'd' } });
      await expect(wrong).rejects.toMatchObject({ code: 'invalid-argument' });
    });

    it('CHANNEL-3 whoever goes on from the newest position needs no watch of its own', async () => {
      const clients = testClients(server);
      const channel = new Channel<number>(await clients.open(), 'c');
      const { client, counts } = await clients.openCounted();
      const reader = new Channel<number>(client, 'c');
      const { revision } = await channel.publish(1);
      counts.reset();
      const subscription = await reader.subscribe({ after: revision });
      const next = subscription.next();
      await channel.publish(2);
      expect(await next).toMatchObject({ value: { payload: 2 } });
      expect(counts.calls.watch).toBe(1);
      const beside = await reader.subscribe({ after: revision });
      expect(payloadsOf(await take(beside, 1))).toEqual([2]);
      await channel.publish(3);
      // Back with the others.
      await Promise.all([take(subscription, 1), take(beside, 1)]);
      counts.reset();
      await channel.publish(4);
      await Promise.all([take(subscription, 1), take(beside, 1)]);
      expect(counts.total()).toBe(0);
    });

    it('tells a listener at once, one item after another, and outlives its exceptions', async () => {
      const clients = testClients(server);
      const channel = new Channel<number>(await clients.open(), 'c');
      const warnings = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
      const told: number[] = [];
      const slow: string[] = [];
      const quick = await channel.subscribe({
        onItem: (item) => {
          if (item.type !== 'message') return;
          told.push(item.payload);
          if (item.payload === 2) throw new Error('not that');
        },
      });
      const patient = await channel.subscribe({
        onItem: async (item) => {
          if (item.type !== 'message') return;
          slow.push(`begin ${item.payload}`);
          await delay(2);
          slow.push(`end ${item.payload}`);
          if (item.payload === 3) throw new Error('nor that');
        },
      });
      await Promise.all(numbers(1, 5).map((n) => channel.publish(n)));
      await vi.waitFor(() => expect(slow).toHaveLength(10));
      expect(told).toEqual([1, 2, 3, 4, 5]);
      expect(slow).toEqual(numbers(1, 5).flatMap((n) => [`begin ${n}`, `end ${n}`]));
      expect(warnings).toHaveBeenCalledTimes(2);
      warnings.mockRestore();
      await expect(quick.next()).rejects.toMatchObject({ code: 'invalid-argument' });
      await quick.close();
      expect(await quick.ended).toBeUndefined();
      await patient.close();
      await channel.publish(6);
      expect(told).toHaveLength(5);
    });

    it('CHANNEL-3 who is too slow reads on from history, and misses nothing', async () => {
      const clients = testClients(server);
      const channel = new Channel<number>(await clients.open(), 'c');
      const { client, counts } = await clients.openCounted();
      const reader = new Channel<number>(client, 'c');
      const slow = await reader.subscribe({ bufferSize: 10 });
      const quick = await reader.subscribe();
      for (const n of numbers(1, 50)) await channel.publish(n);
      expect(payloadsOf(await take(quick, 50))).toEqual(numbers(1, 50));
      counts.reset();
      expect(payloadsOf(await take(slow, 20))).toEqual(numbers(1, 20));
      expect(counts.calls.watch).toBe(1);
      await channel.publish(51);
      expect(payloadsOf(await take(slow, 31))).toEqual(numbers(21, 51));
      for (const n of numbers(52, 60)) await channel.publish(n);
      expect(payloadsOf(await take(slow, 9))).toEqual(numbers(52, 60));
      expect(counts.calls.watch).toBe(1);
    });

    it('CHANNEL-4 drops the oldest and says which, or fails, as it was asked to', async () => {
      const clients = testClients(server);
      const channel = new Channel<number>(await clients.open(), 'c');
      const dropping = await channel.subscribe({ whenFull: 'drop-oldest', bufferSize: 3 });
      const failing = await channel.subscribe({ whenFull: 'fail', bufferSize: 3 });
      const probe = await channel.subscribe();
      const places: ChannelPlace[] = [];
      for (const n of numbers(1, 10)) places.push(await channel.publish(n));
      await take(probe, 10);
      const [gap, ...rest] = await take(dropping, 4);
      expect(gap).toEqual({
        ...{ type: 'gap', reason: 'dropped', messages: 7, channel: 'c', index: 0 },
        ...{ fromRevision: places[0]?.revision, toRevision: places[6]?.revision },
        revision: places[6]?.revision,
      });
      expect(payloadsOf(rest)).toEqual([8, 9, 10]);
      await expect(failing.next()).rejects.toMatchObject({ code: 'over-limit', outcome: 'not-applied' });
      expect(await failing.next()).toEqual({ value: undefined, done: true });
      expect(await failing.ended).toMatchObject({ code: 'over-limit' });
      const again = await channel.subscribe({ after: failing.position });
      expect(payloadsOf(await take(again, 10))).toEqual(numbers(1, 10));
      await channel.publish(11);
      expect(payloadsOf(await take(dropping, 1))).toEqual([11]);
    });

    it('CHANNEL-6 a pattern is told all channels below a prefix, those to come too, and no others', async () => {
      const clients = testClients(server);
      const client = await clients.open();
      const pattern = new ChannelPattern<string>(await clients.open(), 'orders/€ ');
      const all = new ChannelPattern<string>(await clients.open(), '');
      const subscription = await pattern.subscribe();
      const everything = await all.subscribe();
      const names = ['orders/€ 1', 'orders', 'orders/€', 'orders/€ 2/x', 'orders/x', 'others', 'orders/€ '];
      for (const name of names) await new Channel<string>(client, name).publish(name);
      // What is no channel is told to nobody.
      await client.store.txn({
        ...{ compare: [], failure: [] },
        success: [
          put(`${clients.namespace}/channel/orders/other`, 'x'),
          put(`${clients.namespace}/channel/%/m`, ''),
        ],
      });
      await new Channel<string>(client, 'orders/€ 9').publish('last');
      const told = await take(subscription, 4);
      expect(payloadsOf(told)).toEqual(['orders/€ 1', 'orders/€ 2/x', 'orders/€ ', 'last']);
      expect(told.map((item) => item.channel)).toEqual([
        'orders/€ 1',
        'orders/€ 2/x',
        'orders/€ ',
        'orders/€ 9',
      ]);
      expect(payloadsOf(await take(everything, 8))).toEqual([...names, 'last']);
      const later = await pattern.subscribe({ after: told[1] });
      expect(payloadsOf(await take(later, 2))).toEqual(['orders/€ ', 'last']);
    });

    it('CHANNEL-6 goes on within a revision that published to several channels', async () => {
      const clients = testClients(server);
      const client = await clients.open();
      const pattern = new ChannelPattern<number>(await clients.open(), '');
      const subscription = await pattern.subscribe();
      const calls = ['a', 'b', 'c'].map((name, at) =>
        new Channel<number>(client, name).publishAll([10 * at, 10 * at + 1]),
      );
      await Promise.all(calls);
      const told = await take(subscription, 6);
      for (const [at, position] of told.entries()) {
        const later = await pattern.subscribe({ after: position });
        expect(await take(later, 5 - at)).toEqual(told.slice(at + 1));
        await later.close();
      }
      const { revision, index } = told[0] ?? {};
      const nameless = pattern.subscribe({ after: { revision: revision ?? 0, index } });
      await expect(nameless).rejects.toMatchObject({ code: 'invalid-argument' });
    });

    it('CHANNEL-7 publishes under a hold or a session only while that stands', async () => {
      const clients = testClients(server);
      const client = await clients.open();
      const channel = new Channel<string>(client, 'c');
      const subscription = await channel.subscribe();
      const hold = await new Mutex(client, 'm').acquire();
      const session = await client.openSession();
      const guard = session.guard();
      await Promise.all([
        channel.publish('a', { guard: hold }),
        channel.publish('b', { guard: hold }),
        channel.publish('c'),
        channel.publish('d', { guard }),
      ]);
      expect(payloadsOf(await take(subscription, 4))).toEqual(['a', 'b', 'c', 'd']);
      await hold.release();
      await expect(channel.publish('e', { guard: hold })).rejects.toMatchObject({ code: 'hold-lost' });
      await session.close();
      const settled = await Promise.allSettled([
        channel.publish('f', { guard }),
        channel.publish('g'),
        channel.publishAll(['h', 'i'], { guard }),
      ]);
      expect(settled.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'rejected']);
      expect(settled[0]).toMatchObject({ reason: { code: 'fenced', outcome: 'not-applied' } });
      await expect(channel.publish('j', { guard: session })).rejects.toMatchObject({ code: 'session-lost' });
      await channel.publish('k');
      expect(payloadsOf(await take(subscription, 2))).toEqual(['g', 'k']);
    });

    it('tells what the codec or the schema refuses as that, to each, and goes on', async () => {
      const clients = testClients(server);
      const client = await clients.open();
      const schema = {
        '~standard': {
          ...({ version: 1, vendor: 'test' } as const),
          validate: (value: unknown) =>
            typeof value === 'number' ? { value: value + 1 } : { issues: [{ message: 'no number' }] },
        },
      };
      const anything = new Channel<unknown>(client, 'c');
      const checked = new Channel<number>(client, 'c', { schema });
      const subscription = await checked.subscribe();
      await expect(checked.publish('x' as unknown as number)).rejects.toMatchObject({
        code: 'invalid-argument',
      });
      await expect(anything.publish(() => {})).rejects.toMatchObject({ code: 'codec' });
      const [, bad] = await anything.publishAll([1, 'two', 3]);
      await client.store.txn({ compare: [], success: [put(anything.key, 'by hand')], failure: [] });
      await checked.publish(4);
      const told = await take(subscription, 5);
      expect(told.map((item) => (item.type === 'message' ? item.payload : item.type))).toEqual([
        ...[2, 'unreadable', 4, 'unreadable', 5],
      ]);
      expect(told[1]).toMatchObject({ ...bad, error: { code: 'codec' } });
      expect(told[3]).toMatchObject({ index: 0, error: { code: 'codec' } });
    });

    it('keeps the order where a schema takes its time', async () => {
      const clients = testClients(server);
      const schema = {
        '~standard': {
          ...({ version: 1, vendor: 'test' } as const),
          validate: async (value: unknown) => {
            await delay(Number(value) % 3);
            return { value: value as number };
          },
        },
      };
      const channel = new Channel<number>(await clients.open(), 'c', { schema });
      const subscription = await channel.subscribe();
      await Promise.all(numbers(1, 30).map((n) => channel.publish(n)));
      expect(payloadsOf(await take(subscription, 30))).toEqual(numbers(1, 30));
    });

    it('ends by leaving, closing, a signal, and with its client', async () => {
      const clients = testClients(server);
      const channel = new Channel<number>(await clients.open(), 'c');
      const client = await clients.open();
      const reader = new Channel<number>(client, 'c');
      const left: ChannelItem<number>[] = [];
      const reading = (async () => {
        for await (const item of await reader.subscribe()) {
          left.push(item);
          break;
        }
      })();
      const closed = await reader.subscribe();
      const waiting = closed.next();
      const controller = new AbortController();
      const aborted = await reader.subscribe({ signal: controller.signal });
      const last = await reader.subscribe();
      await channel.publish(1);
      await reading;
      expect(left).toHaveLength(1);
      expect(await waiting).toMatchObject({ value: { payload: 1 } });
      const never = closed.next();
      await closed[Symbol.asyncDispose]();
      expect(await never).toEqual({ value: undefined, done: true });
      controller.abort();
      expect(await aborted.next()).toEqual({ value: undefined, done: true });
      await expect(reader.subscribe({ signal: controller.signal })).rejects.toMatchObject({
        code: 'aborted',
      });
      await take(last, 1);
      const end = expect(last.next()).rejects.toMatchObject({ code: 'closed' });
      await client.close();
      await end;
      await expect(reader.subscribe()).rejects.toMatchObject({ code: 'closed' });
      await expect(reader.publish(1)).rejects.toMatchObject({ code: 'closed', outcome: 'not-applied' });
    });

    it('tells the first who waits what has ended it, and then the others that it is over', async () => {
      const client = await testClients(server).open();
      const subscription = await new Channel<number>(client, 'ended').subscribe();
      const told: string[] = [];
      const first = subscription.next().catch(({ code }) => told.push(code));
      const second = subscription.next().then(({ done }) => told.push(`done: ${done}`));
      void subscription.ended.then(() => told.push('ended'));
      await client.close();
      await Promise.all([first, second]);
      expect(told).toEqual(['closed', 'done: true', 'ended']);
    });
  },
  kinds,
);
