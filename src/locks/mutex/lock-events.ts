import type { QuorateError } from '../../errors.js';
import type { SuspectReason } from '../../session/index.js';

/** What becomes of the callers of one lock object, as it happens. For logs and metrics; nothing depends on it. */
export type LockEvent =
  /**
   * This process stands in line: so many places are before its own. Told again when it is known that there are fewer: at once
   * between two, and where more contend, who are told of nothing but their turn, at a look, about once a TTL.
   */
  | { readonly type: 'queued'; readonly ahead: number }
  /** A caller has the lock. */
  | { readonly type: 'acquired'; readonly token: number }
  /** It has it still, but its session is in doubt, and is lost in so many milliseconds unless a renewal succeeds. */
  | {
      readonly type: 'at-risk';
      readonly token: number;
      readonly reason: SuspectReason;
      readonly remainingMs: number;
    }
  /** It has lost it: its signal has fired. */
  | { readonly type: 'lost'; readonly token: number; readonly error: QuorateError }
  /** It has released it. */
  | { readonly type: 'released'; readonly token: number }
  /** It has handed it to somebody who waited. */
  | { readonly type: 'handed-off'; readonly token: number };

/** Why callers of a lock object wait, as far as this process knows without asking. */
export type WaitReason =
  /** Nobody waits. */
  | 'nobody-waits'
  /** There is no session yet, or none any more: the store may be away. */
  | 'opening-session'
  /** The place in the line is being taken; if this lasts, the store is away. */
  | 'joining'
  /** Others are before this process. */
  | 'behind-others'
  /** A caller of this process has the lock, and the others wait for it. */
  | 'held-here'
  /** The lock goes on to the next, in this process or in another. */
  | 'passing-on'
  /** The last attempt failed, for the reason in `error`; another follows. */
  | 'retrying';

/** What this process knows of a lock without asking the store. */
export interface LockStatus {
  readonly reason: WaitReason;
  /** Callers of this object that wait. */
  readonly callers: number;
  /** Places before that of this process, if it stands in line, as many as were told of last. */
  readonly ahead?: number;
  /** The token of the caller that has the lock. */
  readonly token?: number;
  readonly error?: unknown;
}
