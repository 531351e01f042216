import { describe, expect, it } from 'vitest';
import { hooksOn } from '../../src/runtime/abort-hooks.js';
import { waitFor } from '../../src/runtime/index.js';
import { ManualRuntime } from '../support/manual-runtime.js';

const never = () => new Promise<string>(() => {});

describe('a wait for a promise', () => {
  it('is the promise itself for a caller without limits', () => {
    const promise = Promise.resolve('done');
    expect(waitFor(new ManualRuntime(), promise, {}, 'testing')).toBe(promise);
  });

  it('settles as the promise does, and leaves nothing behind', async () => {
    const runtime = new ManualRuntime();
    const { signal } = new AbortController();
    const options = { signal, timeoutMs: 500 };
    await expect(waitFor(runtime, Promise.resolve('done'), options, 'testing')).resolves.toBe('done');
    const failure = new Error('failed');
    await expect(waitFor(runtime, Promise.reject(failure), options, 'testing')).rejects.toBe(failure);
    expect(runtime.timerCount + hooksOn(signal)).toBe(0);
  });

  it('ends with the time or the signal of the caller', async () => {
    const runtime = new ManualRuntime();
    const controller = new AbortController();
    const timed = waitFor(runtime, never(), { timeoutMs: 500, signal: controller.signal }, 'testing');
    const aborted = waitFor(runtime, never(), { timeoutMs: 900, signal: controller.signal }, 'testing');
    const ends = Promise.allSettled([timed, aborted]);
    await runtime.advance(500);
    controller.abort();
    expect(await ends).toMatchObject([{ reason: { code: 'timeout' } }, { reason: { code: 'aborted' } }]);
    expect(runtime.timerCount).toBe(0);
  });

  it('a signal that has fired ends it at once, and a later rejection is not left unhandled', async () => {
    const runtime = new ManualRuntime();
    let fail: (error: Error) => void = () => {};
    const promise = new Promise<string>((_resolve, reject) => {
      fail = reject;
    });
    const options = { signal: AbortSignal.abort(), timeoutMs: 500 };
    await expect(waitFor(runtime, promise, options, 'testing')).rejects.toMatchObject({ code: 'aborted' });
    expect(runtime.timerCount).toBe(0);
    const unhandled: unknown[] = [];
    const listen = (error: unknown) => unhandled.push(error);
    process.on('unhandledRejection', listen);
    fail(new Error('too late'));
    await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', listen);
    expect(unhandled).toEqual([]);
  });
});
