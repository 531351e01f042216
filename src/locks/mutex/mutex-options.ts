import { invalidArgument, shown } from '../../errors.js';
import { grantsPerRevision } from '../../line/index.js';

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
  /**
   * Lock-delay, for resources that cannot check tokens: how long in ms the lock stays taken after a holder that died or lost its
   * session, counted from the last moment at which it can have believed to hold it. Release and hand-off know no delay, nor
   * does the deletion of a place by hand. At most 3,600,000; default 0: none. The same in all processes of a lock: each
   * holder's own is what counts. Not for what a `MultiLock` holds, nor for a hold that comes back from a wait on a condition.
   *
   * A dead holder's lock is free 1.5 times the TTL and the delay after its last renewal at the latest; a guard of a hold
   * that was lost lives on as long. Costs a second lease for each session, and one request more where a holder had to wait.
   */
  lockDelayMs?: number;
}

const longestLockDelayMs = 3_600_000;

export function checkMutexOptions(options: MutexOptions): Required<MutexOptions> {
  if (typeof options !== 'object' || options === null) {
    throw invalidArgument(`options are of type ${typeof options}`, 'an object, or none');
  }
  const { sliceGrants = 64, sliceMs = 20, watchHoldAfterMs = 250 } = options;
  const { barging = false, bargingMs = 1_000, lockDelayMs = 0 } = options;
  if (!Number.isInteger(sliceGrants) || sliceGrants < 1 || sliceGrants > grantsPerRevision) {
    throw invalidArgument(
      `sliceGrants is ${shown(sliceGrants)}`,
      `a whole number from 1 to ${grantsPerRevision}`,
    );
  }
  if (typeof barging !== 'boolean') throw invalidArgument(`barging is ${shown(barging)}`, 'true or false');
  for (const [name, value] of Object.entries({ sliceMs, bargingMs, watchHoldAfterMs })) {
    if (!Number.isFinite(value) || value < 0) {
      throw invalidArgument(`${name} is ${shown(value)}`, 'a number of milliseconds, 0 or more');
    }
  }
  if (typeof lockDelayMs !== 'number' || !(lockDelayMs >= 0 && lockDelayMs <= longestLockDelayMs)) {
    throw invalidArgument(
      `lockDelayMs is ${shown(lockDelayMs)}`,
      `a number of milliseconds from 0 to ${longestLockDelayMs}`,
    );
  }
  return { sliceGrants, sliceMs, barging, bargingMs, watchHoldAfterMs, lockDelayMs };
}

/** How many grants, and for how long, before others get their turn. */
export function sliceOf(options: Required<MutexOptions>): { readonly grants: number; readonly ms: number } {
  const { barging, bargingMs, sliceGrants, sliceMs } = options;
  return barging ? { grants: grantsPerRevision, ms: bargingMs } : { grants: sliceGrants, ms: sliceMs };
}
