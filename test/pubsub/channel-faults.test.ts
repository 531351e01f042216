import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { QuorateError } from '../../src/errors.js';
import { MemoryServer } from '../../src/memory/index.js';
import { Channel, type ChannelItem, type ChannelSubscription } from '../../src/pubsub/index.js';
import { Client } from '../../src/session/index.js';
import type { Store, Watch, WatchItem } from '../../src/store/index.js';
import { faultyStore } from '../support/faulty-store.js';
import { hookedStore } from '../support/hooked-store.js';
import { storeWith } from '../support/store-with.js';
import { numbers, payloadsOf, take } from './take.js';

async function openClient(store: Store): Promise<Client> {
  const client = await Client.open({ store, namespace: 'n' });
  onTestFinished(() => client.close());
  return client;
}

/** A server, a client of it that all goes well with, and what that one is told of channel `c` from now on. */
async function scene() {
  const server = new MemoryServer();
  const reader = new Channel<number>(await openClient(server.connect()), 'c');
  const subscription = await reader.subscribe();
  const told = async (count: number) => payloadsOf(await take(subscription, count));
  return { server, reader, told };
}

function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}

/** A store whose watches tell what `change` makes of each item. */
function watching(store: Store, change: (item: WatchItem) => WatchItem | undefined): Store {
  const watch = (inner: Watch): Watch => ({
    close: () => inner.close(),
    async *[Symbol.asyncIterator]() {
      for await (const item of inner) {
        const changed = change(item);
        if (changed !== undefined) yield changed;
      }
    },
  });
  return storeWith(store, { watch: (request) => watch(store.watch(request)) });
}

describe('publishing, when things go wrong', () => {
  it('CHANNEL-1 a message whose reply was lost is there once, and its caller is told where', async () => {
    const { server, told } = await scene();
    const store = faultyStore(server.connect());
    const channel = new Channel<number>(await openClient(store), 'c');
    store.script('txn', 'lose-reply', 'lose-request', 'late', 'deliver');
    const first = await channel.publish(1);
    store.script('txn', 'late');
    const [second, third] = await Promise.all([channel.publish(2), channel.publish(3)]);
    await store.releaseHeld();
    await channel.publish(4);
    expect(await told(4)).toEqual([1, 2, 3, 4]);
    expect(second.revision).toBeGreaterThan(first.revision);
    expect(third).toEqual({ revision: second.revision, index: 1 });
  });

  it('CHANNEL-1 who gives up before his message is sent is told so, and it is not there; after that nobody knows', async () => {
    const { server, told } = await scene();
    const hooked = hookedStore(server.connect());
    const channel = new Channel<number>(await openClient(hooked.store), 'c');
    const stuck = gate();
    hooked.hook = async (_request, send) => {
      await stuck.opened;
      return send();
    };
    const controller = new AbortController();
    const sent = [channel.publish(1, { timeoutMs: 30 }), channel.publish(2, { signal: controller.signal })];
    const settled = Promise.allSettled(sent);
    await delay(1);
    const waiting = [
      channel.publish(3, { timeoutMs: 30 }),
      channel.publish(4, { signal: controller.signal }),
      channel.publish(5),
    ];
    const others = Promise.allSettled(waiting.slice(0, 2));
    await delay(40);
    controller.abort();
    expect(await settled).toMatchObject([
      { reason: { code: 'timeout', outcome: 'unknown' } },
      { reason: { code: 'aborted', outcome: 'unknown' } },
    ]);
    expect(await others).toMatchObject([
      { reason: { code: 'timeout', outcome: 'not-applied' } },
      { reason: { code: 'aborted', outcome: 'not-applied' } },
    ]);
    stuck.open();
    hooked.hook = undefined;
    const place = await waiting[2];
    // The first frame was given up by all, and may have been published or not; it is not after this one for certain.
    await channel.publish(6);
    const seen = (await told(2)) as readonly number[];
    const rest = seen[0] === 1 ? await told(2) : [];
    expect([...seen, ...rest].slice(-2)).toEqual([5, 6]);
    expect(place?.index).toBe(0);
  });

  it('CHANNEL-2 sends smaller frames to a server that takes no larger ones, in the same order', async () => {
    const { server, told } = await scene();
    const hooked = hookedStore(server.connect());
    const channel = new Channel<number>(await openClient(hooked.store), 'c');
    const sizes: number[] = [];
    hooked.hook = async (request, send) => {
      const bytes = JSON.stringify(request).length;
      if (bytes > 2_000) throw new QuorateError('request-too-large', 'too large for this server');
      sizes.push(bytes);
      return send();
    };
    await Promise.all(numbers(1, 300).map((n) => channel.publish(n)));
    expect(await told(300)).toEqual(numbers(1, 300));
    expect(sizes.length).toBeGreaterThan(3);
  });

  it('sends frames of fewer messages to a server that takes no larger ones, where messages have no bytes at all', async () => {
    const { server } = await scene();
    const hooked = hookedStore(server.connect());
    const codec = { encode: () => new Uint8Array(), decode: (bytes: Uint8Array) => bytes.length };
    const channel = new Channel<number>(await openClient(hooked.store), 'ticks', { codec });
    const subscription = await channel.subscribe();
    let refusals = 0;
    hooked.hook = async (request, send) => {
      if (JSON.stringify(request).length <= 2_000) return send();
      refusals += 1;
      // What tries the same for ever is to fail, and not to stop the whole run.
      throw new QuorateError(
        refusals > 100 ? 'permission-denied' : 'request-too-large',
        'too large for this server',
      );
    };
    await Promise.all(numbers(1, 1_000).map((n) => channel.publish(n)));
    expect(await take(subscription, 1_000)).toHaveLength(1_000);
  });

  it('refuses what nobody could keep, once too much waits', async () => {
    const { server } = await scene();
    const hooked = hookedStore(server.connect());
    const channel = new Channel<string>(await openClient(hooked.store), 'large');
    const stuck = gate();
    hooked.hook = async (_request, send) => {
      await stuck.opened;
      return send();
    };
    const large = 'x'.repeat(1_400_000);
    const settled = Promise.allSettled(numbers(1, 60).map(() => channel.publish(large)));
    await expect(channel.publish(large)).rejects.toMatchObject({
      code: 'over-limit',
      outcome: 'not-applied',
    });
    stuck.open();
    hooked.hook = undefined;
    const results = await settled;
    expect(results.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThan(40);
    await channel.publish(large);
    await expect(channel.publish(large + large)).rejects.toMatchObject({ code: 'request-too-large' });
  });

  it('CHANNEL-2 holds its place while its schema takes its time, and holds up nobody once it is refused', async () => {
    const { server, told } = await scene();
    const answers = new Map<unknown, () => void>();
    const schema = {
      '~standard': {
        ...({ version: 1, vendor: 'test' } as const),
        validate: async (value: unknown) => {
          await new Promise<void>((resolve) => answers.set(value, resolve));
          return value === 2 ? { issues: [{ message: 'not that' }] } : { value: value as number };
        },
      },
    };
    const channel = new Channel<number>(await openClient(server.connect()), 'c', { schema });
    const calls = [1, 2, 3, 4].map((n) => channel.publish(n, n === 4 ? { timeoutMs: 20 } : {}));
    const settled = Promise.allSettled(calls);
    for (const n of [3, 2]) answers.get(n)?.();
    await delay(30);
    answers.get(1)?.();
    expect((await settled).map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
      'rejected',
    ]);
    expect(await told(2)).toEqual([1, 3]);
  });
});

describe('subscribing, when things go wrong', () => {
  it('CHANNEL-3 a watch that leaves something out in silence is found out by the versions', async () => {
    const { server } = await scene();
    const publisher = new Channel<number>(await openClient(server.connect()), 'c');
    const places = [await publisher.publish(1)];
    const store = watching(server.connect(), (item) => {
      if (item.type !== 'events') return item;
      const events = item.events.filter(({ kv }) => kv.modRevision !== places[2]?.revision);
      return events.length === 0 ? undefined : { ...item, events };
    });
    const subscription = await new Channel<number>(await openClient(store), 'c').subscribe();
    places.push(await publisher.publish(2));
    const third = publisher.publish(3);
    // Known before the watch tells of it.
    places.push({ revision: (places[1]?.revision ?? 0) + 1, index: 0 });
    await third;
    const { revision } = await publisher.publish(4);
    expect(await take(subscription, 3)).toMatchObject([
      { payload: 2 },
      {
        ...{ type: 'gap', reason: 'missing', channel: 'c' },
        ...{ fromRevision: (places[1]?.revision ?? 0) + 1, toRevision: revision - 1 },
      },
      { payload: 4 },
    ]);
  });

  it('all who subscribe are told why a watch can never go on, and who asks again gets another', async () => {
    const server = new MemoryServer();
    let isDenied = false;
    const inner = server.connect();
    const store = watching(inner, (item) => {
      if (isDenied && item.type === 'events') throw new QuorateError('permission-denied', 'not for you');
      return item;
    });
    const channel = new Channel<number>(await openClient(store), 'c');
    const [one, other] = await Promise.all([channel.subscribe(), channel.subscribe()]);
    const listening = await channel.subscribe({ onItem: () => {} });
    const waiting = one.next();
    isDenied = true;
    const rejected = expect(waiting).rejects.toMatchObject({ code: 'permission-denied' });
    await channel.publish(1);
    await rejected;
    await expect(other.next()).rejects.toMatchObject({ code: 'permission-denied' });
    expect(await listening.ended).toMatchObject({ code: 'permission-denied' });
    isDenied = false;
    const again = await channel.subscribe({ after: other.position });
    expect(payloadsOf(await take(again, 1))).toEqual([1]);
  });

  it('gives up joining in its time, and leaves no watch behind', async () => {
    const server = new MemoryServer();
    const open: Watch[] = [];
    const silent = storeWith(server.connect(), {
      watch: () => {
        let close = () => {};
        const closed = new Promise<void>((resolve) => {
          close = resolve;
        });
        const watch: Watch = {
          close: () => {
            open.splice(open.indexOf(watch), 1);
            close();
          },
          [Symbol.asyncIterator]: () => ({
            next: async () => {
              await closed;
              return { value: undefined, done: true };
            },
          }),
        };
        open.push(watch);
        return watch;
      },
    });
    const channel = new Channel<number>(await openClient(silent), 'c');
    await expect(channel.subscribe({ timeoutMs: 20 })).rejects.toMatchObject({ code: 'timeout' });
    const controller = new AbortController();
    const joining = channel.subscribe({ signal: controller.signal });
    await delay(1);
    expect(open).toHaveLength(1);
    controller.abort();
    await expect(joining).rejects.toMatchObject({ code: 'aborted' });
    expect(open).toEqual([]);
  });

  it('CHANNEL-3 what waits for slow subscribers is bounded in bytes, and read on from history beyond that', async () => {
    const server = new MemoryServer();
    const channel = new Channel<string>(await openClient(server.connect()), 'c');
    const subscription = await channel.subscribe({ bufferSize: 1_000 });
    const dropping = await channel.subscribe({ bufferSize: 1_000, whenFull: 'drop-oldest' });
    const large = 'x'.repeat(1_000_000);
    for (const n of numbers(1, 30)) await channel.publish(`${n} ${large}`);
    const [first] = await take(dropping, 1);
    expect(first).toMatchObject({ type: 'gap', reason: 'dropped' });
    const dropped = first?.type === 'gap' ? (first.messages ?? 0) : 0;
    expect(dropped).toBeGreaterThan(10);
    const numberOf = (item: ChannelItem<string>) =>
      item.type === 'message' ? Number.parseInt(item.payload, 10) : -1;
    expect((await take(dropping, 30 - dropped)).map(numberOf)).toEqual(numbers(dropped + 1, 30));
    expect((await take(subscription, 30)).map(numberOf)).toEqual(numbers(1, 30));
  });

  it('CHANNEL-3 subscribers may come, go and take in the turn of another', async () => {
    const { server } = await scene();
    const channel = new Channel<number>(await openClient(server.connect()), 'c');
    const late: Promise<ChannelSubscription<number>>[] = [];
    const taken: unknown[] = [];
    const passive = await channel.subscribe();
    const told: number[] = [];
    const leaving = await channel.subscribe({
      onItem: (item) => {
        if (item.type !== 'message') return;
        told.push(item.payload);
        if (item.payload === 2) late.push(channel.subscribe());
        void passive.next().then(({ value }) => taken.push(value));
        if (item.payload === 3) void leaving.close();
      },
    });
    const last = await channel.subscribe();
    await channel.publishAll([1, 2, 3, 4]);
    expect(payloadsOf(await take(last, 4))).toEqual([1, 2, 3, 4]);
    expect(payloadsOf(await take(passive, 1))).toEqual([4]);
    expect(told).toEqual([1, 2, 3]);
    expect(payloadsOf(taken as ChannelItem<number>[])).toEqual([1, 2, 3]);
    await channel.publish(5);
    const [joined] = await Promise.all(late);
    expect(payloadsOf(await take(joined as ChannelSubscription<number>, 1))).toEqual([5]);
  });

  it('several may be asked for at a time, and come in order', async () => {
    const { server } = await scene();
    const channel = new Channel<number>(await openClient(server.connect()), 'c');
    const subscription = await channel.subscribe({ after: 0, bufferSize: 1 });
    const asked = numbers(1, 5).map(() => subscription.next());
    for (const n of numbers(1, 4)) await channel.publish(n);
    expect((await Promise.all(asked.slice(0, 4))).map(({ value }) => value)).toMatchObject(
      numbers(1, 4).map((payload) => ({ payload })),
    );
    await subscription.close();
    expect(await asked[4]).toEqual({ value: undefined, done: true });
  });
});

describe('arguments of channels', () => {
  it.each([
    ['an empty name', (client: Client) => new Channel(client, '')],
    ['a name with control characters', (client: Client) => new Channel(client, 'a\nb')],
    ['a codec that is none', (client: Client) => new Channel(client, 'c', { codec: {} as never })],
    ['a schema that is none', (client: Client) => new Channel(client, 'c', { schema: {} as never })],
    ['options that are none', (client: Client) => new Channel(client, 'c', null as never)],
  ])('%s', async (_what, make) => {
    const client = await openClient(new MemoryServer().connect());
    expect(() => make(client)).toThrow(expect.objectContaining({ code: 'invalid-argument' }));
  });

  it.each([
    { whenFull: 'perhaps' },
    { bufferSize: 0 },
    { bufferSize: 70_000 },
    { onItem: 7 },
    { after: -1 },
    { after: 'x' },
    { after: {} },
    { after: { revision: 1.5 } },
    { after: { revision: 1, index: -1 } },
    { after: { revision: 1, index: 0, channel: 'another' } },
    { timeoutMs: 0 },
    { signal: 'x' },
    null,
  ])('subscribe(%j)', async (options) => {
    const client = await openClient(new MemoryServer().connect());
    const subscribing = new Channel(client, 'c').subscribe(options as never);
    await expect(subscribing).rejects.toMatchObject({ code: 'invalid-argument' });
  });

  it('publish, and publishAll', async () => {
    const client = await openClient(new MemoryServer().connect());
    const channel = new Channel<number>(client, 'c');
    const code = { code: 'invalid-argument' };
    await expect(channel.publish(1, { timeoutMs: -1 })).rejects.toMatchObject(code);
    await expect(channel.publish(1, { guard: {} as never })).rejects.toMatchObject(code);
    await expect(channel.publishAll('x' as never)).rejects.toMatchObject(code);
    await expect(channel.publishAll(numbers(1, 20_000))).rejects.toMatchObject(code);
    await expect(channel.publishAll([], { guard: {} as never })).rejects.toMatchObject(code);
  });
});
