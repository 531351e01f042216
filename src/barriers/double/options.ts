import { invalidArgument, shown } from '../../errors.js';
import type { WaitOptions } from '../../runtime/index.js';
import type { Compare } from '../../store/index.js';
import { type DeadMembers, deadMemberPolicies } from '../dead-members.js';

export interface DoubleBarrierOptions {
  /** How many members make a round: a whole number from 1 to 10,000. The same for all who use the barrier. */
  readonly size: number;
  /**
   * What becomes of the others when a member dies, or loses its session. The same for all who use the barrier.
   * - `'break'` (default): all of its round are told `barrier-broken`, who wait to enter and who wait to leave. A round is one that
   *   nobody died in, or nobody is told that it ended well.
   * - `'wait'`: who wait to enter wait for somebody else in its place; who wait to leave take it as having left.
   * - `'shrink'`: it counts as having come, and as having left: the others go on without it.
   */
  readonly deadMembers?: DeadMembers | undefined;
  /**
   * What becomes of this caller when the round is full already. `'refuse'` (default): `over-limit`. `'queue'`: it waits for the next
   * round, which those enter who have waited longest.
   */
  readonly whenFull?: 'refuse' | 'queue' | undefined;
}

export interface DoubleSettings {
  readonly size: number;
  readonly deadMembers: DeadMembers;
  readonly whenFull: 'refuse' | 'queue';
}

const mostMembers = 10_000;

export function checkDoubleOptions(options: DoubleBarrierOptions): DoubleSettings {
  if (typeof options !== 'object' || options === null) {
    throw invalidArgument(`options are of type ${typeof options}`, 'an object with size');
  }
  const { size, deadMembers = 'break', whenFull = 'refuse' } = options;
  if (!Number.isInteger(size) || size < 1 || size > mostMembers) {
    throw invalidArgument(`size is ${shown(size)}`, `a whole number from 1 to ${mostMembers}`);
  }
  if (!deadMemberPolicies.includes(deadMembers)) {
    throw invalidArgument(`deadMembers is ${shown(deadMembers)}`, deadMemberPolicies.join(', '));
  }
  if (whenFull !== 'refuse' && whenFull !== 'queue') {
    throw invalidArgument(`whenFull is ${shown(whenFull)}`, 'refuse or queue');
  }
  return { size, deadMembers, whenFull };
}

/** A member that has entered, until it leaves. */
export interface Stay extends AsyncDisposable {
  /** The round that it entered, from 1. */
  readonly round: number;
  /** True until it leaves, or its session is lost. Compares the clocks first. */
  readonly isInside: boolean;
  /** Fires with `session-lost` before the others can be told that it has died. */
  readonly signal: AbortSignal;
  /** Holds in the store while it is inside: a compare for a transaction. */
  guard(): Compare;
  /**
   * Leaves, and waits until all of the round have. Whatever it rejects with, save `invalid-argument`, it leaves; called again it
   * waits on.
   *
   * Errors: `barrier-broken` if a member of the round has died, with the policy `'break'`; `aborted` and `timeout` as asked for;
   * `session-lost`; `hold-lost` if somebody had deleted its key; `closed`, `permission-denied`, `unauthenticated`.
   * Cost: one request, and one for the last one; see {@link DoubleBarrier}.
   */
  leave(options?: WaitOptions): Promise<void>;
  /** Leaves, and waits for nobody. Resolves once it has certainly left. Never rejects. Idempotent. One request. */
  depart(): Promise<void>;
}

/** A double barrier as it was at one revision. */
export interface DoubleBarrierView {
  readonly revision: number;
  readonly round: number;
  /** `entering` until as many as it takes are there, `inside` until all have left, `broken` until all of its members have gone. */
  readonly phase: 'entering' | 'inside' | 'broken';
  /** The labels of those who are inside, or of a round that is broken and have not gone, the first to come first. */
  readonly inside: readonly string[];
  /** Of those who wait to enter. */
  readonly waiting: readonly string[];
}
