import { QuorateError } from '../errors.js';
import type { PutOp, TxnReply } from '../store/index.js';

/** What became of a group. */
export type Verdict =
  /** Applied, and this is the reply to the outer transaction. */
  | { readonly type: 'replied'; readonly reply: TxnReply }
  /** The same of a member that was alone: its own reply. */
  | { readonly type: 'answered'; readonly reply: TxnReply }
  /** Applied at this revision by an attempt whose reply was lost. */
  | { readonly type: 'applied'; readonly revision: number; readonly lanePut: PutOp }
  /** Not applied, and nothing that was sent can be; the store was not reached, or the lane was gone. */
  | { readonly type: 'unreached'; readonly error: unknown }
  /** Not applied, and nothing that was sent can be; the store refuses the request as a whole. */
  | { readonly type: 'refused'; readonly error: QuorateError }
  /** The same, but what was refused was opening a lane: no fault of the group. */
  | { readonly type: 'no-lane'; readonly error: QuorateError }
  /** It will not be known whether it was applied. */
  | { readonly type: 'unknown'; readonly error: QuorateError };

/** Why a lane could not be opened. */
export type Shut = Extract<Verdict, { type: 'unreached' | 'no-lane' }>;

/** What can be found out about a request whose reply was lost. */
export type Fate = Exclude<Verdict, { type: 'replied' | 'answered' | 'refused' | 'no-lane' }>;

/** Not applied, and never will be. */
export function fencedOff(): Fate {
  return {
    type: 'unreached',
    error: new QuorateError('unavailable', 'the request was lost, and fenced off'),
  };
}

export function laneGone(): QuorateError {
  return new QuorateError('unavailable', 'the lane was gone; a new one is needed');
}

export function closedFate(undecided: boolean, cause: unknown): Fate {
  const outcome = undecided ? 'unknown' : 'not-applied';
  return {
    type: 'unknown',
    error: new QuorateError('closed', 'the store was closed while a transaction was being committed', {
      outcome,
      cause,
    }),
  };
}

export function unknownFate(fromRevision: number, compactRevision: number | undefined): Fate {
  return {
    type: 'unknown',
    error: new QuorateError(
      'compacted',
      'the reply was lost, and the history that would tell was compacted',
      {
        outcome: 'unknown',
        details: { fromRevision, compactRevision },
      },
    ),
  };
}
