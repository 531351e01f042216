/** Short ways to write the parts of a transaction. Keys given as text are encoded as UTF-8, values too. */
import { invalidArgument, shown } from '../errors.js';
import { keyOf, prefixRange } from './keys.js';
import type {
  Compare,
  Comparison,
  DeleteOp,
  KeyRange,
  LeaseId,
  Op,
  PutOp,
  RangeOp,
  TxnOp,
  TxnRequest,
} from './types.js';

const encoder = new TextEncoder();

/** Bytes of a value given as text or bytes. */
export function bytesOf(value: string | Uint8Array): Uint8Array {
  if (typeof value === 'string') return encoder.encode(value);
  // Of whatever realm: a test environment may have a Uint8Array of its own.
  if (ArrayBuffer.isView(value)) return value;
  throw invalidArgument(`a value is ${shown(value)}`, 'a text or a Uint8Array');
}

/** The text of a value. */
export function textOf(value: Uint8Array): string {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('utf8');
}

/** Puts a value under a key. Throws `invalid-argument` for a key that is no text, and for a value that is neither text nor bytes. */
export function put(
  key: string,
  value: string | Uint8Array,
  options: Pick<PutOp, 'lease' | 'prevKv'> = {},
): PutOp {
  return { type: 'put', key: keyOf(key), value: bytesOf(value), ...options };
}

/** Reads one key. */
export function get(key: string, options: Omit<RangeOp, 'type' | 'key' | 'rangeEnd'> = {}): RangeOp {
  return { type: 'range', key: keyOf(key), ...options };
}

/** Reads all keys that begin so, in their order. */
export function getPrefix(prefix: string, options: Omit<RangeOp, 'type' | 'key' | 'rangeEnd'> = {}): RangeOp {
  return { type: 'range', ...prefixRange(keyOf(prefix)), ...options };
}

/** Deletes a key, if it is there. */
export function remove(key: string, options: Pick<DeleteOp, 'prevKv'> = {}): DeleteOp {
  return { type: 'delete', key: keyOf(key), ...options };
}

/** Deletes all keys that begin so. */
export function removePrefix(prefix: string, options: Pick<DeleteOp, 'prevKv'> = {}): DeleteOp {
  return { type: 'delete', ...prefixRange(keyOf(prefix)), ...options };
}

/** A transaction within one: all compares see the state before the whole request. */
export function nested(request: Partial<TxnRequest>): TxnOp {
  return { type: 'txn', ...txnOf(request) };
}

/** A whole transaction of the parts that are given. */
export function txnOf(request: Partial<TxnRequest>): TxnRequest {
  return { compare: request.compare ?? [], success: request.success ?? [], failure: request.failure ?? [] };
}

/** What a compare is about: a key as text, or a range of keys. */
export type CompareSubject = string | KeyRange;

/**
 * Written out, field by field: compares are made for every transaction, and spreading an object into one costs more than
 * all else that is done here.
 */
function compareOf(
  subject: CompareSubject,
  target: Compare['target'],
  result: Comparison,
  operand: Compare['operand'],
): Compare {
  if (typeof subject === 'string') return { key: keyOf(subject), target, result, operand } as Compare;
  const { key, rangeEnd } = subject;
  return rangeEnd === undefined
    ? ({ key, target, result, operand } as Compare)
    : ({ key, rangeEnd, target, result, operand } as Compare);
}

/** `compare.create('k', 'equal', 0)`: key `k` does not exist. */
export const compare = {
  create: (subject: CompareSubject, result: Comparison, operand: number): Compare =>
    compareOf(subject, 'create', result, operand),
  mod: (subject: CompareSubject, result: Comparison, operand: number): Compare =>
    compareOf(subject, 'mod', result, operand),
  version: (subject: CompareSubject, result: Comparison, operand: number): Compare =>
    compareOf(subject, 'version', result, operand),
  value: (subject: CompareSubject, result: Comparison, operand: string | Uint8Array): Compare =>
    compareOf(subject, 'value', result, bytesOf(operand)),
  lease: (subject: CompareSubject, result: Comparison, operand: LeaseId): Compare =>
    compareOf(subject, 'lease', result, operand),
} as const;

/** True if any branch of the request, at any depth, could write. */
export function writes(request: TxnRequest): boolean {
  return [...request.success, ...request.failure].some((op: Op) =>
    op.type === 'txn' ? writes(op) : op.type !== 'range',
  );
}
