import { describe, expect, it } from 'vitest';
import { asUnknown, type QuorateError } from '../../src/errors.js';
import { hooksOn } from '../../src/runtime/abort-hooks.js';
import { Patience, type WaitOptions } from '../../src/runtime/index.js';
import { ManualRuntime } from '../support/manual-runtime.js';

function begun(options: WaitOptions) {
  const runtime = new ManualRuntime();
  const told: QuorateError[] = [];
  const left: number[] = [];
  const patience = new Patience(runtime, options, 'testing', (error) => {
    told.push(error);
    // What is left behind as the caller is told.
    left.push(runtime.timerCount + (options.signal === undefined ? 0 : hooksOn(options.signal)));
  });
  return { runtime, patience, told, left };
}

describe('the patience of a caller', () => {
  it('runs out with its time, once, and takes its listener off', async () => {
    const controller = new AbortController();
    const { runtime, told, left } = begun({ timeoutMs: 500, signal: controller.signal });
    await runtime.advance(499);
    expect(told).toEqual([]);
    await runtime.advance(1);
    controller.abort();
    await runtime.advance(10_000);
    expect(told).toHaveLength(1);
    expect(told[0]).toMatchObject({
      code: 'timeout',
      outcome: 'not-applied',
      message: 'no result within 500 ms while testing',
    });
    expect(left).toEqual([0]);
  });

  it('runs out with its signal, once, and calls its timer off', async () => {
    const controller = new AbortController();
    const { runtime, told, left } = begun({ timeoutMs: 500, signal: controller.signal });
    expect(runtime.timerCount + hooksOn(controller.signal)).toBe(2);
    const reason = new Error('enough');
    controller.abort(reason);
    await runtime.advance(10_000);
    expect(told).toHaveLength(1);
    expect(told[0]).toMatchObject({
      code: 'aborted',
      outcome: 'not-applied',
      message: 'aborted while testing',
      cause: reason,
    });
    expect(left).toEqual([0]);
  });

  it('ended, says nothing, and leaves no timer and no listener', async () => {
    const controller = new AbortController();
    const { runtime, patience, told } = begun({ timeoutMs: 500, signal: controller.signal });
    patience.end();
    patience.end();
    expect(runtime.timerCount).toBe(0);
    expect(hooksOn(controller.signal)).toBe(0);
    controller.abort();
    await runtime.advance(10_000);
    expect(told).toEqual([]);
  });

  it('may be ended by who is told', async () => {
    const runtime = new ManualRuntime();
    const told: string[] = [];
    const patience: Patience = new Patience(runtime, { timeoutMs: 5 }, 'testing', ({ code }) => {
      patience.end();
      told.push(code);
    });
    await runtime.advance(5);
    expect(told).toEqual(['timeout']);
  });

  it.each([{}, { timeoutMs: Number.POSITIVE_INFINITY }])('without a limit sets no timer: %o', (options) => {
    const { runtime, patience } = begun(options);
    expect(runtime.timerCount).toBe(0);
    expect(() => patience.end()).not.toThrow();
  });

  it('does not notice a signal that fired before it began', async () => {
    const { runtime, told } = begun({ timeoutMs: 500, signal: AbortSignal.abort() });
    await runtime.advance(499);
    expect(told).toEqual([]);
    await runtime.advance(1);
    expect(told).toMatchObject([{ code: 'timeout' }]);
  });

  it('what it says becomes `unknown` for what may have been done, and says the same', async () => {
    const controller = new AbortController();
    const { told } = begun({ signal: controller.signal });
    controller.abort(new Error('enough'));
    const [error] = told as [QuorateError];
    const unknown = asUnknown(error);
    const { code, message, cause, details } = error;
    expect(unknown).toMatchObject({ code, message, cause, details, outcome: 'unknown' });
    expect(unknown.cause).toBe(controller.signal.reason);
    expect(asUnknown(unknown)).toBe(unknown);
  });
});
