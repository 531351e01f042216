export { Backoff, type BackoffOptions } from './backoff.js';
export { ElapsedClock } from './elapsed.js';
export { invariant } from './invariant.js';
export { type LinkedSignal, linkedSignal } from './linked-signal.js';
export { Listeners } from './listeners.js';
export type { Runtime, Timer } from './runtime.js';
export { sharedController } from './shared-signal.js';
export { systemRuntime } from './system.js';
export { abortedError, checkWaitOptions, sleep, type WaitOptions, waitFor } from './wait.js';
