import { QuorateError } from '../errors.js';
import { invariant } from '../runtime/index.js';
import {
  bytesOf,
  type Compare,
  compare,
  type Key,
  type KeyValue,
  type LeaseId,
  type Op,
  type PutOp,
  type RangeOp,
  type TxnReply,
  type TxnRequest,
} from '../store/index.js';
import { mayWrite } from './footprint.js';

/** Where a lane stands. */
export interface Position {
  readonly key: Key;
  readonly lease: LeaseId;
  /** m: the lane's mod revision. */
  readonly revision: number;
}

/** The first write of every group. */
export function lanePut({ key, lease }: Position, sequence: string): PutOp {
  return { type: 'put', key, value: bytesOf(sequence), lease };
}

/** Moves the lane on to `sequence` and applies the members, or shows the lane if it stands elsewhere. */
export function groupRequest(
  position: Position,
  sequence: string,
  members: readonly TxnRequest[],
): TxnRequest {
  const success: Op[] = [lanePut(position, sequence)];
  for (const { compare: compares, success: then, failure } of members) {
    success.push({ type: 'txn', compare: compares, success: then, failure });
  }
  return { compare: [guardOf(position)], success, failure: [showing(position)] };
}

/** Moves the lane on and applies the member, or shows the lane and what the member reads if it is declined. */
export function soleRequest(position: Position, sequence: string, member: TxnRequest): TxnRequest {
  return {
    compare: [guardOf(position), ...member.compare],
    success: [lanePut(position, sequence), ...member.success],
    failure: [showing(position), ...member.failure],
  };
}

/** Whether a member that is alone can travel without an envelope of its own: where it is declined it must write nothing. */
export function isSole(members: readonly TxnRequest[]): members is readonly [TxnRequest] {
  return members.length === 1 && !mayWrite((members[0] as TxnRequest).failure);
}

/** The member's own part of the reply to {@link soleRequest}. */
export function soleReply({ revision, succeeded, replies }: TxnReply): TxnReply {
  return { revision, succeeded, replies: replies.slice(1) };
}

/** Ends the lane, which takes no space, or shows it if it stands elsewhere. */
export function deletingRequest(position: Position): TxnRequest {
  const { key } = position;
  return {
    compare: [guardOf(position)],
    success: [{ type: 'delete', key }],
    failure: [showing(position)],
  };
}

export function openingRequest(keys: readonly Key[], lease: LeaseId): TxnRequest {
  return {
    compare: keys.map((key) => compare.create({ key }, 'equal', 0)),
    success: keys.map((key) => ({ type: 'put', key, value: bytesOf('0'), lease })),
    failure: keys.map((key) => ({ type: 'range', key })),
  };
}

/** Where the lanes stand after a reply to {@link openingRequest}. */
export function openedPositions(keys: readonly Key[], lease: LeaseId, reply: TxnReply): Position[] {
  return keys.map((key, index) => {
    if (reply.succeeded) return { key, lease, revision: reply.revision };
    const shown = reply.replies[index];
    const kv = shown?.type === 'range' ? shown.kvs[0] : undefined;
    if (kv === undefined) throw new QuorateError('unavailable', 'a lane was deleted while it was opened');
    return { key, lease, revision: kv.modRevision };
  });
}

/** The lane that a refused guard showed; undefined if it is gone. */
export function shownLane(reply: TxnReply): KeyValue | undefined {
  const [shown] = reply.replies;
  return shown?.type === 'range' ? shown.kvs[0] : undefined;
}

function showing({ key }: Position): RangeOp {
  return { type: 'range', key };
}

function guardOf({ key, revision }: Position): Compare {
  invariant(revision > 0, 'a lane is never guarded by the revision of a missing key');
  return { key, target: 'mod', result: 'equal', operand: revision };
}
