import { invalidArgument } from '../errors.js';
import { grantsPerRevision } from '../line/index.js';

export interface MutexOptions {
  /** Local grants before the lock is offered to other processes. Default 64. */
  sliceGrants?: number;
  /** Milliseconds before the lock is offered to other processes, tested between grants. Default 20. */
  sliceMs?: number;
  /** After how many milliseconds an uncontended hold begins to be watched for deletion by somebody else. Default 250. */
  watchHoldAfterMs?: number;
}

export function checkMutexOptions(options: MutexOptions): Required<MutexOptions> {
  const { sliceGrants = 64, sliceMs = 20, watchHoldAfterMs = 250 } = options;
  if (!Number.isInteger(sliceGrants) || sliceGrants < 1 || sliceGrants > grantsPerRevision) {
    throw invalidArgument(
      `sliceGrants is ${String(sliceGrants)}`,
      `a whole number from 1 to ${grantsPerRevision}`,
    );
  }
  for (const [name, value] of Object.entries({ sliceMs, watchHoldAfterMs })) {
    if (!Number.isFinite(value) || value < 0) {
      throw invalidArgument(`${name} is ${String(value)}`, 'a number of milliseconds, 0 or more');
    }
  }
  return { sliceGrants, sliceMs, watchHoldAfterMs };
}
