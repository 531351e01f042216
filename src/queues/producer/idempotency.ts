/**
 * One item for each idempotency key and window.
 *
 * Key: `U/<key>`: the id of the item, on a lease that lasts as long as the window, shared with others of the same time.
 * Transaction, within the group that the item travels in: `{IF create(U/<key>) = 0 THEN put i/<id>, put U/<key> := <id> ELSE get
 * U/<key>}`. So the key is there exactly if its item was put, in the same revision, and whoever comes later finds it.
 *
 * - *Reply lost*: the lane finds out whether the group was applied, and from the state before it whether the key was there.
 * - *The caller gave up, or its process died*: a call made anew with the same key puts the item if the first never arrived, or
 *   is told its id.
 * - *This process pauses* between the grant and the commit: the window counts from the call. If it is over by then the lease is
 *   gone, and so is the permission to write: the group is refused and sent anew on another lease.
 * - *The window is over*: the key goes with its lease, by etcd's clock, and the next call puts another item. A new leader of the
 *   cluster begins all leases anew, which makes windows longer and never shorter.
 * - *History compacted*: only the lane looks back, see there.
 */
import { invalidArgument, QuorateError, shown } from '../../errors.js';
import { compare, type Key, type KeyValue, type OpReply, textOf } from '../../store/index.js';
import type { QueueKeys } from '../keys.js';
import { firstOf } from '../reading/first-of.js';
import type { Condition, Enqueued } from './submission.js';

const shortestWindowMs = 1_000;
/** A year. */
const longestWindowMs = 365 * 24 * 3_600_000;

export function checkWindow(windowMs: unknown): void {
  if (typeof windowMs === 'number' && windowMs >= shortestWindowMs && windowMs <= longestWindowMs) return;
  throw invalidArgument(
    `idempotencyWindowMs is ${shown(windowMs)}`,
    `a number of milliseconds from ${shortestWindowMs} to ${longestWindowMs}, or none`,
  );
}

export function onceWithin(windowMs: number, keys: QueueKeys, idempotencyKey: string): Condition {
  const key: Key = keys.used(idempotencyKey);
  return {
    key,
    compare: [compare.create({ key }, 'equal', 0)],
    success: (id, lease) => [{ type: 'put', key, value: Buffer.from(id), lease }],
    keptMs: windowMs,
    failure: [{ type: 'range', key }],
    declined: ([reply]) => duplicateOf(foundIn(reply)),
    declinedBehind: (id, revision) => ({ id, revision, duplicate: true }),
  };
}

/** The key and its item were created by one transaction. */
function duplicateOf({ value, createRevision }: KeyValue): Enqueued {
  return { id: textOf(value), revision: createRevision, duplicate: true };
}

function foundIn(reply: OpReply | undefined): KeyValue {
  const found = firstOf(reply);
  if (found === undefined)
    throw new QuorateError('internal', 'an idempotency key refused an item, and is not there');
  return found;
}
