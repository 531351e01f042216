import { randomFillSync } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import type { Runtime, Timer } from './runtime.js';

/** The longest delay that Node's timers accept; a longer one is cut and would fire at once. */
const longestDelayMs = 2 ** 31 - 1;

const idBytes = 8;

/** Ids from a pool that is refilled at a time: asking the system for eight bytes costs as much as for thousands. */
function idsFrom(pool: Buffer): () => string {
  let used = pool.length;
  return () => {
    if (used === pool.length) {
      randomFillSync(pool);
      used = 0;
    }
    used += idBytes;
    return pool.toString('hex', used - idBytes, used);
  };
}

/** The real clocks, timers and randomness of this process. */
export const systemRuntime: Runtime = Object.freeze({
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  setTimer(delayMs: number, callback: () => void, options: { background?: boolean } = {}): Timer {
    const handle = setTimeout(callback, Math.min(Math.max(0, delayMs), longestDelayMs));
    if (options.background) handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
  nextTurn: () => new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve))),
  random: () => Math.random(),
  newId: idsFrom(Buffer.alloc(4_096)),
});
