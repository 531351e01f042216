/**
 * Resolves once everything that only waits for its turn has run: promise reactions and `process.nextTick`, and what
 * those set off in turn. Timers and input of the event loop are not waited for.
 */
export function drained(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
