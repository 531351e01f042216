import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { QuorateError } from '../../src/errors.js';
import { Line } from '../../src/line/index.js';
import { Mutex } from '../../src/locks/index.js';
import { MemoryServer } from '../../src/memory/index.js';
import { Client } from '../../src/session/index.js';
import { remove, type Store, type Watch, type WatchRequest } from '../../src/store/index.js';
import { cuttingWatches } from '../support/cut-watches.js';
import { gatedReads } from '../support/gated-reads.js';
import { ManualRuntime, settle } from '../support/manual-runtime.js';
import { storeWith } from '../support/store-with.js';

async function openClient(store: Store, options: { runtime?: ManualRuntime } = {}): Promise<Client> {
  const client = await Client.open({ store, namespace: 'n', ...options });
  onTestFinished(() => client.close());
  await client.session();
  return client;
}

/** Watches of a store that can be made to fail, the newest of them. */
function failingWatches(inner: Store) {
  let failNewest: (error: Error) => void = () => {};
  const watch = (request: WatchRequest): Watch => {
    const opened = inner.watch(request);
    const failure = new Promise<never>((_resolve, reject) => {
      failNewest = reject;
    });
    failure.catch(() => {});
    async function* items() {
      const reader = opened[Symbol.asyncIterator]();
      for (;;) {
        const { value, done } = await Promise.race([reader.next(), failure]);
        if (done) return;
        yield value;
      }
    }
    return { close: () => opened.close(), [Symbol.asyncIterator]: items };
  };
  return { watch, fail: (error: Error) => failNewest(error) };
}

describe('LineWatch', () => {
  it('is opened again after a failure by one timer, however often it fails', async () => {
    const server = new MemoryServer();
    const runtime = new ManualRuntime();
    const denied = new QuorateError('permission-denied', 'no watches for you');
    const failing = failingWatches(server.connect());
    const watch = (request: WatchRequest): Watch => {
      const opened = failing.watch(request);
      failing.fail(denied);
      return opened;
    };
    const client = await openClient(storeWith(server.connect(), { watch }), { runtime });
    await new Mutex(await openClient(server.connect()), 'm').acquire();
    void new Mutex(client, 'm').acquire().catch(() => {});
    await runtime.advance(20_000);
    const timers = runtime.timerCount;
    await runtime.advance(200_000);
    expect(runtime.timerCount).toBeLessThanOrEqual(timers + 1);
  });

  it('LOCK-1 a read from before a cut does not prove a turn that came in or after it', async () => {
    const server = new MemoryServer();
    const cutting = cuttingWatches(server.connect());
    const reads = gatedReads(cutting.store);
    const [first, second, third] = [
      await openClient(server.connect()),
      await openClient(reads.store),
      await openClient(server.connect()),
    ];
    const line = new Line(first, first.keys.prefix('lock', 'm')).range;
    const hold = await new Mutex(first, 'm').acquire();
    reads.hold();
    const seconds = new Mutex(second, 'm').acquire({ timeoutMs: 10_000 });
    // The read that backs a fresh watch has seen the second's place; its reply is on its way.
    await expect.poll(() => reads.kept).toBeGreaterThan(0);
    const thirds = new Mutex(third, 'm').acquire({ timeoutMs: 10_000 });
    const store = server.connect();
    await expect.poll(async () => (await store.range(line)).count).toBe(3);
    const mend = cutting.cut();
    const { kvs } = await store.range({ ...line, sort: { target: 'create', order: 'ascend' } });
    await store.txn({ compare: [], success: [remove(kvs[1]?.key ?? '')], failure: [] });
    mend();
    await delay(50);
    await hold.release();
    const next = await thirds;
    reads.letGo();
    const wrong = await Promise.race([seconds, delay(100)]);
    expect(wrong).toBeUndefined();
    await next.release();
    const last = await seconds;
    expect(last.token).toBeGreaterThan(next.token);
    await last.release();
  });

  it('a watch that failed while nobody waited does not take down the one that came after it', async () => {
    const runtime = new ManualRuntime();
    const server = new MemoryServer({ runtime });
    const inner = server.connect();
    const { watch, fail } = failingWatches(inner);
    const holding = new Mutex(await openClient(server.connect(), { runtime }), 'm');
    const store = Object.assign(gatedReads(inner).store, { watch });
    const waiting = new Mutex(await openClient(store, { runtime }), 'm');
    const opener = await holding.acquire();
    const opening = waiting.acquire();
    await runtime.advance(200);
    await opener.release();
    await (await opening).release();
    // Nobody waits now, and the watch lingers, when it fails for good.
    fail(new QuorateError('permission-denied', 'no watch for now'));
    await settle();
    // The failed one would have lingered until the middle of the next wait, and that one's first recheck is later.
    const hold = await holding.acquire();
    const next = waiting.acquire();
    await runtime.advance(5_500);
    await hold.release();
    await settle();
    const got = await Promise.race([next, settle()]);
    expect(got?.isHeld).toBe(true);
    await got?.release();
  });

  it('a watch that failed for good is opened again while somebody waits', async () => {
    const runtime = new ManualRuntime();
    const server = new MemoryServer({ runtime });
    const inner = server.connect();
    const { watch, fail } = failingWatches(inner);
    const holding = new Mutex(await openClient(server.connect(), { runtime }), 'm');
    const waiting = new Mutex(
      await openClient(Object.assign({ ...gatedReads(inner).store }, { watch }), { runtime }),
      'm',
    );
    const hold = await holding.acquire();
    const next = waiting.acquire();
    await runtime.advance(200);
    fail(new QuorateError('permission-denied', 'no watch for now'));
    await settle();
    // Far less than a TTL, after which it would look anyway.
    await runtime.advance(300);
    await hold.release();
    await settle();
    const got = await Promise.race([next, settle()]);
    expect(got?.isHeld).toBe(true);
    await got?.release();
  });

  it('LOCK-6 a hold learns of its deletion though the standing watch told of it before it was watched', async () => {
    const runtime = new ManualRuntime();
    const server = new MemoryServer({ runtime });
    const [first, second] = [
      await openClient(server.connect(), { runtime }),
      await openClient(server.connect(), { runtime }),
    ];
    const mutex = new Mutex(second, 'm');
    const opener = await new Mutex(first, 'm').acquire();
    const opening = mutex.acquire();
    await runtime.advance(200);
    await opener.release();
    await (await opening).release();
    // Its watch stands still, and this hold is uncontended.
    const hold = await mutex.acquire();
    await server.connect().txn({ compare: [], success: [remove(hold.guard().key)], failure: [] });
    await runtime.advance(100);
    expect(hold.signal.aborted).toBe(false);
    await runtime.advance(300);
    expect(hold.signal.reason).toMatchObject({ code: 'hold-lost' });
    await hold.release();
  });
});
