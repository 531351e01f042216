import type { Runtime } from './runtime.js';
import { waitFor } from './wait.js';
import type { WaitOptions } from './wait-options.js';

/**
 * What the attempt comes to, or `aborted` or `timeout`. The attempt is told by its signal that it was given up; what it
 * still comes to then is undone in the background.
 */
export async function orGiveUp<T>(
  runtime: Runtime,
  attempt: (givenUp: AbortSignal) => Promise<T>,
  undo: (value: T) => void,
  options: WaitOptions,
  doing: string,
): Promise<T> {
  const controller = new AbortController();
  const result = attempt(controller.signal);
  try {
    return await waitFor(runtime, result, options, doing);
  } catch (error) {
    controller.abort(error);
    result.then(undo, () => {});
    throw error;
  }
}
