import { invalidArgument } from '../errors.js';
import { grantsPerRevision } from '../line/index.js';

export interface MutexOptions {
  /** Local grants before the lock is offered to other processes. Default 64. */
  sliceGrants?: number;
  /** Milliseconds before the lock is offered to other processes, tested between grants. Default 20. */
  sliceMs?: number;
  /**
   * The lock prefers throughput to fairness: as long as this process has callers, it passes the lock on among them, past
   * other processes that wait, for up to `bargingMs` and 1,024 grants. Default false.
   */
  barging?: boolean;
  /** How long `barging` may keep the lock from other processes, tested between grants. Default 1,000. */
  bargingMs?: number;
  /** After how many milliseconds an uncontended hold begins to be watched for deletion by somebody else. Default 250. */
  watchHoldAfterMs?: number;
}

export function checkMutexOptions(options: MutexOptions): Required<MutexOptions> {
  if (typeof options !== 'object' || options === null) {
    throw invalidArgument(`options are of type ${typeof options}`, 'an object, or none');
  }
  const { sliceGrants = 64, sliceMs = 20, watchHoldAfterMs = 250 } = options;
  const { barging = false, bargingMs = 1_000 } = options;
  if (!Number.isInteger(sliceGrants) || sliceGrants < 1 || sliceGrants > grantsPerRevision) {
    throw invalidArgument(
      `sliceGrants is ${String(sliceGrants)}`,
      `a whole number from 1 to ${grantsPerRevision}`,
    );
  }
  if (typeof barging !== 'boolean') throw invalidArgument(`barging is ${String(barging)}`, 'true or false');
  for (const [name, value] of Object.entries({ sliceMs, bargingMs, watchHoldAfterMs })) {
    if (!Number.isFinite(value) || value < 0) {
      throw invalidArgument(`${name} is ${String(value)}`, 'a number of milliseconds, 0 or more');
    }
  }
  return { sliceGrants, sliceMs, barging, bargingMs, watchHoldAfterMs };
}

/** How many grants, and for how long, before others get their turn. */
export function sliceOf(options: Required<MutexOptions>): { readonly grants: number; readonly ms: number } {
  const { barging, bargingMs, sliceGrants, sliceMs } = options;
  return barging ? { grants: grantsPerRevision, ms: bargingMs } : { grants: sliceGrants, ms: sliceMs };
}
