import { invalidArgument, shown } from '../../errors.js';
import { grantsPerRevision } from '../../line/index.js';
import { checkWaitOptions, type WaitOptions } from '../../runtime/index.js';
import { checkLimit } from './limit.js';
import { isWeight } from './weights.js';

/** One transaction takes all places that may wait, beside what else it does: etcd allows 128 operations. */
const mostWaitingPlaces = 100;

export interface SemaphoreOptions {
  /**
   * The limit that the semaphore is created with, by whoever comes first. It does not change that of one that is there:
   * `setLimit` does.
   */
  limit: number;
  /** Callers that one place serves, one after the other, before others have its permits. Default 64. */
  sliceGrants?: number;
  /** Milliseconds after which a place serves no further caller. Default 20. */
  sliceMs?: number;
  /** Places of this object that wait in the line at a time, at most. Default 64, and 100 at most. */
  waitingPlaces?: number;
  /** After how many milliseconds a hold that was had at once begins to be watched for deletion by somebody else. Default 250. */
  watchHoldAfterMs?: number;
}

export type CheckedOptions = Readonly<Required<SemaphoreOptions>>;

export interface AcquireOptions extends WaitOptions {
  /** Permits to hold, all at once or none. Default 1. */
  weight?: number;
  /** For whom, as `inspect` shows it. Such a caller has a place of its own that serves nobody else. */
  owner?: string;
}

export function checkSemaphoreOptions(options: SemaphoreOptions): CheckedOptions {
  if (typeof options !== 'object' || options === null) {
    throw invalidArgument(`options are of type ${typeof options}`, 'an object with limit');
  }
  const { sliceGrants = 64, sliceMs = 20, waitingPlaces = 64, watchHoldAfterMs = 250 } = options;
  const limit = checkLimit(options.limit);
  checkCount('sliceGrants', sliceGrants, grantsPerRevision);
  checkCount('waitingPlaces', waitingPlaces, mostWaitingPlaces);
  for (const [name, value] of Object.entries({ sliceMs, watchHoldAfterMs })) {
    if (!Number.isFinite(value) || value < 0) {
      throw invalidArgument(`${name} is ${shown(value)}`, 'a number of milliseconds, 0 or more');
    }
  }
  return { limit, sliceGrants, sliceMs, waitingPlaces, watchHoldAfterMs };
}

function checkCount(name: string, value: number, most: number): void {
  if (Number.isInteger(value) && value >= 1 && value <= most) return;
  throw invalidArgument(`${name} is ${shown(value)}`, `a whole number from 1 to ${most}`);
}

export function checkAcquireOptions(
  options: AcquireOptions,
  doing: string,
): { weight: number; owner?: string } {
  checkWaitOptions(options, doing);
  const { weight = 1, owner } = options;
  if (!isWeight(weight)) throw invalidArgument(`weight is ${shown(weight)}`, 'a whole number from 1 on');
  if (owner === undefined) return { weight };
  if (typeof owner !== 'string' || owner === '') {
    throw invalidArgument(`owner is ${JSON.stringify(owner)}`, 'a non-empty string, or none');
  }
  return { weight, owner };
}
