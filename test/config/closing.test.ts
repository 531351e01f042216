import { expect, it } from 'vitest';
import { Config, type ConfigReaderClient } from '../../src/config/index.js';
import { QuorateError } from '../../src/errors.js';
import { MemoryServer } from '../../src/memory/index.js';
import { Client } from '../../src/session/index.js';
import type { CallOptions, Store } from '../../src/store/index.js';
import { ManualRuntime, settle } from '../support/manual-runtime.js';
import { documents, editorOf, flags, limits, name, why } from './scene.js';

type Stage = 'status' | 'first page' | 'next page' | 'failing' | 'watch' | 'proof';

/** A reader of a store that does not answer any more once it has come so far. */
async function readingUntil(stage: Stage) {
  const server = new MemoryServer();
  const writer = await Client.open({ store: server.connect(), closeStore: true });
  await editorOf(writer).change([limits.set({ perSecond: 5 }), flags.set({ a: true })], why);
  const runtime = new ManualRuntime();
  const closed = new AbortController();
  const waiting = new Set<AbortSignal>();
  let watches = 0;
  let ranges = 0;
  let isSilent = false;
  const silence = <T>({ signal }: CallOptions = {}): Promise<T> => {
    if (signal === undefined) throw new Error('a request that nothing can end');
    waiting.add(signal);
    return new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => {
        waiting.delete(signal);
        reject(new QuorateError('aborted', 'given up'));
      });
    });
  };
  const { store: real } = writer;
  const store: ConfigReaderClient['store'] = {
    status: (options) => (stage === 'status' ? silence(options) : real.status(options)),
    range: async (request, options) => {
      ranges += 1;
      if (stage === 'failing') throw new QuorateError('unavailable', 'away');
      if (stage === 'first page' || isSilent) return silence(options);
      if (stage !== 'next page') return real.range(request, options);
      if (ranges > 1) return silence(options);
      return real.range({ ...request, limit: 1 }, options);
    },
    watch: (request) => {
      const watch = (real as Store).watch(request);
      watches += 1;
      const { close } = watch;
      watch.close = () => {
        watches -= 1;
        watch.close = close;
        close.call(watch);
      };
      return watch;
    },
  };
  const source: ConfigReaderClient = {
    ...{ keys: writer.keys, runtime, label: 'r', store },
    closed: closed.signal,
  };
  const seed = { clusterId: 'c', revision: 1, contents: new Map<string, Uint8Array>() };
  const config = await Config.open(source, name, { documents, seed, proveEveryMs: 100 });
  const listed = config.watch(limits);
  await listed.next();
  // It has come so far, and waits there.
  await settle();
  if (stage === 'proof') isSilent = true;
  if (stage === 'proof') await runtime.advance(200);
  const left = () => ({ timers: runtime.timerCount, requests: waiting.size, watches });
  const isWaiting = () => waiting.size > 0 || (stage === 'failing' && runtime.timerCount > 0) || watches > 0;
  return { writer, config, closed, left, isWaiting, runtime, listed };
}

const stages: readonly Stage[] = ['status', 'first page', 'next page', 'failing', 'watch', 'proof'];
const nothing = { timers: 0, requests: 0, watches: 0 };

it.each(stages)('a configuration that is closed at once ends all it has begun: %s', async (stage) => {
  const { writer, config, left, isWaiting, runtime, listed } = await readingUntil(stage);
  expect(isWaiting()).toBe(true);
  await config.close();
  await settle();
  expect(left()).toEqual(nothing);
  await runtime.advance(120_000);
  expect(left()).toEqual(nothing);
  if (stage !== 'watch' && stage !== 'proof') expect((await listed.next()).done).toBe(true);
  await expect(config.sync()).rejects.toMatchObject({ code: 'closed' });
  await writer.close();
});

it.each(stages)(
  'a client that is closed ends what reads from it, though its store goes on: %s',
  async (stage) => {
    const { writer, config, closed, left, isWaiting, runtime } = await readingUntil(stage);
    expect(isWaiting()).toBe(true);
    const reason = new QuorateError('closed', 'the client is closed');
    closed.abort(reason);
    await settle();
    expect(left()).toEqual(nothing);
    expect(config.failure).toBe(reason);
    await expect(config.sync()).rejects.toBe(reason);
    await runtime.advance(120_000);
    expect(left()).toEqual(nothing);
    await config.close();
    await writer.close();
  },
);

it('a client that was closed before ends an opening', async () => {
  const client = await Client.open({ store: new MemoryServer().connect() });
  await client.close();
  await expect(Config.open(client, name, { documents })).rejects.toMatchObject({ code: 'closed' });
});
