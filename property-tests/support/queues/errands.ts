/** What the queue's transactions are about, told from their keys: for counting what happened to which. */
import type { ItemId, QueueKeys } from '../../../src/queues/keys.js';
import { inRange, type TxnReply, type TxnRequest, textOf } from '../../../src/store/index.js';
import { plainOpsIn } from '../plain-ops.js';

export type Errand =
  | { readonly type: 'enqueue'; readonly first: ItemId }
  /** Of the dispatcher of this term. */
  | {
      readonly type: 'dispatch';
      readonly candidate: string;
      readonly term: number;
      readonly assigns: boolean;
      readonly takesBack: boolean;
      /** Where the gate is to go. */
      readonly gate: string | undefined;
    }
  | { readonly type: 'acknowledge'; readonly item: string };

/** One of the transactions in a request, and its part of the reply. */
export interface SentErrand {
  readonly errand: Errand;
  readonly request: TxnRequest;
  /** The same part of the reply to the whole; undefined if the request was refused as a whole. */
  readonly replyIn: (
    reply: TxnReply,
  ) => { readonly succeeded: boolean; readonly revision: number } | undefined;
}

/** Writes travel in groups, each nested in the request of a lane; one by itself stands beside what moves the lane. */
export function errandsOf(keys: QueueKeys, request: TxnRequest): readonly SentErrand[] {
  const alone = aloneIn(keys, request);
  if (alone !== undefined) return [alone];
  return request.success.flatMap((op, index) => {
    if (op.type !== 'txn') return [];
    const errand = errandOf(keys, op);
    if (errand === undefined) return [];
    const replyIn = (reply: TxnReply) => {
      const part = reply.succeeded ? reply.replies[index] : undefined;
      return part?.type === 'txn' ? { succeeded: part.succeeded, revision: reply.revision } : undefined;
    };
    return [{ errand, request: op, replyIn }];
  });
}

function aloneIn(keys: QueueKeys, { compare, success, failure }: TxnRequest): SentErrand | undefined {
  const isLane =
    compare[0]?.target === 'mod' && success[0]?.type === 'put' && compare[0].key === success[0].key;
  const isGroup = compare.length === 1 && success[1]?.type === 'txn';
  if (!isLane || isGroup) return undefined;
  const request = { compare: compare.slice(1), success: success.slice(1), failure: failure.slice(1) };
  const errand = errandOf(keys, request);
  if (errand === undefined) return undefined;
  // Where the lane stands elsewhere, this is no answer to the errand.
  const isAnswered = ({ succeeded, replies: [shown] }: TxnReply) =>
    succeeded || (shown?.type === 'range' && shown.kvs[0]?.modRevision === compare[0]?.operand);
  return {
    ...{ errand, request },
    replyIn: (reply) =>
      isAnswered(reply) ? { succeeded: reply.succeeded, revision: reply.revision } : undefined,
  };
}

/** A dispatcher's first look at everything but the items. */
export function isLoading(keys: QueueKeys, { success }: TxnRequest): boolean {
  return success.some((op) => op.type === 'range' && op.key === keys.records.key);
}

function errandOf(keys: QueueKeys, { compare, success }: TxnRequest): Errand | undefined {
  const puts = plainOpsIn(success).flatMap((op) => (op.type === 'put' ? [op] : []));
  const item = puts.find(({ key }) => inRange(keys.items, key));
  if (item !== undefined) return { type: 'enqueue', first: keys.nameIn(keys.items, item.key) };
  const [first] = compare;
  if (first?.target === 'create' && inRange(keys.candidates, first.key) && first.operand > 0) {
    const gate = puts.find(({ key }) => keys.levelOfGate(key) !== undefined);
    const assigns = puts.some(({ key }) => inRange(keys.records, key));
    const takesBack = puts.some(({ key }) => inRange(keys.generations, key));
    const isDispatch =
      assigns || takesBack || gate !== undefined || puts.some(({ key }) => key === keys.beat);
    if (!isDispatch) return undefined;
    const candidate = keys.nameIn(keys.candidates, first.key);
    return {
      ...{ type: 'dispatch', candidate, term: first.operand, assigns, takesBack },
      gate: gate && textOf(gate.value),
    };
  }
  const ended = plainOpsIn(success).find((op) => op.type === 'delete' && inRange(keys.items, op.key));
  return ended?.type === 'delete' ? { type: 'acknowledge', item: ended.key } : undefined;
}
