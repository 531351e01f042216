import { invalidArgument } from '../../errors.js';
import { checkWaitOptions, type WaitOptions } from '../../runtime/index.js';
import { checkMutexOptions, type MutexOptions } from '../mutex/mutex-options.js';
import { type OwnerOptions, ownerOf } from '../waiting/owner.js';

export interface ReadWriteLockOptions {
  /** Readers of this process that share one place. Default and most: 1,024. */
  sliceGrants?: number;
  /** Milliseconds during which readers of this process come to share one place. Default 20. */
  sliceMs?: number;
  /** After how many milliseconds an uncontended hold begins to be watched for deletion by somebody else. Default 250. */
  watchHoldAfterMs?: number;
}

/** How a caller waits for a read-write lock. */
export interface ReadWriteWaitOptions extends WaitOptions, OwnerOptions {}

export type ReadWriteSettings = Required<ReadWriteLockOptions>;

export function checkReadWriteOptions(options: ReadWriteLockOptions): ReadWriteSettings {
  if (typeof options !== 'object' || options === null) {
    throw invalidArgument(`options are of type ${typeof options}`, 'an object, or none');
  }
  const asked: MutexOptions = { sliceGrants: 1_024 };
  for (const name of ['sliceGrants', 'sliceMs', 'watchHoldAfterMs'] as const) {
    if (options[name] !== undefined) asked[name] = options[name];
  }
  const { sliceGrants, sliceMs, watchHoldAfterMs } = checkMutexOptions(asked);
  return { sliceGrants, sliceMs, watchHoldAfterMs };
}

export function checkReadWriteWait(options: ReadWriteWaitOptions, doing: string): void {
  checkWaitOptions(options, doing);
  ownerOf(options);
}
