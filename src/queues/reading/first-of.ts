import type { KeyValue, OpReply } from '../../store/index.js';

/** What the reply to a read of one key shows; undefined if it is not there. */
export function firstOf(reply: OpReply | undefined): KeyValue | undefined {
  return reply?.type === 'range' ? reply.kvs[0] : undefined;
}
