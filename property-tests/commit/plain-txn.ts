import type { Op, TxnRequest } from '../../src/store/index.js';
import { bytesOf, textOf } from '../../src/store/index.js';

/** A transaction whose values are text, so that it can be stored as JSON. */
export type PlainTxn = unknown;

export function plainOf(request: TxnRequest): PlainTxn {
  return withValues(request, (value) => (value instanceof Uint8Array ? textOf(value) : value));
}

export function requestOf(plain: PlainTxn): TxnRequest {
  return withValues(plain as TxnRequest, (value) =>
    typeof value === 'string' ? bytesOf(value) : value,
  ) as TxnRequest;
}

/** The same with every value that is put, or compared as one, changed. */
function withValues(request: TxnRequest, change: (value: unknown) => unknown): unknown {
  const changed = (op: Op): unknown => {
    if (op.type === 'txn') return { type: 'txn', ...(withValues(op, change) as object) };
    return op.type === 'put' ? { ...op, value: change(op.value) } : op;
  };
  return {
    compare: request.compare.map((one) =>
      one.target === 'value' ? { ...one, operand: change(one.operand) } : one,
    ),
    success: request.success.map(changed),
    failure: request.failure.map(changed),
  };
}
