import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it, onTestFinished } from 'vitest';
import { QuorateError } from '../../src/errors.js';
import { MemoryServer } from '../../src/memory/index.js';
import { Channel } from '../../src/pubsub/index.js';
import { Client } from '../../src/session/index.js';
import type { Codec, Store } from '../../src/store/index.js';
import { countingStore } from '../support/counting-store.js';
import { hookedStore } from '../support/hooked-store.js';
import { numbers, payloadsOf, take } from './take.js';

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

async function openClient(store: Store): Promise<Client> {
  const client = await Client.open({ store, namespace: 'n' });
  onTestFinished(() => client.close());
  return client;
}

/** A client whose transactions do not return before `open` is called. */
async function stuckClient() {
  const hooked = hookedStore(new MemoryServer().connect());
  const client = await openClient(hooked.store);
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  hooked.hook = async (_request, send) => {
    await opened;
    return send();
  };
  onTestFinished(() => open());
  return { client, open: () => open() };
}

/** Answers for some values, and never for others. */
function schemaThat(answers: (value: unknown) => boolean) {
  const validate = (value: unknown) =>
    answers(value) ? { value: value as number } : new Promise<never>(() => {});
  return { '~standard': { ...({ version: 1, vendor: 'test' } as const), validate } };
}

/** Makes large things of everything, and notes which of them are still there. */
function largeThings(bytes: number) {
  const made: WeakRef<object>[] = [];
  const note = <T extends object>(thing: T): T => {
    made.push(new WeakRef(thing));
    return thing;
  };
  const kept = () => {
    collect();
    return made.filter((each) => each.deref() !== undefined).length;
  };
  return { note, kept, make: () => new Uint8Array(bytes) };
}

describe('what waits to be published', () => {
  it('is not kept once it was refused, however long those before it take', async () => {
    const { client } = await stuckClient();
    const { note, kept, make } = largeThings(1_000_000);
    const codec: Codec<number> = { encode: () => note(make()), decode: () => 0 };
    const channel = new Channel<number>(client, 'c', { codec });
    const codes: string[] = [];
    const refused = (error: QuorateError) => codes.push(error.code);
    channel.publish(0, { timeoutMs: 60_000 }).catch(() => {});
    await delay(5);
    for (const n of numbers(1, 150)) channel.publish(n, { timeoutMs: 60_000 }).catch(refused);
    await expect.poll(() => codes.length).toBe(150 - 67);
    expect(new Set(codes)).toEqual(new Set(['over-limit']));
    await expect.poll(kept).toBeLessThan(75);
  });

  it('is not kept once its caller has given up', async () => {
    const { client, open } = await stuckClient();
    const { note, kept, make } = largeThings(100_000);
    const codec: Codec<number> = { encode: () => note(make()), decode: () => 0 };
    const channel = new Channel<number>(client, 'c', { codec });
    channel.publish(0, { timeoutMs: 60_000 }).catch(() => {});
    await delay(5);
    const first = channel.publish(1, { timeoutMs: 60_000 });
    const leave = new AbortController();
    for (const n of numbers(1, 500)) channel.publish(n, { signal: leave.signal }).catch(() => {});
    const last = channel.publish(2, { timeoutMs: 60_000 });
    leave.abort();
    await expect.poll(kept).toBeLessThan(50);
    open();
    const [one, two] = await Promise.all([first, last]);
    expect(two).toEqual({ revision: one.revision, index: 1 });
  });

  it('is so many calls at most, those whose schema has not answered among them', async () => {
    const client = await openClient(new MemoryServer().connect());
    const channel = new Channel<number>(client, 'c', { schema: schemaThat(() => false) });
    let refused = 0;
    const note = (error: QuorateError) => {
      if (error.code === 'over-limit') refused += 1;
    };
    const timeoutMs = Number.POSITIVE_INFINITY;
    for (let n = 0; n < 262_244; n += 1) channel.publish(n, { timeoutMs }).catch(note);
    await expect.poll(() => refused).toBe(100);
  });

  it('CHANNEL-1 keeps the limits of its own call behind one whose schema does not answer', async () => {
    const server = new MemoryServer();
    const channel = new Channel<number>(await openClient(server.connect()), 'c', {
      schema: schemaThat((value) => value !== 0),
    });
    const subscription = await new Channel<number>(await openClient(server.connect()), 'c').subscribe();
    const first = new AbortController();
    const held = channel.publish(0, { timeoutMs: 60_000, signal: first.signal });
    await delay(1);
    const leave = new AbortController();
    const timed = channel.publish(1, { timeoutMs: 30 });
    const left = channel.publish(2, { signal: leave.signal });
    const last = channel.publish(3);
    const settled = Promise.allSettled([timed, left]);
    await delay(1);
    leave.abort();
    expect(await settled).toMatchObject([
      { reason: { code: 'timeout', outcome: 'not-applied' } },
      { reason: { code: 'aborted', outcome: 'not-applied' } },
    ]);
    first.abort();
    await expect(held).rejects.toMatchObject({ code: 'aborted' });
    await last;
    expect(payloadsOf(await take(subscription, 1))).toEqual([3]);
  });

  it('is sent message by message to a server that takes no more, and in larger frames again when it does', async () => {
    const hooked = hookedStore(new MemoryServer().connect());
    const channel = new Channel<string>(await openClient(hooked.store), 'c');
    let most = 3_000;
    let refused = 0;
    let sent = 0;
    hooked.hook = async (request, send) => {
      const shown = (_key: string, value: unknown) => (value instanceof Uint8Array ? value.length : value);
      const bytes = request.success.reduce(
        (sum, op) => sum + (op.type === 'put' && op.value instanceof Uint8Array ? op.value.length : 0),
        JSON.stringify(request, shown).length,
      );
      if (bytes > most) {
        refused += 1;
        throw new QuorateError('request-too-large', 'too large for this server');
      }
      sent += 1;
      return send();
    };
    const publish = () =>
      Promise.all(numbers(1, 60).map(() => channel.publish('y'.repeat(1_000), { timeoutMs: 5_000 })));
    await publish();
    expect(refused).toBeLessThan(40);
    most = 1e9;
    for (let round = 0; round < 12; round += 1) await publish();
    sent = 0;
    await publish();
    expect(sent).toBeLessThan(30);
  });
});

describe('what waits for subscribers', () => {
  it('is let go when it is dropped', async () => {
    const client = await openClient(new MemoryServer().connect());
    const { note, kept, make } = largeThings(1_000_000);
    const codec: Codec<object> = { encode: () => make(), decode: () => note({ large: make() }) };
    const channel = new Channel<object>(client, 'c', { codec });
    const slow = await channel.subscribe({ whenFull: 'drop-oldest' });
    for (const _n of numbers(1, 60)) await channel.publish({});
    await expect.poll(kept).toBeLessThan(25);
    const { value } = await slow.next();
    expect(value).toMatchObject({ type: 'gap', reason: 'dropped' });
  });

  it('CHANNEL-4 is history for whoever begins far back, and not what others have left to take', async () => {
    const client = await openClient(new MemoryServer().connect());
    const channel = new Channel<number>(client, 'c');
    const slow = await channel.subscribe();
    const first = await channel.publish(0);
    for (const n of numbers(1, 50)) await channel.publish(n);
    const after = first.revision;
    const dropping = await channel.subscribe({ after, whenFull: 'drop-oldest', bufferSize: 10 });
    const failing = await channel.subscribe({ after, whenFull: 'fail', bufferSize: 10 });
    for (const n of numbers(51, 65)) await channel.publish(n);
    expect(payloadsOf(await take(dropping, 65))).toEqual(numbers(1, 65));
    expect(payloadsOf(await take(failing, 65))).toEqual(numbers(1, 65));
    expect(payloadsOf(await take(slow, 66))).toEqual(numbers(0, 65));
  });

  it('is kept whole for all when more than a buffer is published at once, so that nobody reads it again', async () => {
    const { store, counts } = countingStore(new MemoryServer().connect());
    const channel = new Channel<number>(await openClient(store), 'c');
    const subscriptions = await Promise.all(numbers(1, 20).map(() => channel.subscribe({ bufferSize: 100 })));
    const exact = await channel.subscribe({ bufferSize: 100, whenFull: 'drop-oldest' });
    await channel.publishAll(numbers(1, 2_000));
    counts.reset();
    for (const each of subscriptions) expect(payloadsOf(await take(each, 2_000))).toEqual(numbers(1, 2_000));
    expect(counts.total()).toBe(0);
    const [gap, ...rest] = await take(exact, 101);
    expect(gap).toMatchObject({ type: 'gap', reason: 'dropped', messages: 1_900 });
    expect(payloadsOf(rest)).toEqual(numbers(1_901, 2_000));
    await channel.publish(2_001);
    expect(payloadsOf(await take(exact, 1))).toEqual([2_001]);
  });
});

describe('a subscription', () => {
  it('is none if the channel ends before it has begun, so that no position is told that repeats everything', async () => {
    const client = await openClient(new MemoryServer().connect());
    const channel = new Channel<number>(client, 'c');
    const standing = await channel.subscribe();
    await channel.publish(1);
    await take(standing, 1);
    const joining = Promise.allSettled([channel.subscribe({ after: 0 }), channel.subscribe()]);
    await Promise.resolve();
    await client.close();
    for (const result of await joining) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'closed' } });
    }
  });
});
