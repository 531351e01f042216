/**
 * From etcd's wire messages to the store's vocabulary. Refuses what etcd's front door refuses, in the order in
 * which etcd looks, so that a request with two faults gets the same answer from both.
 */
import type {
  Compare,
  Comparison,
  DeleteOp,
  KeyRange,
  Op,
  PutOp,
  RangeOp,
  RangeRequest,
  SortOrder,
  TxnRequest,
} from '../store/index.js';
import { refusals, refuse, unimplemented } from './refusals.js';
import type {
  CompareMessage,
  DeleteRangeRequestMessage,
  Int64,
  PutRequestMessage,
  RangeRequestMessage,
  RequestOpMessage,
  TxnRequestMessage,
  WireRange,
} from './wire.js';

const comparisons: readonly (Comparison | undefined)[] = ['equal', 'greater', 'less', 'not-equal'];
const sortTargets: readonly (SortOrder['target'] | undefined)[] = [
  'key',
  'version',
  'create',
  'mod',
  'value',
];
const noBytes = new Uint8Array(0);

/** Bytes of a key as a string of one character a byte. */
export function keyFrom(bytes: Buffer | undefined): string {
  return bytes === undefined ? '' : bytes.toString('latin1');
}

/** A 64-bit integer as a decimal string. */
export function idFrom(value: Int64 | undefined): string {
  return value === undefined ? '0' : value.toString();
}

/** A whole number from 0; beyond 2^53 the highest safe one, which is as far above anything that exists. */
export function numberFrom(value: Int64 | undefined): number {
  return value === undefined ? 0 : Math.min(Math.max(0, value.toNumber()), Number.MAX_SAFE_INTEGER);
}

function isNegative(value: Int64 | undefined): boolean {
  return value !== undefined && value.high < 0;
}

export function rangeFrom(message: WireRange): KeyRange {
  const key = keyFrom(message.key);
  return message.range_end === undefined || message.range_end.length === 0
    ? { key }
    : { key, rangeEnd: keyFrom(message.range_end) };
}

/** A copy, since the message's bytes lie in a buffer of the transport that a stored value would keep alive. */
function valueFrom(bytes: Buffer | undefined): Uint8Array {
  return bytes === undefined || bytes.length === 0 ? noBytes : Buffer.from(bytes);
}

function sortFrom(message: RangeRequestMessage): SortOrder | undefined {
  const { sort_order: order = 0, sort_target: target = 0 } = message;
  const by = sortTargets[target];
  if (by === undefined) unimplemented(`sort target ${target} is not known`);
  if (order < 0 || order > 2) unimplemented(`sort order ${order} is not known`);
  if (order === 0 && by === 'key') return undefined;
  return { target: by, order: order === 2 ? 'descend' : 'ascend' };
}

export function rangeOpFrom(message: RangeRequestMessage): RangeOp {
  checkKey(message.key);
  const sort = sortFrom(message);
  return {
    type: 'range',
    ...rangeFrom(message),
    ...(sort && { sort }),
    ...(message.limit && { limit: numberFrom(message.limit) }),
    ...(message.revision && { revision: numberFrom(message.revision) }),
    ...(message.keys_only && { keysOnly: true }),
    ...(message.count_only && { countOnly: true }),
    ...(message.min_mod_revision && { minModRevision: numberFrom(message.min_mod_revision) }),
    ...(message.max_mod_revision && { maxModRevision: numberFrom(message.max_mod_revision) }),
    ...(message.min_create_revision && { minCreateRevision: numberFrom(message.min_create_revision) }),
    ...(message.max_create_revision && { maxCreateRevision: numberFrom(message.max_create_revision) }),
    // A maximum below 0 leaves nothing, as in etcd.
    ...((isNegative(message.max_mod_revision) || isNegative(message.max_create_revision)) && {
      minModRevision: Number.MAX_SAFE_INTEGER,
    }),
  };
}

export function rangeRequestFrom(message: RangeRequestMessage): RangeRequest {
  return rangeOpFrom(message);
}

export function putOpFrom(message: PutRequestMessage): PutOp {
  checkKey(message.key);
  const lease = idFrom(message.lease);
  if (message.ignore_value && message.value !== undefined && message.value.length > 0) {
    refuse(refusals.valueProvided);
  }
  if (message.ignore_lease && lease !== '0') refuse(refusals.leaseProvided);
  return {
    type: 'put',
    key: keyFrom(message.key),
    value: valueFrom(message.value),
    ...(lease !== '0' && { lease }),
    ...(message.prev_kv && { prevKv: true }),
    ...(message.ignore_value && { ignoreValue: true }),
    ...(message.ignore_lease && { ignoreLease: true }),
  };
}

export function deleteOpFrom(message: DeleteRangeRequestMessage): DeleteOp {
  checkKey(message.key);
  return { type: 'delete', ...rangeFrom(message), ...(message.prev_kv && { prevKv: true }) };
}

function compareFrom(message: CompareMessage): Compare {
  const { result: number = 0 } = message;
  const result = comparisons[number];
  if (result === undefined) unimplemented(`compare result ${number} is not known`);
  const range = rangeFrom(message);
  // An operand of another target than the one named counts as 0, as in etcd.
  switch (message.target ?? 0) {
    case 0:
      return { ...range, target: 'version', ...wholeOperand(result, message.version) };
    case 1:
      return { ...range, target: 'create', ...wholeOperand(result, message.create_revision) };
    case 2:
      return { ...range, target: 'mod', ...wholeOperand(result, message.mod_revision) };
    case 3:
      return { ...range, result, target: 'value', operand: valueFrom(message.value) };
    case 4:
      return { ...range, result, target: 'lease', operand: idFrom(message.lease) };
    default:
      return unimplemented(`compare target ${message.target} is not known`);
  }
}

/** Versions and revisions are whole numbers from 0, so an operand outside decides the compare by itself. */
function wholeOperand(
  result: Comparison,
  value: Int64 | undefined,
): { readonly result: Comparison; readonly operand: number } {
  const operand = value === undefined ? 0 : value.toNumber();
  if (operand >= 0 && operand <= Number.MAX_SAFE_INTEGER) return { result, operand };
  const holds = result === 'not-equal' || result === (operand < 0 ? 'greater' : 'less');
  return holds ? { result: 'not-equal', operand: Number.MAX_SAFE_INTEGER } : { result: 'less', operand: 0 };
}

/** `operationsLeft`: how many operations this level and those inside it may still add to the deepest path. */
export function txnFrom(message: TxnRequestMessage, operationsLeft: number): TxnRequest {
  const operations = Math.max(message.compare.length, message.success.length, message.failure.length);
  if (operations > operationsLeft) refuse(refusals.tooManyOperations);
  for (const compare of message.compare) checkKey(compare.key);
  const inside = operationsLeft - operations;
  return {
    success: message.success.map((op) => opFrom(op, inside)),
    failure: message.failure.map((op) => opFrom(op, inside)),
    compare: message.compare.map(compareFrom),
  };
}

function opFrom(message: RequestOpMessage, operationsLeft: number): Op {
  if (message.request_put !== undefined) return putOpFrom(message.request_put);
  if (message.request_range !== undefined) {
    const op = rangeOpFrom(message.request_range);
    // Alone, a negative revision means now; in a transaction etcd takes it for one long compacted.
    if (isNegative(message.request_range.revision)) refuse(refusals.compacted);
    return op;
  }
  if (message.request_delete_range !== undefined) return deleteOpFrom(message.request_delete_range);
  if (message.request_txn !== undefined) {
    return { type: 'txn', ...txnFrom(message.request_txn, operationsLeft) };
  }
  // etcd's answer to an operation that is none
  return refuse(refusals.keyNotFound);
}

function checkKey(key: Buffer | undefined): void {
  if (key === undefined || key.length === 0) refuse(refusals.emptyKey);
}
