export { offAbort, onAbort } from './abort-hooks.js';
export { AgeClock, type ClockReading, type Instant } from './age-clock.js';
export { Backoff, type BackoffOptions } from './backoff.js';
export { Deadlines, type Expiring } from './deadlines.js';
export { drained } from './drained.js';
export { ElapsedClock } from './elapsed.js';
export { invariant } from './invariant.js';
export { LazySignal } from './lazy-signal.js';
export { type LinkedSignal, linkedSignal } from './linked-signal.js';
export { Listeners, warnOfListener } from './listeners.js';
export { type ProgramRequest, type ProgramResult, type RunProgram, runProgram } from './program.js';
export { Reminder } from './reminder.js';
export type { Runtime, Timer } from './runtime.js';
export { sharedController } from './shared-signal.js';
export { stoppable } from './stoppable.js';
export { systemRuntime } from './system.js';
export { isThenable } from './thenable.js';
export { defaultTimeoutMs, TimeLeft } from './time-left.js';
export {
  abortedError,
  checkWaitOptions,
  checkWaitOptionsOr,
  sleep,
  type WaitOptions,
  waitFor,
} from './wait.js';
