/**
 * What one transaction may take, and what goes into it that callers choose: who, why and under which id. These are bounded, so that
 * it can be told of what is only begun, a proposal or a rollout, whether it can be finished.
 */
import { commitLimits } from '../../commit/index.js';
import { invalidArgument, isQuorateError, QuorateError } from '../../errors.js';
import { type Op, sizeOf, type TxnRequest, txnCost, validateTxn } from '../../store/index.js';

/** Bytes as JSON has them, without the quotes. */
export const longest = { author: 256, changeId: 128, reason: 1_024 } as const;

/** Approvals that are written down with a change, and as many as a policy may ask for. */
export const mostApprovals = 16;

/** Bytes that an operation takes beside its size, generously. */
const besideBytes = 128;

/** Refuses with `invalid-argument` a text that is longer than those are for which room is kept. */
export function checkLength(text: string, what: keyof typeof longest): void {
  const bytes = Buffer.byteLength(JSON.stringify(text)) - 2;
  if (bytes <= longest[what]) return;
  throw invalidArgument(`the ${what} takes ${bytes} bytes`, `at most ${longest[what]} bytes of JSON text`);
}

/** Throws `request-too-large` or `too-many-operations` where this could not be sent; `doing` and `instead` are for the message. */
export function assertFits(request: TxnRequest, doing: string, instead: string): void {
  try {
    validateTxn(request, commitLimits);
  } catch (error) {
    const { maxTxnOps, maxRequestBytes } = commitLimits;
    if (isQuorateError(error, 'too-many-operations')) {
      const operations = txnCost(request);
      const message = `${doing} would take ${operations} operations in one transaction; accepted: up to ${maxTxnOps}: ${instead}`;
      throw new QuorateError(error.code, message, { cause: error, details: { operations, maxTxnOps } });
    }
    if (!isQuorateError(error, 'request-too-large')) throw error;
    const bytes = sizeOf(request);
    const message = `${doing} would take ${bytes} bytes in one transaction; accepted: up to ${maxRequestBytes}: ${instead}`;
    throw new QuorateError(error.code, message, { cause: error, details: { bytes, maxRequestBytes } });
  }
}

/** The request with as many of these operations too as it has room for. */
export function withRoomFor(request: TxnRequest, more: readonly Op[]): TxnRequest {
  const success = [...request.success];
  let bytes = sizeOf(request) + besideBytes;
  for (const op of more) {
    bytes += sizeOf({ compare: [], success: [op], failure: [] });
    if (success.length >= commitLimits.maxTxnOps || bytes > commitLimits.maxRequestBytes) break;
    success.push(op);
  }
  return { ...request, success };
}
