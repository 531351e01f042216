/** From the words of the store to the messages of etcd. */
import {
  CompareResult,
  CompareTarget,
  FilterType,
  type ICompare,
  type IRangeRequest,
  type IRequestOp,
  type ITxnRequest,
  type IWatchCreateRequest,
  SortOrder,
  SortTarget,
} from 'etcd3';
import { invalidArgument } from '../errors.js';
import type {
  Compare,
  Key,
  LeaseId,
  Op,
  RangeOp,
  RangeRequest,
  TxnRequest,
  WatchRequest,
} from '../store/index.js';

const beyondBytes = /[^\0-\xff]/;
const leasePattern = /^(?:0|-?[1-9]\d{0,18})$/;

export function keyBytes(key: Key): Buffer {
  if (typeof key !== 'string') throw invalidArgument(`a key of type ${typeof key}`, 'a byte string');
  if (beyondBytes.test(key)) {
    throw invalidArgument(
      `key ${JSON.stringify(key)} has characters above U+00FF`,
      'a byte string: see keyOf',
    );
  }
  return Buffer.from(key, 'latin1');
}

function valueBytes(value: Uint8Array): Buffer {
  if (Buffer.isBuffer(value)) return value;
  if (!(value instanceof Uint8Array))
    throw invalidArgument(`a value of type ${typeof value}`, 'a Uint8Array');
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}

export function leaseNumber(id: LeaseId): string {
  // Short ones, which are all that we choose ourselves, need no second look.
  if (typeof id === 'string' && leasePattern.test(id) && (id.length < 19 || isInt64(BigInt(id)))) return id;
  throw invalidArgument(`lease id ${String(id)}`, 'a decimal int64, as a string without leading zeros');
}

function isInt64(value: bigint): boolean {
  return BigInt.asIntN(64, value) === value;
}

/** Refuses a revision, limit or version that is not a whole number; etcd would round it, or take it for another. */
export function wholeNumber(value: number, name: string): number {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw invalidArgument(`${name} is ${String(value)}`, 'a whole number from 0 to 2^53 - 1');
  }
  return value;
}

const sortTargets = {
  key: SortTarget.Key,
  version: SortTarget.Version,
  create: SortTarget.Create,
  mod: SortTarget.Mod,
  value: SortTarget.Value,
} as const;

export function encodeRange(op: Omit<RangeOp, 'type'> | RangeRequest): IRangeRequest {
  const message: IRangeRequest = { key: keyBytes(op.key) };
  // An empty range end that is sent, and not left out, makes etcd 3.4 take all keys from `key` on.
  if (op.rangeEnd) message.range_end = keyBytes(op.rangeEnd);
  if (op.limit !== undefined) message.limit = wholeNumber(op.limit, 'limit');
  if (op.revision !== undefined) message.revision = wholeNumber(op.revision, 'revision');
  if (op.keysOnly) message.keys_only = true;
  if (op.countOnly) message.count_only = true;
  if (op.sort !== undefined) {
    message.sort_target = sortTargets[op.sort.target];
    message.sort_order = op.sort.order === 'descend' ? SortOrder.Descend : SortOrder.Ascend;
  }
  if (op.minModRevision !== undefined) {
    message.min_mod_revision = wholeNumber(op.minModRevision, 'minModRevision');
  }
  if (op.maxModRevision !== undefined) {
    message.max_mod_revision = wholeNumber(op.maxModRevision, 'maxModRevision');
  }
  if (op.minCreateRevision !== undefined) {
    message.min_create_revision = wholeNumber(op.minCreateRevision, 'minCreateRevision');
  }
  if (op.maxCreateRevision !== undefined) {
    message.max_create_revision = wholeNumber(op.maxCreateRevision, 'maxCreateRevision');
  }
  if ('serializable' in op && op.serializable) message.serializable = true;
  return message;
}

const compareResults = {
  equal: CompareResult.Equal,
  'not-equal': CompareResult.NotEqual,
  greater: CompareResult.Greater,
  less: CompareResult.Less,
} as const;

function encodeCompare(compare: Compare): ICompare {
  const message: ICompare = { key: keyBytes(compare.key), result: compareResults[compare.result] };
  if (message.result === undefined) {
    throw invalidArgument(`comparison ${String(compare.result)}`, 'equal, not-equal, greater, less');
  }
  if (compare.rangeEnd) message.range_end = keyBytes(compare.rangeEnd);
  switch (compare.target) {
    case 'version':
      message.target = CompareTarget.Version;
      message.version = wholeNumber(compare.operand, 'operand');
      return message;
    case 'create':
      message.target = CompareTarget.Create;
      message.create_revision = wholeNumber(compare.operand, 'operand');
      return message;
    case 'mod':
      message.target = CompareTarget.Mod;
      message.mod_revision = wholeNumber(compare.operand, 'operand');
      return message;
    case 'lease':
      message.target = CompareTarget.Lease;
      message.lease = leaseNumber(compare.operand);
      return message;
    case 'value':
      message.target = CompareTarget.Value;
      message.value = valueBytes(compare.operand);
      return message;
    default:
      throw invalidArgument(
        `compare target ${String((compare as { target?: unknown }).target)}`,
        'version, create, mod, lease, value',
      );
  }
}

function encodeOp(op: Op): IRequestOp {
  switch (op.type) {
    case 'range':
      return { request_range: encodeRange(op) };
    case 'put':
      return {
        request_put: {
          key: keyBytes(op.key),
          value: valueBytes(op.value),
          ...(op.lease === undefined ? {} : { lease: leaseNumber(op.lease) }),
          ...(op.prevKv ? { prev_kv: true } : {}),
          ...(op.ignoreValue ? { ignore_value: true } : {}),
          ...(op.ignoreLease ? { ignore_lease: true } : {}),
        },
      };
    case 'delete':
      return {
        request_delete_range: {
          key: keyBytes(op.key),
          ...(op.rangeEnd ? { range_end: keyBytes(op.rangeEnd) } : {}),
          ...(op.prevKv ? { prev_kv: true } : {}),
        },
      };
    case 'txn':
      return { request_txn: encodeTxn(op) };
    default:
      throw invalidArgument(
        `operation of type ${String((op as { type?: unknown }).type)}`,
        'range, put, delete, txn',
      );
  }
}

export function encodeTxn(request: TxnRequest): ITxnRequest {
  return {
    compare: request.compare.map(encodeCompare),
    success: request.success.map(encodeOp),
    failure: request.failure.map(encodeOp),
  };
}

export function encodeWatch(
  request: WatchRequest,
): Pick<IWatchCreateRequest, 'key' | 'range_end' | 'prev_kv' | 'filters' | 'progress_notify'> {
  const { rangeEnd } = request;
  if (rangeEnd !== undefined && rangeEnd !== '' && rangeEnd !== '\0' && rangeEnd <= request.key) {
    throw invalidArgument('a watch of an empty range', 'a rangeEnd above the key, or none');
  }
  if (request.fromRevision !== undefined) wholeNumber(request.fromRevision, 'fromRevision');
  if (request.resume !== undefined && request.resume !== 'revision' && request.resume !== 'now') {
    throw invalidArgument(`resume is ${String(request.resume)}`, 'revision, now');
  }
  const filters = (request.without ?? []).map((kind) => {
    if (kind === 'put') return FilterType.Noput;
    if (kind === 'delete') return FilterType.Nodelete;
    throw invalidArgument(`without ${String(kind)}`, 'put, delete');
  });
  return {
    key: keyBytes(request.key),
    ...(rangeEnd ? { range_end: keyBytes(rangeEnd) } : {}),
    ...(request.prevKv ? { prev_kv: true } : {}),
    ...(filters.length === 0 ? {} : { filters }),
    progress_notify: true,
  };
}
