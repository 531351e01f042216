/** What a session knows of its lease, and the only way in which that changes. */

/** Why a session that is still held is in doubt. Later ones weigh more. */
export type SuspectReason =
  /** A keep-alive was due and has not been acknowledged in time. */
  | 'renewal-overdue'
  /** A keep-alive failed: cut, refused, timed out. */
  | 'renewal-failed'
  /** The process or its timers stood still past the deadline; being decided right now. */
  | 'stalled';

export type LostReason =
  /** No keep-alive was acknowledged in time: the server may be about to expire the lease. */
  | 'deadline'
  /** The server said that the lease is not there: expired, or revoked by somebody. */
  | 'lease-gone'
  /** The session's anchor key was deleted, so the store refuses whatever this session guards. */
  | 'anchor-gone'
  /** It was closed here. */
  | 'closed';

export type SessionState =
  | { readonly status: 'healthy' }
  /** Holds still stand. `since`: ms since the epoch; `cause`: what the last failed keep-alive said. */
  | {
      readonly status: 'suspect';
      readonly reason: SuspectReason;
      readonly since: number;
      readonly cause?: unknown;
    }
  /** Every hold is over, for good. `since`: ms since the epoch. */
  | { readonly status: 'lost'; readonly reason: LostReason; readonly since: number };

export type SessionEvent =
  | { readonly type: 'renewed' }
  | { readonly type: 'doubted'; readonly reason: SuspectReason; readonly cause?: unknown }
  | { readonly type: 'ended'; readonly reason: LostReason };

export const healthy: SessionState = Object.freeze({ status: 'healthy' });

const weight: Readonly<Record<SuspectReason, number>> = {
  'renewal-overdue': 0,
  'renewal-failed': 1,
  stalled: 2,
};

/**
 * The state after `event`; the very same object if it changes nothing. Lost is final. A doubt only grows until a
 * renewal ends it, so that a cut of many failing keep-alives is one change and not a flood of them.
 */
export function transition(state: SessionState, event: SessionEvent, wallMs: number): SessionState {
  if (state.status === 'lost') return state;
  switch (event.type) {
    case 'renewed':
      return healthy;
    case 'doubted': {
      if (state.status === 'suspect' && weight[event.reason] <= weight[state.reason]) return state;
      const since = state.status === 'suspect' ? state.since : wallMs;
      const cause = event.cause === undefined ? {} : { cause: event.cause };
      return { status: 'suspect', reason: event.reason, since, ...cause };
    }
    case 'ended':
      return { status: 'lost', reason: event.reason, since: wallMs };
  }
}
