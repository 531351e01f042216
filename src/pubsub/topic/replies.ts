import type { KeyValue, OpReply } from '../../store/index.js';

/** The keys that a read of a transaction found. */
export function keysIn(reply: OpReply | undefined): readonly KeyValue[] {
  return reply?.type === 'range' ? reply.kvs : [];
}

export function keyIn(reply: OpReply | undefined): KeyValue | undefined {
  return keysIn(reply)[0];
}
