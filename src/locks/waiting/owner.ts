import { invalidArgument, shown } from '../../errors.js';
import type { WaitOptions } from '../../runtime/index.js';
import { checkName } from '../../store/index.js';

const defaultAfterMs = 1_000;

export interface OwnerOptions {
  /**
   * For whom the lock is taken: **one** line of execution, a request or a job for example, under the same name for all
   * locks that it takes, wherever it takes them. Such a caller has a place of its own in the line, that it shares with
   * nobody; and if owners come to wait for each other in a circle, the one whose wait closed it is refused with `deadlock`,
   * whose details name the `members`: release what is held, and try again. Two that wait at the same time
   * under one name count as one that waits for itself.
   */
  owner?: string | undefined;
  /** With an `owner`: after how many milliseconds of waiting it is first looked for a circle. Default 1,000; then about every 5 s. */
  deadlockAfterMs?: number | undefined;
}

/** How a caller waits for a mutex. */
export interface MutexWaitOptions extends WaitOptions, OwnerOptions {}

/** For whom a place stands. */
export interface Owner {
  readonly name: string;
  readonly deadlockAfterMs: number;
}

/** Errors: `invalid-argument`. */
export function ownerOf({ owner, deadlockAfterMs = defaultAfterMs }: OwnerOptions): Owner | undefined {
  if (owner !== undefined) checkName(owner, 'owner');
  if (!Number.isFinite(deadlockAfterMs) || deadlockAfterMs < 0) {
    throw invalidArgument(
      `deadlockAfterMs is ${shown(deadlockAfterMs)}`,
      'a number of milliseconds, 0 or more',
    );
  }
  return owner === undefined ? undefined : { name: owner, deadlockAfterMs };
}
