import { expect, test } from 'vitest';
import { defaultTimeoutMs, TimeLeft } from '../../src/runtime/index.js';
import { ManualRuntime } from '../support/manual-runtime.js';

const doing = 'testing';

test('each request is given what those before it have left', async () => {
  const runtime = new ManualRuntime();
  const left = new TimeLeft(runtime, { timeoutMs: 30_000 }, doing);
  await runtime.time.advance(12_000);
  expect(left.all()).toEqual({ timeoutMs: 18_000 });
  expect(left.forRequest()).toEqual({ timeoutMs: 18_000 });
  // A read that is stuck may be sent again.
  expect(left.forRead()).toEqual({ timeoutMs: defaultTimeoutMs });
  await runtime.time.advance(15_000);
  expect(left.forRead()).toEqual({ timeoutMs: 3_000 });
  expect(left.isOver).toBe(false);
});

test('says what was given as the limit once nothing is left', async () => {
  const runtime = new ManualRuntime();
  const left = new TimeLeft(runtime, { timeoutMs: 500 }, doing);
  await runtime.time.advance(500);
  expect(left.isOver).toBe(true);
  for (const part of [() => left.all(), () => left.forRequest(), () => left.forRead()]) {
    expect(part).toThrow(
      expect.objectContaining({ code: 'timeout', message: 'no result within 500 ms while testing' }),
    );
  }
});

test('leaves to the store how long a request takes where the caller sets no limit, but not what waits', () => {
  const left = new TimeLeft(new ManualRuntime(), {}, doing);
  expect(left.forRequest()).toEqual({ signal: undefined });
  expect(left.forRequest()).not.toHaveProperty('timeoutMs');
  expect(left.all()).toEqual({ timeoutMs: Number.POSITIVE_INFINITY });
  expect(left.forRead()).toEqual({ timeoutMs: defaultTimeoutMs });
  expect(left.isOver).toBe(false);
});

test('begins nothing for a caller that has given up', () => {
  const controller = new AbortController();
  const left = new TimeLeft(new ManualRuntime(), { signal: controller.signal }, doing);
  expect(left.all().signal).toBe(controller.signal);
  controller.abort();
  for (const part of [() => left.all(), () => left.forRequest(), () => left.forRead()]) {
    expect(part).toThrow(expect.objectContaining({ code: 'aborted' }));
  }
});

test('pauses no longer than there is time', async () => {
  const runtime = new ManualRuntime();
  const left = new TimeLeft(runtime, { timeoutMs: 100 }, doing);
  let isOver = false;
  const pause = left.pause(1_000).then(() => {
    isOver = true;
  });
  await runtime.time.advance(99);
  expect(isOver).toBe(false);
  await runtime.time.advance(1);
  await pause;
  expect(left.isOver).toBe(true);
});
