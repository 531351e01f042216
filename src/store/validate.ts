/**
 * What etcd refuses about a transaction whatever the state: wrong operands, too many operations, keys that are
 * written twice, requests that are too large. The checks run in etcd's order, so that a request wrong in two
 * ways is refused for the same reason.
 */
import { invalidArgument, QuorateError, shown } from '../errors.js';
import { inRange } from './keys.js';
import type { WatchRequest } from './store.js';
import type { Compare, Comparison, Key, KeyRange, Op, RangeOp, TxnRequest } from './types.js';

/** Limits of an etcd server started with defaults. */
export interface TxnLimits {
  /** `--max-txn-ops`, counted along the deepest path: see {@link txnCost}. Default 128. */
  readonly maxTxnOps?: number;
  /** `--max-request-bytes`. Default 1.5 MiB. */
  readonly maxRequestBytes?: number;
}

export const defaultTxnLimits: Required<TxnLimits> = Object.freeze({
  maxTxnOps: 128,
  maxRequestBytes: 1.5 * 1024 * 1024,
});

/** Bytes of etcd's envelope around a request in its log, at most. */
const envelopeBytes = 64;

// biome-ignore lint/suspicious/noControlCharactersInRegex: the range is the definition of a byte
const beyondBytes = /[^\x00-\xff]/;
const decimal = /^-?\d+$/;
const comparisons: readonly Comparison[] = ['equal', 'not-equal', 'greater', 'less'];

/**
 * Throws what an etcd server refuses about the request without looking at its state: `invalid-argument` (empty
 * key, value with `ignoreValue`, lease with `ignoreLease`), `too-many-operations`, `duplicate-key`,
 * `request-too-large`.
 *
 * The duplicate check is etcd's, static and uneven: branches count together even where only one can be taken; a
 * delete refuses puts of its keys on its own level and in the nested transactions of that level and of later
 * siblings, but a put in an earlier sibling passes; and a delete up to the end of all keys refuses nothing.
 *
 * Returns the size of the request, as {@link sizeOf} does.
 */
export function validateTxn(request: TxnRequest, limits: TxnLimits = defaultTxnLimits): number {
  const maxTxnOps = limits.maxTxnOps ?? defaultTxnLimits.maxTxnOps;
  const maxRequestBytes = limits.maxRequestBytes ?? defaultTxnLimits.maxRequestBytes;
  checkLevel(request, maxTxnOps, maxTxnOps);
  checkDuplicates(request.success);
  checkDuplicates(request.failure);
  const bytes = sizeOf(request);
  if (bytes + envelopeBytes > maxRequestBytes) {
    throw new QuorateError('request-too-large', `the transaction takes ${bytes} bytes`, {
      details: { bytes, maxRequestBytes },
    });
  }
  return bytes;
}

/** Throws `invalid-argument` for an empty key, and for limits and revisions that are not whole numbers from 0. */
export function validateRange(range: Omit<RangeOp, 'type'>): void {
  checkKeys(range);
  checkWhole(range.limit, 'limit');
  checkWhole(range.revision, 'revision');
  checkWhole(range.minModRevision, 'minModRevision');
  checkWhole(range.maxModRevision, 'maxModRevision');
  checkWhole(range.minCreateRevision, 'minCreateRevision');
  checkWhole(range.maxCreateRevision, 'maxCreateRevision');
}

/** Throws `invalid-argument` for a range without keys. The empty key stands for the first of all. */
export function validateWatch(request: WatchRequest): void {
  const { key, rangeEnd = '', fromRevision } = request;
  checkBytes(request);
  if (rangeEnd !== '' && rangeEnd !== '\0' && rangeEnd <= key) {
    throw invalidArgument('the range to watch has no keys', 'a range end above the key');
  }
  checkWhole(fromRevision, 'fromRevision');
}

/** Throws `invalid-argument` for what no store takes for a compare. The types forbid most of it, to who has them. */
export function validateCompare(compare: Compare): void {
  const { key, rangeEnd, result, target, operand } = (compare ?? {}) as Readonly<
    Record<keyof Compare, unknown>
  >;
  for (const end of [key, rangeEnd ?? '']) {
    if (typeof end !== 'string')
      throw invalidArgument(`a key of a compare is ${shown(end)}`, 'a byte string');
  }
  if (!comparisons.includes(result as Comparison)) {
    throw invalidArgument(`the result of a compare is ${shown(result)}`, comparisons.join(', '));
  }
  switch (target) {
    case 'version':
    case 'create':
    case 'mod':
      if (operand === undefined) throw invalidArgument('a compare has no operand', 'a whole number from 0');
      break;
    case 'lease':
      if (typeof operand === 'string') break;
      throw invalidArgument(`the operand of a compare is ${shown(operand)}`, 'a lease id, as decimal text');
    case 'value':
      if (operand instanceof Uint8Array) break;
      throw invalidArgument(`the operand of a compare is ${shown(operand)}`, 'a Uint8Array');
    default:
      throw invalidArgument(
        `the target of a compare is ${shown(target)}`,
        'version, create, mod, lease, value',
      );
  }
  checkCompare(compare);
}

/** Operations along the deepest path, as etcd counts them: the longest list of each level, added up. */
export function txnCost(request: TxnRequest): number {
  return width(request) + Math.max(deepest(request.success), deepest(request.failure));
}

/** Bytes of the request as protobuf on the wire, rounded up where a field's size depends on etcd. */
export function sizeOf(request: TxnRequest): number {
  let bytes = 0;
  for (const compare of request.compare) bytes += bytesField(compareSize(compare));
  for (const op of request.success) bytes += bytesField(opSize(op));
  for (const op of request.failure) bytes += bytesField(opSize(op));
  return bytes;
}

function width(request: TxnRequest): number {
  return Math.max(request.compare.length, request.success.length, request.failure.length);
}

function deepest(ops: readonly Op[]): number {
  let cost = 0;
  for (const op of ops) if (op.type === 'txn') cost = Math.max(cost, txnCost(op));
  return cost;
}

function checkLevel(request: TxnRequest, allowance: number, maxTxnOps: number): void {
  checkLists(request);
  const operations = width(request);
  if (operations > allowance) {
    throw new QuorateError('too-many-operations', `more than ${maxTxnOps} operations along one path`, {
      details: { maxTxnOps },
    });
  }
  for (const compare of request.compare) checkCompare(compare);
  for (const op of request.success) checkOp(op, allowance - operations, maxTxnOps);
  for (const op of request.failure) checkOp(op, allowance - operations, maxTxnOps);
}

/** The types forbid it, to who has them. */
function checkLists(request: TxnRequest): void {
  for (const name of ['compare', 'success', 'failure'] as const) {
    const list: unknown = request[name];
    if (!Array.isArray(list)) throw invalidArgument(`${name} of a transaction is ${shown(list)}`, 'an array');
  }
}

function checkCompare(compare: Compare): void {
  checkKeys(compare);
  if (compare.target === 'lease') checkLease(compare.operand);
  else if (compare.target !== 'value') checkWhole(compare.operand, 'operand');
}

function checkOp(op: Op, allowance: number, maxTxnOps: number): void {
  if (op.type === 'txn') {
    checkLevel(op, allowance, maxTxnOps);
    return;
  }
  if (op.type === 'range') validateRange(op);
  else if (op.type === 'put' || op.type === 'delete') checkKeys(op);
  else throw invalidArgument(`an operation is ${shown(op)}`, 'what put, remove, get and nested make');
  if (op.type !== 'put') return;
  if (!ArrayBuffer.isView(op.value)) {
    throw invalidArgument(`the value of a put is ${shown(op.value)}`, 'a Uint8Array: see bytesOf');
  }
  if (op.ignoreValue && op.value.length > 0) {
    throw invalidArgument('ignoreValue with a value', 'an empty value');
  }
  const leased = op.lease !== undefined && op.lease !== '0';
  if (op.lease !== undefined && leased) checkLease(op.lease);
  if (op.ignoreLease && leased) throw invalidArgument('ignoreLease with a lease', 'no lease');
}

function checkKeys(range: KeyRange): void {
  if (range.key === '') throw invalidArgument('the key is empty', 'a key of at least one byte');
  checkBytes(range);
}

function checkBytes(range: KeyRange): void {
  if (typeof range.key !== 'string') throw invalidArgument(`a key is ${shown(range.key)}`, 'a byte string');
  if (beyondBytes.test(range.key) || (range.rangeEnd !== undefined && beyondBytes.test(range.rangeEnd))) {
    throw invalidArgument('a key has characters above U+00FF', 'a byte string: see keyOf');
  }
}

function checkWhole(value: number | undefined, name: string): void {
  if (value === undefined || (Number.isSafeInteger(value) && value >= 0)) return;
  throw invalidArgument(`${name} is ${value}`, 'a whole number from 0 to 2^53 - 1');
}

function checkLease(id: string): void {
  if (!decimal.test(id)) throw invalidArgument(`lease id ${JSON.stringify(id)}`, 'a decimal int64');
}

/** What a list of operations writes, its nested transactions included. */
interface Writes {
  readonly puts: Set<Key>;
  readonly deletedKeys: Set<Key>;
  readonly deletedRanges: KeyRange[];
}

function checkDuplicates(ops: readonly Op[]): void {
  let puts = 0;
  let others = 0;
  for (const op of ops) {
    if (op.type === 'put') puts += 1;
    else if (op.type !== 'range') others += 1;
  }
  if (others > 0 || puts > 1) collectWrites(ops);
}

function collectWrites(ops: readonly Op[]): Writes {
  const writes: Writes = { puts: new Set(), deletedKeys: new Set(), deletedRanges: [] };
  for (const op of ops) {
    if (op.type !== 'delete') continue;
    if (!op.rangeEnd) writes.deletedKeys.add(op.key);
    else if (op.rangeEnd !== '\0') writes.deletedRanges.push(op);
  }
  for (const op of ops) if (op.type === 'txn') addNested(writes, op);
  for (const op of ops) if (op.type === 'put') addPut(writes, op.key);
  return writes;
}

function addNested(writes: Writes, request: TxnRequest): void {
  const success = collectWrites(request.success);
  const failure = collectWrites(request.failure);
  for (const key of success.puts) addPut(writes, key);
  for (const key of failure.puts) {
    if (!success.puts.has(key)) addPut(writes, key);
  }
  for (const { deletedKeys, deletedRanges } of [success, failure]) {
    for (const key of deletedKeys) writes.deletedKeys.add(key);
    writes.deletedRanges.push(...deletedRanges);
  }
}

function addPut(writes: Writes, key: Key): void {
  if (
    writes.puts.has(key) ||
    writes.deletedKeys.has(key) ||
    writes.deletedRanges.some((range) => inRange(range, key))
  ) {
    throw new QuorateError('duplicate-key', `a transaction writes the key ${JSON.stringify(key)} twice`, {
      details: { key },
    });
  }
  writes.puts.add(key);
}

/** A protobuf field of this many bytes with its tag and length. */
function bytesField(length: number): number {
  return 1 + varint(length) + length;
}

function varint(value: number): number {
  if (value < 0) return 10;
  let bytes = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) bytes += 1;
  return bytes;
}

/** A lease id is a fixed upper bound: ids are nearly always that long. */
const leaseField = 11;

function rangeSize(range: KeyRange): number {
  return bytesField(range.key.length) + (range.rangeEnd ? bytesField(range.rangeEnd.length) : 0);
}

function numberField(value: number | undefined): number {
  return value ? 1 + varint(value) : 0;
}

function compareSize(compare: Compare): number {
  const operand =
    compare.target === 'value'
      ? bytesField(compare.operand.length)
      : compare.target === 'lease'
        ? leaseField
        : 1 + varint(compare.operand);
  // Result and target take two bytes each; the tag of the range end, field 64, takes a second byte.
  return 5 + rangeSize(compare) + operand;
}

function opSize(op: Op): number {
  switch (op.type) {
    case 'put':
      return bytesField(bytesField(op.key.length) + bytesField(op.value.length) + leaseField + 6);
    case 'delete':
      return bytesField(rangeSize(op) + 2);
    case 'range':
      return bytesField(
        rangeSize(op) +
          numberField(op.limit) +
          numberField(op.revision) +
          numberField(op.minModRevision) +
          numberField(op.maxModRevision) +
          numberField(op.minCreateRevision) +
          numberField(op.maxCreateRevision) +
          10,
      );
    case 'txn':
      return bytesField(sizeOf(op));
  }
}
