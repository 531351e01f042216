import { type Runtime, systemRuntime } from '../../src/runtime/index.js';

/** A runtime whose clocks and timers run so many times faster, for tests of code that waits and tries again. */
export function fastRuntime(factor: number): Runtime {
  return {
    ...systemRuntime,
    monotonicMs: () => systemRuntime.monotonicMs() * factor,
    wallMs: () => systemRuntime.wallMs() * factor,
    setTimer: (delayMs, callback, options) => systemRuntime.setTimer(delayMs / factor, callback, options),
  };
}
