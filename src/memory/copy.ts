/**
 * Copies of what passes between the callers and the engine. Values are bytes that anyone could change; another
 * process would have bytes of its own, so callers of the memory store get that too.
 */
import type { Compare, KeyEvent, KeyValue, Op, OpReply, TxnRequest } from '../store/index.js';

export function copyRequest({ compare, success, failure }: TxnRequest): TxnRequest {
  return { compare: compare.map(copyCompare), success: success.map(copyOp), failure: failure.map(copyOp) };
}

export function copyReply(reply: OpReply): OpReply {
  switch (reply.type) {
    case 'range':
      return { ...reply, kvs: copyKvs(reply.kvs) };
    case 'put':
      return reply.prevKv ? { type: 'put', prevKv: copyKv(reply.prevKv) } : reply;
    case 'delete':
      return { ...reply, prevKvs: copyKvs(reply.prevKvs) };
    case 'txn':
      return { ...reply, replies: reply.replies.map(copyReply) };
  }
}

export function copyKvs(kvs: readonly KeyValue[]): readonly KeyValue[] {
  return kvs.map(copyKv);
}

export function copyEvent(event: KeyEvent): KeyEvent {
  const { type, kv, prevKv } = event;
  return prevKv ? { type, kv: copyKv(kv), prevKv: copyKv(prevKv) } : { type, kv: copyKv(kv) };
}

function copyKv(kv: KeyValue): KeyValue {
  return { ...kv, value: copyBytes(kv.value) };
}

function copyOp(op: Op): Op {
  if (op.type === 'put') return { ...op, value: copyBytes(op.value) };
  if (op.type === 'txn') return { type: 'txn', ...copyRequest(op) };
  return { ...op };
}

function copyCompare(compare: Compare): Compare {
  return compare.target === 'value' ? { ...compare, operand: copyBytes(compare.operand) } : { ...compare };
}

/** A plain Uint8Array of its own memory, whatever view it was given as. */
function copyBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}
