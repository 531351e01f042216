/**
 * What an acknowledgement carries beside the end of its job, and how its reply is read:
 *
 *     {IF user compares THEN {IF gates of the follow-ups THEN the end, follow-ups, user ops ELSE get h} ELSE user ops}
 *
 * The outer braces are there only with user operations, the inner ones only with follow-ups.
 */
import { QuorateError } from '../../errors.js';
import { nested, type Op, type OpReply, type TxnReply, type TxnRequest } from '../../store/index.js';
import type { ItemId } from '../keys.js';
import type { Admission, PreparedFollowUps } from '../producer/follow-up.js';
import type { Custody } from './parting-attempt.js';

/** What happens in the revision of an acknowledgement. */
export interface Acknowledgement {
  readonly user?: Partial<TxnRequest> | undefined;
  readonly followUps?: PreparedFollowUps | undefined;
  /** Encoded; kept if it was asked for. */
  readonly result?: Uint8Array | undefined;
}

export interface Acknowledged extends TxnReply {
  /** Of its follow-ups, in order. */
  readonly ids: readonly ItemId[];
}

type TxnPart = Extract<OpReply, { type: 'txn' }>;

interface Parts {
  readonly user: { succeeded: boolean; replies: readonly OpReply[] };
  readonly gate: TxnPart | undefined;
}

/** `success`: all that is to happen. */
export function acknowledging(
  success: readonly Op[],
  admission: Admission | undefined,
  user: Acknowledgement['user'],
): readonly Op[] {
  const admitted =
    admission === undefined
      ? success
      : [nested({ compare: admission.compare, success, failure: admission.failure })];
  return user === undefined ? admitted : [nested({ ...user, success: admitted })];
}

export function partsOf(reply: TxnReply, hasUser: boolean, hasGate: boolean): Parts {
  const user: TxnPart | TxnReply = hasUser ? partOf(reply.replies[0]) : reply;
  return { user, gate: hasGate && user.succeeded ? partOf(user.replies[0]) : undefined };
}

/** Undefined: refused by a gate. */
export function custodyAfter(parts: Parts): Custody | undefined {
  return parts.gate?.succeeded === false ? undefined : parts.user.succeeded ? 'acknowledged' : 'held';
}

/** What is told of a reply that no gate refused. */
export function answerOf(
  reply: TxnReply,
  admission: Admission | undefined,
  user: Acknowledgement['user'],
): Acknowledged {
  const { user: own, gate } = partsOf(reply, user !== undefined, admission !== undefined);
  const { replies } = gate ?? own;
  const ownFrom = own.succeeded ? replies.length - (user?.success?.length ?? 0) : 0;
  return {
    ...{ revision: reply.revision, succeeded: own.succeeded, replies: replies.slice(ownFrom) },
    ids: own.succeeded ? (admission?.ids ?? []) : [],
  };
}

export const withoutReplies = ({ revision }: TxnReply): Acknowledged => ({
  ...{ revision, succeeded: true, replies: [], ids: [] },
});

function partOf(reply: OpReply | undefined): TxnPart {
  if (reply?.type === 'txn') return reply;
  throw new QuorateError('internal', 'a reply of another form than its request');
}
