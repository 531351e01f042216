import type { Op } from '../../src/store/index.js';

export type PlainOp = Exclude<Op, { type: 'txn' }>;

/** What a request does if all its conditions hold, those of what is nested in it too. */
export function plainOpsIn(ops: readonly Op[]): readonly PlainOp[] {
  return ops.flatMap((op) => (op.type === 'txn' ? plainOpsIn(op.success) : [op]));
}
