/** Requests and replies in the words of the timeline. */
import {
  type Compare,
  type KeyEvent,
  type KeyRange,
  type Op,
  type OpReply,
  type RangeResult,
  type TxnReply,
  type TxnRequest,
  textOfKey,
  type WatchItem,
} from '../../store/index.js';

const signs = { equal: '=', 'not-equal': '!=', greater: '>', less: '<' } as const;

export function describeRange({ key, rangeEnd }: KeyRange): string {
  return rangeEnd
    ? `[${textOfKey(key)}, ${rangeEnd === '\0' ? 'end' : textOfKey(rangeEnd)})`
    : textOfKey(key);
}

export function describeTxn({ compare, success, failure }: TxnRequest): string {
  const parts: string[] = [];
  if (compare.length > 0) parts.push(`IF ${compare.map(describeCompare).join(' & ')}`);
  if (success.length > 0) parts.push(`THEN ${success.map(describeOp).join(', ')}`);
  if (failure.length > 0) parts.push(`ELSE ${failure.map(describeOp).join(', ')}`);
  return parts.length > 0 ? parts.join(' ') : 'nothing';
}

export function describeReply({ revision, succeeded, replies }: TxnReply): string {
  return `${succeeded ? 'THEN' : 'ELSE'} at ${revision}${describeReplies(replies)}`;
}

export function describeResult({ revision, count }: RangeResult): string {
  return `${count} keys at ${revision}`;
}

export function describeItem(item: WatchItem): string {
  switch (item.type) {
    case 'opened':
      return `stands from ${item.revision}`;
    case 'events':
      return item.events.map(describeEvent).join(', ');
    case 'progress':
      return `is complete up to ${item.revision}`;
    case 'interrupted':
      return `is cut: ${item.error.message}`;
    case 'compacted':
      return `has a gap: compacted up to ${item.compactRevision}`;
  }
}

export function describeEvent({ type, kv }: KeyEvent): string {
  return `${type} ${textOfKey(kv.key)} at ${kv.modRevision}`;
}

function describeCompare(compare: Compare): string {
  const operand = typeof compare.operand === 'object' ? '…' : compare.operand;
  return `${compare.target}(${describeRange(compare)})${signs[compare.result]}${operand}`;
}

function describeOp(op: Op): string {
  switch (op.type) {
    case 'txn':
      return `{${describeTxn(op)}}`;
    case 'put':
      return `put ${textOfKey(op.key)}${op.lease === undefined ? '' : ' leased'}`;
    default:
      return `${op.type === 'range' ? 'get' : op.type} ${describeRange(op)}`;
  }
}

function describeReplies(replies: readonly OpReply[]): string {
  const told = replies.flatMap((reply) => {
    if (reply.type === 'txn')
      return [`{${reply.succeeded ? 'THEN' : 'ELSE'}${describeReplies(reply.replies)}}`];
    if (reply.type === 'range') return [`${reply.count} keys`];
    return reply.type === 'delete' ? [`${reply.deleted} deleted`] : [];
  });
  return told.length > 0 ? `: ${told.join(', ')}` : '';
}
