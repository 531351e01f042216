/**
 * The transaction of a group of submissions, and what its reply means for each of them.
 *
 *     IF value(h) < smallest key of the group, for each level that it puts into, mod(h/ctl) = as read
 *     THEN put i/…, put i/…, {IF condition THEN put i/…, its operations ELSE its reads}, …
 *     ELSE get h
 *
 * One condition for the whole group: were it one for each item, a gate could pass an earlier item and let a later one in. A condition is
 * nested, so that its refusal concerns nobody else. All compares of a request are decided by the state before it: two items
 * with conditions about one key would both enter (or etcd would refuse the group, which writes the key twice). So only the
 * first of them is sent, and those behind it are answered by what became of it: they stand right behind it in the same revision.
 */
import {
  type Compare,
  compare,
  get,
  type Key,
  type LeaseId,
  nested,
  noLease,
  type Op,
  type OpReply,
  type TxnReply,
  type TxnRequest,
  txnOf,
} from '../../store/index.js';
import type { ItemId, LevelName, QueueKeys } from '../keys.js';
import type { QueueBound } from '../records/index.js';
import { putEntry } from '../timers/entry.js';
import type { Condition, Draft, Enqueued, Submission } from './submission.js';

/** Puts and conditions in one nested transaction, and nested transactions in one request: far below etcd's 128 on a path. */
const widestBlock = 60;
export const itemsPerGroup = 30 * widestBlock;

/** What was read before a group. */
export interface Reading {
  /** Its keys are made of it. */
  readonly revision: number;
  /** The revision that last wrote the control. */
  readonly control: number;
  readonly bound?: QueueBound | undefined;
}

export interface GroupRequest {
  readonly request: TxnRequest;
  /** Tells each submission what came of it, for a reply that succeeded. */
  readonly answer: (reply: TxnReply) => void;
}

type Result = Enqueued | undefined;
type ResultIn = (reply: TxnReply) => Result;

export function groupRequest(options: {
  keys: QueueKeys;
  submissions: readonly Submission[];
  reading: Reading;
  nextId: (level: LevelName) => ItemId;
  leaseFor: (keptMs: number) => LeaseId;
  /** What pays for it in a bounded queue. */
  spending?: { readonly compare: readonly Compare[]; readonly ops: readonly Op[] } | undefined;
}): GroupRequest {
  const { keys, submissions, reading, nextId, leaseFor, spending } = options;
  const blocks = new Blocks();
  const deciding = new Map<Key, ResultIn>();
  const smallest = new Map<LevelName, ItemId>();
  const idOf = ({ level = '' }: Draft) => {
    const id = nextId(level);
    if (!smallest.has(level)) smallest.set(level, id);
    return id;
  };
  const resultInOf = (draft: Draft, condition: Condition): ResultIn => {
    const before = deciding.get(condition.key);
    if (before !== undefined) return behind(condition, before);
    const id = idOf(draft);
    const lease = condition.keptMs === undefined ? noLease : leaseFor(condition.keptMs);
    const at = blocks.add(
      nested({
        compare: condition.compare,
        success: [putEntry(keys, id, draft), ...condition.success(id, lease)],
        failure: condition.failure,
      }),
    );
    const resultIn: ResultIn = (reply) => {
      const inner = blocks.replyAt(at, reply);
      if (inner?.type === 'txn' && !inner.succeeded) return condition.declined(inner.replies);
      return { id, revision: reply.revision, duplicate: false };
    };
    deciding.set(condition.key, resultIn);
    return resultIn;
  };
  const answers = submissions.map((submission) => {
    // Most items have no condition, and their ids say it all.
    const results = submission.drafts.map((draft) => {
      if (draft.condition !== undefined) return resultInOf(draft, draft.condition);
      const id = idOf(draft);
      blocks.add(putEntry(keys, id, draft));
      return id;
    });
    return (reply: TxnReply) =>
      submission.resolve(
        results.map((result) =>
          typeof result === 'string'
            ? { id: result, revision: reply.revision, duplicate: false }
            : result(reply),
        ),
      );
  });
  const request = txnOf({
    compare: [
      ...[...smallest].map(([level, id]) => compare.value(keys.gateOf(level), 'less', id)),
      compare.mod(keys.control, 'equal', reading.control),
      ...(spending?.compare ?? []),
    ],
    success: [...blocks.ops(), ...(spending?.ops ?? [])],
    failure: [get(keys.gate)],
  });
  const answer = (reply: TxnReply) => {
    for (const tell of answers) tell(reply);
  };
  return { request, answer };
}

/** What an item is told whose condition is about the same key as that of one before it in the request. */
function behind(condition: Condition, before: ResultIn): ResultIn {
  return (reply) => {
    const first = before(reply);
    if (first === undefined || first.duplicate) return first;
    return condition.declinedBehind(first.id, first.revision);
  };
}

/** Operations in order: on one level as long as they are few, else in nested transactions. */
class Blocks {
  readonly #ops: Op[] = [];

  /** Returns its place. */
  add(op: Op): number {
    return this.#ops.push(op) - 1;
  }

  /** What was answered to the operation at this place. */
  replyAt(at: number, { replies }: TxnReply): OpReply | undefined {
    if (this.#ops.length <= widestBlock) return replies[at];
    const block = replies[Math.floor(at / widestBlock)];
    return block?.type === 'txn' ? block.replies[at % widestBlock] : undefined;
  }

  ops(): readonly Op[] {
    if (this.#ops.length <= widestBlock) return this.#ops;
    const blocks: Op[] = [];
    for (let from = 0; from < this.#ops.length; from += widestBlock) {
      blocks.push(nested({ success: this.#ops.slice(from, from + widestBlock) }));
    }
    return blocks;
  }
}
